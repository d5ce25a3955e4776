"""Which repository a DOI or a link leads to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from imgcrawl.records.errors import SourceError
from imgcrawl.sources.repositories.biostudies import BioStudies
from imgcrawl.sources.repositories.dataverse import Dataverse
from imgcrawl.sources.repositories.dryad import Dryad
from imgcrawl.sources.repositories.figshare import Figshare
from imgcrawl.sources.repositories.inveniordm import InvenioRdm
from imgcrawl.sources.repositories.mendeley import Mendeley
from imgcrawl.sources.repositories.osf import Osf
from imgcrawl.sources.repositories.record import ask, listed, text

if TYPE_CHECKING:
    from imgcrawl.sources.fetcher import Fetcher
    from imgcrawl.sources.repositories.record import RepositoryClient

# Those with hosts of their own first: InvenioRDM and Dataverse run anywhere.
_CLIENTS: tuple[Any, ...] = (Figshare, Osf, Dryad, Mendeley, BioStudies, Dataverse, InvenioRdm)
_DOI = re.compile(r"(?:doi:\s*|https?://(?:dx\.|www\.)?doi\.org/)?(10\.\d{4,9}/\S+)", re.IGNORECASE)
_DOI_OF_PAGE = re.compile(r"/(?:doi/|doi:)(10\.\d{4,9}/[^?#]+)", re.IGNORECASE)
_EMPIAR = re.compile(r"EMPIAR-(\d{4,6})(?:\W|$)|/empiar/(?:entry/)?(\d{5,6})(?:/|$)", re.IGNORECASE)


def parse_doi(words: str) -> str | None:
    """Return the DOI in ``10.5281/zenodo.1``, ``doi:...`` or a link to doi.org; None for none.

    As people paste it: with the full stop of its sentence, or with its slash percent-encoded.
    """
    plain = re.sub("%2f", "/", words.strip().rstrip(".,;"), flags=re.IGNORECASE)
    match = _DOI.fullmatch(plain)
    return match[1] if match else None


def doi_in(url: str) -> str | None:
    """Return the DOI that a page has in its address, as https://zenodo.org/doi/10.5281/zenodo.1."""
    match = _DOI_OF_PAGE.search(unquote(urlsplit(url).path))
    return match[1].rstrip("/") if match else None


async def resolve(fetcher: Fetcher, doi: str) -> str:
    """Return the address that a DOI leads to, by the handle system's own API.

    https://www.doi.org/the-identifier/resources/factsheets/doi-resolution-documentation
    """
    answer = await ask(fetcher, f"{fetcher.settings['DOI_URL']}{quote(doi, safe='/')}")
    for value in listed(answer, "values"):
        if text(value, "type") == "URL" and (url := text(value, "data", "value")):
            return url
    raise SourceError(f"The DOI {doi} leads to no address.")


def is_record(url: str) -> bool:
    """Return whether a link is that of a record, whose API says more than its page.

    Of InvenioRDM only at Zenodo: ``/records/1`` may be anything at other hosts.
    """
    is_zenodo = f".{urlsplit(url).hostname or ''}".endswith(".zenodo.org")
    clients = [each for each in _CLIENTS if is_zenodo or each is not InvenioRdm]
    if spider_of(url) is not None or (is_zenodo and doi_in(url) is not None):
        return True
    return any(each.of(None, url) is not None for each in clients)


def spider_of(url: str) -> tuple[str, dict[str, str]] | None:
    """Return the spider that a source of records has of its own, and its argument; None for none.

    An entry of EMPIAR, or what a link of OMERO.web shows, as a DOI of IDR leads to.
    """
    if match := _EMPIAR.search(url):
        return "empiar", {"entry": match[1] or match[2]}
    parts = urlsplit(url)
    is_idr = (parts.hostname or "").endswith("idr.openmicroscopy.org")
    if is_idr or re.search(r"/webclient(?:/|$)", parts.path):
        return "omero", {"link": url}
    return None


def find_client(fetcher: Fetcher, url: str) -> RepositoryClient | None:
    """Return the client of the record that a link leads to; None if no repository is known."""
    for repository in _CLIENTS:
        client: RepositoryClient | None = repository.of(fetcher, url)
        if client is not None:
            return client
    return None
