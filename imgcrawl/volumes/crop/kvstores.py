"""Stores of chunks as tensorstore wants them named: its KvStore specs."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urljoin

from imgcrawl.volumes.metadata.folders import inner_place
from imgcrawl.volumes.metadata.local_folder import folder_of

if TYPE_CHECKING:
    from imgcrawl.download.s3_login import S3Login
    from imgcrawl.volumes.crop.endpoint import StoreEndpoint
    from imgcrawl.volumes.metadata.folders import InnerPlace


def kvstore_spec(endpoint: StoreEndpoint, login: S3Login | None, below: str = "") -> dict[str, Any]:
    """Return the store at an endpoint, or in a folder below (or, by "..", beside) it."""
    if (place := inner_place(endpoint.url)) is not None:
        return _inner_spec(endpoint, login, place, below)
    folder = folder_of(endpoint.url)
    if folder is not None:
        return {"driver": "file", "path": f"{os.path.normpath(folder / below)}/"}
    if login is not None:
        url = urljoin(endpoint.url, f"{quote(below)}/") if below else endpoint.url
        if (signed := login.kvstore(url)) is not None:
            return signed
    url = urljoin(endpoint.asked, f"{quote(below)}/") if below else endpoint.asked
    return {"driver": "http", "base_url": url, "headers": list(endpoint.headers)}


def _inner_spec(
    endpoint: StoreEndpoint, login: S3Login | None, place: InnerPlace, below: str
) -> dict[str, Any]:
    """Return the store within a ZIP or a database."""
    ending = "/" if place.adapter == "ocdbt" else ""
    folder = folder_of(place.base)
    signed = None if login is None else login.kvstore(place.base)
    if folder is not None:
        base: dict[str, Any] = {"driver": "file", "path": f"{folder}{ending}"}
    elif signed is not None:
        base = signed | {"path": f"{signed['path']}{ending}"}
    else:
        asked = inner_place(endpoint.asked)
        root, _, name = (asked or place).base.rpartition("/")
        base = {"driver": "http", "base_url": f"{root}/", "path": f"{unquote(name)}{ending}"}
        base["headers"] = list(endpoint.headers)
    path = posixpath.normpath(f"{place.path}{below}")
    return {"driver": place.adapter, "base": base, "path": "" if path == "." else f"{path}/"}
