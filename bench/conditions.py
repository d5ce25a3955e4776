"""The same pictures under other conditions: TLS, a host that is far away, five hundred hosts.

Each round has all programs in turn, in reverse order every other round, each with a fifth of the
pictures and with all of them: what is printed is the slope between the two, so that the start of a
program is told apart. The client has one core, the server the other.

IMGCRAWL_BEFORE=DIR adds the imgcrawl of another checkout, such as one of an earlier commit.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median

from bench.contenders import Condition, Contender, bare_clients, contenders
from bench.measure import in_memory, picture_server
from bench.pipelines import download

CONDITIONS = (
    Condition(),
    Condition("HTTPS", tls=True),
    Condition("100 ms away, 256 at once", at_once=256, delay=0.1),
    Condition("500 hosts", hosts=500),
)


def main(images: int, rounds: int) -> None:
    """Print pictures a second and CPU time a picture of all programs, by condition."""
    for condition in CONDITIONS:
        found = contenders(condition) + bare_clients(condition)
        before = os.environ.get("IMGCRAWL_BEFORE")
        if before and condition.hosts == 1 and not condition.tls:  # which it may not know
            found += [
                Contender(f"{each.name}, before", each.command, Path(before))
                for each in found
                if each.name.startswith("imgcrawl")
            ]
        slopes: dict[str, list[tuple[float, float, float]]] = {each.name: [] for each in found}
        with (
            picture_server(
                core=1, delay=condition.delay, tls=condition.tls, hosts=condition.hosts
            ) as base,
            tempfile.TemporaryDirectory(dir=in_memory()) as room,
        ):
            for number in range(rounds):
                for contender in found if number % 2 == 0 else found[::-1]:
                    few, many = (
                        download(contender, base, n, Path(room, "out"))
                        for n in (images // 5, images)
                    )
                    more = images - images // 5
                    slopes[contender.name].append(
                        ((many.wall - few.wall) / more, (many.cpu - few.cpu) / more, many.rss)
                    )
        _print(condition, slopes)


def _print(condition: Condition, slopes: dict[str, list[tuple[float, float, float]]]) -> None:
    ours = [wall for wall, _, _ in slopes["imgcrawl header"]]
    print(f"\n{condition.name}")
    print(f"{'':26}{'images/s':>10}{'CPU ms/image':>14}{'peak MB':>9}   imgcrawl header / this")
    for name, runs in slopes.items():
        wall, cpu, rss = (median(each[k] for each in runs) for k in range(3))
        ratios = sorted(w / o for (w, _, _), o in zip(runs, ours, strict=True))
        print(
            f"{name:26}{1 / wall:10.0f}{cpu * 1000:14.2f}{rss:9.0f}   "
            f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}",
            flush=True,
        )
