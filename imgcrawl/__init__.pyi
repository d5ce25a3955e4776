from pathlib import Path
from typing import Any

from imgcrawl.exports.opened import Dataset

__version__: str

def open(out: str | Path) -> Dataset: ...  # noqa: A001
def crawl(spider: str, *, out: str | Path | None = None, **arguments: Any) -> Dataset: ...
