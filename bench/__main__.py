"""``python -m bench [WHAT]``: the figures of the documentation, measured on this machine."""

from __future__ import annotations

import argparse

from bench import (
    alike,
    conditions,
    copies,
    durability,
    exports,
    finish,
    large,
    lists,
    memory,
    pipelines,
    shards,
    volumes,
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        default="pipelines",
        choices=[
            "pipelines",
            "conditions",
            "memory",
            "lists",
            "large",
            "finish",
            "volumes",
            "copies",
            "shards",
            "alike",
            "durability",
            "exports",
        ],
    )
    # With fewer, the 5 s heartbeat on which the stock pipelines end rounds their time up.
    parser.add_argument("--images", type=int, default=20_000, help="pictures per run")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument(
        "--records",
        type=int,
        default=200_000,
        help="records of the long run, or of the large OUT (memory, finish, exports)",
    )
    parser.add_argument("--json", type=int, default=1_000_000, help="records of the JSON (lists)")
    parser.add_argument(
        "--lines", type=int, default=14_197_122, help="lines of the list of URLs (lists)"
    )
    parser.add_argument("--gigabytes", type=float, default=4.0, help="size of the large file")
    parser.add_argument("--urls", type=int, default=20_000, help="URLs of the list (shards)")
    parser.add_argument("--shards", type=int, default=16, help="parts that it is cut into (shards)")
    parser.add_argument("--workers", type=int, default=2, help="processes at once (shards)")
    parser.add_argument("--alike", type=int, default=10_000, help="records of each run (alike)")
    options = parser.parse_args()
    if options.what == "memory":
        memory.main(options.records)
    elif options.what == "conditions":
        conditions.main(options.images, options.rounds)
    elif options.what == "alike":
        alike.main(options.alike)
    elif options.what == "durability":
        durability.main(options.images, options.gigabytes, options.rounds)
    elif options.what == "exports":
        exports.main(options.records)
    elif options.what == "finish":
        finish.main(options.records)
    elif options.what == "large":
        large.main(options.gigabytes, options.rounds)
    elif options.what == "copies":
        copies.main(options.rounds)
    elif options.what == "volumes":
        volumes.main(options.rounds)
    elif options.what == "lists":
        lists.main(options.json, options.lines)
    elif options.what == "shards":
        shards.main(options.urls, options.shards, options.workers)
    else:
        pipelines.main(options.images, options.rounds)


if __name__ == "__main__":
    main()
