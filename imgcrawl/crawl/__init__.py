"""One run of one spider: back-pressure, lifecycle, summary.

``imgcrawl.crawl("isic", ...)`` runs one from Python (imgcrawl/api.py). As soon as this package is
imported it has that name, so that it can be called.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, spider: str, **arguments: Any) -> Any:
        return importlib.import_module("imgcrawl.api").crawl(spider, **arguments)


sys.modules[__name__].__class__ = _CallablePackage
