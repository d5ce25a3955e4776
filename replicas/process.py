"""A replica in a process of its own, for the demo and the tests."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

from replicas.isic import legacy_id
from replicas.server import settings


class ReplicaProcess:
    """``with ReplicaProcess(records=5000) as replica:`` serves on a free port of 127.0.0.1."""

    def __init__(
        self,
        *,
        records: int = 5000,
        tiny: bool = False,
        latency_ms: float = 0,
        faults: list[dict[str, Any]] | None = None,
        isic: Path | None = None,
    ) -> None:
        self._command = [sys.executable, "-m", "replicas", "--records", str(records)]
        self._command += ["--tiny"] if tiny else []
        self._command += ["--latency", str(latency_ms), "--faults", json.dumps(faults or [])]
        self._command += ["--isic", str(isic)] if isic else []
        self.url = ""

    def __enter__(self) -> Self:
        with tempfile.TemporaryDirectory() as room:
            ready = Path(room, "ready")
            command = [*self._command, "--ready-file", str(ready)]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
            while not (ready.exists() and ready.read_text()):
                if self._process.poll() is not None:
                    raise RuntimeError("the replica did not start")
                time.sleep(0.02)
            self.url = ready.read_text()
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait()

    def settings(self) -> list[str]:
        """Return the ``-s NAME=VALUE`` arguments that make a crawl ask this replica."""
        return [part for n, v in settings(self.url).items() for part in ("-s", f"{n}={v}")]

    def log(self) -> dict[str, Any]:
        """Return the log: ``paths`` (path: times), ``most_active`` requests at once, and more."""
        loaded: dict[str, Any] = json.loads(self._ask("GET", "_log"))
        return loaded

    def until_asked(self, fragment: str, times: int = 1, patience: float = 60.0) -> None:
        """Wait until paths with a fragment were requested so many times. Raises TimeoutError."""
        end = time.monotonic() + patience
        while sum(n for path, n in self.log()["paths"].items() if fragment in path) < times:
            if time.monotonic() > end:
                raise TimeoutError(f"nobody asks for {fragment}")
            time.sleep(0.05)

    def reset(self) -> None:
        """Clear the log of requests."""
        self._ask("POST", "_reset")

    def faults(self, rules: list[dict[str, Any]]) -> None:
        """Put other faults in force."""
        self._ask("PUT", "_faults", json.dumps(rules))

    def web(self, **mix: float) -> None:
        """Put another mix of the image web in force (`web.Mix`; cdx_per_minute for the archive)."""
        self._ask("PUT", "_web", json.dumps(mix))

    def isic(self, **world: Any) -> None:
        """Put another state of the ISIC Archive in force (`isic_world.IsicWorld`)."""
        self._ask("PUT", "_isic", json.dumps(world))

    def versions(self, number: int) -> None:
        """Publish so many versions of the small record of each repository."""
        self._ask("PUT", "_versions", str(number))

    def grow(self, records: int) -> None:
        """Set the number of images of the archive."""
        self._ask("PUT", "_records", str(records))

    @staticmethod
    def legacy_id(isic_id: str) -> str:
        """Return the id that an image had in the old archive."""
        return legacy_id(isic_id)

    def _ask(self, method: str, path: str, body: str | None = None) -> bytes:
        data = body.encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}/{path}", data, method=method)  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own server
            content: bytes = answer.read()
        return content
