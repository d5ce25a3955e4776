"""The question that a record's file answers: which addresses, which part of them, which digests.

A record is its id and this question. A file that answered yesterday's is not what is asked for
today if the list has another address for the id by now, or another part of a volume is wanted.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from imgcrawl.records.items import Stored
from imgcrawl.text.signed_urls import stable_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgcrawl.records.items import Item, Metadata, Result


class Answer(Enum):
    """Whether what is known of a record answers the question that is asked today."""

    YES = "yes"
    NO = "no"
    DIGESTS = "digests"  # yes, if the file has the digests that are promised by now


def answer_of(result: Result, asked: Item, item: Item) -> Answer:
    """Compare what came of a record with what `item` asks.

    asked: the item as it was when the result came
    A digest that is promised decides by itself; else the address that the file came from must be
    among those of today. What was missing answers only if nothing new is asked.
    """
    if not item.urls:
        return Answer.YES  # only its metadata is wanted
    if asked.part() != item.part():
        return Answer.NO
    if isinstance(result, Stored):
        if (promised := item.digests.get("sha256")) and result.sha256:
            return Answer.YES if promised == result.sha256 else Answer.NO
        if result.url is None or not came_from(result.url, item.urls):
            return Answer.NO
        news = {name for name in item.digests if item.digests[name] != asked.digests.get(name)}
        if news & asked.digests.keys():
            return Answer.NO
        return Answer.DIGESTS if news else Answer.YES
    if item.digests != asked.digests:
        return Answer.NO
    known = all(came_from(url, asked.urls) for url in item.urls)
    return Answer.YES if known else Answer.NO


def is_revised(before: Metadata, item: Item) -> bool:
    """Return whether its source tells of another file than the one that is there.

    before: the columns of the one that is there; what either lacks is not compared
    """
    version, *told = item.revision or ("",)
    if before.get(version) == item.metadata.get(version):
        return False
    pairs = [(before.get(name), item.metadata.get(name)) for name in told]
    return any(None not in pair and pair[0] != pair[1] for pair in pairs)


def same_question(one: Item, other: Item) -> bool:
    """Return whether two items ask for the same."""
    if one.part() != other.part() or one.digests != other.digests:
        return False
    if one.urls == other.urls:
        return True
    return set(map(stable_address, one.urls)) == set(map(stable_address, other.urls))


def came_from(url: str, urls: Iterable[str]) -> bool:
    """Return whether an address is among others, but for what changes from day to day."""
    return url in urls or stable_address(url) in map(stable_address, urls)
