"""Pages that go on: ``/paged/KIND/``, each a gallery of twenty pictures, five a page.

Habits of galleries, wikis and repositories: ``rel=next``, ``?page=``, ``?start=``, ``/page/2/``,
``?dir=``, links that sort, a calendar without end, a page that answers every number.
"""

from __future__ import annotations

import re

from aiohttp import web

from replicas import pictures

PICTURES = 20
_A_PAGE = 5
KINDS = ("next", "numbers", "start", "path", "dir", "sorted", "calendar", "deaf")


def _shown(kind: str, page: int) -> str:
    numbers = range(_A_PAGE * page, min(PICTURES, _A_PAGE * (page + 1)))
    return "".join(f'<a href="/paged/{kind}/img{n:02}.png">{n}</a>' for n in numbers)


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() else default


def _page(kind: str, request: web.Request, rest: str) -> str:
    last = PICTURES // _A_PAGE
    match kind:
        case "next":
            page = _number(request, "cursor", 1)
            following = f'<a rel="next" href="?cursor={page + 1}">Next</a>' if page < last else ""
            return _shown(kind, page - 1) + following
        case "numbers":
            page = _number(request, "page", 1)
            links = "".join(f'<a href="?page={n}">{n}</a>' for n in range(1, last + 1))
            return f"{_shown(kind, page - 1)}{links}"
        case "start":
            start = _number(request, "start", 0)
            following = f'<a href="?start={start + _A_PAGE}">more</a>'
            return _shown(kind, start // _A_PAGE) + (following if start + _A_PAGE < 20 else "")
        case "path":
            match = re.fullmatch(r"page/(\d+)/", rest)
            page = int(match[1]) if match else 1
            following = f'<a href="/paged/path/page/{page + 1}/">older</a>' if page < last else ""
            return _shown(kind, page - 1) + following
        case "dir":
            below = request.query.get("dir", "")
            shown = below.count("/") + 1 if below else 0
            child = f"{below}/sub" if below else "sub"
            return _shown(kind, shown) + (f'<a href="?dir={child}">sub</a>' if shown < 3 else "")
        case "sorted":
            orders = [f"?C={c}&O={o}" for c in "NMSD" for o in "AD"] + ["?sort=name&order=desc"]
            return "".join(_shown(kind, n) for n in range(last)) + "".join(
                f'<a href="{order}">sort</a>' for order in orders
            )
        case "calendar":
            month = _number(request, "month", 1)
            return "".join(_shown(kind, n) for n in range(last)) + (
                f'<a href="?month={month + 1}">next</a><a href="?month={month - 1}">before</a>'
            )
    # Every number is answered, those behind the last page with the first one.
    page = _number(request, "page", 1)
    return f'{_shown(kind, (page - 1) % last)}<a href="?page={page + 1}">Next</a>'


async def paged(request: web.Request, path: str) -> web.Response:
    """Answer with a page of a gallery, or a picture; at the top with links to all."""
    kind, _, rest = path.partition("/")
    if match := re.fullmatch(r"img(\d\d)\.png", rest):
        number = int(match[1]) + PICTURES * KINDS.index(kind)
        return web.Response(
            body=pictures.any_kind("png", number, (32, 24)), content_type="image/png"
        )
    if not path:
        text = "".join(f'<a href="{each}/">{each}</a> ' for each in KINDS)
    elif kind in KINDS:
        text = _page(kind, request, rest)
    else:
        return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")
    text = f"<!doctype html><title>Gallery</title>{text}"
    return web.Response(text=text, content_type="text/html")
