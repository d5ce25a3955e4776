"""UrlListSpider: a list of records, each with its URLs."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeVar

from pydantic import Field

from imgcrawl.arguments import AnyCase, ListArguments
from imgcrawl.lists.opening import is_url, split_member
from imgcrawl.lists.parts import name_of_parts
from imgcrawl.lists.unique_names import UniqueNames
from imgcrawl.lists.url_words import url_words
from imgcrawl.records.items import ImageItem, Unreadable
from imgcrawl.text.filenames import format_layout, layout_fields, safe_path
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from imgcrawl.lists.rows import MalformedRow
    from imgcrawl.records.items import Metadata

_PACKED = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"}


class UrlListArguments(ListArguments):
    """Arguments of every spider that reads a list of its user's."""

    changed: Annotated[Literal["refuse", "replace"], AnyCase] = Field(
        "refuse",
        description="where most ids of the list are in out already with other addresses: refuse "
        "the list, or fetch its files and let them replace those that are there",
    )

    as_settings: ClassVar[dict[str, str]] = {**ListArguments.as_settings, "changed": "CHANGED"}

    def lists(self) -> tuple[str, ...]:
        """Return the lists that are to be read, as they were typed."""
        raise NotImplementedError

    def default_out(self, spider: str) -> str:
        """Return where the dataset goes by default: each list has an OUT of its own."""
        name = list_name(self.lists()[0])
        return f"{super().default_out(spider)}-{name}" if name else super().default_out(spider)

    def settings(self) -> dict[str, Any]:
        """Return the settings that these arguments stand for."""
        return super().settings() | {"CHANGED": self.changed}


U = TypeVar("U", bound=UrlListArguments)


def list_name(source: str) -> str:
    """Return the name of a list for a folder: a path's, a URL's, a member's; "" for none."""
    name, member = split_member(name_of_parts(source))
    parts = [PurePath(part.partition("?")[0]).name for part in (name, member) if part != "-"]
    try:
        return safe_path("-".join(filter(None, map(_stem, parts))))
    except ValueError:
        return ""


def _stem(name: str) -> str:
    path = PurePath(name)
    return PurePath(path.stem).stem if path.suffix.lower() in _PACKED else path.stem


def checked_layout(layout: str) -> str:
    """Return a layout that gives each record a name of its own. Raises ValueError."""
    if "id" not in layout_fields(layout):
        raise ValueError("two pictures would share a name; put {id} in it")
    return layout


def laid_out(layout: str, columns: Mapping[str, object]) -> str:
    """Return the path of a record by a layout.

    ``{bucket}`` is one of 4,096 folders, the same for an id in every run: of a list of 30 million
    none has 10,000 files.
    """
    digest = hashlib.sha256(str(columns["id"]).encode("utf-8", "surrogatepass")).hexdigest()
    return format_layout(layout, {"bucket": digest[:3], **columns})


class UrlListSpider(DatasetSpider[U]):
    """Reads lists a record at a time, whatever their size, and loses of them only what is junk.

    A list is read from its beginning in every run: what is there already costs a look-up.
    """

    shard_by = "host"  # the hosts are many, and each is one shard's to be polite to

    repeated = 0  # ids that several records have

    @cached_property
    def _names(self) -> UniqueNames:
        return UniqueNames()

    @cached_property
    def _places(self) -> UniqueNames:
        return UniqueNames()

    async def local_list(self, source: str) -> tuple[str, str]:
        """Return (path or ``-``, member) of a list; one at a URL is downloaded first."""
        name, member = split_member(source)
        return (await self.fetch_file(name) if is_url(name) else name), member

    def item(self, record_id: str, urls: list[str], path: str, metadata: Metadata) -> ImageItem:
        """Return the record of a picture, under a name that no other has."""
        unique = self._names.name(record_id)
        self.repeated += unique != record_id
        path += unique.removeprefix(record_id)
        return ImageItem(unique, urls, path, metadata, hint=url_words(urls[0]))

    def unreadable(self, source: str, junk: MalformedRow) -> Unreadable:
        """Return a piece of a list that is no record, with its place in the list."""
        name = source.rpartition("/")[2] if source != "-" else "standard input"
        words = f"{junk.problem}: {junk.text}" if junk.text else junk.problem
        return Unreadable(self._places.name(f"{name}, {junk.where}"), words)
