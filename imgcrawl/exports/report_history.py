"""The section of a report that shows the runs: what each brought, and how the trend goes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgcrawl.dataset.history import RunRow

_BARS = 60  # runs in a chart
_ROWS = 20  # runs in the table


def runs_section(runs: Sequence[RunRow]) -> Iterator[str]:
    """Yield the charts of the last runs, and the table of the very last; oldest first."""
    if not runs:
        yield "<p>No run has left a row in runs.csv.</p>"
        return
    shown = runs[-_BARS:]
    charts = (
        ("new files", [run.new for run in shown]),
        ("share missing, %", [_percent(run) for run in shown]),
        ("records a second", [run.records_per_second for run in shown]),
        ("bytes of the dataset", [run.all_bytes for run in shown]),
    )
    yield '<div class="charts">'
    for title, values in charts:
        yield _trend(title, shown, values)
    yield "</div>"
    heads = ("began (UTC)", "new", "missing", "changed", "bytes", "how it ended")
    yield '<div class="wide" role="region" aria-label="the last runs" tabindex="0">'
    yield "<table><caption>the last runs</caption><thead><tr>"
    yield "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead><tbody>"
    for run in reversed(runs[-_ROWS:]):
        size = "" if run.bytes is None else format_size(run.bytes)
        counts = ("" if n is None else f"{n:,}" for n in (run.new, run.missing, run.relabelled))
        cells = "".join(f'<td class="n">{escape(cell)}</td>' for cell in (*counts, size))
        why = "; ".join(filter(None, (run.status, run.missing_by_reason, run.error)))
        yield f'<tr><th scope="row">{escape(run.started_at)}</th>{cells}<td>{escape(why)}</td></tr>'
    yield "</tbody></table></div>"


def _percent(run: RunRow) -> float | None:
    return None if run.missing_share is None else 100 * run.missing_share


def _plain(number: float) -> str:
    """Return a number for people: whole ones whole, others with three digits behind the point."""
    return f"{number:,.0f}" if number == int(number) else f"{number:,.3f}".rstrip("0")


def _trend(title: str, runs: Sequence[RunRow], values: Sequence[float | None]) -> str:
    """Return a bar for each run as a picture; a run that does not know has none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    most = max(known) or 1
    width = 100 / len(values)
    bars = "".join(
        f'<rect x="{n * width:.2f}" y="{40 - 40 * value / most:.2f}" width="{width * 0.8:.2f}" '
        f'height="{40 * value / most:.2f}"></rect>'
        for n, value in enumerate(values)
        if value is not None
    )
    first, last, highest = map(_plain, (known[0], known[-1], most))
    words = f"{title}: {first} at first, {last} at last, {highest} at most"
    since = f"{runs[0].started_at[:10]} to {runs[-1].started_at[:10]}"
    return (
        f'<div><table><caption>{escape(title)}</caption><tbody><tr><td class="bar">'
        f'<svg role="img" aria-label="{escape(words)}" viewBox="0 0 100 40" '
        f'preserveAspectRatio="none">{bars}</svg></td></tr></tbody></table>'
        f'<p class="soft">{escape(f"{words}; {since}")}</p></div>'
    )
