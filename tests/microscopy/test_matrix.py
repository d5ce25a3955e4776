"""The matrix of docs/microscopy.md: what is checked of each format, and what it costs over HTTP."""

from __future__ import annotations

import gzip
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest
from scrapy.settings import Settings

from imgcrawl.microscopy.describe_paths import describe_all
from imgcrawl.microscopy.registry import FORMATS
from tests.conftest import ROOT
from tests.microscopy.files import czi, emi, lif, nd2, nd2_chunks, whole_files

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGE = bytes(1 << 20)  # pixels: of most formats they may as well be too many


def large_files() -> dict[str, bytes]:
    """A file of more than a megabyte of each format whose description is worth a request."""
    front = (
        *(".mrc", ".dv", ".em", ".spi", ".hed", ".blo", ".nii", ".nrrd", ".npy", ".img", ".cbf"),
        *(".ser", ".sif", ".klb", ".pic", ".fits", ".dcm", ".oib", ".h5", ".jp2", ".png", ".mdoc"),
        *(".tif", ".dm3", ".jpg", ".mha", ".obf"),
    )
    text = {".mdoc"}
    files = {e: whole_files()[e] + (b"" if e in text else _LARGE) for e in front}
    files[".emi"] = emi()[:8] + _LARGE + emi()[8:]
    files[".mib"] = whole_files()[".mib"] * 170
    files[".tvips"] = whole_files()[".tvips"] + whole_files()[".tvips"][256:] * 170
    files |= {".czi": czi(_LARGE), ".nd2": nd2(nd2_chunks(), _LARGE), ".lif": lif(_LARGE)}
    files[".mrc.gz"] = gzip.compress(whole_files()[".mrc"] + _LARGE, 0)
    return files


class _Handler(BaseHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]] = {}
    log: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        data = self.files[self.path[2:]]
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        piece = data[first : last + 1]
        self.log.append(len(piece))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(piece) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(piece)))
        self.end_headers()
        self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    _Handler.files = large_files()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/a"
    server.shutdown()
    server.server_close()


def rows() -> dict[str, list[str]]:
    """The rows of the matrix by their first extension."""
    text = (ROOT / "docs" / "microscopy.md").read_text("utf-8")
    table = text.partition("## Formats")[2].partition("\n## ")[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines()]
    found = [row for row in cells if len(row) == 6 and row[1].startswith("`")]
    return {row[1].split("`")[1]: row for row in found}


def test_every_format_and_extension_has_its_place_in_the_matrix() -> None:
    named = {e for row in rows().values() for e in re.findall(r"`(\.[\w.]+)`", row[1])}
    known = {extension for each in FORMATS for extension in each.extensions}
    assert named == known


@pytest.mark.parametrize("extension", large_files())
def test_requests_are_as_few_as_the_matrix_says(served: str, extension: str) -> None:
    _Handler.log.clear()
    settings = Settings()
    settings.setmodule("imgcrawl.settings", priority="project")
    settings.set("ALLOWED_PRIVATE_NETWORKS", "127.0.0.1/32")
    (row,) = describe_all([served + extension], settings)
    assert row.problem is None
    assert row.facts is not None
    base = ".gz" if extension == ".mrc.gz" else extension
    said = next(r for r in rows().values() if f"`{base}`" in r[1])[4]
    found = f"{len(_Handler.log)}, {-(-sum(_Handler.log) // 1024)} KB"
    assert found == said, extension
