"""Scrapyd's web root and launcher (its settings ``webroot`` and ``launcher``): a page for people.

All of it lies behind Scrapyd's password, which a browser sends along from any page: so what starts
or stops something is taken from our own pages only, Scrapyd's own services included.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from scrapyd import website
from scrapyd.launcher import Launcher as ScrapydLauncher
from scrapyd.webservice import Cancel, Schedule
from twisted.internet.threads import deferToThread
from twisted.web import resource
from twisted.web.error import Error
from twisted.web.server import NOT_DONE_YET

from imgcrawl.scheduling.jobs import JOB_NAME, PROGRESS, SHOWN, jobs_of, progress_of
from imgcrawl.scheduling.jobs_page import POLICY, SCRIPT, STYLE, page
from imgcrawl.storage.directory import open_plain
from imgcrawl.text.redact import printable

_KEPT = 1000  # files of progress


class Launcher(ScrapydLauncher):  # type: ignore[misc] # Scrapyd has no types
    """Has each job tell its progress in a file."""

    def _spawn_process(self, message: dict[str, Any], slot: int) -> Any:
        if JOB_NAME.fullmatch(message["_job"]):
            folder = Path(PROGRESS).absolute()
            folder.mkdir(exist_ok=True)
            for old in sorted(folder.glob("*.json"), key=os.path.getmtime)[: 1 - _KEPT]:
                old.unlink(missing_ok=True)
            settings = message.setdefault("settings", {})
            settings.setdefault("PROGRESS_FILE", str(folder / f"{message['_job']}.json"))
        return super()._spawn_process(message, slot)


class Root(website.Root):  # type: ignore[misc] # likewise
    """Scrapyd's root, with our page at ``/``; its own pages and services stay where they are."""

    def __init__(self, config: Any, app: Any) -> None:
        super().__init__(config, app)
        self.token = secrets.token_urlsafe(32)
        self.spiders = SpiderForms(self)
        self.putChild(b"", JobsPage(self))
        self.putChild(b"progress.json", Progress(self))
        self.putChild(b"run", Run(self))
        self.putChild(b"stop", Stop(self))
        self.putChild(b"out", OutFiles(self))
        self.putChild(b"page.css", _Static(STYLE, "text/css"))
        self.putChild(b"page.js", _Static(SCRIPT, "text/javascript"))

    def getChildWithDefault(self, path: bytes, request: Any) -> Any:  # noqa: N802 - Twisted's name
        """Refuse what another site's page asks to be done; nothing of ours is shown in a frame."""
        request.setHeader("X-Frame-Options", "DENY")
        request.setHeader("X-Content-Type-Options", "nosniff")
        request.setHeader("Referrer-Policy", "same-origin")
        if request.method not in {b"GET", b"HEAD"} and not _is_own(request):
            return resource.ForbiddenResource("this was sent by the page of another site")
        return super().getChildWithDefault(path, request)


def _is_own(request: Any) -> bool:
    """Return whether a request is no browser's, or comes from a page of this server."""
    site = request.getHeader("sec-fetch-site")
    origin = request.getHeader("origin")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    return origin is None or urlsplit(origin).netloc == request.getHeader("host")


class SpiderForms:
    """The spiders of each project and their arguments, asked of the project itself, once."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._known: dict[tuple[str, ...], Any] = {}

    def all(self) -> dict[str, Any]:
        """Return the spiders by project, or why they are not known. Blocks."""
        return {name: self._of(name) for name in sorted(self._root.scheduler.list_projects())}

    def _of(self, project: str) -> Any:
        key = (project, *self._root.eggstorage.list(project))
        if key not in self._known:
            found = _asked(self._root.runner, project)
            if isinstance(found, str):
                return found
            self._known[key] = found
        return self._known[key]


def _asked(runner: str, project: str) -> Any:
    command = [sys.executable, "-m", runner, "spiders", "--json", "-s", "LOG_STDOUT=0"]
    env = {**os.environ, "SCRAPY_PROJECT": project, "PYTHONIOENCODING": "UTF-8"}
    try:
        done = subprocess.run(  # noqa: S603 - as Scrapyd asks for its list of spiders
            command, env=env, capture_output=True, timeout=120, check=False
        )
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return "Its spiders cannot be listed: scrapyd's log, and `scrapy spiders --json`, say why."


class _Page(resource.Resource):
    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, root: Root) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Twisted has few types
        self.root = root

    def may(self, request: Any) -> bool:
        """Return whether a form is one of this server's pages; a token is used up by no use."""
        given = request.args.pop(b"token", [b""])[0]
        return hmac.compare_digest(given, self.root.token.encode())


