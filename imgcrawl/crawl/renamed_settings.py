"""Names of settings and classes of version 0.1: they still work in 0.2, with a warning."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

RENAMED_SETTINGS = {
    "FEED_IN_FLIGHT": "ITEMS_IN_FLIGHT",
    "FEED_IN_FLIGHT_PER_HOST": "ITEMS_IN_FLIGHT_PER_HOST",
    "FEED_AHEAD": "ITEMS_AHEAD",
}

# Classes that settings name, as in a list of pipelines of somebody's own.
RENAMED_CLASSES = {
    "imgcrawl.download.cache.PagesOnlyPolicy": "imgcrawl.download.cache_policy.PagesOnlyPolicy",
    "imgcrawl.download.optout.OptOutMiddleware": "imgcrawl.download.x_robots_tag.OptOutMiddleware",
    "imgcrawl.extensions.keeper.RunKeeper": "imgcrawl.crawl.lifecycle.RunLifecycle",
    "imgcrawl.extensions.progress.Progress": "imgcrawl.progress.extension.ProgressExtension",
    "imgcrawl.extensions.reporter.Reporter": "imgcrawl.progress.reporter.ProgressReporter",
    "imgcrawl.feed.Feed": "imgcrawl.crawl.backpressure.Backpressure",
    "imgcrawl.loading.SpiderLoader": "imgcrawl.crawl.spider_loader.SpiderLoader",
    "imgcrawl.logformatter.LogFormatter": "imgcrawl.crawl.log_formatter.LogFormatter",
    "pipelines.volumes.VolumesPipeline": "pipelines.crops.CropsPipeline",
}


def rename_settings(settings: BaseSettings) -> None:
    """Put new names in place of old ones, with a warning for each that was found.

    Of an old and a new name with values for the same setting, the one of higher priority counts,
    and of equal ones the old: it stands there only if somebody typed it.
    """
    for old, new in RENAMED_SETTINGS.items():
        priority = settings.getpriority(old)
        if priority is None:
            continue
        if priority >= (settings.getpriority(new) or 0):
            settings.set(new, settings[old], priority)
        settings.delete(old, priority)
        _warn("setting", old, new)
    for name in settings:
        rename_classes(settings, name)


def rename_classes(settings: BaseSettings, name: str) -> None:
    """Rename the classes in the value of one setting: a path, a dict of paths, or its JSON."""
    value = settings[name]
    renamed = _renamed(value)
    if renamed != value:
        settings.set(name, renamed, settings.getpriority(name) or 0)


def _renamed(value: Any) -> Any:
    if isinstance(value, Mapping):
        found = [key for key in value if key in RENAMED_CLASSES]
        if not found and not any(_is_old(each) for each in value.values()):
            return value
        kept = {key: _renamed(each) for key, each in value.items() if key not in found}
        return kept | {_new_class(key): value[key] for key in found}
    if _is_old(value):
        return _new_class(value)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        for old in RENAMED_CLASSES:
            if f'"{old}"' in value:
                value = value.replace(f'"{old}"', f'"{_new_class(old)}"')
    return value


def _is_old(value: Any) -> bool:
    return isinstance(value, str) and value in RENAMED_CLASSES


def _new_class(old: str) -> str:
    _warn("class", old, RENAMED_CLASSES[old])
    return RENAMED_CLASSES[old]


def _warn(kind: str, old: str, new: str) -> None:
    logger.warning("The %s %s is now %s: the old name works in this release only.", kind, old, new)
