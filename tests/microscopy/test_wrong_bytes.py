"""A name is a promise: what is not what it promises is no record, whatever else it may be."""

from __future__ import annotations

import contextlib
import gzip
import random
import struct
import sys
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.formats import streams, zip_archive
from imgcrawl.microscopy.merge import describe_file, misnamed
from imgcrawl.microscopy.proof import Checked
from imgcrawl.microscopy.ranges import bytes_ranges
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.microscopy.files import PIXELS, ole_of, whole_files, zip_of
from tests.recorded.shapes import FOLDER

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.microscopy.facts import FileFacts

_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
_S3 = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    b"<Message>Access Denied</Message></Error>"
)
WRONG = {
    "page": b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
    "s3": _S3,
    "json": b'{"message":"Rate limit exceeded","status":429}',
    "text": b"Proxy error: too many connections\n",
    "lfs": _POINTER,
    "zeros": bytes(10_000),
    "noise": random.Random(1).randbytes(10_000),
    "byte": b"\x01",
    "pdf": b"%PDF-1.7\n" + PIXELS,
    "program": b"\x7fELF\2\1\1" + bytes(9) + PIXELS,
    "zip": zip_of(("a.txt", b"nothing")),
    "gzip": gzip.compress(b"an error, compressed"),
    "nothing": b"",
    "page in UTF-16": "<!DOCTYPE html><html><title>Sign in</title></html>".encode("utf-16"),
    "page in UTF-16 without a mark": "<!DOCTYPE html><html></html>".encode("utf-16-be"),
    "s3 behind a mark": b"\xef\xbb\xbf" + _S3.replace(b"\n", b"\r\n"),
    "lfs of Windows": _POINTER.replace(b"\n", b"\r\n"),
    "annex": b"/annex/objects/SHA256E-s1048576--" + b"0a" * 32 + b".tif\n",
    "link of annex": b"../../.git/annex/objects/zz/QQ/MD5E-s9--" + b"0a" * 16 + b"/MD5E-s9.tif",
    "zeros, then data": bytes(4096) + random.Random(2).randbytes(8000),
    "ones": b"\xff" * 9000,
    "json array": b'[{"error":"quota"},{"error":"quota"}]',
    "php": b"<br />\n<b>Warning</b>:  readfile(): failed to open stream in <b>/a.php</b>\n",
    "php in a log's words": b"PHP Warning:  readfile(/data/a): failed to open stream in /a.php\n",
    "answer with its header": b"HTTP/1.1 200 OK\r\nServer: a\r\n\r\n" + PIXELS,
    "chunks": b"1000\r\n" + random.Random(3).randbytes(0x1000) + b"\r\n0\r\n\r\n",
    "not found": b"404: Not Found",
    "half": whole_files()[".mrc"][:3000],
    "gcs": b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code></Error>",
    "soap": b'<soap:Envelope xmlns:soap="x"><soap:Fault>no</soap:Fault></soap:Envelope>',
    "cloudflare": b"error code: 1020",
    "thumbnails of Windows": ole_of({"Catalog": bytes(600), "256_1": PIXELS[:3000]}),
    "resource fork": b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2\0\0\0\x09" + bytes(4000),
    "shortcut": b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0F" + bytes(900),
    "encrypted": b"Salted__" + random.Random(5).randbytes(9000),
    "transferred as text": whole_files()[".mrc"].replace(b"\n", b"\r\n"),
}
# Any words are a text; those that are an answer in its place are told by their form.
_WORDS = {"soap", "cloudflare", "json", "text", "json array", "php in a log's words", "not found"}
# The same under names that are written otherwise.
_SPELLED = (
    *(".TIF", ".Czi", ".MRC", ".Nd2", ".ome.tiff", ".OME.TIF", ".ome.btf", ".map.gz"),
    *(".em.gz", ".h5.gz", ".tar.gz", ".tar.zst", ".companion.ome", ".mrc.mdoc", ".st.MDOC"),
)
_TEXTS = {".json", ".csv", ".xml", ".star", ".mdoc", ".oif"}
_PLAIN = {".csv"}  # of no form of its own: any text is one
_KEPT_UNCHECKED = {".vol", ".img", ".pic", ".tvips"}
_OPEN_ENDED = {".mib", ".tvips"}  # of any number of pictures
_TRAILERS = {".cbf", ".tar", ".oib", ".zvi", ".ipw"}  # behind what they hold


def described(folder: Path, name: str, data: bytes) -> FileFacts | RecordMissing:
    file = folder / "part"
    file.write_bytes(data)
    try:
        return describe_file(file, name)
    except RecordMissing as bad:
        return bad


