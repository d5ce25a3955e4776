"""Every command of README and docs/ does what it is there for, against the replicas.

All commands are parsed, and the arguments of all crawls are validated. Of the commands that ask for
the same spider with the same arguments, the first ones are run as they stand, in a shell.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from scrapy.settings import Settings
from scrapy.spiderloader import get_spider_loader
from scrapy.utils.misc import load_object

from imgcrawl.arguments import parse_arguments
from tests.conftest import ROOT, Out, scrapy
from tests.docs import world
from tests.docs.blocks import OTHER, SHELL, TypedCommand, blocks, commands, scrapy_commands

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from replicas.process import ReplicaProcess

FIBSEM = "janelia-cosem-datasets/jrc_mus-nacc-2/jrc_mus-nacc-2.zarr/recon-2/em/fibsem-int16"

# Addresses that stand for the reader's own, and what the replica has in their place.
STAND_INS = {
    "https://example.org/data/": "{replica}/ebi/empiar/world_availability/11759/data/",
    "https://example.org/gallery": "{replica}/js/delay",
    "https://example.org/stacks": "{replica}/js/more",
    "https://example.org/feed": "{replica}/js/scroll",
    "https://example.org/stack.tif": "{replica}/js/files/more_00.tif",
    "https://example.org/volume.zarr": f"{{replica}}/s3/{FIBSEM}",
    "-a dataset=5 -a server=https://omero.example.org/": "-a dataset=71 -a server={replica}/omero/",
    "10.5281/zenodo.1234567": "10.5281/zenodo.100001",
    "https://zenodo.org/records/1234567": "https://zenodo.org/records/100001",
    "https://osf.io/abcde/": "https://osf.io/smal1/",
    "https://idr.openmicroscopy.org/webclient/": "{replica}/idr/webclient/",
    "box=0:1um,2um:4um,2um:4um": "box=0:50nm,0.1um:0.2um,0.1um:0.2um",  # its volumes are small
    "https://tinyurl.com/hemibrain-ng": "{replica}/ng/short",
    "'/scan_\\d+/'": "'/scroll_\\d+/'",
    "button.more": "button",
}

# What a command is given besides, so that it ends in seconds.
CAPS = {
    ("crawl", "isic"): "-a num_images=4",
    ("crawl", "imagenet"): "-a n=1",
    ("crawl", "static_page"): "-a max_files=2",
    ("crawl", "record"): "-a max_files=1",
    ("crawl", "dynamic_page"): "-a max_files=2",
    ("crawl", "empiar"): "-a max_files=2",
    ("crawl", "neuroglancer"): "-a size=16",
    ("shards", "urls"): "-n 1 --workers 1",
    ("crawlall",): "--only epfl",
}
WITHOUT_CAP = {"-a ids_file=", "-a wnids=ilsvrc2012", " && scrapy "}

# What a command needs to be there.
BEFORE = {
    **{
        f"scrapy {command}": "scrapy crawl isic -a num_images=40"
        for command in (
            "split data/isic --group patient_id,lesion_id --stratify diagnosis_1",
            "lock data/isic",
            "report data/isic",
        )
    },
    "scrapy restore data/isic/dataset.lock.json -a out=data/again": (
        "scrapy crawl isic -a num_images=4 && scrapy lock data/isic"
    ),
    "scrapy export data/isic --to webdataset --dest shards --split splits.csv": (
        "scrapy crawl isic -a num_images=20 && scrapy split data/isic"
    ),
    "scrapy diff data/isic data/again": (
        "scrapy crawl isic -a num_images=4 && scrapy crawl isic -a num_images=3 -a out=data/again"
    ),
    "scrapy rebuild data/isic": "scrapy crawl isic",
    **{
        f"scrapy verify data/isic{option}": "scrapy crawl isic"
        for option in ("", " --quick", " --sha256sums", " --repair")
    },
    "scrapy clean data/isic --dry-run": "scrapy crawl isic -a num_images=4",
    "scrapy clean data": "scrapy crawl isic -a num_images=4",
    "scrapy verify data/isic --sample 1000": "scrapy crawl isic -a num_images=4",
    "scrapy linkrot data/imaterialist-train": "scrapy crawl imaterialist -a train=train.json",
    "scrapy describe data/empiar/files": "scrapy crawl empiar -a entry=11759 -a match='*.dm3'",
    "scrapy recrop data/neuroglancer/cubes/NAME.ome.zarr.crop.json": (
        "scrapy crawl neuroglancer -a url=https://tinyurl.com/hemibrain-ng"
    ),
}

# Commands that are parsed only, and why.
PARSED_ONLY = {
    r"(s3|gs)://bucket/": "needs an account: test_crawl_out.py has emulators",
    r"genspider|butterflies": "writes into spiders/: test_genspider.py crawls what it wrote",
    r"--(test-)?alerts": "tells people: test_alerts.py has a webhook, a mail server and a command",
    r"/var/lib/node_exporter": "another user's folder: test_metrics.py has one of its own",
    r"^scrapy serve": "serves until it is stopped: test_gallery.py stops it",
    r"--scheduler (tcp|tls):": "needs a cluster: test_cluster.py starts one",
    r"^scrapy replica": "serves until it is stopped: it is what all tests here run against",
    r"ilsvrc2012": "a thousand classes: test_crawl_imagenet.py has a hundred",
}

# Commands that are not scrapy's.
OTHER_COMMANDS = {
    r"make [a-z-]+": "its targets are looked for in the Makefile",
    r"source \.venv/bin/activate": "of Python's own venv",
    r"\.venv/bin/pytest .*": "the paths in it are looked for",
    r"\.venv/bin/pip install --require-hashes -r (requirements/\S+)": "the file is looked for",
    r"\.venv/bin/lint-imports": "a part of make lint",
    r"curl .* https?://api\.isic-archive\.com/.*": "asks the real archive",
    r"(SCRAPYD_PASSWORD=\S+ )?docker compose .*": "test_container.py checks what it is given",
    r"(openssl req |export DASK_).*": "test_cluster.py makes its keys so",
    r"dask (scheduler|worker) .*": "test_cluster.py starts the same",
    r"(export SCRAPYD|scrapyd-client |api\(\) |api ).*": (
        "needs a Scrapyd: test_scrapyd.py asks the same of one"
    ),
    r"(cd OUT/PATH && )?find \. .*": "test_digests_of_folders_can_be_computed_again",
}


def chosen() -> list[TypedCommand]:
    """The commands that are run: each gives a spider or a command something new."""
    seen: dict[tuple[str, ...], set[str]] = {}
    found = []
    for command in sorted(scrapy_commands(), key=lambda each: -len(each.options())):
        new = command.options() - seen.get(command.kind, set())
        if reason_not_to_run(command) is None and (new or command.kind not in seen):
            seen.setdefault(command.kind, set()).update(command.options())
            found.append(command)
    return found


def reason_not_to_run(command: TypedCommand) -> str | None:
    return next((why for p, why in PARSED_ONLY.items() if re.search(p, command.text)), None)


def test_every_block_has_a_language_that_is_known() -> None:
    found = list(blocks())
    assert {block.language for block in found} <= SHELL | OTHER
    assert len([block for block in found if block.language in SHELL]) > 30


@pytest.mark.parametrize("command", [c for c in commands() if not c.words()], ids=str)
def test_other_commands_are_known(command: TypedCommand) -> None:
    text = re.sub(r"\"(https?://)", r"\1", command.text)
    assert any(re.fullmatch(pattern, text) for pattern in OTHER_COMMANDS), "say how it is tested"
    if found := re.fullmatch(r"make ([a-z-]+)", command.text):
        assert re.search(rf"(?m)^{found[1]}:", (ROOT / "Makefile").read_text("utf-8"))
    for path in re.findall(r" ((?:tests|requirements)/\S+)", command.text):
        assert (ROOT / path).exists()


def test_tests_that_run_the_others_are_there() -> None:
    reasons = " ".join([*PARSED_ONLY.values(), *OTHER_COMMANDS.values()])
    named = set(re.findall(r"test_\w+\.py", reasons))
    assert named
    assert named <= {path.name for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, _replica: ReplicaProcess) -> Path:
    """What the arguments name is there, and nothing is run."""
    root = tmp_path_factory.mktemp("docs")
    world.build(root, _replica)
    return root


def test_arguments_of_all_crawls_are_valid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    loader = get_spider_loader(_settings())
    for command in scrapy_commands():
        if command.kind[0] in {"crawl", "shards"} and command.kind[1] != "butterflies":
            given = command.arguments()
            if given.get("list", "").startswith("/nfs/"):
                given["list"] = "urls.csv"
            parse_arguments(loader.load(command.kind[1]), given)


def test_options_of_all_commands_are_known() -> None:
    for command in scrapy_commands():
        parser = argparse.ArgumentParser(str(command), conflict_handler="resolve")
        made = load_object(f"imgcrawl.commands.{command.kind[0]}.Command")()
        made.settings = _settings()
        made.add_options(parser)
        _, rest = parser.parse_known_args(command.words()[1:])
        assert not [word for word in rest if word.startswith("-")]


def _settings() -> Settings:
    settings = Settings()
    settings.setmodule("imgcrawl.settings", priority="project")
    return settings


@pytest.mark.parametrize(
    ("page", "command"),
    [
        ("docs/plans.md", ["crawlall", "--list"]),
        ("docs/unattended.md", ["schedules"]),
        ("docs/operating.md", ["schedules"]),
    ],
)
def test_examples_in_toml_are_accepted(page: str, command: list[str], tmp_path: Path) -> None:
    (block,) = [each for each in blocks() if (each.page, each.language) == (page, "toml")]
    file = tmp_path / "example.toml"
    file.write_text(block.body)
    ended = scrapy(*command, file)
    assert ended.returncode == 0, ended.stderr


def _marked(command: TypedCommand) -> ParameterSet:
    marks = () if command.page == "README.md" else pytest.mark.slow
    return pytest.param(command, marks=marks, id=str(command))


@pytest.mark.parametrize("command", [_marked(command) for command in chosen()])
def test_command_runs(command: TypedCommand, tmp_path: Path, replica: ReplicaProcess) -> None:
    env = world.build(tmp_path, replica)
    if before := BEFORE.get(command.text.removeprefix(".venv/bin/")):
        _run(TypedCommand(command.page, before), tmp_path, env, replica)
    if command.kind == ("recrop",):
        world.copy_crop(tmp_path / "data")
    ended = _run(command, tmp_path, env, replica)
    if command.kind[0] == "crawl" and command.arguments().get("dry_run") != "1":
        (table,) = (tmp_path / "data").glob(f"{command.kind[1]}*/metadata.csv")  # of lists, by name
        assert table.stat().st_size > 200, ended


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beginning", "crawl"),
    [
        (
            "cd OUT/PATH && find .",
            "scrapy crawl zarr -a url=s3://janelia-cosem-datasets/jrc_mus-nacc-2/jrc_mus-nacc-2.zarr"
            " -a path=recon-2/em/fibsem-int16 -a level=s3",
        ),
        ("find .", "scrapy crawl neuroglancer -a url=https://tinyurl.com/hemibrain-ng"),
    ],
)
def test_digests_of_folders_can_be_computed_again(
    beginning: str, crawl: str, tmp_path: Path, replica: ReplicaProcess
) -> None:
    env = world.build(tmp_path, replica)
    command = TypedCommand("", crawl)
    _run(command, tmp_path, env, replica)
    out = Out(tmp_path / "data" / command.kind[1])
    row = out.rows()[0]
    (text,) = [each.text for each in commands() if each.text.startswith(beginning)]
    typed = text.replace("OUT/PATH", str(out.root / row["file_name"]))
    told = subprocess.run(
        ["bash", "-c", typed],
        cwd=out.root / row["file_name"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split()[0] == row["sha256"]


def _run(command: TypedCommand, root: Path, env: dict[str, str], replica: ReplicaProcess) -> str:
    """Type a command in a shell; what it printed. Fails unless the records were found."""
    text = command.text
    for address, stand_in in STAND_INS.items():
        text = text.replace(address, stand_in.format(replica=replica.url))
    if not any(words in text for words in WITHOUT_CAP):
        text += f" {CAPS.get(command.kind, '')}"
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode in {0, 3}, f"{text}\n{ended.stdout}"
    return ended.stdout
