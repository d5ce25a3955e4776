"""SeenRecords: what has come to a study, and what has left it, where there are no versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imgcrawl.records.items import Bookmark, Item, Unreadable, Withdrawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imgcrawl.records.items import SpiderOutput

_MOST = 200_000  # ids that are remembered; a study of more is not compared


class SeenRecords:
    """The records of a study that a run is given, held against those of the run before.

    key: of the bookmark in which they are kept
    """

    def __init__(self, key: str, bookmarks: Mapping[str, str]) -> None:
        self._key = key
        kept = bookmarks.get(key)
        self._before: set[str] | None = set(json.loads(kept)) if kept else None
        self._now: set[str] = set()
        self._is_whole = True

    @property
    def has_before(self) -> bool:
        """Whether an earlier run has read the study to its end."""
        return self._before is not None

    def take(self, output: SpiderOutput) -> None:
        """Note a record, or that a piece of the study could not be read."""
        if isinstance(output, Item):
            self._now.add(output.record_id)
        elif isinstance(output, Unreadable):
            self._is_whole = False

    def news(self) -> list[str]:
        """Return what is to be said of what has changed."""
        if len(self._now) > _MOST:
            return [f"What has left a study of more than {_MOST:,} files is not looked for."]
        if self._before is None or not self._is_whole or self._before == self._now:
            return []
        new, gone = len(self._now - self._before), len(self._before - self._now)
        return [
            f"The study has changed since the last run: {new:,} files are new, {gone:,} are no "
            "longer in it, and are kept."
        ]

    def end(self) -> Iterator[Withdrawn | Bookmark]:
        """Yield what has left the study, and the bookmark for the next run."""
        if not self._is_whole or len(self._now) > _MOST:
            return
        for record_id in sorted((self._before or set()) - self._now):
            yield Withdrawn(record_id)
        yield Bookmark(self._key, json.dumps(sorted(self._now), separators=(",", ":")))
