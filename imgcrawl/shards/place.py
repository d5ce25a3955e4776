"""Where the shards of a dataset keep plan, markers and tables: a folder, or an object store."""

from __future__ import annotations

import json
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from imgcrawl.dataset.merge import MERGED
from imgcrawl.records.errors import StoreError
from imgcrawl.storage.address import BucketAddress, is_address, scratch_dir, scratch_of
from imgcrawl.storage.directory import ANNOTATIONS, LEDGER, LOCK, METADATA, RUNS, SUMMARY, holder_of
from imgcrawl.storage.store_tables import MERGING
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

HIDDEN = f".{METADATA}"
_OF_THE_WHOLE = (*MERGED, ANNOTATIONS, SUMMARY, RUNS)
_AT_ONCE = 16  # small objects that are read
_POLL = 0.5  # seconds


class ShardPlace(Protocol):
    """OUT of a dataset in shards. Raises OSError, or StoreError."""

    def __str__(self) -> str:
        """Return what a user typed as OUT."""

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a JSON object; None if there is no such file, or something else in it."""

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON object as a whole, or leave what is there."""

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""

    def has_ledger(self) -> bool:
        """Return whether a dataset that was not cut lies here."""

    def marker(self, k: int) -> str:
        """Return the name of the file that says that shard k is done."""

    def log(self, k: int) -> Path:
        """Return where the crawl of shard k writes its log, on this machine."""

    def ended(self, k: int, *, done: bool) -> None:
        """Keep the log of shard k, and remove what nobody needs on this machine once it is done."""

    def wait_until_free(self, k: int, seconds: float) -> bool:
        """Wait for a run in shard k whose worker is gone to be gone, too; return whether it is."""

    @contextmanager
    def tables(self, numbers: Collection[int], unfinished: Collection[int]) -> Iterator[Path]:
        """Yield a folder with the tables of shards, in whose root those of the whole are made.

        unfinished: those of which the ledger is needed, too
        """


