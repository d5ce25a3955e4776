"""schedules.toml: checked, listed, and run by cron and systemd as it says."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.scheduling.cron import parse_cron
from imgcrawl.scheduling.schedules import Schedule
from imgcrawl.scheduling.timers import crontab, systemd_units
from tests.conftest import HASTE, ROOT, Out, scrapy, until

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess

NIGHTLY = """
[[schedule]]
name = "isic-nightly"
spider = "isic"
when = "30 2 * * *"
arguments = { filter = "benign", num_images = 5, license = ["CC-0", "CC-BY"], out = "data/isic" }
settings = { HTTPCACHE_ENABLED = false }
"""


def schedules(path: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text, "utf-8")
    return scrapy("schedules", *options, path, env={**os.environ, "TZ": "UTC"})


def nightly(**given: Any) -> Schedule:
    fields: dict[str, Any] = {
        "name": "nightly",
        "spider": "isic",
        "when": parse_cron("30 2 * * *"),
        "out": "/x",
        "arguments": {},
        "settings": {},
    }
    return Schedule(**fields | given)


def test_what_runs_when_is_listed(tmp_path: Path) -> None:
    said = schedules(tmp_path / "s.toml", NIGHTLY, "--days", "3")
    assert said.returncode == 0, said.stderr
    command = "scrapy crawl isic -a filter=benign -a num_images=5 -a license=CC-0,CC-BY"
    assert command in said.stdout
    assert f"into {ROOT / 'data/isic'}" in said.stdout
    assert "UTC+0000" in said.stdout
    runs = [line for line in said.stdout.splitlines() if line.endswith("02:30  isic-nightly")]
    assert len(runs) == 3
    assert said.stderr == ""


def test_an_object_store_is_no_folder(tmp_path: Path) -> None:
    said = schedules(tmp_path / "s.toml", NIGHTLY.replace("data/isic", "s3://bucket/isic"))
    assert said.returncode == 0, said.stderr
    assert "  into s3://bucket/isic\n" in said.stdout


def test_the_file_of_the_project_is_right() -> None:
    said = scrapy("schedules")
    assert said.returncode == 0, said.stderr
    assert "isic-nightly" in said.stdout


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = """
    [[schedule]]
    name = "one"
    spider = "isik"
    when = "30 2 * * *"
    [[schedule]]
    name = "two"
    spider = "isic"
    when = "30 25 * * *"
    [[schedule]]
    name = "three"
    spider = "isic"
    when = "@daily"
    arguments = { fliter = "benign" }
    [[schedule]]
    name = "../four"
    spider = "isic"
    when = "@daily"
    [[schedule]]
    name = "five"
    spider = "isic"
    wen = "@daily"
    [[schedule]]
    name = "six"
    spider = "isic"
    when = "@daily"
    arguments = { out = "a\\nb" }
    [[schedule]]
    name = "seven"
    spider = "isic"
    when = "@daily"
    [[schedule]]
    name = "seven"
    spider = "isic"
    when = "@daily"
    [[schedule]]
    name = "eight"
    spider = "isic"
    when = 5
    """
    said = schedules(tmp_path / "s.toml", text, "--crontab")
    assert said.returncode == 2
    assert said.stdout == ""
    for words in (
        "'one': there is no spider 'isik': did you mean 'isic'?",
        "'two': hour: '25' is not 0 to 23",
        "did you mean 'filter'?",
        "'../four': name: small letters",
        "'five': there is no key 'wen': did you mean 'when'?",
        "'six': out has a line break",
        "'seven' is there twice",
        "'eight': when must be a text",
    ):
        assert words in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("text", ["[[schedule]", "schedule = 5", "[schedule]\nname = 'x'", "\0"])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    said = schedules(tmp_path / "s.toml", text)
    assert said.returncode == 2
    assert "Traceback" not in said.stderr


def test_two_that_would_be_in_each_others_way_are_told(tmp_path: Path) -> None:
    weekly = """
    [[schedule]]
    name = "isic-weekly"
    spider = "isic"
    when = "30 2 * * sun"
    arguments = { retry = "all", out = "./data/isic" }
    """
    said = schedules(tmp_path / "s.toml", NIGHTLY + weekly)
    assert said.returncode == 0
    assert "isic-nightly and isic-weekly start in the same minute" in said.stderr


def crontab_command(text: str) -> str:
    """The command of the one line, as cron hands it to the shell."""
    [line] = [line for line in text.splitlines() if line and not line.startswith("#")]
    return line.split(None, 5)[5].replace(r"\%", "%")


def test_a_sample_is_verified_after_each_run() -> None:
    some = nightly(out="/data/a b", verify_sample=50)
    [line] = crontab([some], ROOT).splitlines()[1:-1]
    assert line.endswith(
        f"; {sys.executable} -m scrapy verify '/data/a b' --sample 50 >>data/logs/nightly.log 2>&1"
    )
    service = systemd_units([some], ROOT)["imgcrawl-nightly.service"]
    assert f'ExecStopPost=-{sys.executable} -m scrapy verify "/data/a b" --sample 50' in service
    assert "verify" not in crontab([nightly()], ROOT)


@pytest.mark.slow
def test_a_line_of_the_crontab_runs_and_reports(tmp_path: Path, replica: ReplicaProcess) -> None:
    out = tmp_path / "100% of 'it'"
    pairs = [*replica.settings()[1::2], *(f"{name}={value}" for name, value in HASTE.items())]
    schedule = nightly(
        out=str(out),
        arguments={"num_images": "5", "out": str(out)},
        settings=dict(pair.split("=", 1) for pair in pairs),
    )
    project = tmp_path / "pro ject"
    project.mkdir()
    for name in ("imgcrawl", "spiders", "pipelines", "scrapy.cfg"):
        (project / name).symlink_to(ROOT / name)
    text = crontab([schedule], project)
    assert r"100\% of" in text
    run = ["/bin/sh", "-c", crontab_command(text)]
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}  # as cron's
    assert subprocess.run(run, env=env, cwd="/", timeout=60, check=False).returncode == 0
    assert len(Out(out).rows()) == 5
    log = (project / "data/logs/nightly.log").read_text()
    assert "5 stored" in log
    assert "isic ended with exit status 0: all stored" in log

    # One that starts while the last still runs is refused, and says so where one looks.
    command = [*schedule.command(), "-a", "num_images=200", "-s", "DOWNLOAD_DELAY=0.2"]
    with subprocess.Popen(
        command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        until((out / ".lock").exists)
        second = subprocess.run(run, env=env, cwd="/", timeout=60, check=False)
        first.terminate()
    assert first.returncode == 143
    assert second.returncode == 1
    log = (project / "data/logs/nightly.log").read_text()
    assert f"is in use by another run (process {first.pid})" in log


WORDS = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), WORDS, max_size=3), WORDS)
@settings(max_examples=200, deadline=None)
def test_any_words_reach_the_crawl_as_they_are(arguments: dict[str, str], folder: str) -> None:
    schedule = nightly(arguments=arguments)
    project = Path("/" + folder)
    command = crontab_command(crontab([schedule], project))
    words = shlex.split(command)
    assert words[1] == str(project)
    assert words[words.index("-m") - 1 : -2] == schedule.command()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    both = (
        NIGHTLY
        + """
    [[schedule]]
    name = "odd"
    spider = "isic"
    when = "15 3 13 * fri"
    arguments = { out = 'data/100% of $HOME "and" a\\b', query = "age_approx:[20 TO 40]" }
    """
    )
    units = tmp_path / "units"
    units.mkdir()
    (units / "imgcrawl-gone.timer").touch()
    said = schedules(tmp_path / "s.toml", both, "--systemd", str(units))
    assert said.returncode == 0, said.stderr
    assert "imgcrawl-gone.timer is scheduled no longer" in said.stdout
    assert "enable --now imgcrawl-isic-nightly.timer imgcrawl-odd.timer" in said.stdout
    (units / "imgcrawl-gone.timer").unlink()
    made = sorted(map(str, units.iterdir()))
    assert len(made) == 4
    checked = subprocess.run(
        ["systemd-analyze", "verify", *made],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "imgcrawl" not in checked.stderr, checked.stderr
    odd = (units / "imgcrawl-odd.service").read_text()
    assert r'"out=data/100%% of $$HOME \"and\" a\\b"' in odd
    timer = (units / "imgcrawl-odd.timer").read_text()
    assert timer.count("OnCalendar=") == 2
    assert "Persistent=true" in timer


def test_names_of_units_are_those_of_schedules() -> None:
    assert set(systemd_units([nightly(name="n-1")], Path("/p"))) == {
        "imgcrawl-n-1.service",
        "imgcrawl-n-1.timer",
    }
