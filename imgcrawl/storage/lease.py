"""The lock of an OUT in a store: an object that is rewritten as long as its run lives."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from imgcrawl.records.errors import OutputError, StoreError
from imgcrawl.storage.base import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.storage.base import Storage, StoredObject

logger = logging.getLogger(__name__)

KEY = ".lock"


# Linux's monotonic clock stands still while a machine is suspended; this one does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _clock() -> float:
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True)
class _Holder:
    scratch: str  # which scratch folder: a run in the same one, which is ours now, is dead
    host: str
    process: int
    since: str  # UTC, ISO 8601

    @classmethod
    def of(cls, found: StoredObject) -> _Holder:
        """Return the run that wrote a lock; an unreadable lock has an unknown holder."""
        try:
            fields = json.loads(found.data)
            return cls(
                str(fields["scratch"])[:100],
                ascii(fields["host"])[1:-1][:100],
                int(fields["process"]),
                str(fields["since"])[:40],
            )
        except (ValueError, TypeError, KeyError):
            return cls("", "unknown", 0, "?")


def require_free(store: Storage, stale: float, scratch: str) -> None:
    """Raise OutputError if another run holds the lock of a store; nothing is written.

    stale: seconds without a sign of life after which a run counts as dead; scratch: as of `Lease`
    An account that may not look at the lock is told nothing of it: that is no error.
    """
    try:
        found = store.read(KEY)
    except StoreError as error:
        if error.denied:
            return
        raise
    if found is None:
        return
    holder = _Holder.of(found)
    age = (datetime.now(UTC) - found.changed_at).total_seconds()
    if age < stale and (holder.scratch, holder.host) != (scratch, socket.gethostname()):
        raise _in_use(store, holder, age, stale)


def _in_use(store: Storage, holder: _Holder | None, age: float, stale: float) -> OutputError:
    who = f"{holder.host}, process {holder.process}" if holder else "another machine"
    return OutputError(
        f"{store} is in use by another run ({who}, heard of {age:.0f} s ago). "
        f"Wait for it to end; a run that was killed frees it after {stale:.0f} s. "
        "Or choose another place with -a out=."
    )


class Lease:
    """The lock of a store from `take` to `release`, renewed by a thread.

    scratch: the id of the scratch folder, whose own lock this process holds
    stale:   seconds without a sign of life after which a run counts as dead
    """

    def __init__(self, store: Storage, scratch: str, stale: float) -> None:
        self._store = store
        self._stale = stale
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._me = _Holder(scratch, socket.gethostname(), os.getpid(), now)
        self._version: str | None = None
        self._renewed_at = _clock()
        self._renewing = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.after_death = False  # whether the run before did not release it
        self.dead_since = ""  # when that one had taken it: UTC, ISO 8601
        self.lost: str | None = None  # why this run may write no longer

    def take(self) -> None:
        """Take the lock. Raises OutputError if another run has it, and StoreError."""
        found = self._store.read(KEY)
        if found is not None:
            self.after_death = True
            holder = _Holder.of(found)
            self.dead_since = holder.since
            age = (datetime.now(UTC) - found.changed_at).total_seconds()
            # A scratch folder may have been copied to another machine with all that is on this one.
            if (holder.scratch, holder.host) == (self._me.scratch, self._me.host):
                logger.info("The run before this one ended without a word; this one goes on.")
            elif age < self._stale or self._moves(found):
                raise _in_use(self._store, holder, age, self._stale)
            else:
                logger.warning(
                    "The run on %s (process %d) has not been heard of for %d s: taken for dead, "
                    "and its place taken.",
                    *(holder.host, holder.process, age),
                )
        self._renewed_at = _clock()
        with suppress(ConflictError):
            self._write(found.version if found else None)
        # The run that is in it now has it: an answer may have been lost on the way, and not every
        # store knows conditions, so that of two at the same moment the later writer has it.
        if not self._is_mine():
            raise _in_use(self._store, None, 0, self._stale)

    def _moves(self, found: StoredObject) -> bool:
        """Return whether a lock that looks stale is renewed: this machine's clock may be wrong."""
        seconds = 2 * self._renewed_every
        logger.info("A lock without a sign of life: watching it for %.0f s.", seconds)
        for _ in range(4):
            time.sleep(seconds / 4)
            now = self._store.read(KEY)
            if now is not None and now.version != found.version:
                return True
        return False

    @property
    def _renewed_every(self) -> float:
        return max(self._stale / 6, 0.1)

    def require(self) -> None:
        """Return if this run has the lock surely; else renew it. Raises StoreError if it is lost.

        A machine that was suspended, or cut off, does not know how long: before it writes or
        removes anything it asks.
        """
        if self.lost is None and _clock() - self._renewed_at > self._renewed_every * 2:
            self.renew()
        if self.lost is not None:
            raise StoreError(self.lost, hopeless=True)

    def renew(self) -> None:
        """Renew the lock now; `lost` is set if another run has it. Raises StoreError."""
        with self._renewing:
            before = _clock()
            try:
                if not self._store.is_conditional and not self._is_mine():
                    raise ConflictError(KEY)
                self._version = self._write(self._version)
            except ConflictError:
                if not self._is_mine():  # else it is our own write, whose answer was lost
                    self.lost = (
                        f"Another run took {self._store} over, since this one had not been "
                        "heard of. This one stops here; nothing is lost."
                    )
                    return
            self._renewed_at = before

    def keep(self, on_lost: Callable[[], None]) -> None:
        """Renew the lock until `release`; `on_lost` is called, in a thread, if that fails."""
        self._thread = threading.Thread(target=self._renew, args=(on_lost,), daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Release the lock."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if self.lost is not None or not self._is_mine():
            return
        with suppress(ConflictError):
            self._store.remove(KEY, self._version)

    def _renew(self, on_lost: Callable[[], None]) -> None:
        while not self._ended.wait(self._renewed_every):
            try:
                self.renew()
            except StoreError as error:
                silent = _clock() - self._renewed_at
                logger.warning("The lock could not be renewed: %s", error)
                if silent >= self._stale:
                    self.lost = f"The lock could not be renewed for {silent:.0f} s: {error}"
            if self.lost is not None:
                on_lost()
                return

    def _is_mine(self) -> bool:
        found = self._store.read(KEY)
        if found is None:
            return False
        holder = _Holder.of(found)
        if (holder.scratch, holder.since) != (self._me.scratch, self._me.since):
            return False
        self._version = found.version
        return True

    def _write(self, expected: str | None) -> str:
        data = json.dumps({**asdict(self._me), "at": datetime.now(UTC).isoformat()})
        return self._store.write(KEY, data.encode(), expected)
