"""Addresses of volumes as people and neuroglancer write them: buckets, web servers, folders."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from imgcrawl.download.schemes import require_http
from imgcrawl.download.tokens import CAVE, CAVE_HOSTS, token_headers
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.volume import VolumeAddress
from imgcrawl.text.bucket_urls import bucket_url
from imgcrawl.text.suggest import did_you_mean
from imgcrawl.volumes.metadata.folders import ADAPTERS, check_parts, within

if TYPE_CHECKING:
    from imgcrawl.records.volume import Driver

# Prefixes, and the formats at the end of neuroglancer's newer "gs://bucket/path/|format:". Where
# the version is not given, the documents have it.
_FORMATS: dict[str, Driver | None] = {
    "precomputed": "neuroglancer_precomputed",
    "neuroglancer-precomputed": "neuroglancer_precomputed",
    "zarr": None,
    "zarr2": "zarr",
    "zarr3": "zarr3",
    "n5": "n5",
}
_SCHEMES = ("s3", "gs", "https", "http", "file")
_DOCUMENTS = frozenset(
    {"info", "zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata", "attributes.json"}
)
_MAX_LENGTH = 4_000  # characters: the names of chunks come after it
_HOSTS = (  # of buckets: as a part of the host's name, or as the first folder
    ("s3", re.compile(r"(?P<bucket>.+)\.s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com\Z")),
    ("s3", re.compile(r"s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com\Z")),
    ("gs", re.compile(r"(?P<bucket>.+)\.storage\.googleapis\.com\Z")),
    ("gs", re.compile(r"storage\.(?:googleapis|cloud\.google)\.com\Z")),
)
_EXAMPLES = "s3://bucket/a.zarr, gs://bucket/path, https://host/path or a local folder"


def parse_address(text: str, *, s3_url: str, gcs_url: str, local: bool = True) -> VolumeAddress:
    """Return the folder that a text names.

    s3_url, gcs_url: what s3://bucket/ and gs://bucket/ stand for, with {bucket} in it
    local:           whether folders of this computer may be named: by a user, never by a source
    Raises ValueError that says what to type instead.
    """
    text = text.strip()
    _check_text(text)
    location, *pipes = text.split("|")
    driver: Driver | None = None
    if match := re.match(r"([a-z0-9]+)://(?=[a-z0-9+]+://|[/~.])", location):
        if match[1] in _FORMATS:
            driver, location = _FORMATS[match[1]], location[match.end() :]
        elif match[1] not in _SCHEMES:
            raise ValueError(_unknown(match[1]))
    location = _without_transport(location)
    location, separator = _without_separator(location)
    inner = adapter = ""
    for pipe in filter(None, (pipe.strip() for pipe in pipes)):
        bare, told = _without_separator(pipe)
        separator = told or separator
        name, _, path = bare.partition(":")
        if name in ADAPTERS and not adapter and not inner:
            adapter, inner = name, path.strip("/")
            continue
        driver, path = _pipe(bare)
        inner = "/".join(filter(None, (inner, path)))
    scheme, has_scheme, rest = location.partition("://")
    scheme = scheme.lower() if has_scheme else "file"
    match scheme:
        case "s3":
            found = _in_bucket("s3", rest, s3_url, driver)
        case "gs":
            found = _in_bucket("gs", rest, gcs_url, driver)
        case "http" | "https":
            found = _on_web(location, driver)
        case "file" if local:
            found = _on_disk(location, driver, is_file=adapter == "zip")
        case "file":
            raise ValueError(f"{text} is a folder of this computer; a source may not name one")
        case _:
            raise ValueError(_unknown(scheme))
    if adapter:
        shown, url = f"{found.shown}|{adapter}", f"{found.url.rstrip('/')}%7C{adapter}/"
        found = replace(found, shown=shown, url=url)
    return within(replace(found, separator=separator), inner)


def _without_separator(text: str) -> tuple[str, str]:
    """Return an address without neuroglancer's ``?dimension_separator=/``, and the separator.

    Behind a format of a pipeline it stands after "#". Source: its Zarr data source.
    """
    match = re.search(r"[?#]dimension_separator=(%2[fF]|[/.])\Z", text)
    if match is None:
        return text, ""
    return text[: match.start()], "." if match[1] == "." else "/"


def _without_transport(location: str) -> str:
    """Return an address without neuroglancer's prefix for the way in which it is asked for."""
    way, has_plus, rest = location.partition("+")
    if not has_plus or "://" in way:
        return location
    if way == "middleauth":
        if not token_headers(rest):
            host = urlsplit(rest).hostname or "HOST"
            raise ValueError(
                f"{location} needs a login: put your token into the environment as {CAVE}, "
                f"and {CAVE_HOSTS}={host} beside it"
            )
        return rest
    if way == "s3" and rest.startswith(("http://", "https://")):
        return rest  # a server of buckets of its own: the bucket is the first folder
    if way == "gs" and rest.startswith("xml://"):
        return f"gs{rest.removeprefix('xml')}"
    return location


