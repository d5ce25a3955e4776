"""The pictures that one row of a list asks for: one with its mirrors, or several.

Several addresses in one cell are several pictures, as in Scrapy's ``image_urls``, unless their
name or their own names say that they are mirrors of one: a mirror that was taken for a picture
costs a file, a picture that was taken for a mirror is lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from imgcrawl.lists.addresses import as_address, looks_like_url, split_addresses
from imgcrawl.lists.names import words_of
from imgcrawl.lists.nested import parallel, value_at
from imgcrawl.text.addresses import host_of

if TYPE_CHECKING:
    from imgcrawl.lists.columns import Columns
    from imgcrawl.lists.template import Template

Several = Literal["auto", "records", "mirrors"]

MAX_MIRRORS = 5
_NONE = frozenset(
    {"null", "none", "nan", "n/a", "#n/a", "<na>", "\\n", "-", "[]", "{}"}
)  # no address
_MIRROR_WORDS = frozenset(
    {"mirror", "mirrors", "alternate", "alternates", "alternatives", "fallback"}
)


class RowPicture(NamedTuple):
    """One picture of a row.

    urls:   of the same picture, best first
    fields: what is said of it
    place:  which of how many addresses of the row it is
    """

    urls: list[str]
    fields: dict[str, Any]
    place: tuple[int, int] = (0, 1)


def pictures_of(
    fields: dict[str, Any],
    columns: Columns,
    several: Several = "auto",
    template: Template | None = None,
) -> list[RowPicture]:
    """Return the pictures of a row; none if it has no address.

    several: whether the addresses of a row are those of several pictures or of one
    template: makes the addresses of columns
    """
    if template is not None:
        return [RowPicture([template.address(fields)], fields)]
    value = value_at(fields, columns.url)
    others = [value_at(fields, path) for path in columns.others]
    if others := [each for each in others if looks_like_url(each)]:
        value = [value, *others] if looks_like_url(value) else others
    urls = list(dict.fromkeys(_flat(value)))
    if not urls:
        return []
    is_array = isinstance(value, list) and not others
    if len(urls) > 1 and not is_one_picture(columns.url, urls, fields, several, is_array=is_array):
        n_all = len(urls)
        own = (_of_element(fields, n, n_all) for n in range(n_all))
        return [
            RowPicture([url], each, (n, n_all))
            for n, (url, each) in enumerate(zip(urls, own, strict=True))
        ]
    if len(urls) == 1 and columns.mirrors:
        others = [as_address(str(fields[k])) for k in columns.mirrors if fields.get(k)]
        urls = list(dict.fromkeys([*urls, *others]))
    return [RowPicture(urls, fields)]


def is_one_picture(
    path: str, urls: list[str], fields: dict[str, Any], several: Several, *, is_array: bool
) -> bool:
    """Return True if several addresses in one place are mirrors of one picture."""
    if several != "auto":
        return several == "mirrors"
    words = words_of(path.rpartition(".")[2])
    if _MIRROR_WORDS & {*words}:
        return True
    if len(urls) > MAX_MIRRORS or "[]" in path:
        return False
    names = {re.split(r"[?#]", url)[0].rpartition("/")[2] for url in urls}
    hosts = {host_of(url) for url in urls}
    if len(names) == 1 and len(hosts) == len(urls) and names != {""}:
        return True
    # The contests' own word for it: {"url": ["http..."], "image_id": 1}.
    return is_array and words == ("url",) and len(parallel(fields, len(urls))) <= 1


def _flat(value: Any) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [url for each in value for url in _flat(each)]
    if value is None or isinstance(value, dict) or str(value).strip().lower() in _NONE:
        return []
    return split_addresses(str(value))


def _of_element(fields: dict[str, Any], n: int, length: int) -> dict[str, Any]:
    """Return the fields of a row with the n-th of each list that has one for each address."""
    own = {name: fields[name][n] for name in parallel(fields, length)}
    return fields | own
