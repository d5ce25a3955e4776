"""Finds a spider by its name, without importing all the others."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from scrapy.spiderloader import SpiderLoader as ScrapyLoader
from scrapy.spiderloader import get_spider_loader
from scrapy.utils.spider import iter_spider_classes

from imgcrawl.crawl.renamed_settings import rename_classes
from imgcrawl.records.errors import ArgumentError
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    import builtins
    from typing import Self

    from scrapy import Request, Spider
    from scrapy.settings import BaseSettings
    from scrapy.spiderloader import SpiderLoaderProtocol


class SpiderLoader:
    """Set by SPIDER_LOADER_CLASS; Scrapy's own, put off for as long as that is possible.

    A module that is named as its spider is looked into first. Whatever runs many crawls pays for
    no more than the spider that each of them is about.
    """

    def __init__(self, settings: BaseSettings) -> None:
        self._settings = settings

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> Self:
        """Make one for a crawl, as Scrapy asks."""
        return cls(settings)

    def load(self, spider_name: str) -> type[Spider]:
        """Return the class of a spider. Raises KeyError if there is none."""
        for package in self._settings.getlist("SPIDER_MODULES"):
            if module := _module(package, spider_name):
                for spider in iter_spider_classes(import_module(module)):
                    if spider.name == spider_name:
                        return spider
        return self._all.load(spider_name)

    def list(self) -> builtins.list[str]:
        """Return the names of all spiders."""
        return self._all.list()

    def find_by_request(self, request: Request) -> builtins.list[str]:
        """Return the names of the spiders that a request could be of."""
        return self._all.find_by_request(request)

    @cached_property
    def _all(self) -> ScrapyLoader:
        return ScrapyLoader.from_settings(self._settings)


def spider_loader(settings: BaseSettings) -> SpiderLoaderProtocol:
    """Return the loader that SPIDER_LOADER_CLASS names, by its old name too."""
    rename_classes(settings, "SPIDER_LOADER_CLASS")
    return get_spider_loader(settings)


def spider_class(settings: BaseSettings, name: str) -> type[Spider]:
    """Return the class of a spider, whichever loader is set.

    Raises ArgumentError, which names a similar spider.
    """
    loader = spider_loader(settings)
    try:
        return loader.load(name)
    except KeyError:
        raise ArgumentError(
            f"there is no spider {name!r}{did_you_mean(name, loader.list())} "
            "`scrapy spiders` lists them."
        ) from None


def _module(package: str, spider_name: str) -> str | None:
    """Return the module of a package that has the name of a spider, or None."""
    if not spider_name.isidentifier():
        return None
    name = f"{package}.{spider_name}"
    try:
        return name if find_spec(name) else None
    except ModuleNotFoundError:  # the package is a module, and has none below it
        return None
