"""Repositories with an API, each under its own host: ``/web/https/zenodo.org/`` and others.

Written from their documentation: InvenioRDM's REST API, docs.figshare.com, Dataverse's native API,
and the handle system's API, which resolves DOIs.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from aiohttp import web

from replicas import empiar
from replicas.repositories_more import biostudies, dryad, mendeley, osf
from replicas.repository_world import (
    AUTHORS,
    NUMBERS,
    OF_NUMBER,
    PAGE,
    RECORDS,
    TITLE,
    by_number,
    digest_of,
    missing,
    number_of,
    opened,
    version_of,
)


async def doi(_request: web.Request, path: str) -> web.Response:
    """Answer the handle system: ``api/handles/10.5281/zenodo.100001``."""
    name = path.removeprefix("api/handles/")
    places = {
        "10.17867/10000152": "https://idr.openmicroscopy.org/search/?query=Name:idr0086",
        "10.17867/10000200": "https://idr.openmicroscopy.org/search/?query=Name:idr0200",
        "10.17867/10000201": "https://idr.openmicroscopy.org/search/?query=Name:idr0201",
        "10.6019/S-BIAD100001": "https://www.ebi.ac.uk/biostudies/bioimages/studies/S-BIAD100001",
        "10.7910/DVN/small": "https://dataverse.harvard.edu/citation?persistentId=doi:10.7910/DVN/small",
        "10.17632/small": "https://data.mendeley.com/datasets/small-set",
        "10.5061/dryad.small": "https://datadryad.org/dataset/doi:10.5061/dryad.small",
        "10.17605/OSF.IO/SMAL1": "https://osf.io/smal1/",
    }
    for entry in ("11759", empiar.LARGE, empiar.RELEASED, empiar.HELD, empiar.CLOSED):
        places[f"10.6019/EMPIAR-{entry}"] = f"https://www.ebi.ac.uk/empiar/EMPIAR-{entry}/"
    for key, number in NUMBERS.items():
        places[f"10.5281/zenodo.{number}"] = f"https://zenodo.org/record/{number}"
        places[f"10.6084/m9.figshare.{number}"] = (
            f"https://figshare.com/articles/dataset/{key}/{number}"
        )
    url = places.get(name)
    if url is None:
        return web.json_response({"responseCode": 100, "handle": name}, status=404)
    value = {"index": 1, "type": "URL", "data": {"format": "string", "value": url}}
    return web.json_response({"responseCode": 1, "handle": name, "values": [value]})


async def zenodo(request: web.Request, path: str) -> web.Response:
    """Answer InvenioRDM: ``api/records/ID``, ``/files``, ``/files/KEY/content``, ``/versions``."""
    parts = [unquote(part) for part in path.split("/")]
    name = OF_NUMBER.get(parts[2]) if parts[:2] == ["api", "records"] and len(parts) > 2 else None
    if name is None:
        return missing()
    match parts[3:]:
        case []:
            return web.json_response(_rdm(name))
        case ["versions", "latest"]:
            return web.json_response(_rdm(version_of(name)))
        case ["files"] if name == "closed":
            return web.json_response({"status": 403}, status=403)
        case ["files"]:
            return _rdm_files(request, name)
        case ["files", *key, "content"]:
            return opened(name, "/".join(key))
    return missing()


def _rdm(name: str) -> dict[str, object]:
    rights = [{"id": "cc-by-4.0", "title": {"en": "CC BY 4.0"}, "props": {"url": "https://cc/by"}}]
    people = [{"person_or_org": {"name": who}} for who in AUTHORS]
    return {
        "id": str(NUMBERS[name]),
        "parent": {"id": "100000" if name in {"small", "newer"} else f"{NUMBERS[name]}0"},
        "pids": {"doi": {"identifier": f"10.5281/zenodo.{NUMBERS[name]}"}},
        "metadata": {
            "title": TITLE,
            "creators": people,
            "rights": rights,
            "version": {"newer": "2.0"}.get(name, "1.0"),
            "publication_date": "2024-03-11",
        },
        "files": {"enabled": True, "count": len(RECORDS[name])},
        "links": {"self_html": f"https://zenodo.org/records/{NUMBERS[name]}"},
    }


def _rdm_files(request: web.Request, name: str) -> web.Response:
    page = int(request.query.get("page", "1"))
    api = f"https://zenodo.org/api/records/{NUMBERS[name]}/files"
    paths = list(RECORDS[name])
    entries = [
        {
            "key": path,
            "checksum": f"md5:{digest_of(name, path)}",
            "size": len(RECORDS[name][path]),
            "links": {"content": f"{api}/{quote(path, safe='')}/content"},
        }
        for path in paths[PAGE * (page - 1) : PAGE * page]
    ]
    links = {"next": f"{api}?page={page + 1}"} if PAGE * page < len(paths) else {}
    return web.json_response({"enabled": True, "entries": entries, "links": links})


async def figshare(request: web.Request, path: str) -> web.Response:
    """Answer ``v2/articles/ID``, its versions and files; ``files/NAME/NUMBER`` are downloads."""
    parts = path.split("/")
    if parts[0] == "files":
        return by_number(parts[1])
    asked = OF_NUMBER.get(parts[2]) if parts[:2] == ["v2", "articles"] else None
    if asked is None:
        return missing()
    rest = parts[3:]
    version = rest[1] if rest[:1] == ["versions"] else None
    rest = rest[2:] if version else rest
    name = version_of(asked, version)
    if rest == ["files"]:
        return _figshare_files(request, name)
    folders = {str(number_of(name, p)): p.rpartition("/")[0] for p in RECORDS[name] if "/" in p}
    return web.json_response(
        {
            "id": NUMBERS[asked],
            "title": TITLE,
            "doi": f"10.6084/m9.figshare.{NUMBERS[asked]}.v1",
            "size": sum(map(len, RECORDS[name].values())),
            "authors": [{"full_name": who} for who in AUTHORS],
            "license": {"name": "CC BY 4.0", "url": "https://cc/by"},
            "version": 2 if name == "newer" else 1,
            "is_embargoed": name == "closed",
            "embargo_type": "file" if name == "closed" else None,
            "folder_structure": folders,
            "files": _figshare_entries(name)[:10],
        }
    )


def _figshare_entries(name: str) -> list[dict[str, object]]:
    return [
        {
            "id": number_of(name, path),
            "name": path.rpartition("/")[2],
            "size": len(body),
            "is_link_only": False,
            "computed_md5": digest_of(name, path),
            "download_url": f"https://api.figshare.com/files/{number_of(name, path)}",
        }
        for path, body in RECORDS[name].items()
    ]


def _figshare_files(request: web.Request, name: str) -> web.Response:
    size = min(int(request.query.get("page_size", "10")), PAGE)
    start = size * (int(request.query.get("page", "1")) - 1)
    entries = [] if name == "closed" else _figshare_entries(name)
    return web.json_response(entries[start : start + size])


async def dataverse(request: web.Request, path: str) -> web.Response:
    """Answer ``api/datasets/:persistentId/versions/...`` and ``api/access/datafile/NUMBER``."""
    if path.startswith("api/access/datafile/"):
        return by_number(path.rpartition("/")[2])
    name = request.query.get("persistentId", "").rpartition("/")[2]
    if name not in RECORDS or not path.startswith("api/datasets/:persistentId/versions/"):
        return missing()
    asked = path.split("/")[4]
    name = version_of(name, asked[0] if asked[0].isdecimal() else None)
    if path.endswith("/files"):
        start = int(request.query.get("offset", "0"))
        entries = [_dataverse_file(name, file) for file in RECORDS[name]]
        answer = {"status": "OK", "data": entries[start : start + PAGE]}
        return web.json_response(answer | {"totalCount": len(entries)})
    who = [{"authorName": {"value": one}} for one in AUTHORS]
    fields = [{"typeName": "title", "value": TITLE}, {"typeName": "author", "value": who}]
    data = {
        "versionNumber": 2 if name == "newer" else 1,
        "versionMinorNumber": 0,
        "license": {"name": "CC BY 4.0", "uri": "https://cc/by"},
        "metadataBlocks": {"citation": {"fields": fields}},
    }
    return web.json_response({"status": "OK", "data": data})


def _dataverse_file(name: str, path: str) -> dict[str, object]:
    folder, _, label = path.rpartition("/")
    data = {
        "id": number_of(name, path),
        "filename": label,
        "filesize": len(RECORDS[name][path]),
        "checksum": {"type": "SHA-1", "value": digest_of(name, path, "sha1")},
    }
    entry: dict[str, object] = {"label": label, "restricted": label == "secret.tif"}
    return {**entry, "dataFile": data} | ({"directoryLabel": folder} if folder else {})


HOSTS = {
    "doi.org": doi,
    "zenodo.org": zenodo,
    "api.figshare.com": figshare,
    "dataverse.harvard.edu": dataverse,
    "api.osf.io": osf,
    "datadryad.org": dryad,
    "data.mendeley.com": mendeley,
    "www.ebi.ac.uk/biostudies": biostudies,
}
