"""linkrot.csv: how many of a dataset's links are gone, by host, class, split and reason."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from imgcrawl.dataset.class_columns import class_of, split_of
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import LEDGER, LINKROT
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.storage.directory import OutputDirectory

COLUMNS = ("by", "key", "links", "alive", "gone", "share_gone", "from_wayback", "reasons")
# Outcomes that say nothing about a link: it was not requested, or was alive and not stored.
_NOT_ASKED = {Outcome.INTERRUPTED, Outcome.DISK_FULL, Outcome.ROBOTS, Outcome.OPTED_OUT}


@dataclass(slots=True)
class LinkCounts:
    """The links of one host, class or split, or all links, by what became of them."""

    alive: int = 0
    wayback: int = 0  # gone, and stored from the archive
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def gone(self) -> int:
        """Number of links that no longer lead to the picture."""
        return self.reasons.total() + self.wayback

    @property
    def links(self) -> int:
        """Number of links that were tried."""
        return self.alive + self.gone

    @property
    def share(self) -> float:
        """Fraction of links that are gone, 0 to 1."""
        return self.gone / self.links if self.links else 0.0


LinkRot = dict[str, dict[str, LinkCounts]]


def write_link_rot(out: OutputDirectory) -> LinkRot:
    """Write linkrot.csv and return its counts. Raises OutputError if the ledger is unreadable."""
    with closing(Ledger(out.root / LEDGER)) as ledger:
        found = count_links(ledger)

    def write(file: IO[str]) -> None:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([safe_cell(cell) for cell in row] for row in _rows(found))

    out.write(LINKROT, write)
    return found


def count_links(ledger: Ledger) -> LinkRot:
    """Return the counts by kind ("all", "split", "class", "host") and key."""
    found: LinkRot = {by: defaultdict(LinkCounts) for by in ("all", "split", "class", "host")}
    for entry in ledger.entries(Outcome):
        result = entry.result
        url = result.url
        if not url or result.outcome in _NOT_ASKED:
            continue
        keys = {
            "all": "all",
            "host": _host(url),
            "class": class_of(entry.metadata),
            "split": split_of(entry.metadata),
        }
        for by, key in keys.items():
            if key:
                _count(found[by][key], result)
    return found


def _rows(found: LinkRot) -> Iterator[tuple[object, ...]]:
    """Yield the rows of linkrot.csv: the groups, most gone first, then the reasons of all."""
    for by, groups in found.items():
        for key, rot in sorted(groups.items(), key=lambda pair: (-pair[1].gone, pair[0])):
            reasons = "; ".join(f"{reason} {n}" for reason, n in rot.reasons.most_common())
            figures = rot.links, rot.alive, rot.gone, f"{rot.share:.4f}", rot.wayback
            yield by, key, *figures, reasons
    everything = found["all"].get("all", LinkCounts())
    for reason, n in everything.reasons.most_common():
        share = f"{n / everything.links:.4f}" if everything.links else ""
        yield "reason", reason, everything.links, "", n, share, "", ""


def _count(rot: LinkCounts, result: Stored | Missing) -> None:
    if isinstance(result, Missing) and result.outcome is not Outcome.DUPLICATE:
        rot.reasons[result.outcome.value] += 1
    elif isinstance(result, Stored) and result.source == "wayback":
        rot.wayback += 1
    else:
        rot.alive += 1


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
