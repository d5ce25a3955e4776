"""Pictures per second and CPU time per picture, beside the peers."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from statistics import median

from bench.contenders import Contender, contenders
from bench.measure import Measured, in_memory, picture_server, run


def main(images: int, rounds: int) -> None:
    """Run all contenders in turn, in reverse order every other round; print times and ratios."""
    found = contenders()
    results: dict[str, list[Measured]] = {contender.name: [] for contender in found}
    with picture_server(core=1) as base, tempfile.TemporaryDirectory(dir=in_memory()) as room:
        for number in range(rounds):
            order = found if number % 2 == 0 else found[::-1]
            for contender in order:
                results[contender.name].append(download(contender, base, images, Path(room, "out")))
    _print(results, images)


def download(contender: Contender, base: str, images: int, out: Path) -> Measured:
    """Run one program; exit in words unless it has stored all pictures."""
    shutil.rmtree(out, ignore_errors=True)
    measured = run(contender.command(base, images, out), core=0, cwd=contender.cwd)
    got = sum(1 for path in out.rglob("*.jpg"))
    if got < images:
        raise SystemExit(f"{contender.name} stored {got} of {images}")
    return measured


def _print(results: dict[str, list[Measured]], images: int) -> None:
    print(f"{images} JPEGs of 80 kB, one core for the client, medians of interleaved rounds")
    print(f"{'':24}{'images/s':>10}{'CPU ms/image':>14}{'peak MB':>9}")
    for name, runs in results.items():
        wall, cpu, rss = (median(getattr(r, f) for r in runs) for f in ("wall", "cpu", "rss"))
        print(f"{name:24}{images / wall:10.0f}{cpu / images * 1000:14.2f}{rss:9.0f}")
    print("\nfaster than (wall, round by round: min, median, max)")
    for ours in ("imgcrawl decode", "imgcrawl header"):
        for theirs, runs in results.items():
            if not theirs.startswith("imgcrawl"):
                pairs = zip(runs, results[ours], strict=True)
                ratios = sorted(t.wall / o.wall for t, o in pairs)
                low, mid, high = ratios[0], median(ratios), ratios[-1]
                print(f"{ours} / {theirs:22} {low:6.2f} {mid:6.2f} {high:6.2f}")
