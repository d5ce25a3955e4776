"""``python -m bench.volume_crop URL FILE FIGURES CONNECTIONS``: one crop to a file, in a crawl."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy import Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.settings import Settings

import imgcrawl.commands  # noqa: F401 - as every command does, for the end of the process
from bench.stopwatch import Stopwatch
from imgcrawl import settings as project
from imgcrawl.records.volume import Crop, Level, VolumeAddress
from imgcrawl.volumes.crop.open_arrays import tensorstore
from imgcrawl.volumes.crop.read import read_crop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


SIDE = 512
done: list[str] = []


class CropSpider(Spider):
    """Reads the crop in place of pages."""

    name = "crop"

    async def start(self) -> AsyncIterator[Any]:
        """Read the crop; there is nothing to yield."""
        url, path = sys.argv[1:3]
        axes = ("x", "y", "z", "channel")
        shape = (SIDE, SIDE, SIDE)
        level = Level(
            name="s0",
            address=VolumeAddress(url, url),
            driver="neuroglancer_precomputed",
            axes=axes,
            shape=shape,
            dtype="uint8",
            chunk=(64, 64, 64),
            sha256="",
        )
        tensorstore(30)  # imported before the watch starts, as cloud-volume is
        watch = Stopwatch()
        await read_crop(self.crawler, Crop(level, (0, 0, 0), shape), Path(path))
        watch.stop(sys.argv[3])
        done.append(path)
        return
        yield  # which makes it a generator


def main() -> None:
    settings = Settings()
    settings.setmodule(project, "project")
    settings.update(
        {
            "ALLOWED_PRIVATE_NETWORKS": ["127.0.0.1/32"],
            "EXTENSIONS_BASE": {},
            "HTTPCACHE_ENABLED": False,
            "ITEM_PIPELINES_BASE": {},
            "SPIDER_MIDDLEWARES_BASE": {},
            "VOLUME_CONNECTIONS": int(sys.argv[4]),
        },
        "cmdline",
    )
    process = AsyncCrawlerProcess(settings)
    process.crawl(CropSpider)
    process.start()
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
