"""The hooks of Scrapy's media pipelines, as a user overrides them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from twisted.python.failure import Failure

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import Missing
from imgcrawl.records.ordinary import as_scrapy
from imgcrawl.storage.places import is_reserved, place_beside
from imgcrawl.text.filenames import renamed, safe_path

if TYPE_CHECKING:
    from scrapy.pipelines.media import MediaPipeline

    from imgcrawl.crawl.run import Run
    from imgcrawl.records.items import Item


def claimed_path(path: str, item: Item, run: Run) -> str:
    """Return a path below OUT that a hook chose, made safe, and no other record's; claim it."""
    safe = safe_path(path)
    if is_reserved(safe):
        safe = renamed(safe)
    extension = PurePosixPath(safe).suffix
    item.path = safe if item.named else safe.removesuffix(extension)
    if not run.records.is_free(item.path, item):
        item.path = place_beside(item, item.record_id)
    run.in_flight.claim_path(item, item.path)
    return item.path if item.named else f"{item.path}{extension}"


def complete(pipeline: MediaPipeline, item: Item) -> None:
    """Call `item_completed` with what came of a record, as Scrapy does. It may raise DropItem."""
    result: Any = item.result
    info: Any
    if isinstance(result, Missing):
        error = RecordMissing(result.outcome, result.message, result.http_status)
        info = False, Failure(error)  # type: ignore[no-untyped-call] # Twisted's
    else:
        info = True, as_scrapy(result.url or item.urls[0], result)
    pipeline.item_completed([info], item, pipeline.spiderinfo)
