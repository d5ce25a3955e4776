"""report.html: one file, without a request to anywhere, in which nothing can run.

What a source says of its records is text here and nothing else: it is escaped, and the page's own
policy allows its one style sheet and embedded pictures, no script at all.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from html import escape
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.exports.report_facts import NONE, OTHERS, ReportFacts, Tally
from imgcrawl.exports.report_history import runs_section
from imgcrawl.records.exit_status import describe_status
from imgcrawl.text.redact import printable
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    # Returns a small JPEG or PNG of a row's file, or None if there is none to be had.
    Thumb = Callable[[dict[str, Any]], bytes | None]

_BARS = 25  # values of a chart
_CELL = 500  # characters of a cell
_ROWS = 60  # columns of a record, entries of a table of the summary
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #57606a; --line: #d0d7de;
  --bar: #0a5cad; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --soft: #9aa4af;
  --line: #3d444d; --bar: #58a6ff; --card: #161b22; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 75rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; } table + table { margin-top: 1rem; }
caption { text-align: left; font-weight: 600; }
th, td { text-align: left; vertical-align: top; padding: .2rem .5rem .2rem 0;
  border-bottom: 1px solid var(--line); font-weight: 400; }
th { min-width: 5.5rem; } thead th { min-width: 0; } .wide { overflow-x: auto; }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.bar { width: 40%; vertical-align: middle; } svg { width: 100%; height: .8rem; display: block; }
rect { fill: var(--bar); }
svg[role="img"] { height: 5rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr));
  gap: 1rem 2rem; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .6rem;
  align-items: start; padding: 0; list-style: none; }
.sheet li { background: var(--card); border: 1px solid var(--line); border-radius: .3rem; }
summary { cursor: pointer; padding: .4rem; list-style: none; }
summary::-webkit-details-marker { display: none; } summary:hover { outline: 1px solid var(--bar); }
summary img { display: block; width: 100%;
  height: 8rem; object-fit: contain; } details[open] { padding: 0 .4rem .4rem; }
li:has(details[open]) { grid-column: 1 / -1; }
:focus-visible { outline: 3px solid var(--bar); outline-offset: 2px; }
nav a { margin-right: 1rem; } a { color: var(--bar); }
@media print { summary { break-inside: avoid; } }
"""


def write_page(
    file: IO[str],
    place: str,
    facts: ReportFacts,
    summary: Mapping[str, Any],
    *,
    thumb: Thumb,
    limit: int,
) -> int:
    """Write the page, and return how many pictures are in it.

    place: the dataset, as it was typed; limit: bytes of the pictures, about
    """
    pictures = Pictures(thumb, limit)
    for part in _parts(place, facts, summary, pictures):
        file.write(part + "\n")
    return pictures.shown


class Pictures:
    """Embeds pictures, as long as there is room."""

    def __init__(self, thumb: Thumb, limit: int) -> None:
        self._thumb, self._left = thumb, limit
        self.shown = 0

    def of(self, row: dict[str, Any]) -> str:
        """Return a picture as an element, or words in its place."""
        name = _text(row.get("record_id"))
        data = self._thumb(row) if self._left > 0 else None
        if data is None:
            return f'<span class="soft">{name}: no picture to show</span>'
        encoded = base64.b64encode(data).decode()
        self._left -= len(encoded)
        self.shown += 1
        kind = "png" if data[:4] == b"\x89PNG" else "jpeg"
        return f'<img alt="picture of {name}" src="data:image/{kind};base64,{encoded}">'


