"""More repositories with an API: OSF (developer.osf.io), Dryad (datadryad.org/api), BioStudies."""

from __future__ import annotations

from urllib.parse import quote, unquote

from aiohttp import web

from replicas.repository_world import (
    AUTHORS,
    GUIDS,
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
    published,
    version_of,
)

_DAYS = {"small": "2024-03-11T15:59:02", "newer": "2024-04-01T09:00:00"}


async def osf(request: web.Request, path: str) -> web.Response:
    """Answer ``v2/nodes/GUID/``, its children, and its files folder by folder."""
    parts = path.strip("/").split("/")
    names = {guid: name for name, guid in GUIDS.items()}
    if parts[0] == "download":  # of the last version, whichever that is
        return opened(version_of(names.get(parts[1], "")), unquote("/".join(parts[2:])))
    name = names.get(parts[2]) if parts[:2] == ["v2", "nodes"] and len(parts) > 2 else None
    if name is None:
        return missing()
    api = f"https://api.osf.io/v2/nodes/{parts[2]}/"
    name = version_of(name)
    if name == "closed":
        return web.json_response({"errors": [{"detail": "Authentication required."}]}, status=401)
    match parts[3:]:
        case []:
            return web.json_response({"data": _osf_node(name)})
        case ["children"]:
            children = [{"id": "chi1d", "type": "nodes"}] if name == "small" else []
            return web.json_response({"data": children, "links": {"next": None}})
        case ["files"]:
            store = {"attributes": {"provider": "osfstorage", "kind": "folder"}}
            below = {"files": {"links": {"related": {"href": f"{api}files/osfstorage/"}}}}
            return web.json_response({"data": [{**store, "relationships": below}]})
        case ["files", "osfstorage", *folders]:
            return _osf_folder(request, name, api, [unquote(part) for part in folders])
    return missing()


def _osf_node(name: str) -> dict[str, object]:
    people = [
        {"embeds": {"users": {"data": {"attributes": {"full_name": who}}}}} for who in AUTHORS
    ]
    terms = {"data": {"attributes": {"name": "CC-By Attribution 4.0", "url": "https://cc/by"}}}
    return {
        "id": GUIDS[name],
        "attributes": {"title": TITLE, "date_modified": _DAYS.get(name, _DAYS["small"])},
        "embeds": {"license": terms, "contributors": {"data": people}},
    }


def _osf_folder(request: web.Request, name: str, api: str, folders: list[str]) -> web.Response:
    prefix = "".join(f"{folder}/" for folder in folders)
    below = [path.removeprefix(prefix) for path in RECORDS[name] if path.startswith(prefix)]
    names = list(dict.fromkeys(path.partition("/")[0] for path in below))
    page, entries = int(request.query.get("page", "1")), []
    for each in names[PAGE * (page - 1) : PAGE * page]:
        path = f"{prefix}{each}"
        if path in RECORDS[name]:
            hashes = {h: digest_of(name, path, h) for h in ("md5", "sha256")}
            about: dict[str, object] = {"kind": "file", "name": each}
            about |= {"materialized_path": f"/{path}", "extra": {"hashes": hashes}}
            about["size"] = len(RECORDS[name][path])
            links = {"download": f"https://api.osf.io/download/{quote(api[-6:-1])}/{quote(path)}"}
            entries.append({"attributes": about, "links": links})
        else:
            href = f"{api}files/osfstorage/{quote(path)}/"
            related = {"files": {"links": {"related": {"href": href}}}}
            about = {"kind": "folder", "name": each, "materialized_path": f"/{path}/"}
            entries.append({"attributes": about, "relationships": related})
    where = f"{api}files/osfstorage/{quote(prefix)}"
    following = f"{where}?page={page + 1}" if PAGE * page < len(names) else None
    return web.json_response({"data": entries, "links": {"next": following}})


async def dryad(request: web.Request, path: str) -> web.Response:
    """Answer ``api/v2/datasets/DOI`` and the files of its version; the API's download is closed."""
    parts = [unquote(part) for part in path.split("/")]
    if parts[0] == "downloads":
        return by_number(parts[2])
    if parts[-1] == "download":
        return web.json_response({"error": "Unauthorized"}, status=401)
    if parts[:3] == ["api", "v2", "datasets"]:
        name = path.rpartition(".")[2]
        if name not in RECORDS:
            return missing()
        name = version_of(name)
        version = {"stash:version": {"href": f"/api/v2/versions/{NUMBERS[name]}"}}
        people = [
            dict(zip(("lastName", "firstName"), who.split(", "), strict=True)) for who in AUTHORS
        ]
        terms = "https://spdx.org/licenses/CC0-1.0.html"
        about: dict[str, object] = {"title": TITLE, "authors": people, "license": terms}
        about["versionNumber"] = 2 if name == "newer" else 1
        return web.json_response({**about, "_links": version})
    name = OF_NUMBER.get(parts[3], "") if parts[:3] == ["api", "v2", "versions"] else ""
    if not name:
        return missing()
    page = int(request.query.get("page", "1"))
    paths = list(RECORDS[name])
    files = [
        {
            "path": file,
            "size": len(RECORDS[name][file]),
            "status": "created",
            "digest": digest_of(name, file, "sha256"),
            "digestType": "sha-256",
            "_links": _dryad_links(name, file),
        }
        for file in paths[PAGE * (page - 1) : PAGE * page]
    ]
    links = {}
    if PAGE * page < len(paths):
        links = {"next": {"href": f"/api/v2/versions/{NUMBERS[name]}/files?page={page + 1}"}}
    answer = {"total": len(paths), "_embedded": {"stash:files": files}, "_links": links}
    return web.json_response(answer)


