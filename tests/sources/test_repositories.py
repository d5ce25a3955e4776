"""Answers of repositories of any shape: read, or refused in words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.records.errors import SourceError
from imgcrawl.sources.repositories.find import (
    doi_in,
    find_client,
    is_record,
    parse_doi,
    spider_of,
)
from imgcrawl.sources.repositories.mendeley import folder_paths
from imgcrawl.sources.repositories.record import RepositoryFile, digests_of

LINKS = {
    "Figshare": "https://kilthub.figshare.com/articles/dataset/x_y/12345678/3",
    "Osf": "https://osf.io/abcde/files/osfstorage",
    "Dryad": "https://datadryad.org/stash/dataset/doi%3A10.5061%2Fdryad.x",
    "Mendeley": "https://data.mendeley.com/datasets/n7j8wrc3xx/2",
    "BioStudies": "https://www.ebi.ac.uk/bioimage-archive/galleries/S-BIAD634.html",
    "Dataverse": "https://data.example.edu/dataset.xhtml?persistentId=hdl:1902.1/2&version=1.0",
    "InvenioRdm": "https://data.example.edu/records/ab1cd-2ef34",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "id", "files", "links", "metadata", "key", "next", "name"]),
            inner,
        )
    ),
    max_leaves=20,
)


class Answers:
    """A fetcher that answers every address with the same JSON."""

    def __init__(self, answer: Any, status: int = 200) -> None:
        self.answer, self.status = answer, status
        self.body = json.dumps(answer).encode()
        self.asked = 0
        self.settings = {"DOI_URL": "https://doi.invalid/"}

    async def fetch(self, url: str, **meta: Any) -> Any:
        self.asked += 1
        assert self.asked < 50, "it asks without end"
        return self

    async def fetch_json(self, url: str, **meta: Any) -> Any:
        return json.loads(self.body)


@pytest.mark.parametrize(("name", "url"), LINKS.items())
def test_links_lead_to_their_repository(name: str, url: str) -> None:
    fetcher: Any = Answers({})
    assert type(find_client(fetcher, url)).__name__ == name


@pytest.mark.parametrize(
    "url",
    [
        "https://www.bioimagearchive.org/study/S-BIAD1234",
        "https://www.ebi.ac.uk/biostudies/studies/S-BSST265?query=x",
        "https://www.ebi.ac.uk/biostudies/files/S-BIAD634/a/b.txt",
        "https://www.ebi.ac.uk/biostudies/arrayexpress/studies/E-MTAB-1234",
    ],
)
def test_studies_have_many_pages(url: str) -> None:
    fetcher: Any = Answers({})
    assert type(find_client(fetcher, url)).__name__ == "BioStudies"


@pytest.mark.parametrize(
    "url",
    [
        "https://rdr.example.ac.uk/articles/dataset/Stacks_of_cells/12345678",
        "https://rdr.example.ac.uk/articles/dataset/Stacks_of_cells/12345678/2",
        "https://figshare.com/articles/12345678",
    ],
)
def test_institutions_have_figshare_under_their_own_hosts(url: str) -> None:
    fetcher: Any = Answers({})
    assert type(find_client(fetcher, url)).__name__ == "Figshare"


@pytest.mark.parametrize(
    ("url", "spider"),
    [
        ("https://www.ebi.ac.uk/empiar/EMPIAR-11759/", ("empiar", {"entry": "11759"})),
        (
            "https://www.ebi.ac.uk/emdb/empiar/entry/empiar-10943",
            ("empiar", {"entry": "10943"}),
        ),
        ("https://www.ebi.ac.uk/empiar/EMPIAR-117590123/", None),
        ("https://www.ebi.ac.uk/pdbe/emdb/empiar/entry/10310/", ("empiar", {"entry": "10310"})),
        ("https://idr.openmicroscopy.org/study/idr0086/", "omero"),
        ("https://omero.example.org/webclient/?show=project-27936", "omero"),
        ("https://zenodo.org/records/1", None),
    ],
)
def test_sources_with_a_spider_of_their_own(url: str, spider: Any) -> None:
    expected = (spider, {"link": url}) if spider == "omero" else spider
    assert spider_of(url) == expected


@pytest.mark.parametrize(
    "url", ["https://example.org/x", "https://osf.io/", "https://figshare.com/authors/x/123456"]
)
def test_other_links_lead_to_none(url: str) -> None:
    fetcher: Any = Answers({})
    assert find_client(fetcher, url) is None


@pytest.mark.parametrize("url", LINKS.values(), ids=list(LINKS))
@given(answer=JSON)
def test_any_answer_is_read_or_refused(url: str, answer: Any) -> None:
    async def read() -> list[RepositoryFile]:
        fetcher: Any = Answers(answer)
        client = find_client(fetcher, url)
        assert client is not None
        record = await client.record()
        assert record.citation().startswith("cff-version")
        assert isinstance(record.columns(), dict)
        return [file async for file in client.files()]

    try:
        files = asyncio.run(read())
    except SourceError:
        return
    assert all(file.path and file.urls for file in files)


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        *((url, True) for name, url in LINKS.items() if name != "InvenioRdm"),
        ("https://zenodo.org/records/1234567", True),
        ("https://zenodo.org/doi/10.5281/zenodo.1234567", True),
        ("https://www.ebi.ac.uk/empiar/EMPIAR-11759/", True),
        ("https://idr.openmicroscopy.org/webclient/?show=project-51", True),
        ("https://zenodo.org/communities/x", False),
        ("https://example.org/records/1", False),
        ("https://www.ebi.ac.uk/empiar/", False),
    ],
)
def test_a_page_of_a_known_repository_is_recognized(url: str, is_one: bool) -> None:
    assert is_record(url) is is_one


def test_folders_in_folders_and_in_circles() -> None:
    folders = [
        {"id": "b", "name": "deep", "parent_id": "a"},
        {"id": "a", "name": "plate 1", "parent_id": None},
        {"id": "c", "name": "round", "parent_id": "c"},
        3,
    ]
    paths = folder_paths(folders)
    assert (paths["root"], paths["a"], paths["b"]) == ("", "plate 1/", "plate 1/deep/")
    assert paths["c"].startswith("round/round/")


def test_digests_that_cannot_be_checked_are_no_promise() -> None:
    assert digests_of("SHA-1", "A" * 40) == {"sha1": "a" * 40}
    assert digests_of("sha-256", "0" * 64) == {"sha256": "0" * 64}
    for algorithm, value in [("md5", "0" * 31), ("md5", "x" * 32), ("crc32", "0" * 8), ("", "")]:
        assert digests_of(algorithm, value) == {}


def test_dois() -> None:
    for words in ("10.1/x", "zenodo.1", "https://zenodo.org/records/1"):
        assert parse_doi(words) is None
    for words in (
        *("10.5281/zenodo.1", "doi:10.5281/zenodo.1", " https://doi.org/10.5281/zenodo.1 "),
        *("DOI: 10.5281/zenodo.1.", "https://doi.org/10.5281%2Fzenodo.1", "10.5281/zenodo.1,"),
    ):
        assert parse_doi(words) == "10.5281/zenodo.1"
    assert doi_in("https://zenodo.org/doi/10.5281/zenodo.1?x=1") == "10.5281/zenodo.1"
    assert doi_in("https://data.example.org/dataset/doi%3A10.5061%2Fx.y/") == "10.5061/x.y"
    assert doi_in("https://www.example.org/10.1") is None
