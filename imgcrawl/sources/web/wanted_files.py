"""WantedFiles: which of the links of a page are asked for."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from imgcrawl.arguments import split_words

if TYPE_CHECKING:
    from imgcrawl.sources.web.page_link import PageLink


class WantedFiles:
    """The files that are asked for: globs, separated by commas, or a regular expression in slashes.

    Compared with the name, the path, and the path with its query; a glob with a slash in it may
    also begin at any directory. Case counts in a regular expression only.
    """

    def __init__(self, match: str | None) -> None:
        self._pattern: re.Pattern[str] | None = None
        self._globs: list[str] = []
        if match and len(match) > 2 and match[0] == match[-1] == "/":
            self._pattern = re.compile(match[1:-1])
        elif match:
            globs = [glob.lower() for glob in split_words(match)]
            self._globs = globs + [f"*/{glob}" for glob in globs if "/" in glob]

    def matches(self, link: PageLink) -> bool:
        """Return True if a link is wanted; without a pattern, if it looks like data."""
        parts = urlsplit(link.url)
        path = unquote(parts.path)
        names = [link.name, path.rpartition("/")[2], path]
        names += [f"{path}?{unquote(parts.query)}"] if parts.query else []
        if self._pattern is not None:
            return any(self._pattern.search(name) for name in names)
        if not self._globs:
            return link.is_data
        return any(fnmatch.fnmatchcase(n.lower(), glob) for n in names for glob in self._globs)
