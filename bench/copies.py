"""A verbatim copy of many small objects: CPU of an object, with Scrapy's start told apart.

A Zarr array of 4 kB chunks, served by nginx on another core: as a bucket that lists its objects
(size and MD5 of each, a thousand a page), and as a plain server whose documents name them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.measure import run
from bench.volumes import NGINX

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 4096  # bytes of an object
ROW = 20  # chunks along y and x
PORT = 18942
CONF = """
daemon off; worker_processes 1; pid {room}/pid; error_log {room}/errors crit; events {{}}
http {{
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {room}/t1; proxy_temp_path {room}/t2;
    fastcgi_temp_path {room}/t3; uwsgi_temp_path {room}/t4; scgi_temp_path {room}/t5;
    map $args $list {{ default ""; "~list-type=2.*token=(?<at>\\d+)" /$at.xml;
                       "~list-type=2" /0.xml; }}
    server {{
        listen 127.0.0.1:{port}; root {room}/served;
        location ~ ^/bucket(?<size>\\d+)/$ {{
            if ($list = "") {{ return 404; }}
            rewrite ^ /lists$size$list last;
        }}
    }}
}}
"""


def main(rounds: int, few: int = 4_000, many: int = 20_000) -> None:
    """Copy two arrays, and tell the CPU of an object from the difference."""
    if NGINX is None:
        raise SystemExit("This needs nginx (apt install nginx-light)")
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        room = Path(folder)
        room.chmod(0o755)  # nginx's workers are nobody
        for count in (few, many):
            make(room / "served", count)
        with serving(room) as base:
            for what in ("bucket", "plain"):
                found = {
                    count: [_copy(base, room, what, count) for _ in range(rounds)]
                    for count in (few, many)
                }
                small, large = (median(cpu for cpu, _ in runs) for runs in found.values())
                wall = median(wall for _, wall in found[many])
                each = (large - small) / (many - few) * 1000
                print(
                    f"{what}: {many:,} objects of {SIZE:,} bytes: CPU s {large:.2f}, wall s "
                    f"{wall:.2f}; an object {each:.3f} ms of CPU",
                    flush=True,
                )


def make(served: Path, count: int) -> None:
    """Write an array of so many chunks below ``bucketN/a.zarr``, its lists, and a link to it."""
    bucket = served / f"bucket{count}"
    array, side = bucket / "a.zarr", 16
    depth = count // ROW**2
    metadata: dict[str, Any] = {"zarr_format": 2, "shape": [depth * side, ROW * side, ROW * side]}
    metadata |= {"chunks": [side] * 3, "dtype": "|u1", "compressor": None, "fill_value": 0}
    metadata |= {"order": "C", "filters": None, "dimension_separator": "/"}
    array.mkdir(parents=True)
    (array / ".zarray").write_text(json.dumps(metadata))
    for place in product(range(depth), range(ROW), range(ROW)):
        path = array.joinpath(*map(str, place))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SIZE))
    (served / f"plain{count}").symlink_to(bucket)
    lists = served / f"lists{count}"
    lists.mkdir()
    files = sorted(
        path.relative_to(bucket).as_posix() for path in array.rglob("*") if path.is_file()
    )
    pages = [files[at : at + 1000] for at in range(0, len(files), 1000)]
    for number, page in enumerate(pages):
        cells = []
        for key in page:
            body = (bucket / key).read_bytes()
            etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            cells.append(
                f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{etag}&quot;</ETag><Size>{len(body)}</Size></Contents>"
            )
        more = number + 1 < len(pages)
        token = f"<NextContinuationToken>{number + 1}</NextContinuationToken>" if more else ""
        (lists / f"{number}.xml").write_text(
            '<?xml version="1.0"?><ListBucketResult '
            'xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(cells)}"
            "</ListBucketResult>"
        )


@contextmanager
def serving(room: Path) -> Iterator[str]:
    """Start nginx on the last core and give its base URL."""
    conf = room / "nginx.conf"
    conf.write_text(CONF.format(room=room, port=PORT))
    server = subprocess.Popen([str(NGINX), "-c", str(conf), "-e", f"{room}/errors"])
    os.sched_setaffinity(server.pid, {max(os.sched_getaffinity(0))})
    try:
        time.sleep(1)
        yield f"http://127.0.0.1:{PORT}/"
    finally:
        server.terminate()
        server.wait()


def _copy(base: str, room: Path, what: str, count: int) -> tuple[float, float]:
    """Return CPU and wall seconds of a whole crawl."""
    out = room / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "scrapy", "crawl", "zarr", "-a", f"out={out}"]
    command += ["-a", f"url={base}{what}{count}/a.zarr/", "-s", "LOG_ENABLED=0"]
    command += ["-s", "ALLOWED_PRIVATE_NETWORKS=127.0.0.1/32"]
    whole = run(command, core=min(os.sched_getaffinity(0)))
    if whole.status:
        raise SystemExit(f"the copy ended with status {whole.status}")
    stored = sum(1 for path in out.rglob("*") if path.is_file() and path.name.isdigit())
    if stored != count:
        raise SystemExit(f"{stored:,} of {count:,} objects are there")
    return whole.cpu, whole.wall


if __name__ == "__main__":
    main(1)