def _dryad_links(name: str, file: str) -> dict[str, dict[str, str]]:
    own = f"/api/v2/files/{number_of(name, file)}"
    return {"self": {"href": own}, "stash:download": {"href": f"{own}/download"}}


async def mendeley(request: web.Request, path: str) -> web.Response:
    """Answer ``public-api/datasets/ID``, its folders, and the files of one folder."""
    parts = path.split("/")
    if parts[0] == "files":
        return by_number(parts[1])
    asked = parts[2] if parts[:2] == ["public-api", "datasets"] and len(parts) > 2 else ""
    asked = asked.removesuffix("-set")
    if asked not in RECORDS:
        return missing()
    version = parts[4] if parts[3:4] == ["folders"] else request.query.get("version")
    name = version_of(asked, version)
    folders = {f: n for n, f in enumerate(_folders(name))}
    if parts[3:4] == ["folders"]:
        return web.json_response(
            [
                {"id": f"f{n}", "name": f.split("/")[-1], "parent_id": _parent(f, folders)}
                for f, n in folders.items()
            ]
        )
    if parts[3:4] == ["files"]:
        asked = request.query.get("folder_id", "root")
        here = next((f for f, n in folders.items() if f"f{n}" == asked), "")
        return web.json_response(
            [
                {
                    "filename": file.rpartition("/")[2],
                    "size": len(body),
                    "content_details": {
                        "sha256_hash": digest_of(name, file, "sha256"),
                        "download_url": f"https://data.mendeley.com/files/{number_of(name, file)}",
                    },
                }
                for file, body in RECORDS[name].items()
                if file.rpartition("/")[0] == here
            ]
        )
    people = [dict(zip(("last_name", "first_name"), w.split(", "), strict=True)) for w in AUTHORS]
    number = 2 if name == "newer" else 1
    about: dict[str, object] = {"name": TITLE, "contributors": people, "version": number}
    about["data_licence"] = {"short_name": "CC BY 4.0", "url": "https://cc/by"}
    last = published["versions"] if asked == "small" else 1
    return web.json_response({**about, "versions": [{"version": n + 1} for n in range(last)]})


def _folders(name: str) -> list[str]:
    """Return all folders of a record, those that hold only folders too."""
    found: dict[str, None] = {}
    for path in RECORDS[name]:
        parts = path.split("/")[:-1]
        for depth in range(len(parts)):
            found["/".join(parts[: depth + 1])] = None
    return list(found)


def _parent(folder: str, numbers: dict[str, int]) -> str | None:
    above = folder.rpartition("/")[0]
    return f"f{numbers[above]}" if above else None


def _told(path: str, body: bytes) -> int:
    """Return the size that is told of a file: it is all that could lie here."""
    return len(body) + (path == "liar.tif")


async def biostudies(request: web.Request, path: str) -> web.Response:
    """Answer ``api/v1/studies/ACCESSION``, its info and files, and ``files/ACCESSION/PATH``."""
    parts = [unquote(part) for part in path.split("/")]
    accession = parts[1] if parts[0] == "files" else parts[3] if len(parts) > 3 else ""
    name = OF_NUMBER.get(accession.removeprefix("S-BIAD"), "")
    if not name or name == "closed":
        return missing()
    name = version_of(name)
    if parts[0] == "files":
        return opened(name, "/".join(parts[2:]))
    match parts[2:]:
        case ["studies", _, "info"]:
            info: dict[str, object] = {"files": len(RECORDS[name])}
            info["modified"] = 1712000000000 if name == "newer" else 1710172742000
            link = f"ftp://ftp.ebi.ac.uk/biostudies/fire/S-BIAD/001/{accession}"
            return web.json_response(info | {"ftpLink": link, "isPublic": True})
        case ["studies", _]:
            people = [
                {"type": "Author", "attributes": [{"name": "Name", "value": who}]}
                for who in AUTHORS
            ]
            told = [{"name": "Title", "value": TITLE}, {"name": "License", "value": "CC BY 4.0"}]
            section: dict[str, object] = {
                "type": "Study",
                "attributes": told,
                "subsections": people,
            }
            return web.json_response({"accno": accession, "section": section})
        case ["files", _]:
            start = int(request.query.get("start", "0"))
            rows = [
                {"Name": p.rpartition("/")[2], "path": p, "type": "file", "Size": _told(p, b)}
                for p, b in RECORDS[name].items()
                if p != "secret.tif"  # it restricts whole studies
            ]
            if name in {"small", "newer"}:
                rows.append({"Name": "raw.zarr", "path": "raw.zarr", "type": "directory"})
            total = {"recordsTotal": len(rows), "recordsFiltered": len(rows)}
            return web.json_response({"draw": 0, **total, "data": rows[start : start + PAGE]})
    return missing()
