"""Plans: what is read, and what is refused before anything starts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scrapy.settings import Settings
from scrapy.spiderloader import get_spider_loader

from imgcrawl.plans.entries import MAX_BYTES, as_typed
from imgcrawl.plans.file import MAX_CRAWLS, read_plan
from imgcrawl.records.errors import ArgumentError
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.plans.file import CrawlPlan

SPIDERS = get_spider_loader(Settings({"SPIDER_MODULES": ["spiders"]}))
GOOD = '[[crawl]]\nspider = "empiar"\narguments = {entry = 11759}\n'


def read(folder: Path, text: str | bytes) -> CrawlPlan:
    path = folder / "plan.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return read_plan(path, SPIDERS)


def test_a_plan_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = read(
        tmp_path,
        """
        out = "there"
        jobs = 3
        [settings]
        WAYBACK = true
        LOG_LEVEL = "DEBUG"
        [[crawl]]
        spider = "omero"
        group = "ftp.ebi.ac.uk"
        arguments = {image = [1, 2], dry_run = false, license = ["CC-BY", "CC0"]}
        settings = {LOG_LEVEL = "INFO", DOWNLOAD_SLOTS = {"a.example" = {delay = 0.5}}}
        [[crawl]]
        name = "fish"
        spider = "empiar"
        arguments = {entry = 11759, out = "elsewhere"}
        """,
    )
    assert (plan.out, plan.jobs) == (tmp_path / "there", 3)
    omero, fish = plan.crawls
    assert (omero.name, omero.spider, omero.group) == ("omero", "omero", "ftp.ebi.ac.uk")
    assert omero.arguments == {"image": "1,2", "dry_run": "no", "license": "CC-BY,CC0"}
    assert omero.settings["WAYBACK"] == "1"
    assert omero.settings["LOG_LEVEL"] == "INFO"
    assert omero.settings["DOWNLOAD_SLOTS"] == '{"a.example": {"delay": 0.5}}'
    assert omero.out == tmp_path / "there" / "omero"
    assert (fish.name, fish.group) == ("fish", "empiar")
    assert fish.arguments == {"entry": "11759"}
    assert fish.settings["LOG_LEVEL"] == "DEBUG"
    assert fish.out == tmp_path / "elsewhere"


def test_a_plan_goes_where_its_file_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(tmp_path, GOOD).out == tmp_path / "data" / "plan"


def test_another_name_is_the_same_crawl_other_arguments_are_not(tmp_path: Path) -> None:
    def fingerprint(text: str) -> str:
        return read(tmp_path, text).crawls[0].fingerprint

    first = fingerprint(GOOD)
    assert fingerprint(GOOD + 'name = "other"') == first
    assert fingerprint(GOOD.replace("11759", "11760")) != first
    assert fingerprint(GOOD + "[crawl.settings]\nPHASH = true") != first


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        (True, "yes"),
        (3, "3"),
        (0.5, "0.5"),
        ("a,b", "a,b"),
        ([1, 2], "1,2"),
        (["a", "b,c"], 'a,"b,c"'),
        ([True, "x"], "yes,x"),
        ([], ""),
    ],
)
def test_values_become_what_one_would_type(value: Any, typed: str) -> None:
    assert as_typed("name", value) == typed


@pytest.mark.parametrize("value", [{"a": 1}, ["a", ["b"]], [{}], "a\0b", ['say "a"'], None])
def test_what_cannot_be_typed_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^name: "):
        as_typed("name", value)


WRONG = [
    ("", "crawl is missing: write [[crawl]] tables"),
    ("crawl = []", "crawl: "),
    ("crawl = 1", "crawl: "),
    ("out = [", "is not TOML"),
    (b"\xff\xfe", "is not UTF-8"),
    ("a = " + "[" * 50_000, "plan.toml"),
    ("#" * (MAX_BYTES + 1), "is longer than"),
    ("job = 2\n" + GOOD, "no key 'job': did you mean 'jobs'?"),
    ("jobs = 0\n" + GOOD, "jobs: "),
    ('jobs = "2"\n' + GOOD, "jobs: "),
    ("jobs = true\n" + GOOD, "jobs: "),
    ('out = "a\\u0000b"\n' + GOOD, "cannot be used"),
    (GOOD * (MAX_CRAWLS + 1), "crawl: "),
    ('[[crawl]]\nname = "x"', 'crawl 1: spider is missing: write spider = "..."'),
    (GOOD + 'entry = "1"', "below [crawl.arguments]"),
    ('[[crawl]]\nspider = "empair"', "no spider 'empair': did you mean 'empiar'?"),
    ('[[crawl]]\nspider = "../empiar"', "no spider '../empiar'"),
    ('[[crawl]]\nspider = "empiar"', "crawl 1 ('empiar'): entry="),
    (GOOD.replace("11759", "11759, mach = 1"), "did you mean 'match'?"),
    (GOOD.replace("11759", "11759, dry_run = true"), "dry_run"),
    (GOOD.replace("11759", "{a = 1}"), "entry: write text"),
    (GOOD.replace("11759", '11759, out = "s3://bucket/x/"'), "write to folders"),
    ('[[crawl]]\nspider = "urls"\narguments = {list = "-"}', "no standard input"),
    (GOOD + "[crawl.settings]\nphash = 1", "'phash': settings are in capitals"),
    (GOOD + '[crawl.settings]\n"PHASH=1 -s X" = 1', "settings are in capitals"),
    (GOOD + '[crawl.settings]\nOUT = "x"', "setting OUT is not for plans"),
    ("[settings]\nPROGRESS_FD = 1\n" + GOOD, "setting PROGRESS_FD is not for plans"),
    (GOOD + GOOD, "2 crawls are called 'empiar'"),
    (GOOD + 'name = "A"\n' + GOOD + 'name = "a"', "write into each other"),
    (GOOD + GOOD.replace("11759", '1175, out = "data/plan/empiar/x"') + 'name = "b"', "each other"),
    (GOOD.replace("11759", '11759, out = "data/plan"'), "where the plan's out lies"),
    (GOOD.replace("11759", '11759, out = "."'), "where the plan's out lies"),
]
NAMES = ["", ".", "..", "../up", "a/b", "a\\\\b", "/etc", "a,b", "metadata.csv", "Summary.JSON"]
NAMES += [
    "CON",
    ".lock",
    ".partial",
    "a\\u0000",
    "a\\nb",
    "x" * 300,
    " a",
    "a\\u202eb",
    *("ledger.sqlite", "readme.md", "splits.csv", "report-pages"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_wrong_plan_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
    assert all("plan.toml" in line for line in str(caught.value).splitlines())
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_plans_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match="the name cannot be one of a folder"):
        read(tmp_path, f'{GOOD}name = "{name}"')


def test_a_link_that_leads_into_another_crawls_out_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "data/plan/empiar")
    other = GOOD.replace("11759", '11759, out = "link"') + 'name = "b"'
    with pytest.raises(ArgumentError, match="write into each other"):
        read(tmp_path, GOOD + other)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = '[[crawl]]\nspider = "x"\n' + GOOD.replace("11759", "1") + 'name = "b"\n' + GOOD + GOOD
    with pytest.raises(ArgumentError) as caught:
        read(tmp_path, text)
    told = str(caught.value)
    for words in ("no spider 'x'", "('b'): entry=1", "2 crawls are called 'empiar'"):
        assert words in told


def test_a_plan_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="No such file"):
        read_plan(tmp_path / "plan.toml", SPIDERS)
    with pytest.raises(ArgumentError, match="Is a directory"):
        read_plan(tmp_path, SPIDERS)


_KEYS = st.sampled_from(["out", "jobs", "settings", "crawl", "name", "spider", "arguments", "x"])
_VALUES = st.recursive(
    st.text(max_size=20).map(lambda t: f"'''{t}'''") | st.integers().map(str) | st.just("true"),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda v: f"[{', '.join(v)}]")
        | st.dictionaries(_KEYS, inner, max_size=3).map(
            lambda d: "{" + ", ".join(f"{k} = {v}" for k, v in d.items()) + "}"
        )
    ),
    max_leaves=8,
)
_LINES = st.lists(
    st.sampled_from(["[[crawl]]", "[settings]", "[crawl.arguments]", GOOD])
    | st.tuples(_KEYS, _VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    max_size=8,
).map("\n".join)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_LINES | st.text(max_size=60), name=st.text(max_size=20))
def test_any_text_is_a_plan_or_refused(tmp_path: Path, text: str, name: str) -> None:
    with suppress(ArgumentError):  # anything else is a fault
        assert read(tmp_path, text).crawls
    escaped = "".join(f"\\U{ord(c):08x}" for c in name if not "\ud800" <= c <= "\udfff")
    try:
        plan = read(tmp_path, f'{GOOD}name = "{escaped}"')
    except ArgumentError:
        return
    assert plan.crawls[0].out.parent == plan.out


@pytest.mark.skipif(
    not {"zarr", "neuroglancer"} <= set(SPIDERS.list()), reason="their spiders are to come"
)
def test_the_examples_are_plans_and_twins() -> None:
    plan, twin = (read_plan(ROOT / f"examples/{n}.toml", SPIDERS) for n in ("hhmi", "hhmi-replica"))
    assert [(c.name, c.spider, c.group) for c in plan.crawls] == [
        (c.name, c.spider, c.group) for c in twin.crawls
    ]
    assert len(plan.crawls) == 5
    for crawl, small in zip(plan.crawls, twin.crawls, strict=True):
        assert crawl.arguments.keys() <= small.arguments.keys()
        assert crawl.arguments.get("url") == small.arguments.get("url")
