"""Who asks the ISIC Archive: a user with a token sees private images too, anybody else public ones.

The archive takes a token that is wrong or has expired for none, and answers with fewer images and
no error: so it is asked once who the user is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imgcrawl.records.errors import ArgumentError, SourceError

if TYPE_CHECKING:
    from imgcrawl.sources.fetcher import Fetcher

TOKEN = "ISIC_TOKEN"  # noqa: S105 - the name of a variable of the environment


class IsicLogin:
    """A token of the archive's (OAuth), or none. It is sent to the API's own host alone.

    api: the API's address
    """

    def __init__(self, api: str, token: str) -> None:
        self._api = api
        self._token = token.strip()

    @property
    def name(self) -> str:
        """What tells the lists of a user from those of everybody, in the names of bookmarks."""
        return " logged in" if self._token else ""

    def headers(self, url: str) -> dict[str, str]:
        """Return the header for a request of the API; none for any other address."""
        asked, own = urlsplit(url), urlsplit(self._api)
        is_api = (asked.scheme, asked.netloc) == (own.scheme, own.netloc)
        if not self._token or not is_api or not asked.path.startswith(own.path):
            return {}
        return {"Authorization": f"Bearer {self._token}"}

    async def check(self, fetcher: Fetcher) -> None:
        """Ask whose the token is. Raise ArgumentError if it is nobody's, or no token at all.

        Raises SourceError if the archive does not say.
        """
        if not self._token:
            return
        if not (self._token.isascii() and self._token.isprintable()) or " " in self._token:
            raise ArgumentError(f"{TOKEN} is no token: it has spaces or other odd characters.")
        response = await fetcher.fetch(f"{self._api}users/me/", dont_cache=True)
        if response.status in {401, 403}:
            raise ArgumentError(
                f"The archive does not know the token in {TOKEN} (HTTP {response.status}), and "
                "would answer as to anybody. Make a new one, or unset the variable."
            )
        if response.status != 200:
            raise SourceError(
                f"The archive does not say whose the token in {TOKEN} is (HTTP {response.status}): "
                "run again later, or unset the variable to have the public images."
            )
        fetcher.logger.info("Logged in to the archive: private images are listed, too.")
