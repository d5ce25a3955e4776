"""Addresses made of columns: ``https://host/{photo_id}/original.{extension}``."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imgcrawl.lists.nested import value_at

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEPT = "/:@!$&'()*+,;=~%"  # of a value, which may be the path of a file
# Where lists have the name of a file below `base`.
FILE_NAMES = ("file_name", "filename", "file", "path", "image_path", "image", "img", "name", "url")


class Template:
    """Makes the address of a row of its columns.

    Raises ValueError, with a sentence for the user, for what is no address with {column} fields.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"the address {text!r} cannot be used: {error}") from None
        if any(spec or conversion for _, _, spec, conversion in parsed):
            raise ValueError(f"the address {text!r} cannot be used: only plain {{column}} fields")
        self._parts = [(literal, field) for literal, field, _, _ in parsed]
        self.fields = [field for _, field in self._parts if field]

    @classmethod
    def below(cls, base: str, names: Iterable[str]) -> Template | None:
        """Return the template of files below an address; None if no column names a file."""
        have = [*names]
        name = next((name for name in FILE_NAMES if name in have), None)
        return None if name is None else cls(f"{base.rstrip('/')}/{{{name}}}")

    def missing(self, names: Iterable[str]) -> str | None:
        """Return the first field that is none of these columns."""
        have = {*names}
        return next((field for field in self.fields if field not in have), None)

    def address(self, fields: dict[str, Any]) -> str:
        """Return the address of a row. Raises ValueError if it lacks one of the columns."""
        made = []
        for literal, field in self._parts:
            made.append(literal)
            if field:
                value = value_at(fields, field)
                if value in (None, "") or isinstance(value, (list, dict)):
                    raise ValueError(f"no {field}")
                made.append(quote(str(value).strip(), safe=_KEPT))
        return "".join(made)


def is_template(text: str) -> bool:
    """Return True if an address has fields."""
    return "{" in text and "}" in text
