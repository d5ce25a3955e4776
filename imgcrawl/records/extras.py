"""Extras: what the core does without. Each is asked for here before it is imported.

An extra is a set of dependencies that a user adds by name: ``pip install 'imgcrawl[volumes]'``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from imgcrawl.records.errors import ArgumentError

# What needs an extra, and the module that shows whether it is installed.
EXTRAS = {
    "volumes": ("Cubes of volumes need", "tensorstore"),
    "jxl": ("Cubes of volumes in JPEG XL need", "imagecodecs"),
    "microscopy": ("Groups of HDF5 that lie in heaps need", "h5py"),
    "s3": ("s3:// needs", "boto3"),
    "gcs": ("gs:// needs", "google.cloud.storage"),
    "shards": ("Shards need", "distributed"),
    "parquet": ("Parquet, and lists compressed with zstd, need", "pyarrow"),
    "browser": ("Pages in a browser need", "scrapy_playwright"),
    "scrapyd": ("Jobs over HTTP need", "scrapyd"),
}


def require_extra(extra: str) -> None:
    """Raise ArgumentError, which says what to type, unless an extra is installed."""
    what, module = EXTRAS[extra]
    if not is_installed(extra):
        raise ArgumentError(
            f"{what} {module}, which is not installed. Type: pip install 'imgcrawl[{extra}]' "
            f"(in a checkout: .venv/bin/pip install -r requirements/{extra}.txt)"
        )


def require_library(name: str, package: str) -> Any:
    """Return a library that only those need who ask for it. Raises ArgumentError without it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ArgumentError(f"{package} is not installed. Type: pip install {package}") from error


def is_installed(extra: str) -> bool:
    """Return whether an extra is installed."""
    return is_importable(EXTRAS[extra][1])


def is_importable(module: str) -> bool:
    """Return whether a module is there, without importing it."""
    try:
        return find_spec(module) is not None
    except ImportError:  # the package around it
        return False
