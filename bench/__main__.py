"""``python -m bench [pipelines|memory]``: figures for README, made on the machine at hand."""

from __future__ import annotations

import argparse

from bench import memory, pipelines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", default="pipelines", choices=["pipelines", "memory"])
    parser.add_argument("--images", type=int, default=4000, help="pictures a run (pipelines)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (pipelines)")
    parser.add_argument("--records", type=int, default=200_000, help="of the long run (memory)")
    options = parser.parse_args()
    if options.what == "memory":
        memory.main(options.records)
    else:
        pipelines.main(options.images, options.rounds)


if __name__ == "__main__":
    main()
