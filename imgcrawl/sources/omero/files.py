"""Where the files lie that OMERO images were imported from; nothing here asks for anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

# Where IDR's import paths lie today, by how they begin (IDR's own table of download addresses);
# most studies lie below IDR_FILES_URL under their own names.
_BELOW_FILES = (
    ("uod/idr/filesets/idr0045-reichmann/", "idr0045-reichmann-zygotespindle/"),
    ("idr/tmp/idr_datasets/201301120-breker-proteome-plasticity/", "idr0003-breker-plasticity/"),
)
_ROOTS = ("uod/idr/filesets", "uod/idr/incoming", "nfs/bioimage/drop", "idr/filesets")
_METADATA = r"(?:uod/idr/metadata|data/idr-metadata)/(idr\d{4}-[\w-]+)/(.+)"
_BIA = "bia-idr/S-BIAD582/"
_BIA_FILES = "https://ftp.ebi.ac.uk/biostudies/fire/S-BIAD/582/S-BIAD582/Files/"
_SHORTEST = 3  # parts of a URL before its path


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """A file that an image was imported from.

    name: its path below the folder that all files of its fileset share
    url:  where it may be fetched; empty where nothing says so
    """

    name: str
    url: str = ""

    @property
    def problem(self) -> str:
        """Why the address leads to no file; empty if it may lead to one."""
        if re.search(r"\.zarr/?$", self.url, re.IGNORECASE):
            return f"the image is an OME-Zarr, which is a folder and no file: {self.url}"
        if re.search(r"(/|\.html?)$", self.url, re.IGNORECASE):
            return f"the server names a page or a folder and no file: {self.url}"
        return ""


@dataclass(frozen=True, slots=True)
class FilesetPaths:
    """What a server says of the files of an image's fileset."""

    fileset: int | None
    repo: tuple[str, ...]
    client: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The files' own names, each below the folder that they share."""
        return relative_names(self.client or self.repo)


def read_paths(answer: Any) -> FilesetPaths:
    """Return the answer of ``original_file_paths``; older servers do not say which fileset."""
    answer = answer if isinstance(answer, dict) else {}
    fileset = answer.get("fileset")
    number = fileset.get("id") if isinstance(fileset, dict) else None
    return FilesetPaths(
        number if isinstance(number, int) else None,
        tuple(_texts(answer.get("repo"))),
        tuple(_texts(answer.get("client"))),
    )


def read_download_urls(answer: Any) -> list[OriginalFile]:
    """Return the files of an answer of ``download_urls``, whose URLs are not percent-encode_url."""
    answer = answer if isinstance(answer, dict) else {}
    urls = [_whole(url) for url in _texts(answer.get("download_urls"))]
    paths = [_whole(path) for path in _texts(answer.get("client_paths"))]
    paired = len(urls) == len(paths)
    names = relative_names(paths if paired else ["/".join(url.split("/")[3:]) for url in urls])
    found: dict[str, OriginalFile] = {}
    for url, name in zip(urls, names, strict=True):
        address = encode_url(url, _is_raw(url, name if paired else ""))
        found.setdefault(address, OriginalFile(name, address))
    return list(found.values())


def files_by_rule(paths: FilesetPaths, files_url: str) -> list[OriginalFile]:
    """Return the files of a fileset by where IDR keeps its imports; none unless all are known."""
    client = list(dict.fromkeys(map(_whole, paths.client)))
    urls = [_ruled(path, files_url) for path in client]
    if not all(urls):
        return []
    names = relative_names(client)
    return [OriginalFile(name, url) for name, url in zip(names, urls, strict=True)]


def _whole(path: str) -> str:
    """Return the path of an OME-Zarr in place of that of one of the many files in it."""
    return re.sub(r"(\.zarr)/.*", r"\1", path, flags=re.IGNORECASE)


def _ruled(client_path: str, files_url: str) -> str:
    path = client_path.lstrip("/")
    if any(part == ".." for part in path.split("/")):
        return ""
    for prefix, place in _BELOW_FILES:
        if path.startswith(prefix):
            return files_url + quote(place + path.removeprefix(prefix))
    for root in _ROOTS:
        if re.match(rf"{root}/idr\d{{4}}-", path):
            return files_url + quote(path.removeprefix(f"{root}/"))
    if match := re.fullmatch(_METADATA, path):
        return f"https://github.com/IDR/{match[1]}/raw/HEAD/{quote(match[2])}"
    if path.startswith(_BIA):
        return _BIA_FILES + quote(path.removeprefix(_BIA))
    return ""


def encode_url(url: str, raw: bool) -> str:
    """Return a URL that can be requested; `raw`: a ``%`` in it is a percent sign.

    GitHub's page of a file becomes the file.
    """
    start, path = "/".join(url.split("/")[:_SHORTEST]), "/".join(url.split("/")[_SHORTEST:])
    path = quote(path) if raw else quote(path, safe="/%")
    url = f"{start}/{path}"
    return re.sub(r"^(https://github\.com/[^/]+/[^/]+)/blob/", r"\1/raw/", url)


def _is_raw(url: str, name: str) -> bool:
    """Return True if a URL is as the file system has it: if it ends in the file's name.

    Without a name, percent-escapes are taken for what they are.
    """
    if name:
        return url.endswith(name.rsplit("/", 1)[-1])
    return re.search(r"[ #]", url) is not None or not re.search(r"%[0-9A-Fa-f]{2}", url)


def relative_names(paths: list[str] | tuple[str, ...]) -> list[str]:
    """Return paths without the folders that all of them lie in."""
    split = [path.strip("/").split("/") for path in paths]
    shared = 0
    while split and all(len(p) > shared + 1 and p[shared] == split[0][shared] for p in split):
        shared += 1
    return ["/".join(parts[shared:]) for parts in split]


def _texts(value: Any) -> list[str]:
    return (
        [text for text in value if isinstance(text, str) and text]
        if isinstance(value, list)
        else []
    )