class JobsPage(_Page):
    """The page itself."""

    def render_GET(self, request: Any) -> Any:  # noqa: N802 - Twisted's name
        """Answer once the spiders of all projects are known."""
        note = printable(request.args.get(b"note", [b""])[0].decode("utf-8", "replace"))

        lost: list[Any] = []

        def show(spiders: dict[str, Any]) -> None:
            if lost:
                return
            text = page(jobs_of(self.root), spiders, self.root.token, note)
            request.setHeader("Content-Type", "text/html; charset=utf-8")
            request.setHeader("Content-Security-Policy", POLICY)
            request.setHeader("Cache-Control", "no-store")
            request.write(text.encode("utf-8", "replace"))
            request.finish()

        request.notifyFinish().addErrback(lost.append)
        asked = deferToThread(self.root.spiders.all).addCallback(show)
        asked.addErrback(lambda failure: None if lost else request.processingFailed(failure))
        return NOT_DONE_YET


class Progress(_Page):
    """The jobs as JSON, for the page's script."""

    def render_GET(self, request: Any) -> bytes:  # noqa: N802 - Twisted's name
        """Answer what `jobs_of` gives."""
        request.setHeader("Content-Type", "application/json")
        request.setHeader("Cache-Control", "no-store")
        return json.dumps(jobs_of(self.root)).encode()


class Run(_Page):
    """Puts a job on the queue, as Scrapyd's own service does."""

    def render_POST(self, request: Any) -> bytes:  # noqa: N802 - Twisted's name
        """Take ``arg.NAME``; an empty one is not given."""
        if not self.may(request):
            return _refused(request)
        given = request.args
        kept = {
            name.removeprefix(b"arg."): [values[0].strip()]
            for name, values in given.items()
            if name.startswith(b"arg.") and values[0].strip()
        }
        for name in (b"project", b"spider"):
            kept[name] = given.get(name, [b""])
        lines = b"\n".join(given.get(b"setting", [])).splitlines()
        if settings := [line.strip() for line in lines if b"=" in line]:
            kept[b"setting"] = settings
        request.args = kept
        return _done(request, Schedule(self.root))


class Stop(_Page):
    """Stops a job as SIGINT does: what is in flight is finished."""

    def render_POST(self, request: Any) -> bytes:  # noqa: N802 - Twisted's name
        """Take the project and the job."""
        if not self.may(request):
            return _refused(request)
        return _done(request, Cancel(self.root))


def _refused(request: Any) -> bytes:
    request.setResponseCode(403)
    return b"The page is older than this Scrapyd: open it again.\n"


def _done(request: Any, service: Any) -> bytes:
    """Have a service of Scrapyd's do it, and go back to the page, which says what was wrong."""
    note = ""
    try:
        service.render_POST(request)
    except Error as error:
        note = f"?note={quote(error.message or b'')}"
    except Exception as error:  # a project that cannot be listed, an odd word
        note = f"?note={quote(printable(f'{type(error).__name__}: {error}'))}"
    request.setResponseCode(303)
    request.setHeader("Location", f"./{note}")
    return b""


class OutFiles(_Page):
    """``/out/JOB/NAME``: the summary, the report and the tables of the OUT of a job."""

    def render_GET(self, request: Any) -> bytes:  # noqa: N802 - Twisted's name
        """Answer a file whose name is known; a link in its place is none."""
        job, _, name = b"/".join(request.postpath).decode("utf-8", "replace").partition("/")
        out = progress_of(job).get("out")
        try:
            if name not in SHOWN or not out or "://" in out:
                raise FileNotFoundError
            with open_plain(Path(out) / name) as file:
                body = file.read()
        except OSError:
            request.setResponseCode(404)
            return b"There is no such file.\n"
        request.setHeader("Content-Type", SHOWN[name][1])
        # The report has a policy of its own; whatever it is, it is no page of this server.
        policy = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        request.setHeader("Content-Security-Policy", policy)
        return body


class _Static(resource.Resource):
    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, text: str, kind: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Twisted has few types
        self._text, self._kind = text.encode(), kind

    def render_GET(self, request: Any) -> bytes:  # noqa: N802 - Twisted's name
        request.setHeader("Content-Type", f"{self._kind}; charset=utf-8")
        return self._text
