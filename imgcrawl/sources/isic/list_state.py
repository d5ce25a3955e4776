"""What an earlier run has read of a whole list of the ISIC Archive, kept as a bookmark.

A list does not grow at its end only. It is ordered by the time at which an image was taken in: one
that is published later, joins a collection, or is relabelled so that a query finds it, stands among
the old ones; others leave. So a bookmark saves requests and proves nothing: that a list is what it
was, its sums say (`ListSums`), and what cannot be seen in them, reading all of it once a week.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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
    sums:    what the archive said of it
    read_at: when it was last read from its beginning (UTC, ISO 8601)
    broken:  ids of records that the archive could not serve
    """

    ids: IdSet
    sums: ListSums
    read_at: str
    broken: Collection[str] = ()

    @classmethod
    def new(cls) -> ListState:
        """Return the state of a list of which nothing is known, read from now on."""
        return cls(IdSet(), ListSums(), utc_now())

    @classmethod
    def from_json(cls, text: str) -> ListState:
        """Return the state that `to_json` wrote. Raises OutputError for another text."""
        try:
            kept = json.loads(text)
            sums = ListSums.from_json(kept["sums"])
            timestamp(kept["read_at"])
            return cls(IdSet.from_text(kept["ids"]), sums, kept["read_at"], kept["broken"])
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise OutputError(
                f"The ledger has a state of a list that cannot be read: {error}"
            ) from error

    def to_json(self) -> str:
        """Return the state as text, for a bookmark."""
        kept = {"read_at": self.read_at, "sums": self.sums.to_json(), "broken": sorted(self.broken)}
        return json.dumps(kept | {"ids": self.ids.to_text()})

    def copy(self) -> ListState:
        """Return a state that can be added to."""
        return deepcopy(self)

    def doubt(self, today: ListSums, days: float) -> str:
        """Return why the list must be read from its beginning; nothing if it need not be.

        today: what the archive says by now, while `sums` has all that was added behind the end
        days:  after so many it is read in any case
        """
        age = datetime.now(UTC).timestamp() - timestamp(self.read_at)
        if age > days * _DAY:
            return f"it was last read so {age / _DAY:,.1f} days ago"
        return self.sums.difference(today)
