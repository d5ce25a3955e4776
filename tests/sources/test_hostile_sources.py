"""Sources that want to cost time and memory: what is small to send stays cheap to read."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.ranges import bytes_ranges
from imgcrawl.microscopy.zarr_documents import v3_array
from imgcrawl.records.errors import RecordMissing
from imgcrawl.sources.empiar import Imageset, missing_names, parse_entry
from imgcrawl.sources.wayback import parse_cdx
from imgcrawl.sources.web.links import read_links
from tests.conftest import ROOT
from tests.download.harness import crawl, outcomes
from tests.download.server import Server, http

BASE = "https://a.example/"
INDEX = "<title>Index of /</title>"


def ends(code: str) -> str:
    """What a piece of code prints, which comes to an end on any machine: these took hours."""
    begin = "import io, resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


READ_JSON = "from imgcrawl.lists.json_records import read_json\n"


def test_blanks_after_a_broken_record_are_passed_over_once() -> None:
    code = "text = b'[{\"u\": 1}, x' + b'\\n' * 200_000 + b'{\"u\": 2}]'\n"
    code += "print([r.fields for r in read_json(io.BytesIO(text)) if hasattr(r, 'fields')])"
    assert ends(READ_JSON + code) == "[{'u': 1}, {'u': 2}]"


@pytest.mark.slow
def test_a_long_value_is_not_decoded_again_for_each_chunk() -> None:
    code = 'text = b\'{"images": [{"u": 1}], "info": {"a": [\' + b"[]," * (10 << 20) + b"0]}}"\n'
    code += "print(len(list(read_json(io.BytesIO(text)))))"
    assert ends(READ_JSON + code) == "2"


@pytest.mark.parametrize(
    "piece", ["<table><tr><td>1<a href='x.tif'>x</a>", "<td>1<a href='x.tif'>x</a><table>"]
)
def test_tables_in_tables_are_read_once(piece: str) -> None:
    code = f"text = {INDEX!r} + '<table><tr>' + {piece!r} * 1500\n"
    code += "from imgcrawl.sources.web.links import read_links\n"
    code += f"print(len(list(read_links(text, {BASE!r}))))"
    assert ends(code) == "1"


MANY = """
from imgcrawl.sources.web.links import read_links
tag = "<a" + BLANK + BLANK.join(f"a{i}=1" for i in range(400_000)) + ">"
image = '<img src="data:' + "a/b" * 9999 + '">'
page = "<a href=a.tif>a</a>" + tag + image + "<a href=b.tif>b</a>"
print([link.name for link in read_links(page, "https://a.example/")])
"""


@pytest.mark.parametrize("blank", [" ", "/", "\n"])
def test_a_tag_without_an_end_of_attributes_is_passed_over(blank: str) -> None:
    assert ends(f"BLANK = {blank!r}\n{MANY}") == "['a.tif', 'b.tif']"


def test_a_base_that_is_no_address_is_none() -> None:
    (link,) = read_links("<base href='http://[::1'><a href='x.tif'>x</a>", BASE)
    assert link.url == BASE + "x.tif"


def test_sizes_that_are_none_are_left_out() -> None:
    page = f"{INDEX}<pre><a href='a.tif'>a</a> {'9' * 400}\n<a href='b.tif'>b</a> 12\n</pre>"
    assert [link.size for link in read_links(page, BASE)] == [None, 12]
    for size in ("²", "9" * 5000, "-1"):
        content = f"<Contents><Key>a.tif</Key><Size>{size}</Size></Contents>"
        (link,) = read_links(f"<ListBucketResult>{content}</ListBucketResult>", BASE)
        assert link.size is None


def test_an_entry_that_promises_too_much_brings_no_names() -> None:
    code = "from imgcrawl.sources.empiar import missing_names\n"
    code += "print(missing_names(['a0000000001.tif', 'a1999999999.tif'], 1_999_999_999))"
    assert ends(code) == "([], 1999999997)"
    assert missing_names(["1" * 4999 + ".tif"], 2) == ([], 1)
    assert missing_names(["a1.tif", "a3.tif"], 3) == (["a2.tif"], 0)


@pytest.mark.parametrize(
    "answer",
    [
        '[[["timestamp"], {}], [1, 2]]',
        '[["timestamp", "statuscode", "original"], ["20120101000000", ["200"], "http://a/"]]',
        '[["timestamp", "statuscode", "original"], ["²²²²0101000000", "200", "http://a/"]]',
    ],
)
def test_odd_answers_of_the_wayback_machine_are_no_captures(answer: str) -> None:
    assert parse_cdx(answer.encode(), 2012) == []


def test_an_answer_of_the_wayback_machine_that_is_too_deep_is_none() -> None:
    with pytest.raises(ValueError, match="captures"):
        parse_cdx(b"[" * 100_000, 2012)


@pytest.mark.parametrize("odd", [1.5, True, "x", {"a": 1}, [None], [[]], [{}]])
def test_odd_records_and_documents_are_read_or_refused_in_words(odd: object) -> None:
    record = {"EMPIAR-1": {"authors": odd, "imagesets": odd}}
    nothing = Imageset("", "data", 0, "", "", "", None, None, (None, None), "")
    assert set(parse_entry(record, "1").imagesets) <= {nothing}
    array = {"shape": [1], "codecs": [{"name": odd}, odd], "data_type": odd, "chunk_grid": odd}
    assert v3_array(array).dtype is None


def test_a_tiff_whose_counts_are_text_is_corrupt() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((8, 8), np.uint8), byteorder=">")
    data = bytearray(file.getvalue())
    entry = data.index(b"\x01\x17")  # StripByteCounts
    data[entry + 2 : entry + 8] = b"\x00\x02\x00\x00\x00\x04"  # four of type ASCII
    with pytest.raises(RecordMissing) as caught:
        describe(bytes_ranges(bytes(data)))
    assert caught.value.outcome == "corrupt"


def test_media_do_not_unpack_to_what_fills_the_memory() -> None:
    bomb = gzip.compress(bytes(100 << 20))
    fine = gzip.compress(b"x" * (1 << 20))

    async def main(crawler: object) -> list[str]:
        async with Server() as server:
            server.answers["/bomb"] = http(bomb, 200, "Content-Encoding: gzip")
            server.answers["/fine"] = http(fine, 200, "Content-Encoding: gzip")
            urls = [server.url("/bomb"), server.url("/fine")]
            media = await outcomes(crawler, urls, media=True)  # type: ignore[arg-type]
            return media + await outcomes(crawler, urls)  # type: ignore[arg-type]

    assert crawl(main) == ["too_large", "200", "200", "200"]
