from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgcrawl.exports.opened import Dataset

__version__: str

def open(  # noqa: A001
    out: str | Path, *, settings: Mapping[str, Any] | None = None
) -> Dataset: ...
def crawl(spider: str, *, out: str | Path | None = None, **arguments: Any) -> Dataset: ...
