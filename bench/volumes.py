"""A box of a chunked volume: our reader beside cloud-volume, as whole processes.

cloud-volume is used as it usually is: the whole box at once, absent chunks as zeros, then a TIFF.
At 0 ms nginx serves; with latency, a server of ours that waits before each answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.measure import run

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE = 512
CHUNK = 64
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
THEIRS = """
import sys
import numpy, tifffile
from cloudvolume import CloudVolume
from bench.stopwatch import Stopwatch
watch = Stopwatch()
volume = CloudVolume("precomputed://" + sys.argv[1], mip=0, fill_missing=True, progress=False)
box = volume[0:512, 0:512, 0:512]
tifffile.imwrite(sys.argv[2], numpy.asarray(box)[..., 0].T)
watch.stop(sys.argv[3])
"""

BARE = """
import sys
import numpy
import tensorstore
from bench.stopwatch import Stopwatch
watch = Stopwatch()
store = {"driver": "http", "base_url": sys.argv[1]}
spec = {"driver": "neuroglancer_precomputed", "kvstore": store}
box = tensorstore.open(spec).result()[..., 0].read().result()
numpy.save(sys.argv[2], box.T)
watch.stop(sys.argv[3])
"""
CUBES, SMALL = 100, 64
THEIR_CUBES = """
import sys
import numpy
from cloudvolume import CloudVolume
from bench.stopwatch import Stopwatch
watch = Stopwatch()
volume = CloudVolume("precomputed://" + sys.argv[1], mip=0, fill_missing=True, progress=False)
random = numpy.random.default_rng(0)
for number in range(100):
    z, y, x = random.integers(0, 512 - 64, 3).tolist()
    box = volume[x : x + 64, y : y + 64, z : z + 64]
    numpy.save(f"{sys.argv[2]}.{number}.npy", numpy.asarray(box)[..., 0].T)
