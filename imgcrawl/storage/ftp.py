"""An FTP server that takes pictures, by Scrapy's own upload."""

from __future__ import annotations

from ftplib import all_errors
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from scrapy.utils.ftp import ftp_store_file

from imgcrawl.records.errors import ArgumentError, StoreError
from imgcrawl.storage.base import NO_METADATA, Storage, require_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class FtpStorage(Storage):
    """A `Storage` that files can only be put into; it keeps no metadata.

    settings: FTP_USER and FTP_PASSWORD, unless the address has them; FEED_STORAGE_FTP_ACTIVE
    """

    is_local = False

    def __init__(self, address: str, settings: Mapping[str, Any]) -> None:
        parts = urlsplit(address)
        if not parts.hostname:
            raise ArgumentError(f"{address}: type an address such as ftp://host/folder")
        self._folder = parts.path.rstrip("/")
        self._name = f"ftp://{parts.hostname}{self._folder}"
        self._server: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port or 21,
            "username": unquote(parts.username or settings["FTP_USER"] or ""),
            "password": unquote(parts.password or settings["FTP_PASSWORD"] or ""),
            "use_active_mode": bool(settings["FEED_STORAGE_FTP_ACTIVE"]),
        }

    def __str__(self) -> str:
        return self._name

    def put(
        self, source: bytes | Path, name: str, metadata: Mapping[str, str] = NO_METADATA
    ) -> None:
        """Store bytes or a file. Raises StoreError."""
        require_name(name)
        file = BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        try:
            ftp_store_file(path=f"{self._folder}/{name}", file=file, **self._server)
        except all_errors as error:
            raise StoreError(f"{self}: {error}") from error

    def _unsupported(self, *args: Any, **kwargs: Any) -> Any:
        raise StoreError(f"{self}: files can only be put there", hopeless=True)

    write = read = open = get = size = version = remove = list = _unsupported
