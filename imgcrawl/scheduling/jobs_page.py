"""The page of Scrapyd: spiders with a form of their arguments, and jobs as they go.

Whatever a source, a spider or a job says is text here: it is escaped, the script writes text alone,
and the page's own policy allows no other script, style, picture or request.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STYLE = """
:root { color-scheme: light dark; --line: #8886; --bar: #0a5cad; }
@media (prefers-color-scheme: dark) { :root { --bar: #58a6ff; } }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 80rem; padding: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .6rem; text-align: left;
  vertical-align: top; }
td:first-child, td.activity { overflow-wrap: anywhere; }
button, td.n { white-space: nowrap; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0;
  padding: .3rem .7rem; }
summary { cursor: pointer; }
label { display: grid; grid-template-columns: 13rem 1fr; gap: .1rem 1rem; padding: .3rem 0; }
label small { grid-column: 2; opacity: .75; }
input, select, textarea { font: inherit; padding: .2rem .4rem; max-width: 34rem; width: 100%; }
button { font: inherit; padding: .2rem .9rem; }
progress { width: 8rem; accent-color: var(--bar); }
form.stop { display: inline; }
@media (max-width: 45rem) { label { grid-template-columns: 1fr; } label small { grid-column: 1; }
  thead { display: none; } tr { display: block; padding: .5rem 0; } td, td.n { display: block;
  border: 0; text-align: left; padding: .1rem 0; } }
"""
# Fills the cells of jobs that run, by text alone; a job that comes or ends has the page made anew.
SCRIPT = """
"use strict";
const rows = () => new Map([...document.querySelectorAll("tr[data-job]")]
  .map((row) => [row.dataset.job, row]));
async function look() {
  try {
    const answer = await fetch("progress.json", { cache: "no-store" });
    const jobs = await answer.json();
    const shown = rows();
    const same = jobs.length === shown.size
      && jobs.every((job) => shown.get(job.job)?.dataset.state === job.state);
    const typing = document.querySelector("details[open]");
    if (!same && !typing) { location.reload(); return; }
    for (const job of jobs) {
      const row = shown.get(job.job);
      if (!row) continue;
      for (const name of ["records", "size", "activity"]) {
        row.querySelector("." + name).textContent = job[name];
      }
      const bar = row.querySelector("progress");
      if (bar && job.expected) { bar.max = job.expected; bar.value = job.done; }
    }
  } catch (error) { /* the server is away: the next look tells */ }
  setTimeout(look, 2000);
}
setTimeout(look, 1000);
"""


def page(
    jobs: Iterable[dict[str, Any]], spiders: dict[str, Any], token: str, note: str = ""
) -> str:
    """Return the page. spiders: by project, its spiders as ``scrapy spiders --json`` has them."""
    return "".join(_page([*jobs], spiders, token, note))


def _page(
    jobs: list[dict[str, Any]], spiders: dict[str, Any], token: str, note: str
) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<title>imgcrawl: jobs</title><link rel="stylesheet" href="page.css">'
    yield '<script src="page.js" defer></script></head><body><h1>imgcrawl</h1><main>'
    if note:
        yield f'<p role="alert"><strong>{escape(note)}</strong></p>'
    yield "<section><h2>Jobs</h2><table><thead><tr>"
    heads = ("spider", "state", "progress", "records", "bytes", "what it does", "to look at", "")
    yield "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead><tbody>"
    yield from (_job(job, token) for job in jobs)
    yield "</tbody></table>" + ("" if jobs else "<p>No job yet: start one below.</p>")
    yield '<p><a href="logs/">All logs</a></p></section><section><h2>Start a crawl</h2>'
    for project, found in spiders.items():
        yield f"<h3>{escape(project)}</h3>"
        if isinstance(found, str):
            yield f"<p>{escape(found)}</p>"
            continue
        yield from (_form(project, spider, token) for spider in found)
    yield "</section></main></body></html>"


def _job(job: dict[str, Any], token: str) -> str:
    text = {name: escape(str(value)) for name, value in job.items() if value is not None}
    links = "".join(
        f' <a href="{escape(href)}">{escape(name)}</a>' for name, href in job["links"].items()
    )
    # Without a value it says that nothing is known yet; the script gives it one.
    bar = "<progress></progress>" if job["state"] == "running" else ""
    if job["expected"]:
        value = min(job["done"], job["expected"])
        bar = f'<progress max="{job["expected"]:d}" value="{value:d}">{text["records"]}</progress>'
    stop = ""
    if job["state"] in {"running", "pending"}:
        hidden = _hidden({"token": token, "project": job["project"], "job": job["job"]})
        stop = (
            f'<form class="stop" method="post" action="stop">{hidden}<button>Stop</button></form>'
        )
    return (
        f'<tr data-job="{text["job"]}" data-state="{text["state"]}"><td>{text["spider"]}<br>'
        f"<small>{text['arguments']}</small></td><td>{text['how']}</td><td>{bar}</td>"
        f'<td class="n records">{text["records"]}</td><td class="n size">{text["size"]}</td>'
        f'<td class="activity">{text["activity"]}</td><td>{links}</td><td>{stop}</td></tr>'
    )


def _form(project: str, spider: dict[str, Any], token: str) -> str:
    own = [_field(field) for field in spider["arguments"] if not field["shared"]]
    shared = [_field(field) for field in spider["arguments"] if field["shared"]]
    more = f"<details><summary>more</summary>{''.join(shared)}</details>" if shared else ""
    more += (
        '<label><span>settings</span><textarea name="setting" rows="2"></textarea>'
        "<small>NAME=VALUE, a line each, such as USER_AGENT=imgcrawl (contact: me@example.org)"
        "</small></label>"
    )
    hidden = _hidden({"token": token, "project": project, "spider": spider["name"]})
    return (
        f"<details><summary><strong>{escape(spider['name'])}</strong> "
        f'{escape(spider["doc"])}</summary><form method="post" action="run" autocomplete="off">'
        f"{hidden}{''.join(own)}{more}<p><button>Start</button></p></form></details>"
    )


def _field(field: dict[str, Any]) -> str:
    name, choices = escape(field["name"]), field["choices"]
    hint = "; ".join(filter(None, (field["description"], field["facts"])))
    if choices:
        options = "".join(f"<option>{escape(choice)}</option>" for choice in ["", *choices])
        control = f'<select name="arg.{name}">{options}</select>'
    else:
        example = escape(str(field["example"] or ""))
        required = " required" if field["required"] else ""
        control = f'<input name="arg.{name}" placeholder="{example}"{required}>'
    return f"<label><span>{name}</span>{control}<small>{escape(hint)}</small></label>"


def _hidden(values: dict[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in values.items()
    )
