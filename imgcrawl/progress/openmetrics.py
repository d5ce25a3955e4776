"""Text of OpenMetrics 1.0, which Prometheus' own parsers of its older format read as well.

Source: https://prometheus.io/docs/specs/om/open_metrics_spec/. All are gauges: what a run has
stored may turn out to be no picture, and is taken back.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# Of each gauge its name, and what it tells. Docs and the dashboard name these and no other.
METRICS = {
    "imgcrawl_run_start_time_seconds": "When the run began, since 1970",
    "imgcrawl_run_update_time_seconds": "When these figures of the run were written, since 1970",
    "imgcrawl_run_running": "1 while the run lasts, 0 once it has ended",
    "imgcrawl_run_exit_status": "How the run ended: 0 all stored, 3 some missing, 1 stopped",
    "imgcrawl_run_stored_records": "Records that the run has stored",
    "imgcrawl_run_missing_records": "Records that turned out missing in the run, by reason",
    "imgcrawl_run_unchanged_records": "Records that needed nothing",
    "imgcrawl_run_expected_records": "Records that the source promises, as far as it says",
    "imgcrawl_run_stored_bytes": "Bytes of the files that the run has stored",
    "imgcrawl_dataset_last_start_time_seconds": "When the last run began, since 1970",
    "imgcrawl_dataset_last_end_time_seconds": "When the last run ended, since 1970",
    "imgcrawl_dataset_last_exit_status": "How the last run ended; -1: it was killed",
    "imgcrawl_dataset_last_new_records": "Records that the last run stored",
    "imgcrawl_dataset_running": "1 while a run is in the dataset",
    "imgcrawl_dataset_stored_records": "Records that are stored",
    "imgcrawl_dataset_missing_records": "Records that are promised and missing",
    "imgcrawl_dataset_stored_bytes": "Bytes of all stored files",
    "imgcrawl_dataset_disk_free_bytes": "Bytes that are free on the disk of the dataset",
}
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Gauges:
    """Values to be written, gathered by name: all of one name stand together."""

    def __init__(self) -> None:
        self._samples: dict[str, list[str]] = {}

    def add(self, name: str, value: float | None, labels: Mapping[str, str]) -> None:
        """Add a value, unless it is None. name: one of METRICS."""
        assert name in METRICS, name
        if value is None or not math.isfinite(value):
            return
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        shown = str(value) if isinstance(value, int) else repr(float(value))
        self._samples.setdefault(name, []).append(f"{name}{{{pairs}}} {shown}\n")

    def text(self) -> str:
        """Return the whole as OpenMetrics has it, with the mark of its end."""
        return "".join(_lines(self._samples)) + "# EOF\n"


def _lines(samples: Mapping[str, Iterable[str]]) -> Iterable[str]:
    for name, help_text in METRICS.items():
        if name in samples:
            yield f"# TYPE {name} gauge\n# HELP {name} {help_text}\n"
            yield from samples[name]


def _escaped(text: str) -> str:
    """Return a value of a label; other control characters, and lone surrogates, are replaced."""
    kept = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    return kept.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write_prom(path: Path, text: str) -> None:
    """Replace a file of node_exporter's textfile collector as a whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # the collector reads *.prom alone
    temporary.write_text(text, "utf-8")
    temporary.chmod(0o644)  # it runs as another user
    temporary.replace(path)