watch.stop(sys.argv[3])
"""


def main(rounds: int) -> None:
    """Compare interleaved runs, sharded JPEG and raw, at 0 and 50 ms."""
    if NGINX is None or find_spec("cloudvolume") is None:
        raise SystemExit("This needs nginx (apt install nginx-light) and cloud-volume (pip)")
    with tempfile.TemporaryDirectory() as room:
        Path(room).chmod(0o755)  # nginx's workers are nobody
        folder = Path(room, "served")
        for kind in ("jpeg", "raw"):
            make(folder / kind, kind)
        for latency in (0, 50):
            with serving(folder, latency) as base:
                for kind in ("jpeg", "raw"):
                    _compare(f"{base}{kind}/", Path(room), f"{kind}, {latency} ms", rounds)
                    _compare_cubes(f"{base}{kind}/", Path(room), f"{kind}, {latency} ms", rounds)


def make(folder: Path, kind: str) -> None:
    """Write a precomputed volume of smooth noise; sharded, if of JPEGs."""
    import numpy as np  # noqa: PLC0415
    import tensorstore as ts  # noqa: PLC0415

    scale: dict[str, Any] = {"size": [SIDE] * 3, "resolution": [8, 8, 8], "encoding": kind}
    scale["chunk_size"] = [CHUNK] * 3
    if kind == "jpeg":
        scale["sharding"] = {
            "@type": "neuroglancer_uint64_sharded_v1",
            "preshift_bits": 6,
            "minishard_bits": 0,
            "shard_bits": 3,
            "hash": "identity",
            "data_encoding": "raw",
            "minishard_index_encoding": "gzip",
        }
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
        "scale_metadata": scale,
    }
    array = ts.open(spec, create=True).result()
    coarse = np.random.default_rng(0).integers(0, 255, (SIDE // 8,) * 3, np.uint8)
    array[..., 0].write(coarse.repeat(8, 0).repeat(8, 1).repeat(8, 2)).result()


@contextmanager
def serving(folder: Path, latency: int) -> Iterator[str]:
    """Serve a folder with a latency in milliseconds and give its base URL."""
    if latency:
        command = [sys.executable, "-m", "bench.volumes", str(folder), str(latency)]
        port = 18941
    else:
        port = 18940
        text = (
            f"daemon off; pid {folder}/pid; error_log {folder}/errors; events {{}}\n"
            f"http {{ access_log off; keepalive_requests 1000000; "
            f"client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; "
            f"fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; "
            f"scgi_temp_path {folder}/t5; "
            f"server {{ listen 127.0.0.1:{port}; root {folder}; }} }}"
        )
        (folder / "nginx.conf").write_text(text)
        command = [str(NGINX), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/errors"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(2)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


def _compare(url: str, room: Path, what: str, rounds: int) -> None:
    figures_file = str(room / "figures")
    ours = ["-m", "bench.volume_crop", url, str(room / "raw"), figures_file]
    contenders = {
        "imgcrawl, 8 connections": [*ours, "8"],
        "imgcrawl, 20 connections": [*ours, "20"],
        "imgcrawl, 32 connections": [*ours, "32"],
        "tensorstore, a bare script": ["-c", BARE, url, str(room / "bare.npy"), figures_file],
        "cloud-volume, 20 connections": ["-c", THEIRS, url, str(room / "theirs.tif"), figures_file],
    }
    runs: dict[str, list[tuple[float, ...]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, command in contenders.items():
            whole = run([sys.executable, *command])
            if whole.status:
                raise SystemExit(f"{name} ended with status {whole.status}")
            wall, cpu, before = json.loads(Path(figures_file).read_text())
            figures = (whole.wall, whole.cpu, whole.rss, wall, cpu, whole.rss - before)
            runs[name].append(figures)
            (room / "raw").unlink(missing_ok=True)
    theirs = [median(column) for column in zip(*runs[name], strict=True)]
    for name, rows in runs.items():
        mine = [median(column) for column in zip(*rows, strict=True)]
        pairs = [f"{a:.2f} ({b / a:.2f} x)" for a, b in zip(mine, theirs, strict=True)]
        print(
            f"{what}: {name}: whole process: wall s {pairs[0]}, CPU s {pairs[1]}, peak MB "
            f"{pairs[2]}; the crop alone: wall s {pairs[3]}, CPU s {pairs[4]}, MB {pairs[5]}",
            flush=True,
        )


def _compare_cubes(url: str, room: Path, what: str, rounds: int) -> None:
    """Compare 100 cubes of 64 voxels a side: one run of ours, and one process of cloud-volume's."""
    out = room / "out"
    ours = ["-m", "scrapy", "crawl", "zarr", "-a", f"url={url}", "-a", f"size={SMALL}"]
    ours += ["-a", f"count={CUBES}", "-a", "format=npy", "-a", f"out={out}"]
    ours += ["-s", "ALLOWED_PRIVATE_NETWORKS=127.0.0.1/32", "-s", "LOG_ENABLED=0"]
    theirs = ["-c", THEIR_CUBES, url, str(room / "cube"), str(room / "figures")]
    runs: dict[str, list[tuple[float, float]]] = {"imgcrawl": [], "cloud-volume": []}
    for _ in range(rounds):
        for name, command in zip(runs, (ours, theirs), strict=True):
            shutil.rmtree(out, ignore_errors=True)
            whole = run([sys.executable, *command])
            if whole.status:
                raise SystemExit(f"{name} ended with status {whole.status}")
            runs[name].append((whole.wall, whole.cpu))
    for name, rows in runs.items():
        wall, cpu = (median(column) for column in zip(*rows, strict=True))
        print(f"{what}: {name}: {CUBES} cubes of {SMALL}^3: wall s {wall:.2f}, CPU s {cpu:.2f}")


async def _serve(folder: Path, latency: int) -> None:
    from aiohttp import web  # noqa: PLC0415

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(latency / 1000)
        path = folder / request.path.strip("/")
        return web.FileResponse(path) if path.is_file() else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 18941).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
