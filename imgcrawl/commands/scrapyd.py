"""``scrapy scrapyd``: a Scrapyd with a password, for jobs of this project."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from scrapy.utils.conf import closest_scrapy_cfg

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.records.extras import require_extra
from imgcrawl.scheduling.scrapyd import PROJECT, USER, ScrapydServer, ask_status

if TYPE_CHECKING:
    import argparse

HOME = ".scrapyd"
_START = "import runpy; runpy.run_module('scrapyd', run_name='__main__', alter_sys=True)"


class Command(ScrapyCommand):
    """Takes the place of ``scrapyd``, whose configuration cannot read the environment."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[--in-project | --check] [--port N] [--host ADDRESS] [--home DIR]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Start a Scrapyd: runs what `make deploy` puts on it, or this checkout"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options: where it listens, where it keeps its files, and what it runs."""
        super().add_options(parser)
        parser.add_argument("--port", type=int, default=6800, help="of HTTP (default: 6800)")
        parser.add_argument(
            "--host", default="127.0.0.1", help="to listen on; another than loopback needs "
            "SCRAPYD_PASSWORD in the environment"
        )  # fmt: skip
        parser.add_argument(
            "--home", type=Path, default=None, help="eggs, logs, queue and password (default: "
            f"$IMGCRAWL_HOME, or {HOME} in the project)"
        )  # fmt: skip
        parser.add_argument(
            "--in-project", action="store_true", help="run this checkout, without eggs"
        )
        parser.add_argument(
            "--check", action="store_true", help="only tell whether one answers on this port"
        )

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Replace this process by Scrapyd.

        Relative paths in jobs begin at $IMGCRAWL_DIR, or where this is typed.
        """
        if args:
            raise UsageError("scrapy scrapyd takes options only; `scrapy scrapyd -h` lists them")
        project = Path(closest_scrapy_cfg()).absolute().parent
        home = opts.home or os.environ.get("IMGCRAWL_HOME") or project / HOME
        if opts.check:
            self._check(Path(home).expanduser(), opts.port)
            return
        daemon = ScrapydServer(
            home=Path(home).expanduser().absolute(),
            base=Path(os.environ.get("IMGCRAWL_DIR") or ".").expanduser().absolute(),
            host=opts.host,
            port=opts.port,
            checkout=project if opts.in_project else None,
        )
        try:
            require_extra("scrapyd")
            daemon.prepare(project / "scrapyd.conf")
        except (ArgumentError, OSError) as error:
            raise UsageError(str(error)) from error
        runs = "this checkout" if opts.in_project else "what `make deploy` puts on it"
        sys.stdout.write(
            f"Scrapyd on http://{opts.host}:{opts.port} runs {runs}, as project {PROJECT}.\n"
            f"User {os.environ.get('SCRAPYD_USERNAME') or USER}, password in "
            f"{daemon.home / 'password'}\n"
            f"Relative paths of jobs begin at {daemon.base}; their logs are in "
            f"{daemon.home / 'logs' / PROJECT}\n"
        )
        sys.stdout.flush()
        os.chdir(daemon.home)
        # Its lock file would keep it from starting again in a container, where numbers recur.
        # Its own process knows this checkout, for its page; a job knows only what it is to run.
        program = f"import sys; sys.path.append({str(project)!r}); {_START}"
        command = [sys.executable, "-c", program, "--pidfile="]
        os.execve(sys.executable, command, daemon.environment())  # noqa: S606 - our own command

    def _check(self, home: Path, port: int) -> None:
        try:
            status = ask_status(home, port)
        except (OSError, ValueError) as error:
            sys.stderr.write(f"scrapy scrapyd: nothing that is well on port {port} ({error})\n")
            self.exitcode = ExitStatus.FAILED
            return
        sys.stdout.write(
            f"pending {status.get('pending')}, running {status.get('running')}, "
            f"finished {status.get('finished')}\n"
        )
