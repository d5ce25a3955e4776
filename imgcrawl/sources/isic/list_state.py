"""What an earlier run has read of a whole list of the ISIC Archive, kept as a bookmark.

A list does not grow at its end only. It is ordered by the time at which an image was taken in: one
that is published later, joins a collection, or is relabelled so that a query finds it, stands among
the old ones; others leave. So a bookmark saves requests and proves nothing: that a list is what it
was, its sums say (`ListSums`), and what cannot be seen in them, reading all of it once a week.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import OutputError
from imgcrawl.sources.isic.id_set import IdSet
from imgcrawl.sources.isic.list_sums import ListSums
from imgcrawl.text.times import timestamp, utc_now

if TYPE_CHECKING:
    from collections.abc import Collection

_DAY = 86_400  # seconds


@dataclass(slots=True)
class ListState:
    """A list as it was when a run had read it to its end.

    ids:     of the images in it
    sums:    what the archive said of it, and what its records came to: it may be late with what it
             says, and may for ever say something else than they do
    read_at: when it was last read from its beginning (UTC, ISO 8601)
    broken:  ids of records that the archive could not serve
    is_late: whether the archive said the same as before though images had been added
    """

    ids: IdSet
    sums: list[ListSums]
    read_at: str
    broken: Collection[str] = ()
    is_late: bool = False

    @classmethod
    def new(cls) -> ListState:
        """Return the state of a list of which nothing is known, read from now on."""
        return cls(IdSet(), [ListSums.own()], utc_now())

    @classmethod
    def from_json(cls, text: str) -> ListState:
        """Return the state that `to_json` wrote. Raises OutputError for another text."""
        try:
            kept = json.loads(text)
            said = kept["sums"] if isinstance(kept["sums"], list) else [kept["sums"]]
            sums = [ListSums(**each) for each in said]
            timestamp(kept["read_at"])
            ids, is_late = IdSet.from_text(kept["ids"]), kept.get("is_late", False)
            return cls(ids, sums, kept["read_at"], kept["broken"], is_late)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise OutputError(
                f"The ledger has a state of a list that cannot be read: {error}"
            ) from error

    def to_json(self) -> str:
        """Return the state as text, for a bookmark."""
        kept = {
            "read_at": self.read_at,
            "sums": [asdict(each) for each in self.sums],
            "broken": sorted(self.broken),
            "is_late": self.is_late,
            "ids": self.ids.to_text(),
        }
        return json.dumps(kept)

    def copy(self) -> ListState:
        """Return a state that can be added to."""
        return deepcopy(self)

    def add(self, record: dict[str, Any]) -> None:
        """Add a record of the list that was not in it."""
        for each in self.sums:
            each.add(record)

    def doubt(self, before: ListState, today: ListSums, days: float) -> str:
        """Return why the list must be read from its beginning; nothing if it need not be.

        before: the state that images were added to
        today:  what the archive says by now
        days:   after so many it is read in any case
        """
        age = datetime.now(UTC).timestamp() - timestamp(self.read_at)
        if age > days * _DAY:
            return f"it was last read so {age / _DAY:,.1f} days ago"
        known = self.sums if before.is_late else [*self.sums, *before.sums]
        differences = [each.difference(today) for each in known]
        return "" if "" in differences else differences[0]

    def hold(self, today: ListSums) -> None:
        """Keep what the archive says by now of a list that is not in doubt.

        It may be late with what was added: then it is given until the next run.
        """
        self.is_late = all(each.difference(today) for each in self.sums)
        if today.is_said and not self.is_late:
            self.sums = [today]
