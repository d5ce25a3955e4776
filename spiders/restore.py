"""The records of a lock again, wherever the lock was copied to."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from imgcrawl.arguments import ListArguments
from imgcrawl.exports.lock_file import LockedRecord, read_head, read_records
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.items import Expects, FileItem, ImageItem, Item, LockedDigests, Missing
from imgcrawl.records.outcomes import Outcome
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput


class RestoreArguments(ListArguments):
    """Which lock is to be restored."""

    lock: Path = Field(
        description="a lock, as `scrapy lock` writes it", examples=["dataset.lock.json"]
    )

    @model_validator(mode="after")
    def _is_lock(self) -> Self:
        try:
            read_head(self.lock)
        except ArgumentError as error:
            raise ValueError(str(error)) from error
        return self

    def default_out(self, spider: str) -> str:
        """Return where the dataset goes if `out` is not given."""
        name = self.lock.resolve().parent.name or "dataset"
        return f"data/restored-{name}"

    def settings(self) -> dict[str, Any]:
        """Return the settings that these arguments stand for: what is locked is no placeholder."""
        return super().settings() | {"PLACEHOLDER_REPEATS": 0}


class RestoreSpider(DatasetSpider[RestoreArguments]):
    """The records of a lock, each from its first address that has its bytes still."""

    name = "restore"
    internal = True  # `scrapy restore` calls it
    arguments = RestoreArguments
    shard_by = "host"
    example = "scrapy restore dataset.lock.json -a out=data/again"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield a record for each of the lock."""
        n = sum(1 for _ in read_records(self.args.lock))
        yield Expects(n)
        for record in read_records(self.args.lock):
            yield _item(record)


def _item(record: LockedRecord) -> Item:
    path = PurePosixPath(record.path)
    digests = LockedDigests(sha256=record.sha256)
    if record.kind == "file":
        item: Item = FileItem(record.id, record.urls, str(path), record.columns, digests=digests)
    else:
        stem = str(path.with_suffix("")) if path.suffix else str(path)
        item = ImageItem(record.id, record.urls, stem, record.columns, digests=digests)
    item.mask_of = record.mask_of
    if not record.urls:
        item.result = Missing(Outcome.BAD_URL, "the lock has no address for it")
    return item
