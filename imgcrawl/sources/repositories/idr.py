"""Studies of the Image Data Resource, as it describes them: the keys of its study files.

https://github.com/IDR/idr-metadata, and the map annotations that are made of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.sources.repositories.record import RepositoryRecord

if TYPE_CHECKING:
    from imgcrawl.records.items import Metadata


def study_of(columns: Metadata, page: str, doi: str) -> RepositoryRecord:
    """Return the study of an image, by the columns of the image; doi: the one that was asked."""

    def told(name: str) -> str:
        return str(columns.get(f"annotation_{name}") or "").strip()

    name = str(columns.get("project") or columns.get("screen") or page)
    data_doi = told("Data DOI").split()[:1]
    return RepositoryRecord(
        repository="Image Data Resource",
        page=page,
        number=name,
        series=name,
        title=told("Publication Title") or name,
        doi=doi or "".join(data_doi),
        authors=tuple(filter(None, told("Publication Authors").split(", "))),
        license=str(columns.get("copyright_license") or ""),
        license_url=str(columns.get("license_url") or ""),
        date=told("Release Date"),
    )