def page_top(title: str) -> str:
    """Return the head of a page: its policy, its style, its title."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'"
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}; form-action \'none\'">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>",
        )
    )


def _parts(
    place: str, facts: ReportFacts, summary: Mapping[str, Any], pictures: Pictures
) -> Iterator[str]:
    yield page_top(f"{place}: report of a dataset")
    yield f"<body>\n<header><h1>{_text(place)}</h1>"
    yield from _head(facts, summary)
    yield "</header>"
    yield (
        '<nav aria-label="Sections">'
        + "".join(f'<a href="#{name}">{title}</a>' for name, title in _SECTIONS.items())
        + (f'<a href="{facts.pages}">All pictures</a>' if facts.pages else "")
        + "</nav>\n<main>"
    )
    yield from _sheet(facts, pictures)
    yield _section("balance") + _charts(facts, ("class",)) + "</section>"
    shown = ("longest side", "aspect ratio", "bytes of a file", "format", "mode", "source")
    yield _section("pictures") + _charts(facts, (*shown, "day of download", "suspect"))
    yield "</section>"
    yield from _failed(facts)
    yield from _duplicates(facts, pictures)
    yield _section("runs")
    yield from runs_section(facts.runs)
    yield "</section>"
    yield _section("rights") + _charts(facts, ("licence", "owner")) + "</section>"
    yield _section("numbers")
    yield _tree(summary, "summary.json") if summary else "<p>There is no summary.json.</p>"
    yield "</section>\n</main>\n</body>\n</html>"


_SECTIONS = {
    "sheet": "Pictures",
    "balance": "Classes",
    "pictures": "Sizes and formats",
    "failures": "What is missing",
    "duplicates": "Duplicates",
    "runs": "Runs",
    "rights": "Licences and owners",
    "numbers": "Every number",
}


def _section(name: str) -> str:
    return (
        f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{_SECTIONS[name]}</h2>'
    )


def _head(facts: ReportFacts, summary: Mapping[str, Any]) -> Iterator[str]:
    missing = facts.failures["reason"].counts.total() if facts.failures else 0
    records = summary.get("records")
    if isinstance(records, dict) and isinstance(records.get("missing"), int):
        missing = records["missing"]
    yield (
        f"<p><strong>{facts.records:,}</strong> records stored ({format_size(facts.bytes)}), "
        f"<strong>{missing:,}</strong> missing.</p>"
    )
    if not summary:
        return
    arguments = summary.get("arguments")
    typed = " ".join(
        f"-a {shlex.quote(f'{name}={value}')}"
        for name, value in (arguments if isinstance(arguments, dict) else {}).items()
    )
    yield f"<p>Asked: <code>scrapy crawl {_text(summary.get('spider'))} {_text(typed)}</code></p>"
    status = summary.get("exit_status")
    words = describe_status(status) if isinstance(status, int) else "unknown"
    yield (
        f'<p class="soft">The last run: {_text(summary.get("started_at"))} to '
        f"{_text(summary.get('ended_at'))}, exit status {_text(status)} ({_text(words)}).</p>"
    )
    if summary.get("error"):
        yield f"<p>It was stopped: {_text(summary['error'])}</p>"


def _sheet(facts: ReportFacts, pictures: Pictures) -> Iterator[str]:
    yield _section("sheet")
    yield '<p class="soft">Drawn by chance from each class; open a picture for its row.</p>'
    for name, rows in facts.samples.items():
        n = facts.tallies["class"].counts.get(name, 0) if facts.label else facts.records
        title = _text(f"{name}: {n:,}") if facts.label else f"{n:,} records"
        yield f'<h3>{title}</h3>\n<ul class="sheet">'
        for row in rows:
            yield f"<li>{record_element(row, pictures)}</li>"
        yield "</ul>"
    if not facts.samples:
        yield "<p>No record has a file.</p>"
    yield "</section>"


def record_element(row: dict[str, Any], pictures: Pictures) -> str:
    """Return a picture that opens into its row."""
    cells = ((n, v) for n, v in row.items() if v not in (None, ""))
    rows = "".join(
        f'<tr><th scope="row">{_text(n) or NONE}</th><td>{_text(v)}</td></tr>'
        for n, v in _first([*cells], _ROWS)
    )
    name = _text(row.get("record_id"))
    return (
        f"<details><summary>{pictures.of(row)}{name}</summary>"
        f"<table><tbody>{rows}</tbody></table></details>"
    )


def _charts(facts: ReportFacts, names: Iterable[str]) -> str:
    charts = [_chart(name, facts.tallies[name]) for name in names if name in facts.tallies]
    return f'<div class="charts">{"".join(charts)}</div>' if charts else "<p>Nothing is known.</p>"


def _chart(title: str, tally: Tally) -> str:
    """Return a table with a bar for each value: read out, it is the table."""
    counts = tally.counts
    if title in {"longest side", "bytes of a file", "day of download", "day"}:
        pairs = sorted(counts.items())[-_BARS:]
    else:
        last = {OTHERS, NONE}
        pairs = sorted(counts.items(), key=lambda p: (p[0] in last, -p[1], p[0]))[:_BARS]
    most, total = max(counts.values(), default=1), counts.total()
    rows = "".join(
        f'<tr><th scope="row">{_text(name.strip()) or NONE}</th><td class="bar">'
        f'<svg aria-hidden="true" viewBox="0 0 100 8" preserveAspectRatio="none">'
        f'<rect width="{100 * n / most:.2f}" height="8"></rect></svg></td>'
        f'<td class="n">{n:,}</td><td class="n">{n / total:.1%}</td></tr>'
        for name, n in pairs
    )
    more = len(counts) - len(pairs)
    note = f'<p class="soft">and {more:,} more values</p>' if more > 0 else ""
    return f"<div><table><caption>{_text(title)}</caption><tbody>{rows}</tbody></table>{note}</div>"


def _failed(facts: ReportFacts) -> Iterator[str]:
    yield _section("failures")
    if not facts.failures:
        yield "<p>Nothing is missing.</p></section>"
        return
    charts = [_chart(name, tally) for name, tally in facts.failures.items()]
    yield f'<div class="charts">{"".join(charts)}</div>'
    for reason, examples in facts.examples.items():
        rows = "".join(
            f'<tr><th scope="row">{_text(name) or NONE}</th><td>{_text(url)}</td>'
            f"<td>{_text(why)}</td></tr>"
            for name, url, why in examples
        )
        yield f"<table><caption>{_text(reason)}, for example</caption><tbody>{rows}</tbody></table>"
    yield "</section>"


def _duplicates(facts: ReportFacts, pictures: Pictures) -> Iterator[str]:
    yield _section("duplicates")
    if not facts.n_duplicates:
        yield "<p>duplicates.csv has none.</p></section>"
        return
    yield f"<p>{facts.n_duplicates:,} groups; those across splits and classes first.</p>"
    for group in facts.duplicates:
        across = f", across {group.across.replace('+', ' and ')}" if group.across else ""
        yield f'<h3>{_text(f"{group.kind}, {group.size:,} records{across}")}</h3><ul class="sheet">'
        for row in group.rows:
            yield f"<li>{record_element(row, pictures)}</li>"
        yield "</ul>"
    yield "</section>"


def _tree(value: Any, title: str) -> str:
    """Return a nested table of what summary.json holds."""
    if not isinstance(value, dict):
        return _text(value)
    rows = "".join(
        f'<tr><th scope="row">{_text(name) or NONE}</th><td>{_tree(each, "")}</td></tr>'
        for name, each in _first([*value.items()], 1000)
    )
    caption = f"<caption>{_text(title)}</caption>" if title else ""
    return f"<table>{caption}<tbody>{rows}</tbody></table>"


def _first(pairs: list[tuple[Any, Any]], most: int) -> list[tuple[Any, Any]]:
    if len(pairs) <= most:
        return pairs
    return [*pairs[:most], ("...", f"and {len(pairs) - most:,} more")]


def _text(value: Any) -> str:
    """Return foreign text as text of the page: escaped, on one line, not too long."""
    return escape(printable("" if value is None else str(value), _CELL))