def _pipe(pipe: str) -> tuple[Driver | None, str]:
    """Return format and path of ``zarr2:path/``."""
    name, _, path = pipe.partition(":")
    if name not in _FORMATS:
        known = (*_FORMATS, *ADAPTERS)
        words = did_you_mean(name, known)
        raise ValueError(f"|{name}: cannot be read; of {', '.join(known)} it is none{words}")
    return _FORMATS[name], path.strip("/")


def _in_bucket(scheme: str, rest: str, template: str, driver: Driver | None) -> VolumeAddress:
    bucket, _, key = rest.partition("/")
    if "{bucket}" not in template:
        setting = "S3_URL" if scheme == "s3" else "GCS_URL"
        raise ValueError(f"the setting {setting} must have {{bucket}} in it")
    try:
        base = bucket_url(bucket, template)
    except ValueError as error:
        raise ValueError(f"{error}; type {scheme}://bucket/path") from None
    key = _without_document(key)
    check_parts(key)
    if "?" in key or "#" in key:
        raise ValueError(f"{scheme}://{rest}: type the folder alone, without ? and #")
    shown = f"{scheme}://{bucket}/{key}".rstrip("/")
    return VolumeAddress(shown, f"{base}{quote(key)}/" if key else base, driver)


def _on_web(location: str, driver: Driver | None) -> VolumeAddress:
    try:
        require_http(location)
    except RecordMissing as error:
        raise ValueError(f"{location}: {error.message}; type {_EXAMPLES}") from error
    parts = urlsplit(location)
    if "@" in parts.netloc:
        raise ValueError(f"an address with a name or password in it ({parts.hostname}) is not read")
    if parts.fragment.startswith("!"):
        raise ValueError(
            "a link of neuroglancer: type scrapy crawl neuroglancer -a url='...' for it"
        )
    if parts.query or parts.fragment:
        raise ValueError(
            f"{location}: the names of chunks come behind the address; "
            "type the folder alone, without ? and #"
        )
    path = _without_document(parts.path.strip("/"))
    check_parts(unquote(path))
    bucket = _as_bucket(parts.hostname or "", unquote(path))
    # In a bucket there is one encoding only, so that the key can be derived from the address.
    path = quote(unquote(path)) if bucket else quote(path, safe="/%:@!$&'()*+,;=~")
    url = f"{parts.scheme}://{parts.netloc}/{path}"
    return VolumeAddress(bucket or url.rstrip("/"), f"{url.rstrip('/')}/", driver)


def _as_bucket(host: str, path: str) -> str | None:
    """Return the s3:// or gs:// form of an address, if its host is known to serve buckets."""
    for scheme, pattern in _HOSTS:
        if match := pattern.match(host):
            bucket = match.groupdict().get("bucket")
            whole = f"{bucket}/{path}" if bucket else path
            return f"{scheme}://{whole}".rstrip("/") if whole.strip("/") else None
    return None


def _on_disk(location: str, driver: Driver | None, *, is_file: bool = False) -> VolumeAddress:
    text = location
    if location.lower().startswith("file://"):
        text = unquote(location[len("file://") :].removeprefix("localhost"))
    _check_text(text)
    try:
        path = Path(text).expanduser().resolve()
        if path.name in _DOCUMENTS and path.is_file():
            path = path.parent
        is_folder = path.is_file() if is_file else path.is_dir()
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{text} cannot be read: {error}") from error
    if not is_folder:
        what = "file" if is_file else "folder"
        raise ValueError(f"there is no {what} {text}; type {_EXAMPLES}")
    return VolumeAddress(str(path), path.as_uri().rstrip("/") + "/", driver)


def _without_document(path: str) -> str:
    """Return the folder of a path that names a document in it."""
    folder, _, last = path.rstrip("/").rpartition("/")
    return folder if last in _DOCUMENTS and folder else path.rstrip("/")


def _check_text(text: str) -> None:
    if not text:
        raise ValueError(f"an address is missing; type {_EXAMPLES}")
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"an address of {len(text):,} characters")
    if not text.isprintable():
        raise ValueError(f"an address with a control character in it: {text[:100]!r}")


def _unknown(scheme: str) -> str:
    if scheme == "graphene":
        return "graphene:// is a segmentation kept by a server of its own; type the image's address"
    return f"{scheme}:// cannot be read; type {_EXAMPLES}{did_you_mean(scheme, _SCHEMES)}"