@pytest.mark.parametrize("extension", whole_files())
def test_a_whole_file_is_kept(tmp_path: Path, extension: str) -> None:
    facts = described(tmp_path, f"a{extension}", whole_files()[extension])
    assert not isinstance(facts, RecordMissing), facts.message
    is_header = extension in _OPEN_ENDED | _TEXTS - {".json", ".xml"}
    assert facts.proof.checked is (Checked.HEADER if is_header else Checked.WHOLE)
    assert facts.proof.suspect == ""


@pytest.mark.parametrize(
    "extension", [*whole_files(), *_SPELLED, ".oir", ".nhdr", ".rar", ".emi", ".pts"]
)
def test_wrong_bytes_are_never_good(tmp_path: Path, extension: str) -> None:
    stored = set()
    for kind, data in WRONG.items():
        facts = described(tmp_path, f"a{extension}", data)
        if isinstance(facts, RecordMissing):
            assert facts.message
        elif facts.proof.checked is Checked.UNCHECKED:
            assert extension in _KEPT_UNCHECKED
        else:
            stored.add(kind)
    allowed = {".json": {"json", "json array"}, ".csv": _WORDS, ".zip": {"zip"}, ".gz": {"gzip"}}
    # An NPZ is a ZIP of any members.
    assert stored <= allowed.get(extension, {"zip"} if extension == ".npz" else set())


