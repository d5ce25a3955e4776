"""The cost of a part of a process, written to a file: wall s, CPU s, peak MB before it began."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path


class Stopwatch:
    """Runs from its creation."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def stop(self, path: str) -> None:
        """Write [wall, CPU, peak before] to a file."""
        figures = [time.perf_counter() - self._wall, time.process_time() - self._cpu, self._peak]
        Path(path).write_text(json.dumps(figures))
