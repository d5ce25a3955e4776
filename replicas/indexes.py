"""The same folder as each web server shows it: ``/indexes/SERVER/``.

Written from what the servers' own code and pages have: Apache's mod_autoindex (plain, ``<pre>`` and
table), nginx (html, json, xml), lighttpd's mod_dirlisting, IIS (its two kinds of dates), Caddy's
browse.html, Python's http.server, h5ai's fallback, rclone serve http, Tomcat.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from aiohttp import web

from replicas import pictures

if TYPE_CHECKING:
    from collections.abc import Callable

DATE = "2024-03-11T15:59:02Z"
GO_DATE = "2024-03-11 15:59:02.025966073 &#43;0000 UTC"  # as rclone 1.60 writes it
DICOM = bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00\x10\x00\x00\x00" + bytes(4000)
_WELL = pictures.any_kind("png", 3, (320, 240)) or b""
_STACK = pictures.any_kind("tiff", 4, (320, 240)) or b""
FOLDER = "Meas_01(2014.v1)/"
FILES = {  # names with numbers and blanks in them, and without an extension
    "": {"Plate 12 well A1.png": _WELL, "IM0001": DICOM, "README": b"Ten plates, 1.5 TB\n"},
    FOLDER: {"stack (3).tif": _STACK},
}
Row = tuple[str, str, int | None]  # href, name, bytes; None for a folder


def _rows(folder: str) -> list[Row]:
    below = [(quote(FOLDER), FOLDER, None)] if not folder else []
    return [*below, *((quote(name), name, len(body)) for name, body in FILES[folder].items())]


def _short(size: int | None, unit: str = "K") -> str:
    return "-" if size is None else f"{max(0.1, size / 1024):.1f}{unit}"


def _apache_pre(rows: list[Row], path: str) -> str:
    lines = "".join(
        f'<img src="/icons/image2.gif" alt="[IMG]"> <a href="{href}">{html.escape(name[:20])}</a> '
        f"{' ' * 4}2024-03-11 15:59 {_short(size):>5}  exposure 12 of 99\n"
        for href, name, size in rows
    )
    return (
        f"<html><head><title>Index of {path}</title></head><body><h1>Index of {path}</h1><pre>"
        '<img src="/icons/blank.gif" alt="Icon "> <a href="?C=N;O=D">Name</a> '
        '<a href="?C=M;O=A">Last modified</a> <a href="?C=S;O=A">Size</a><hr>'
        f'<a href="{path}../">Parent Directory</a>                  -   \n{lines}<hr></pre></body>'
    )


def _apache_table(rows: list[Row], path: str) -> str:
    cells = "".join(
        f'<tr><td valign="top"><a href="{href}"><img src="/icons/image2.gif" alt="[IMG]"></a></td>'
        f'<td><a href="{href}">{html.escape(name)}</a></td><td align="right">2024-03-11 15:59 '
        f' </td><td align="right">{_short(size)} </td><td>slice 7</td></tr>\n'
        for href, name, size in rows
    )
    return (
        f"<html><head><title>Index of {path}</title></head><body><table><tr><th>[ICO]</th>"
        f'<th><a href="?C=N;O=D">Name</a></th><th><a href="?C=S;O=A">Size</a></th></tr>{cells}'
    )


def _apache_plain(rows: list[Row], path: str) -> str:
    items = "".join(f'<li><a href="{href}"> {html.escape(name)}</a></li>' for href, name, _ in rows)
    return f"<html><head><title>Index of {path}</title></head><body><ul>{items}</ul>"


def _nginx(rows: list[Row], path: str) -> str:
    lines = "".join(
        f'<a href="{href}">{html.escape(name)}</a>    11-Mar-2024 15:59    '
        f"{'-' if size is None else size}\n"
        for href, name, size in rows
    )
    return (
        f"<html><head><title>Index of {path}</title></head><body><pre>"
        f'<a href="../">../</a>\n{lines}</pre>'
    )


def _nginx_json(rows: list[Row], _: str) -> str:
    date = "Mon, 11 Mar 2024 15:59:02 GMT"
    entries = [
        {"name": name.rstrip("/"), "type": "directory", "mtime": date}
        if size is None
        else {"name": name, "type": "file", "mtime": date, "size": size}
        for href, name, size in rows
    ]
    return json.dumps(entries)


def _nginx_xml(rows: list[Row], _: str) -> str:
    entries = "".join(
        f'<directory mtime="{DATE}">{html.escape(name.rstrip("/"))}</directory>\n'
        if size is None
        else f'<file mtime="{DATE}" size="{size}">{html.escape(name)}</file>\n'
        for href, name, size in rows
    )
    return f'<?xml version="1.0"?>\n<list>\n{entries}</list>\n'


def _lighttpd(rows: list[Row], path: str) -> str:
    cells = "".join(
        f'<tr><td class="n"><a href="{href}">{html.escape(name.rstrip("/"))}</a>/</td>'
        f'<td class="m">2024-Mar-11 15:59:02</td><td class="s">{_short(size)} &nbsp;</td>'
        f'<td class="t">image/png</td></tr>'
        for href, name, size in rows
    )
    return (
        f"<html><head><title>Index of {path}</title></head><body><table><thead><tr>"
        f'<th class="n">Name</th><th class="m">Last Modified</th><th class="s">Size</th></tr>'
        f"</thead><tbody>{cells}</tbody></table>"
    )


def _iis(rows: list[Row], path: str, date: str = " 3/11/2024  3:59 PM") -> str:
    lines = "".join(
        f"{date} {'&lt;dir&gt;' if size is None else size:>12} "
        f'<A HREF="{path}{href}">{html.escape(name.rstrip("/"))}</A><br>'
        for href, name, size in rows
    )
    return (
        f"<html><head><title>data.example.org - {path}</title></head><body><hr>\n\n<pre>"
        f'<A HREF="{path}../">[To Parent Directory]</A><br><br>{lines}</pre><hr></body></html>'
    )


def _iis_long(rows: list[Row], path: str) -> str:
    return _iis(rows, path, "       Monday, March 11, 2024  3:59 PM")


def _caddy(rows: list[Row], path: str) -> str:
    cells = "".join(
        f'<tr class="file"><td></td><td><a href="./{href}"><span class="name">{html.escape(name)}'
        "</span></a></td>"
        + (
            "<td>&mdash;</td>"
            if size is None
            else f'<td class="size" data-size="{size}"><div class="sizebar">'
            f'<div class="sizebar-bar"></div><div class="sizebar-text">'
            f"{_short(size, ' KiB')}</div></div></td>"
        )
        + f'<td class="timestamp hideable"><time datetime="{DATE}">03/11/2024 03:59:02 PM +00:00'
        '</time></td><td class="hideable"></td></tr>'
        for href, name, size in rows
    )
    return (
        f"<html><head><title>{path}</title></head><body><table><thead><tr><th></th>"
        '<th><a href="./?sort=namedirfirst&order=desc" class="icon"></a>'
        '<a href="./?sort=name&order=asc">Name</a></th>'
        '<th><a href="./?sort=size&order=asc">Size</a></th>'
        '<th class="hideable"><a href="./?sort=time&order=asc">Modified</a></th></tr></thead>'
        f"{cells}"
    )


def _rclone(rows: list[Row], path: str) -> str:
    def cell(size: int | None) -> str:
        if size is None:
            return '<td data-order="-1">&mdash;</td>'
        return f'<td data-order="{size}"><size>{_short(size, "Ki")}</size></td>'

    cells = "".join(
        f'<tr class="file"><td></td><td><a href="./{href}"><span class="name">{html.escape(name)}'
        f'</span></a></td>{cell(size)}<td class="hideable">'
        f'<time datetime="{GO_DATE}">{GO_DATE}</time></td>'
        for href, name, size in rows
    )
    return f"<html><head><title>{path}</title></head><body><table><th>Size</th>{cells}</table>"


def _python(rows: list[Row], path: str) -> str:
    items = "".join(
        f'<li><a href="{href}">{html.escape(name)}</a></li>\n' for href, name, _ in rows
    )
    title = f"Directory listing for {path}"
    return f"<html><head><title>{title}</title></head><body><hr>\n<ul>{items}</ul>"


def _h5ai(rows: list[Row], path: str) -> str:
    cells = "".join(
        f'<tr><td class="fb-i"><img src="/_h5ai/file.png" alt="file"/></td><td class="fb-n">'
        f'<a href="{path}{href}">{html.escape(name.rstrip("/"))}</a></td><td class="fb-d">'
        f'2024-03-11 15:59</td><td class="fb-s">'
        f"{'' if size is None else f'{size // 1000} KB'}</td></tr>"
        for href, name, size in rows
    )
    return (
        "<html><head><title>index - powered by h5ai v0.30.0 (https://larsjung.de/h5ai/)</title>"
        '</head><body><div id="fallback"><table><tr><th class="fb-i"></th><th class="fb-n">'
        '<span>Name</span></th><th class="fb-d"><span>Last modified</span></th>'
        '<th class="fb-s"><span>Size</span></th>'
        f"</tr>{cells}</table></div>"
    )


def _tomcat(rows: list[Row], path: str) -> str:
    cells = "".join(
        f'<tr><td align="left">&nbsp;&nbsp;<a href="{path}{href}"><tt>{html.escape(name)}</tt></a>'
        f'</td><td align="right"><tt>{"" if size is None else _short(size, " kb")}</tt></td>'
        '<td align="right"><tt>Mon, 11 Mar 2024 15:59:02 GMT</tt></td></tr>'
        for href, name, size in rows
    )
    title = f"Directory Listing For [{path}]"
    return f"<html><head><title>{title}</title></head><body><table>{cells}</table>"


def _webfs(rows: list[Row], path: str) -> str:
    lines = "".join(
        f"-rw-r--r--  root      root      Mar 11  2024    "
        f"{'&lt;DIR&gt;' if size is None else f'{size:>4}  B'}  "
        f'<a href="{href}">{html.escape(name.rstrip("/"))}</a>\n'
        for href, name, size in rows
    )
    return (
        f"<head><title>data.example.org:80{path}</title></head><body><h1>listing: {path}</h1>"
        f"<hr><pre><b>access      user      group     date             size  name</b>\n\n{lines}"
        "</pre></body>"
    )


SERVERS: dict[str, Callable[[list[Row], str], str]] = {
    "apache-pre": _apache_pre,
    "apache-table": _apache_table,
    "apache-plain": _apache_plain,
    "nginx": _nginx,
    "nginx-json": _nginx_json,
    "nginx-xml": _nginx_xml,
    "lighttpd": _lighttpd,
    "iis": _iis,
    "iis-long": _iis_long,
    "caddy": _caddy,
    "rclone": _rclone,
    "python": _python,
    "h5ai": _h5ai,
    "tomcat": _tomcat,
    "webfs": _webfs,
}
_TYPES = {"nginx-json": "application/json", "nginx-xml": "text/xml"}


async def indexes(request: web.Request, path: str) -> web.Response:
    """Answer with the folder of a server, or a file of it; at the top with links to all."""
    if not path:
        links = "".join(f'<a href="{server}/">{server}</a> ' for server in SERVERS)
        return web.Response(text=f"<html><body>{links}", content_type="text/html")
    server, _, rest = path.partition("/")
    folder, slash, name = unquote(rest).rpartition("/")
    files = FILES.get(folder + slash)
    if server not in SERVERS or files is None or (name and name not in files):
        return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")
    if not name:
        text = SERVERS[server](_rows(folder + slash), request.path)
        return web.Response(text=text, content_type=_TYPES.get(server, "text/html"))
    kind = {"png": "image/png", "tif": "image/tiff"}.get(name.rpartition(".")[2])
    return web.Response(body=files[name], content_type=kind or "application/octet-stream")
