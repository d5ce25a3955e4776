"""``imgcrawl``: Scrapy's command line with the settings of this project, wherever one stands."""

from __future__ import annotations

import os
import sys

import imgcrawl


def main() -> None:
    """Run a command: ``imgcrawl crawl isic`` is ``scrapy crawl isic`` in a checkout."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"imgcrawl {imgcrawl.__version__}\n")
        return
    # Another project's scrapy.cfg may lie here: it is not the one that is asked for.
    os.environ["SCRAPY_SETTINGS_MODULE"] = "imgcrawl.settings"
    sys.argv[0] = "imgcrawl"
    from scrapy.cmdline import execute  # noqa: PLC0415 - takes half a second

    execute()
