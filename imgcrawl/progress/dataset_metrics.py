"""The metrics of datasets at rest: how the last run of each went, and what is there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from imgcrawl.dataset.history import RUNNING, RunRow
from imgcrawl.progress.openmetrics import Gauges
from imgcrawl.storage.address import is_address
from imgcrawl.text.times import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgcrawl.dataset.status import RunStatus


def dataset_metrics(found: Iterable[tuple[RunStatus, list[RunRow]]]) -> str:
    """Return the gauges of datasets, each with its status and its runs, as OpenMetrics."""
    gauges = Gauges()
    for status, runs in found:
        labels = {"dataset": status.out}
        gauges.add("imgcrawl_dataset_running", int(status.state == RUNNING), labels)
        gauges.add("imgcrawl_dataset_stored_records", status.stored, labels)
        gauges.add("imgcrawl_dataset_missing_records", status.missing, labels)
        gauges.add("imgcrawl_dataset_stored_bytes", status.bytes, labels)
        if not is_address(status.out):
            free = shutil.disk_usage(status.out).free
            gauges.add("imgcrawl_dataset_disk_free_bytes", free, labels)
        ended = [run for run in runs if run.status != RUNNING]
        if ended:
            _add_run(gauges, ended[-1], labels)
    return gauges.text()


def _add_run(gauges: Gauges, run: RunRow, labels: dict[str, str]) -> None:
    status = -1 if run.exit_status is None else run.exit_status
    gauges.add("imgcrawl_dataset_last_exit_status", status, labels)
    gauges.add("imgcrawl_dataset_last_new_records", run.new, labels)
    for name, text in (("start", run.started_at), ("end", run.ended_at)):
        try:
            gauges.add(f"imgcrawl_dataset_last_{name}_time_seconds", timestamp(text), labels)
        except ValueError:  # a killed run has no end that is known
            continue
