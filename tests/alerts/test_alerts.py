"""Alerts: each rule, said once when it turns bad and once when it is good again, in each way."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.alerts.config import AlertConfig, AlertTable, ChannelTable, read_alerts
from imgcrawl.alerts.rules import DatasetLook, judge, last_due, look_at
from imgcrawl.alerts.send import Alert, NotSent, send
from imgcrawl.alerts.watch import Watch
from imgcrawl.dataset.history import RUNNING, RunRow, runs_csv
from imgcrawl.records.errors import ArgumentError, OutputError
from imgcrawl.scheduling.cron import parse_cron
from imgcrawl.scheduling.schedules import Schedule
from imgcrawl.scheduling.timers import alerts_command, crontab, systemd_units
from imgcrawl.storage.file_lock import lock
from tests.conftest import scrapy
from tests.dataset.test_history import ROW
from tests.progress.test_metrics import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def wall(*fields: int) -> datetime:
    return datetime(*fields)  # type: ignore[arg-type] # noqa: DTZ001 - as cron's clock


NOW = wall(2026, 3, 10, 12, 0)  # a Tuesday
SINCE = wall(2026, 1, 1)
ALERT = Alert("nightly", "failed", "bad", "2026-03-10T02:00:00Z", "it failed <&> \r\nBcc: x@y.z")


def schedule(out: object, name: str = "nightly", when: str = "30 2 * * *") -> Schedule:
    fields = {"arguments": {}, "settings": {}, "spider": "isic"}
    return Schedule(name=name, when=parse_cron(when), out=str(out), **fields)  # type: ignore[arg-type]


def config(**rules: Any) -> AlertConfig:
    to = rules.pop("to", [{"kind": "command", "command": ["true"]}])
    return AlertConfig(AlertTable(**rules, to=to))


def at(day: int, hour: int = 2, minute: int = 30) -> str:
    return wall(2026, 3, day, hour, minute).astimezone().isoformat()


def found(runs: list[RunRow], n_bad: int | None = None, **rules: Any) -> dict[str, bool | None]:
    look = DatasetLook(runs, n_bad)
    judged = judge(schedule("/x"), look, config(**rules), now=NOW, since=SINCE)
    return {finding.rule: finding.bad for finding in judged}


def night(new: int = 40, share: float = 0.1, **fields: Any) -> RunRow:
    stored = round(1000 * (1 - share))
    return replace(ROW, new=new, all_stored=stored, all_missing=1000 - stored, **fields)


def test_did_not_run() -> None:
    asked: dict[str, Any] = {"did_not_run": "2h"}
    assert found([replace(ROW, started_at=at(10))], **asked) == {"did_not_run": False}
    assert found([replace(ROW, started_at=at(9))], **asked) == {"did_not_run": True}
    assert found([], **asked) == {"did_not_run": True}
    assert found([replace(ROW, started_at=at(9), status=RUNNING)], **asked) == {
        "did_not_run": False
    }
    assert found([replace(ROW, started_at=at(9))], did_not_run="1d") == {"did_not_run": False}
    fresh = judge(schedule("/x"), DatasetLook([], None), config(**asked), now=NOW, since=NOW)
    assert [finding.bad for finding in fresh] == [False]  # it was not there when it was due


@pytest.mark.parametrize(
    ("when", "due"),
    [
        *(("30 2 * * *", wall(2026, 3, 10, 2, 30)), ("* * * * *", NOW)),
        *(("0 0 1 1 *", wall(2026, 1, 1)), ("0 0 * * 1", wall(2026, 3, 9))),
        *(("0 0 29 2 *", None), ("@hourly", NOW)),
    ],
)
def test_when_a_schedule_was_due_last(when: str, due: datetime | None) -> None:
    assert last_due(parse_cron(when), NOW) == due


def test_failed_killed_and_well() -> None:
    for change, bad in (
        ({"exit_status": 1, "status": "stopped"}, True),
        ({"exit_status": 2, "status": "wrong arguments"}, True),
        ({"exit_status": None, "status": "killed"}, True),
        ({"exit_status": 143, "status": "stopped by SIGTERM"}, False),
        ({"exit_status": 3}, False),
    ):
        running = replace(ROW, status=RUNNING, exit_status=None)
        assert found([ROW, replace(ROW, **change), running], failed=True) == {"failed": bad}
    assert found([], failed=True) == {}


def test_fewer_new_than_usual_and_more_missing() -> None:
    usual = [night(new) for new in (38, 40, 45, 1000, 41)]
    assert found([*usual, night(25)], fewer_new=0.5) == {"fewer_new": False}
    assert found([*usual, night(15)], fewer_new=0.5) == {"fewer_new": True}
    assert found([*usual, night(15), night(0, exit_status=1)], fewer_new=0.5)["fewer_new"]
    assert found([night(40), night(0)], fewer_new=0.5) == {"fewer_new": None}  # too few
    assert found([night(0)] * 5, fewer_new=0.5) == {"fewer_new": False}  # none are usual
    assert found([*usual, night(40, 0.14)], missing_jump=0.05) == {"missing_jump": False}
    assert found([*usual, night(40, 0.16)], missing_jump=0.05) == {"missing_jump": True}
    assert found([ROW], n_bad=3, verify=True) == {"verify": True}
    assert found([ROW], n_bad=0, verify=True) == {"verify": False}
    assert found([ROW], n_bad=None, verify=True) == {}


def test_what_cannot_be_looked_into_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").mkdir()
    look = look_at(str(tmp_path), {})  # type: ignore[arg-type]
    assert look.runs is None
    judged = judge(schedule(tmp_path), look, config(failed=True), now=NOW, since=SINCE)
    assert [finding.bad for finding in judged] == [None]


class Hook(ThreadingHTTPServer):
    """A webhook that answers what it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        self.status = 200
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        super().__init__(("127.0.0.1", 0), _Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    def _take(self) -> None:
        hook = self.server
        assert isinstance(hook, Hook)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hook.seen.append((self.command, self.path, dict(self.headers), body))
        self.send_response(hook.status)
        if 300 <= hook.status < 400:
            self.send_header("Location", f"{hook.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = _take  # noqa: N815 - as http.server calls them

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.shutdown()


def test_webhooks(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", f"{hook.url}/services/s3cret")
    monkeypatch.setenv("TOKEN", "t0ken")
    send(ChannelTable(kind="json", url=f"{hook.url}/json", token="$TOKEN"), ALERT)
    send(ChannelTable(kind="slack", url="$HOOK"), ALERT)
    room: dict[str, Any] = {"server": hook.url, "room": "!a/b:example.org", "token": "$TOKEN"}
    send(ChannelTable(kind="matrix", **room), ALERT)
    send(ChannelTable(kind="matrix", **room), ALERT)
    plain, slack, matrix, again = hook.seen
    assert plain[:2] == ("POST", "/json")
    assert plain[2]["Authorization"] == "Bearer t0ken"
    assert (plain[3]["schedule"], plain[3]["rule"], plain[3]["state"]) == (
        *("nightly", "failed", "bad"),
    )
    assert slack[3] == {"text": "imgcrawl: nightly: it failed &lt;&amp;&gt; Bcc: x@y.z"}
    assert matrix[0] == "PUT"
    assert "/rooms/%21a%2Fb%3Aexample.org/send/m.room.message/" in matrix[1]
    assert matrix[1] == again[1]  # the same transaction: one message
    assert matrix[3] == {"msgtype": "m.text", "body": ALERT.text}


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_an_answer_that_is_no_yes(hook: Hook, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("HOOK", f"{hook.url}/services/s3cret")
    hook.status = status
    with pytest.raises(NotSent) as caught:
        send(ChannelTable(kind="slack", url="$HOOK"), ALERT)
    assert str(status) in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert len(hook.seen) == 1  # a redirect is not followed
    monkeypatch.delenv("HOOK")
    with pytest.raises(NotSent, match="HOOK is not set"):
        send(ChannelTable(kind="slack", url="$HOOK"), ALERT)
    with pytest.raises(NotSent, match="cannot be reached"):
        send(ChannelTable(kind="json", url="http://127.0.0.1:9/"), ALERT)


def test_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    taken: list[Any] = []
    logins: list[Any] = []

    class Mailbox:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            taken.append(envelope)
            return "250 OK"

    def authenticate(*args: Any) -> AuthResult:
        logins.append(args[-1])
        return AuthResult(success=args[-1].password == b"p4ss", handled=False)

    monkeypatch.setenv("SMTP_PASSWORD", "p4ss")
    port = free_port()
    controller = Controller(
        Mailbox(), "127.0.0.1", port, authenticator=authenticate, auth_require_tls=False
    )
    controller.start()
    try:
        to: dict[str, Any] = {
            "kind": "mail",
            "server": f"127.0.0.1:{port}",
            "tls": "none",
            "user": "imgcrawl",
            "password": "$SMTP_PASSWORD",
            "sender": "imgcrawl@example.org",
            "recipients": ["a@example.org", "b@example.org"],
        }
        send(ChannelTable(**to), ALERT)
        monkeypatch.setenv("SMTP_PASSWORD", "wr0ng")
        with pytest.raises(NotSent) as caught:
            send(ChannelTable(**to), ALERT)
        with pytest.raises(NotSent):  # the server has no TLS, and was to have it
            send(ChannelTable(**{**to, "tls": "starttls"}), ALERT)
    finally:
        controller.stop()
    assert "535" in str(caught.value)
    assert "wr0ng" not in str(caught.value)
    (envelope,) = taken
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    mail = message_from_bytes(envelope.content)
    assert mail["Subject"].startswith("imgcrawl: nightly: it failed")
    assert mail["Bcc"] is None
    assert logins[0].login == b"imgcrawl"


def test_a_command(tmp_path: Path) -> None:
    program = (
        "import json, os, sys; got = json.load(sys.stdin);"
        " open(sys.argv[1], 'w').write(got['rule'] + os.environ['IMGCRAWL_ALERT'])"
    )
    file = tmp_path / "$(touch pwned) ; told"
    send(ChannelTable(kind="command", command=[sys.executable, "-c", program, str(file)]), ALERT)
    assert file.read_text() == f"failed{ALERT.text}"
    for command, words in ((["false"], "exit status 1"), (["/no/such"], "cannot be run")):
        with pytest.raises(NotSent, match=words):
            send(ChannelTable(kind="command", command=command), ALERT)


def out_with(root: Path, *rows: RunRow) -> Path:
    root.mkdir(exist_ok=True)
    (root / "runs.csv").write_text(runs_csv(rows))
    return root


def test_told_once_and_once_more_when_it_is_good_again(tmp_path: Path, hook: Hook) -> None:
    bad = replace(ROW, exit_status=1, status="stopped")
    out = out_with(tmp_path / "out", bad)
    to = [{"kind": "json", "url": f"{hook.url}/{n}"} for n in "ab"]
    rules = config(failed=True, verify=True, to=to)

    def look() -> list[str]:
        hook.seen.clear()
        Watch(tmp_path / "state.json").look([schedule(out)], rules, {})  # type: ignore[arg-type]
        return [f"{path} {body['rule']} {body['state']}" for _, path, _, body in hook.seen]

    assert look() == ["/a failed bad", "/b failed bad"]
    assert look() == []
    (out / "verify.csv").write_text("record_id,file_name,problem\na,b.jpg,sha256\n")
    assert look() == ["/a verify bad", "/b verify bad"]
    out_with(out, bad, ROW)
    assert look() == ["/a failed good", "/b failed good"]
    assert look() == []
    out_with(out, bad, ROW, bad)
    assert look() == ["/a failed bad", "/b failed bad"]


def test_what_could_not_be_told_is_told_later(tmp_path: Path, hook: Hook) -> None:
    out = out_with(tmp_path / "out", replace(ROW, exit_status=1, status="stopped"))
    rules = config(
        failed=True,
        to=[{"kind": "json", "url": hook.url}, {"kind": "command", "command": ["true"]}],
    )
    watch = tmp_path / "state.json"
    hook.status = 503
    first = Watch(watch).look([schedule(out)], rules, {})  # type: ignore[arg-type]
    assert [line.partition(":")[0] for line in first.sent] == ["command 2"]
    assert "HTTP 503. It is tried again" in first.not_sent[0]
    hook.status = 200
    second = Watch(watch).look([schedule(out)], rules, {})  # type: ignore[arg-type]
    assert [line.partition(":")[0] for line in second.sent] == ["json 1"]
    # Nobody who was not told that it was bad is told that it is good.
    out_with(out, ROW)
    hook.status = 500
    third = Watch(watch).look([schedule(out)], rules, {})  # type: ignore[arg-type]
    assert len(third.sent) == len(third.not_sent) == 1
    watch.write_text("{")  # a memory that is lost tells again, and stops nothing
    assert not Watch(watch).look([schedule(out)], rules, {}).not_sent  # type: ignore[arg-type]
    with watch.with_suffix(".lock").open("a") as held:
        lock(held)
        with pytest.raises(OutputError, match="another watch"):
            Watch(watch).look([schedule(out)], rules, {})  # type: ignore[arg-type]


def test_the_disk_is_told_once_for_all_datasets_on_it(tmp_path: Path, hook: Hook) -> None:
    rules = config(disk_below="1000000TB", to=[{"kind": "json", "url": hook.url}])
    both = [schedule(tmp_path / "a" / "b"), schedule(tmp_path / "c", "other")]
    Watch(tmp_path / "state.json").look(both, rules, {})  # type: ignore[arg-type]
    assert [body["schedule"] for *_, body in hook.seen] == ["disk"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("failed = true", "nobody is told"),
        ("filed = true", "did you mean 'failed'"),
        ('did_not_run = "soon"', "did_not_run: write a time"),
        ("fewer_new = 7", "fewer_new: write a part of 1"),
        ('disk_below = "much"', "disk_below: write a size"),
        ('[[alert.to]]\nkind = "pigeon"', "kind"),
        ('[[alert.to]]\nkind = "slack"', "slack needs url"),
        ('[[alert.to]]\nkind = "slack"\nurl = "https://hooks/x"', "url is a secret"),
        ('[[alert.to]]\nkind = "json"\nurl = "https://u:p@h/"', "has a password in it"),
        ('[[alert.to]]\nkind = "json"\nurl = "file:///etc/passwd"', "begins with https://"),
        ('[[alert.to]]\nkind = "command"\ncommand = "ls"', "command"),
        ('[[alert.to]]\nkind = "json"\nurl = "https://h/"\nroom = "x"', "json has no room"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "s.toml").write_text(f"[alert]\n{text}\n")
    with pytest.raises(ArgumentError) as caught:
        read_alerts(tmp_path / "s.toml")
    assert words in str(caught.value)


@pytest.mark.slow
def test_the_command_and_its_timers(tmp_path: Path, hook: Hook) -> None:
    out = out_with(tmp_path / "out", replace(ROW, exit_status=1, status="stopped"))
    file = tmp_path / "schedules.toml"
    file.write_text(
        f'[alert]\nfailed = true\nstate = "{tmp_path}/alerts.json"\n'
        f'[[alert.to]]\nkind = "json"\nurl = "{hook.url}"\n'
        '[[alert.to]]\nkind = "slack"\nurl = "$NO_SUCH_HOOK"\n'
        '[[schedule]]\nname = "nightly"\nspider = "isic"\nwhen = "@daily"\n'
        f'arguments = {{ out = "{out}" }}\n'
    )
    tried = scrapy("schedules", "--test-alerts", file)
    assert tried.returncode == 1
    assert "json 1: taken" in tried.stdout
    assert "slack 2: not sent: NO_SUCH_HOOK is not set in the environment" in tried.stdout
    assert hook.seen.pop()[3]["state"] == "test"
    hook.status = 500
    env = {**os.environ, "NO_SUCH_HOOK": f"{hook.url}/s3cret"}
    said = scrapy("schedules", "--alerts", file, env=env)
    assert said.returncode == 1
    assert "It is tried again" in said.stderr
    assert "s3cret" not in said.stderr + said.stdout + (tmp_path / "alerts.json").read_text()
    hook.status = 200
    said = scrapy("schedules", "--alerts", file, env=env)
    assert said.returncode == 0, said.stderr
    assert "1 bad of 1 schedules" in said.stdout
    assert said.stdout.count("told by") == 2
    lines = scrapy("schedules", "--crontab", file).stdout.splitlines()
    assert [line.startswith("*/10 * * * * cd ") for line in lines] == [False, False, True, False]
    none = crontab([schedule(out)], tmp_path)
    assert "--alerts" not in none
    units = systemd_units([], tmp_path, alerts_command(None))
    assert sorted(units) == ["imgcrawl-alerts.service", "imgcrawl-alerts.timer"]
    assert f"EnvironmentFile=-{tmp_path}/alerts.env" in units["imgcrawl-alerts.service"]
    assert "OnCalendar=*-*-* *:0/10:00" in units["imgcrawl-alerts.timer"]
