"""All pictures of a dataset, on as many pages as they need, each as safe as the report itself."""

from __future__ import annotations

from html import escape
from itertools import chain, count, islice
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.exports.report_page import Pictures, page_top, record_element
from imgcrawl.storage.directory import REPORT, REPORT_PAGES
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgcrawl.exports.report_page import Thumb
    from imgcrawl.storage.directory import OutputDirectory

ROWS = 500  # of a page
LIMIT = 18 << 20  # bytes of its pictures


def name_of(number: int) -> str:
    """Return the name of a page below OUT, the first of which is 1."""
    return f"{REPORT_PAGES}/{number:05}.html"


def write_sheets(
    out: OutputDirectory,
    rows: Iterator[dict[str, Any]],
    place: str,
    thumb: Thumb,
    progress: Callable[[int], object],
) -> int:
    """Write the pages, remove those of before that are too many, and return how many there are."""
    ahead = next(rows, None)
    for number in count(1):
        if ahead is None:
            break
        page = [ahead, *islice(rows, ROWS - 1)]
        ahead = next(rows, None)
        parts = _page(place, number, page, thumb, is_last=ahead is None)
        out.write(name_of(number), _writer(parts))
        progress((number - 1) * ROWS + len(page))
    last = number - 1
    for stale in out.path(REPORT_PAGES).glob("*.html"):
        if stale.stem.isdigit() and int(stale.stem) > last:
            stale.unlink()
    return last


def _writer(parts: Iterator[str]) -> Callable[[IO[str]], object]:
    return lambda file: file.writelines(chain.from_iterable((part, "\n") for part in parts))


def _page(
    place: str, number: int, rows: list[dict[str, Any]], thumb: Thumb, *, is_last: bool
) -> Iterator[str]:
    shown = escape(printable(place, 300))
    links = [("Report", f"../{REPORT}")]
    links += [("Previous", f"{number - 1:05}.html")] if number > 1 else []
    links += [] if is_last else [("Next", f"{number + 1:05}.html")]
    pictures = Pictures(thumb, LIMIT)
    first = (number - 1) * ROWS + 1
    yield page_top(f"{place}: pictures, page {number}")
    yield f"<body>\n<header><h1>{shown}: {first:,} to {first + len(rows) - 1:,}</h1></header>"
    words = "".join(f'<a href="{address}">{name}</a>' for name, address in links)
    yield f'<nav aria-label="Pages">{words}</nav>\n<main><h2>Pictures</h2><ul class="sheet">'
    yield from (f"<li>{record_element(row, pictures)}</li>" for row in rows)
    yield "</ul></main>\n</body>\n</html>"
