"""A folder of files of which some are not what their names say: each ends as what it is."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.microscopy.files import PIXELS, whole_files
from tests.microscopy.test_wrong_bytes import WRONG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Crawler

STORED = {
    "map.mrc": (whole_files()[".mrc"], "whole", "MRC", ""),
    "stack.czi": (whole_files()[".czi"], "whole", "CZI", ""),
    "text.star": (whole_files()[".star"], "header", "STAR", ""),
    "picture.nd2": (whole_files()[".tif"], "whole", "TIFF", "named .nd2, and is TIFF"),
    "own.unheard": (PIXELS, "unchecked", "", ""),
    "brain.nii.gz": (gzip.compress(whole_files()[".nii"]), "whole", "NIfTI, gzip", ""),
}
MISSING = {
    "json.nd2": (WRONG["json"], "not_image"),
    "s3.lif": (WRONG["s3"], "not_image"),
    "lfs.mrc": (WRONG["lfs"], "not_image"),
    "text.dv": (WRONG["text"], "not_image"),
    "zeros.h5": (WRONG["zeros"], "not_image"),
    "cut.mrc": (whole_files()[".mrc"][:5000], "truncated"),
    "cut.zip": (whole_files()[".zip"][:-30], "truncated"),
    "cut.emd": (whole_files()[".h5"][:5000], "truncated"),
}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def test_each_ends_as_what_it_is(crawl: Crawler, tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    for name, (data, *_) in (STORED | MISSING).items():
        (folder / name).write_bytes(data)
    with served(folder) as url:
        ended = crawl("static_page", url=url)
    assert ended.status == 3, ended.log
    rows = {row["file_name"].rpartition("/")[2]: row for row in ended.out.rows()}
    assert set(rows) == set(STORED)
    for name, (_, checked, format_, suspect) in STORED.items():
        row = rows[name]
        assert (row["checked"], row["format"], row["suspect"]) == (checked, format_, suspect)
    assert (rows["map.mrc"]["voxel_x_nm"], rows["map.mrc"]["dtype"]) == ("0.2", "int8")
    reasons = {id_.rpartition("/")[2]: why for id_, why in ended.out.failures().items()}
    assert reasons == {name: reason for name, (_, reason) in MISSING.items()}
    assert ended.out.summary()["checked"] == {"whole": 4, "header": 1, "unchecked": 1}
    assert "1 are of no format that is known here: stored as they came" in ended.log
    ended.out.verify()
