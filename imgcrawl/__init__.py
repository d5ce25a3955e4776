"""imgcrawl: downloads image datasets, and accounts for every record that they promise."""

import gc
import importlib
import os

__version__ = "0.2.0"

# What a record is made of goes by itself. To look for cycles after every 700 new objects, as Python
# does, takes a twelfth of the time of a crawl.
gc.set_threshold(50_000, 20, 50)
# Nothing here multiplies matrices, and numpy's threads for that spin while they wait.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def __getattr__(name: str) -> object:
    """Return `open` or `crawl`: what a program asks for, and no crawl pays for."""
    if name not in {"open", "crawl"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("imgcrawl.api"), name)
