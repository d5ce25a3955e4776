"""Which links are gone, by the ledger alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.dataset.linkrot import LinkRot, count_links, write_link_rot
from imgcrawl.records.outcomes import Outcome
from tests.dataset.entries import missing, rows, stored

if TYPE_CHECKING:
    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

ENTRIES = [
    stored("a", _url="http://worst.example/a", label="cat", split="train"),
    stored("b", _url="http://worst.example/b", _source="wayback", label="cat", split="test"),
    stored("c", _url="http://two.example/c", _source="mirror", label="dog", split="train"),
    missing("d", Outcome.NOT_FOUND, url="http://worst.example/d"),
    missing("e", Outcome.DNS, url="http://three.example/e"),
    # It was there, twice.
    missing("f", Outcome.DUPLICATE, url="http://two.example/f"),
    # These say nothing of a link.
    missing("g", Outcome.INTERRUPTED, url="http://worst.example/g"),
    missing("h", Outcome.DISK_FULL, url="http://worst.example/h"),
    missing("i", Outcome.ROBOTS, url="http://worst.example/i"),
    missing("j", Outcome.BAD_URL, url=None),
]


def test_a_link_is_alive_or_gone_or_recovered(ledger: Ledger) -> None:
    ledger.write(ENTRIES)
    found = count_links(ledger)
    everything = dict(found.groups("all"))["all"]
    assert (everything.links, everything.alive, everything.gone) == (6, 3, 3)
    assert (everything.wayback, everything.share) == (1, 0.5)
    assert everything.reasons == {"not_found": 1, "dns": 1}
    assert {host: (rot.alive, rot.gone) for host, rot in found.groups("host")} == {
        "worst.example": (1, 2),
        "two.example": (2, 0),
        "three.example": (0, 1),
    }
    assert {name: (rot.alive, rot.gone) for name, rot in found.groups("class")} == {
        "cat": (1, 1),
        "dog": (1, 0),
    }
    assert {name: rot.links for name, rot in found.groups("split")} == {"train": 2, "test": 1}


def test_the_table_has_most_gone_first(out: OutputDirectory, ledger: Ledger) -> None:
    ledger.write(ENTRIES)
    write_link_rot(out)
    table = rows(out, "linkrot.csv")
    assert [(row["by"], row["key"]) for row in table] == [
        ("all", "all"),
        ("split", "test"),
        ("split", "train"),
        ("class", "cat"),
        ("class", "dog"),
        ("host", "worst.example"),
        ("host", "three.example"),
        ("host", "two.example"),
        ("reason", "dns"),
        ("reason", "not_found"),
    ]
    assert (table[0]["share_gone"], table[0]["reasons"]) == ("0.5000", "dns 1; not_found 1")


def test_an_empty_ledger_has_an_empty_table(out: OutputDirectory, ledger: Ledger) -> None:
    assert not any(map(count_links(ledger).n_groups, LinkRot.KINDS))
    write_link_rot(out)
    assert rows(out, "linkrot.csv") == []
