"""The records that all replicas of repositories have, and the answers that they share.

Each has the same: ``small`` (folders, a restricted file, one whose digest is another file's), of
which there are as many versions as were published (``PUT /_versions``), ``newer`` (its second),
``large`` (2,500 files), ``closed`` and ``packed``. Pages are short.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from typing import Any
from zlib import crc32

from aiohttp import web

from replicas import pictures

PAGE = 200  # entries a page, whatever is asked for
_A = pictures.any_kind("tiff", 11, (64, 48)) or b""
_B = pictures.any_kind("tiff", 12, (64, 48)) or b""
SMALL = {
    "read me.txt": b"Two stacks\n",
    "plate 1/a #1.tif": _A,
    "plate 1/deep/b.tif": _B,
    "secret.tif": _A,
    "liar.tif": _B,
}


def _zip() -> bytes:
    """Return an archive with a folder, and with members that lead out of any folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in [("a/1.tif", _A), ("a/2.tif", _B), ("../../escape.tif", _B), ("e/", b"")]:
            archive.writestr(zipfile.ZipInfo(name), body)
    return buffer.getvalue()


def _tar(packing: str) -> bytes:
    """Return the same as a TAR, with a link and a device besides. packing: of `tarfile`."""
    buffer = io.BytesIO()
    opener: Any = tarfile.open
    with opener(fileobj=buffer, mode=f"w:{packing}") as archive:
        for name, body in [("a/1.tif", _A), ("./a/2.tif", _B), ("../../escape.tif", _B)]:
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
        for kind, name in ((tarfile.SYMTYPE, "passwd"), (tarfile.CHRTYPE, "null")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    return buffer.getvalue()


# With nothing in it: a mark, the version, and the CRC of what follows (7zFormat.txt).
_SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c\0\x04" + crc32(bytes(20)).to_bytes(4, "little") + bytes(20)
RECORDS = {
    "small": SMALL,
    "newer": {**SMALL, "plate 1/a #1.tif": _B, "added.txt": b"new\n"},
    "large": {f"many/{n:04}.txt": f"{n}\n".encode() for n in range(2500)},
    "closed": {"secret.tif": _A},
    "packed": {
        "notes.txt": b"x\n",
        "plates/all.zip": _zip(),
        "plain.tar": _tar(""),
        "g.tar.gz": _tar("gz"),
        "b.tbz2": _tar("bz2"),
        "x.tar.xz": _tar("xz"),
        "cut.tar.gz": _tar("gz")[:-40],
        "other.7z": b"7z\xbc\xaf\x27\x1c\0\x04"
        + crc32(bytes(20)).to_bytes(4, "little")
        + bytes(20),
        "liar.tar": _tar(""),
    },
}
# A record's number at each repository: 100001 is the small one, at Zenodo and at Figshare.
NUMBERS = {"small": 100001, "newer": 100002, "large": 100003, "closed": 100004, "packed": 100005}
OF_NUMBER = {str(number): name for name, number in NUMBERS.items()}
GUIDS = {"small": "smal1", "newer": "newe2", "large": "larg3", "closed": "clos4"}
published = {"versions": 1}  # of the small record, today
AUTHORS = ("Replica, Ada", "Replica, Bo")
TITLE = 'Stacks of a "replica": one'


def version_of(name: str, version: str | int | None = None) -> str:
    """Return which record a version of one is: its last one where none is asked for."""
    last = published["versions"] if name == "small" else 1
    return "newer" if name == "small" and int(version or last) >= 2 else name


def digest_of(name: str, path: str, algorithm: str = "md5") -> str:
    """Return the digest that a repository has of a file; that of a liar is another file's."""
    body = b"another file" if path.startswith("liar.") else RECORDS[name][path]
    return hashlib.new(algorithm, body, usedforsecurity=False).hexdigest()


def number_of(name: str, path: str) -> int:
    """Return the number that a file has: Figshare, Dataverse and Dryad name files so.

    A file that is replaced gets another one.
    """
    what = path.encode() + RECORDS[name][path]
    return int(hashlib.md5(what, usedforsecurity=False).hexdigest()[:7], 16)


def opened(name: str, path: str) -> web.Response:
    """Answer with a file of a record, or with 403 for a restricted one."""
    if path == "secret.tif" or name == "closed":
        return web.Response(status=403, text="restricted")
    body = RECORDS.get(name, {}).get(path)
    if body is None:
        return web.Response(status=404)
    return web.Response(body=body, content_type="application/octet-stream")


def by_number(number: str) -> web.Response:
    """Answer with the file that has a number, of whichever record it is."""
    found = _BY_NUMBER.get(number)
    return opened(*found) if found else missing()


_BY_NUMBER = {
    str(number_of(name, path)): (name, path) for name in RECORDS for path in RECORDS[name]
}


def missing() -> web.Response:
    """Answer 404, as all of them do."""
    return web.json_response({"status": 404, "message": "Not found"}, status=404)
