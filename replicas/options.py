"""Command-line options of the replica, without the imports that serving takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the replica to a parser."""
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--records", type=int, default=5000, help="images in the ISIC replica")
    parser.add_argument("--tiny", action="store_true", help="pictures of about 1 kB")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="of each answer")
    parser.add_argument(
        "--isic", type=Path, metavar="DIR", help="serve real records: ISIC_x.json, ISIC_x.jpg"
    )
    parser.add_argument("--faults", metavar="JSON", help="a list of rules, or a file of one")
    parser.add_argument("--ready-file", type=Path, help="gets the address once it answers")