@pytest.mark.parametrize("extension", sorted(set(whole_files()) - _TEXTS))
def test_half_a_file_is_never_whole(tmp_path: Path, extension: str) -> None:
    data = whole_files()[extension]
    for end in (len(data) // 2, len(data) - 13):
        bad = described(tmp_path, f"a{extension}", data[:end])
        if not isinstance(bad, RecordMissing):
            if end > len(data) // 2 and (extension in _TRAILERS or bad.proof.suspect):
                continue
            if extension in _OPEN_ENDED and bad.proof.checked is Checked.HEADER:
                continue
            assert extension in _KEPT_UNCHECKED
            assert bad.proof.checked is Checked.UNCHECKED
            assert bad.proof.suspect
            continue
        assert bad.outcome in {Outcome.TRUNCATED, Outcome.CORRUPT, Outcome.NOT_IMAGE}


def test_a_file_of_no_known_name_is_kept_and_said_to_be_unchecked(tmp_path: Path) -> None:
    for data, suspect in (
        (PIXELS, ""),
        (b"some words\n", ""),
        (bytes(2000), "it begins with 1,024 zero bytes"),
        (whole_files()[".mrc"][:3000], "an MRC of 64 x 48 x 2 int8 reaches to byte 7,168 of 3,000"),
    ):
        facts = described(tmp_path, "a.unheard", data)
        assert not isinstance(facts, RecordMissing)
        assert (facts.proof.checked, facts.proof.suspect) == (Checked.UNCHECKED, suspect)
    known = described(tmp_path, "a.unheard", whole_files()[".mrc"])
    assert not isinstance(known, RecordMissing)
    assert (known.format, known.proof.checked) == ("MRC", Checked.WHOLE)
    for kind in ("page", "s3", "lfs"):
        bad = described(tmp_path, "a.unheard", WRONG[kind])
        assert isinstance(bad, RecordMissing)
        assert bad.outcome is Outcome.NOT_IMAGE


def test_what_a_wrong_answer_was_is_said(tmp_path: Path) -> None:
    for kind, words in {
        "s3": "named .czi, but an XML document (AccessDenied): AccessDenied: Access Denied",
        "lfs": "named .czi, but a git-LFS pointer, whose file is elsewhere: version https://git-lfs",
        "zeros": "named .czi, but nothing but zero bytes",
        "json": 'named .czi, but JSON: {"message":"Rate limit exceeded","status":429}',
    }.items():
        bad = described(tmp_path, "a.czi", WRONG[kind])
        assert isinstance(bad, RecordMissing)
        assert bad.outcome is Outcome.NOT_IMAGE
        assert bad.message.startswith(words)


def test_a_picture_by_the_name_of_another_format_is_kept(tmp_path: Path) -> None:
    facts = described(tmp_path, "a.mrc", whole_files()[".tif"])
    assert not isinstance(facts, RecordMissing)
    assert misnamed("a.mrc", facts) == "named .mrc, and is TIFF"


def test_a_compressed_file_holds_what_its_name_says(tmp_path: Path) -> None:
    mrc = whole_files()[".mrc"]
    facts = described(tmp_path, "a.mrc.gz", gzip.compress(mrc))
    assert not isinstance(facts, RecordMissing)
    assert (facts.format, facts.size_x, facts.compression) == ("MRC, gzip", 64, "gzip")
    assert facts.proof.checked is Checked.WHOLE
    assert misnamed("a.mrc.gz", facts) is None
    for data, outcome in (
        (b'{"message": "no"}', Outcome.NOT_IMAGE),
        (mrc[:-1], Outcome.TRUNCATED),
    ):
        bad = described(tmp_path, "a.mrc.gz", gzip.compress(data))
        assert isinstance(bad, RecordMissing)
        assert bad.outcome is outcome
        assert bad.message.startswith("what it holds is ")


def test_each_damaged_byte_of_what_has_a_checksum_is_seen(tmp_path: Path) -> None:
    for extension in (".zip", ".gz", ".bz2", ".xz", ".tgz"):
        data = bytearray(whole_files()[extension])
        data[len(data) // 2] ^= 1
        bad = described(tmp_path, f"a{extension}", bytes(data))
        assert isinstance(bad, RecordMissing), extension
        assert bad.outcome in {Outcome.CORRUPT, Outcome.TRUNCATED}


def test_a_bomb_is_left_alone(tmp_path: Path) -> None:
    facts = described(tmp_path, "a.gz", gzip.compress(bytes(80 << 20), 9))
    assert not isinstance(facts, RecordMissing)
    assert facts.proof.checked is Checked.HEADER
    assert facts.proof.suspect.startswith("not read to its end: it expands beyond")


def test_a_zip_of_very_many_members_is_kept_unexpanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = zip_of(*[(f"{n}", b"") for n in range(70)])
    monkeypatch.setattr(zip_archive, "_MAX_DIRECTORY", 1000)
    facts = described(tmp_path, "a.zip", data)
    assert not isinstance(facts, RecordMissing)
    assert facts.proof.checked is Checked.HEADER
    assert facts.proof.suspect.startswith("not expanded: its directory has 3,")


def test_numbers_that_begin_as_an_icon_does_are_kept(tmp_path: Path) -> None:
    for begin in (b"\0\0\1\0", b"\0\0\2\0", b"\xff\x0a"):
        for name in ("a.raw", "a.img", "a.unheard"):
            facts = described(tmp_path, name, begin + PIXELS)
            assert not isinstance(facts, RecordMissing), facts.message
            assert (facts.format, facts.proof.checked) == ("", Checked.UNCHECKED)


def test_zstandard_is_expanded_and_its_checksum_tried(tmp_path: Path) -> None:
    mrc = whole_files()[".mrc"]
    data = zstd.compress(mrc, options={zstd.CompressionParameter.checksum_flag: 1})
    skippable = b"\x50\x2a\x4d\x18\4\0\0\0abcd"  # as pzstd begins
    for whole in (data, skippable + data):
        facts = described(tmp_path, "a.mrc.zst", whole)
        assert not isinstance(facts, RecordMissing), facts.message
        assert (facts.format, facts.size_x, facts.proof.checked) == ("MRC, zstd", 64, Checked.WHOLE)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 4
    for bad in (bytes(damaged), data[:-2], zstd.compress(mrc[:-1]), zstd.compress(b'{"no": 1}')):
        assert isinstance(described(tmp_path, "a.mrc.zst", bad), RecordMissing)


def test_zstandard_without_its_library_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_zstd_library", lambda: None)
    data = zstd.compress(whole_files()[".mrc"])
    facts = described(tmp_path, "a.mrc.zst", data)
    assert not isinstance(facts, RecordMissing)
    assert (facts.format, facts.proof.checked) == ("zstd", Checked.WHOLE)
    assert isinstance(described(tmp_path, "a.mrc.zst", data[:-2]), RecordMissing)


SEVEN_ZIPS = {path.stem: path.read_bytes() for path in (FOLDER / "7z").glob("*.7z")}


@pytest.mark.parametrize("name", SEVEN_ZIPS)
def test_each_member_of_a_7z_is_held_to_its_crc(tmp_path: Path, name: str) -> None:
    data = SEVEN_ZIPS[name]
    facts = described(tmp_path, "a.7z", data)
    assert not isinstance(facts, RecordMissing), facts.message
    assert facts.extra == {"members": 1 if name == "plain" else 3}
    if name == "zstd":  # not of the standard library
        assert facts.proof.checked is Checked.HEADER
        assert facts.proof.suspect.startswith("not expanded: 1 folders are of a method")
        return
    assert (facts.proof.checked, facts.proof.suspect) == (Checked.WHOLE, "")
    for at in (60, len(data) // 2, len(data) - 5):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        assert isinstance(described(tmp_path, "a.7z", bytes(damaged)), RecordMissing), at
    assert isinstance(described(tmp_path, "a.7z", data[:-1]), RecordMissing)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SEVEN_ZIPS)), st.binary(max_size=40), st.integers(0, 60))
def test_a_damaged_index_of_a_7z_is_no_error(name: str, noise: bytes, at: int) -> None:
    for begin in (b"\x01\x04\x06", b"\x17\x06", b"\x01\x04\x07\x0b\x01\0"):
        index = begin + noise
        start = struct.pack("<QQI", at, len(index), zlib.crc32(index))
        head = b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start
        with contextlib.suppress(RecordMissing):
            describe(bytes_ranges(head + SEVEN_ZIPS[name][:at].ljust(at) + index), name="a.7z")