class FolderPlace:
    """A folder that all workers share."""

    def __init__(self, out: Path) -> None:
        self.root = out

    def __str__(self) -> str:
        return str(self.root)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a JSON object, or None."""
        with suppress(FileNotFoundError):
            return _object((self.root / name).read_bytes())
        return None

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON object by a temporary file beside it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.partial")
        temporary.unlink(missing_ok=True)  # a link that lies there is not written through
        temporary.write_bytes(_text(content))
        temporary.replace(path)

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        (self.root / name).unlink(missing_ok=True)

    def has_ledger(self) -> bool:
        """Return whether a dataset that was not cut lies here."""
        return (self.root / LEDGER).exists()

    def marker(self, k: int) -> str:
        """Return the name of the file that says that shard k is done."""
        return f"shard={k}/done.json"

    def log(self, k: int) -> Path:
        """Return where the crawl of shard k writes its log."""
        return self.root / "logs" / f"shard={k}.log"

    def ended(self, k: int, *, done: bool) -> None:
        """Do nothing: the log is where it belongs."""

    def wait_until_free(self, k: int, seconds: float) -> bool:
        """Wait for the lock of shard k."""
        until = time.monotonic() + seconds
        while holder_of(self.root / f"shard={k}")[0]:
            if time.monotonic() > until:
                return False
            time.sleep(_POLL)
        return True

    @contextmanager
    def tables(self, numbers: Collection[int], unfinished: Collection[int]) -> Iterator[Path]:
        """Yield OUT, in which each shard's table has its name meanwhile.

        Afterwards it begins with a dot: ``load_dataset("imagefolder")`` reads every metadata.csv
        below OUT, and would find each picture twice. A crawl of the shard makes its table anew.
        """
        folders = [self.root / f"shard={k}" for k in numbers]
        for folder in folders:
            if (folder / HIDDEN).is_file() and not (folder / METADATA).exists():
                (folder / HIDDEN).replace(folder / METADATA)
        yield self.root
        for folder in folders:
            if (folder / METADATA).is_file():
                (folder / METADATA).replace(folder / HIDDEN)


class StorePlace:
    """An address in an object store. Of a shard's tables there is a copy here while they merge."""

    def __init__(self, address: BucketAddress, settings: Mapping[str, Any]) -> None:
        # Its library takes a second and tens of megabytes to load.
        from imgcrawl.storage.open_store import open_bucket  # noqa: PLC0415

        self._address = address
        self._settings = settings
        self._store = open_bucket(address, settings)

    def __str__(self) -> str:
        return str(self._address)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a JSON object, or None."""
        found = self._store.read(name)
        return None if found is None else _object(found.data)

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Put a JSON object."""
        self._store.put(_text(content), name)

    def remove(self, name: str) -> None:
        """Remove an object, if there is one."""
        self._store.remove(name)

    def has_ledger(self) -> bool:
        """Return whether a dataset that was not cut lies here."""
        return self._store.version(LEDGER) is not None

    def marker(self, k: int) -> str:
        """Return the name of a marker: beside the shards, whose objects are their crawls' own."""
        return f".shards/{k}.json"

    def log(self, k: int) -> Path:
        """Return a file of the scratch folder."""
        return scratch_dir(self._settings) / "logs" / f"{self._scratch(k).name}.log"

    def ended(self, k: int, *, done: bool) -> None:
        """Put the log; a shard that is done leaves no scratch folder, since all of it is there."""
        log = self.log(k)
        with suppress(FileNotFoundError, StoreError):  # which lose a log, and no record
            self._store.put(log, f"logs/shard={k}.log")
            log.unlink()
        if done and not holder_of(self._scratch(k))[0]:
            shutil.rmtree(self._scratch(k), ignore_errors=True)

    def wait_until_free(self, k: int, seconds: float) -> bool:
        """Wait until a lock is given up, or looks dead: whether it is, the crawl finds out."""
        stale = float(self._settings["STORE_LOCK_STALE"])
        until = time.monotonic() + seconds + stale
        while (found := self._store.read(f"shard={k}/{LOCK}")) is not None:
            age = (datetime.now(UTC) - found.changed_at).total_seconds()
            holder = _object(found.data) or {}
            here = holder.get("host") == socket.gethostname()
            if age >= stale or (here and not holder_of(self._scratch(k))[0]):
                break
            if time.monotonic() > until:
                return False
            time.sleep(_POLL)
        return True

    @contextmanager
    def tables(self, numbers: Collection[int], unfinished: Collection[int]) -> Iterator[Path]:
        """Yield a scratch folder with copies, and put what was made of them."""
        root = scratch_of(self._address, self._settings)
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        try:
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                shown = threads.map(lambda k: self._copy(root, k, k in unfinished), numbers)
                visible = [k for k, is_visible in zip(numbers, shown, strict=True) if is_visible]
                self._get(RUNS, root / RUNS)
                yield root
                # Who reads them waits meanwhile: see StoreTables.
                self._store.put(_text({"at": utc_now()}), MERGING)
                for name in _OF_THE_WHOLE:
                    if (root / name).is_file():
                        self._store.put(root / name, name)
                    else:
                        self._store.remove(name)
                self._store.remove(MERGING)
                # Now, that the whole has a table, those of the shards are hidden: see FolderPlace.
                list(threads.map(lambda k: self._hide(root, k), visible))
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _copy(self, root: Path, k: int, with_ledger: bool) -> bool:
        """Copy the tables of a shard; return whether its own table is not hidden yet."""
        folder = root / f"shard={k}"
        folder.mkdir()
        is_visible = self._get(f"shard={k}/{METADATA}", folder / METADATA)
        if not is_visible:
            self._get(f"shard={k}/{HIDDEN}", folder / METADATA)
        others = {*MERGED, ANNOTATIONS} - {METADATA} | ({LEDGER} if with_ledger else set())
        for name in sorted(others):
            self._get(f"shard={k}/{name}", folder / name)
        return is_visible

    def _get(self, name: str, file: Path) -> bool:
        if self._store.version(name) is None:
            return False
        self._store.get(name, file)
        return True

    def _hide(self, root: Path, k: int) -> None:
        self._store.put(root / f"shard={k}" / METADATA, f"shard={k}/{HIDDEN}")
        self._store.remove(f"shard={k}/{METADATA}")

    def _scratch(self, k: int) -> Path:
        return scratch_of(BucketAddress.of(f"{self._address}/shard={k}"), self._settings)


def place_at(out: str, settings: Mapping[str, Any]) -> ShardPlace:
    """Return the place that an OUT names. Raises ArgumentError and StoreError."""
    if is_address(out):
        return StorePlace(BucketAddress.of(out), settings)
    return FolderPlace(Path(out))


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _text(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()
