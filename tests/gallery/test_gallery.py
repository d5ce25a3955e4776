"""``scrapy serve``: datasets in a browser; nothing of a source runs, nothing outside is read."""

from __future__ import annotations

import csv
import http.client
import json
import signal
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from PIL import Image

from imgcrawl.browser.chromium import find_browser
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.gallery.server import GalleryServer
from imgcrawl.gallery.shown import Shown
from imgcrawl.records.outcomes import Outcome
from tests.conftest import scrapy, started
from tests.dataset.entries import missing
from tests.exports.conftest import picture
from tests.warm_start import WARM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\"'&"


@contextmanager
def serving(*outs: Path) -> Iterator[GalleryServer]:
    server = GalleryServer([Shown(str(out), out) for out in outs])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def get(server: GalleryServer, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    client = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    with closing(client):
        client.request(headers.pop("method", "GET"), path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.read(), dict(answer.headers)


def ask(server: GalleryServer, path: str, **query: Any) -> Any:
    status, body, _ = get(server, f"{path}?{urlencode(query)}")
    assert status == 200, body
    return json.loads(body)


@pytest.fixture
def out(filled: Callable[..., Path]) -> Path:
    def columns(n: int) -> dict[str, Any]:
        return {"dx": HOSTILE if n % 3 else "nevus", "diagnosis_1": f"c{n % 4}", 'od"d]col': n % 5}

    root = filled([(f"r{n:03}{HOSTILE if n == 7 else ''}", columns(n)) for n in range(60)])
    with closing(Ledger(root / "ledger.sqlite")) as ledger:
        ledger.write(missing(f"m{n}", Outcome.DNS, url=f"http://h{n}.example/") for n in range(9))
    return root


def test_records_are_found_by_any_column_by_words_and_by_what_is_missing(out: Path) -> None:
    with serving(out) as server:
        told = ask(server, "/api/columns", out=0)
        assert (told["total"], told["label"]) == (69, "diagnosis_1")
        assert {'od"d]col', "dx", "reason"} <= {*told["columns"]}
        found = ask(server, "/api/rows", out=0, **{"from": 50, "count": 400})
        assert (found["total"], len(found["rows"])) == (69, 19)
        assert found["rows"][-1]["reason"] == "dns"
        some = ask(server, "/api/rows", out=0, column='od"d]col', value="3", words="NEVUS")
        assert [row["id"] for row in some["rows"]] == ["r003", "r018", "r033", "r048"]
        assert ask(server, "/api/rows", out=0, state="missing")["total"] == 9
        values = dict(ask(server, "/api/values", out=0, column="diagnosis_1"))
        assert values == {"c0": 15, "c1": 15, "c2": 15, "c3": 15, "": 9}
        record = ask(server, "/api/record", out=0, n=8)
        assert (record["record_id"], record["dx"]) == (f"r007{HOSTILE}", HOSTILE)
        (state,) = ask(server, "/api/outs")
        assert state["outcomes"] == {"stored": 60, "dns": 9}
        status, body, headers = get(server, "/picture?out=0&n=1")
        assert (status, headers["Content-Type"], body[:2]) == (200, "image/jpeg", b"\xff\xd8")


def test_new_records_are_there_when_they_are_asked_for(out: Path) -> None:
    with serving(out) as server:
        assert ask(server, "/api/columns", out=0)["total"] == 69
        with closing(Ledger(out / "ledger.sqlite")) as ledger:
            ledger.write([missing("new", Outcome.DNS)])
        assert ask(server, "/api/outs")[0]["outcomes"]["dns"] == 10
        assert ask(server, "/api/columns", out=0)["total"] == 69
        assert ask(server, "/api/columns", out=0, anew=1)["total"] == 70


def test_only_this_machines_browser_is_answered(out: Path) -> None:
    with serving(out) as server:
        port = server.server_address[1]
        assert server.server_address[0] == "127.0.0.1"
        assert get(server, "/", Host=f"localhost:{port}")[0] == 200
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "", f"127.0.0.1:{port}."):
            assert get(server, "/", Host=host)[0] == 421, host
        cross = {"Sec-Fetch-Site": "cross-site"}
        assert get(server, "/api/rows?out=0", **cross)[0] == 403
        assert get(server, "/picture?out=0&n=1", **cross)[0] == 403
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert get(server, "/api/outs", method=method)[0] == 501
        status, body, headers = get(server, "/", method="HEAD")
        assert (status, body) == (200, b"")
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        *("/../../etc/passwd", "//etc/passwd", "/gallery.js/../server.py", "/%2e%2e/%2e%2e/etc"),
        *("/picture?out=0&n=0", "/picture?out=0&n=999", "/picture?out=1&n=1", "/picture?n=../x"),
        *("/picture?out=-1&n=1", "/picture?out=0&n=1&side=9999", "/api/rows?out=x", "/page/"),
        *("/api/rows?out=0&from=%FF", "/api/record?out=0&n=1e9"),
        *("/api/values?out=0&column=words", "/api/rows?out=0&column=n%20OR%201&value=1"),
    ],
)
def test_nothing_else_is_answered(out: Path, path: str) -> None:
    with serving(out) as server:
        status, body, headers = get(server, path)
        assert status in {400, 404}
        assert headers["Content-Type"] == "text/plain"
        assert b"root:" not in body


def test_no_file_outside_of_the_dataset_is_shown(out: Path, tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.jpg")
    (out / "elsewhere").symlink_to(tmp_path)
    (out / "images/link.jpg").symlink_to(tmp_path / "secret.jpg")
    with (out / "metadata.csv").open(newline="") as file:
        header, one, other, *rest = csv.reader(file)
    one[0], other[0] = "elsewhere/secret.jpg", "images/link.jpg"
    with (out / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, one, other, *rest])
    with serving(out) as server:
        assert [get(server, f"/picture?out=0&n={n}")[0] for n in (1, 2, 3)] == [404, 404, 200]
        (out / "images").rename(out / "moved")
        assert get(server, "/picture?out=0&n=3")[0] == 204


def test_the_command_serves_until_it_is_stopped(out: Path, tmp_path: Path) -> None:
    with started([*WARM, "serve", str(out)]) as served:
        assert served.stdout is not None
        line = served.stdout.readline()
        port = int(line.partition("127.0.0.1:")[2].partition("/")[0])
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", "/api/outs")
        assert json.loads(client.getresponse().read())[0]["name"] == str(out)
        client.close()
        served.send_signal(signal.SIGINT)
        assert served.wait(20) == 0
    for words, says in (
        ((tmp_path / "no",), "no dataset"),
        (("s3://b",), "is no name of a bucket"),
        ((out, "--port", "99999"), "Leave it out"),
    ):
        ended = scrapy("serve", *words)
        assert (ended.returncode, says in ended.stderr + ended.stdout) == (2, True), ended


@pytest.mark.slow
@pytest.mark.skipif(find_browser(None) is None, reason="there is no Chromium")
def test_in_a_browser(out: Path, filled: Callable[..., Path]) -> None:
    from playwright.sync_api import sync_playwright

    large = filled([(f"x{n}", {"label": HOSTILE}) for n in range(20_000)], "large", files=False)
    seen: list[str] = []
    with serving(out, large) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_browser(None), args=["--no-sandbox"])
        for dark, width in ((False, 1440), (True, 360)):
            page = browser.new_page(
                color_scheme="dark" if dark else "light", viewport={"width": width, "height": 800}
            )
            page.on("request", lambda request: seen.append(request.url))
            page.on("console", lambda message: seen.append(f"console {message.text}"))
            page.on("dialog", lambda dialog: seen.append("dialog"))
            page.on("pageerror", lambda error: seen.append(f"error {error}"))
            page.goto(server.url)
            page.get_by_role("option", name="r000, c0").wait_for()
            assert page.locator("#count").inner_text() == "69 records"
            page.locator("#grid").focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="r001").wait_for()
            page.keyboard.press("ArrowRight")
            page.get_by_role("heading", name="r002").wait_for()
            assert HOSTILE.replace("\u202e", "") in page.locator("dialog td").all_inner_texts() or (
                HOSTILE in page.locator("dialog td").all_inner_texts()
            )
            page.keyboard.press("Escape")
            page.get_by_label("Words").fill("r01")
            page.get_by_text("10 records", exact=True).wait_for()
            page.get_by_label("Words").fill("")
            page.get_by_label("Column").select_option("diagnosis_1")
            page.get_by_label("Value").select_option(index=1)
            page.get_by_text("15 records", exact=True).wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.get_by_label("Dataset").select_option(index=1)
            page.get_by_text("20,000 records", exact=True).wait_for()
            page.locator("#grid").focus()
            page.keyboard.press("End")
            page.get_by_role("option", name="x9999").wait_for()
            assert page.locator(".cell").count() < 200
            page.close()
        browser.close()
    assert [each for each in seen if not each.startswith(server.url)] == []


@pytest.mark.slow
@pytest.mark.skipif(find_browser(None) is None, reason="there is no Chromium")
def test_a_hundred_thousand_records_do_not_stall(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    (tmp_path / "one.jpg").write_bytes(picture(1))
    with (tmp_path / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "record_id", "label"])
        writer.writerows(["one.jpg", f"x{n:05}", HOSTILE] for n in range(100_000))
    seen: list[str] = []
    with serving(tmp_path) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_browser(None), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("console", lambda message: seen.append(f"console {message.text}"))
        page.on("dialog", lambda dialog: seen.append("dialog"))
        page.on("pageerror", lambda error: seen.append(f"error {error}"))
        page.goto(server.url)
        page.get_by_text("100,000 records", exact=True).wait_for()
        page.get_by_role("option", name="x00000").wait_for()
        browser_says = page.context.new_cdp_session(page)
        browser_says.send("Performance.enable")

        def layouts() -> int:
            metrics = browser_says.send("Performance.getMetrics")["metrics"]
            return next(int(each["value"]) for each in metrics if each["name"] == "LayoutCount")

        before = layouts()
        for _ in range(10):
            page.evaluate("grid.scrollTop += 500; draw()")
        # A few for each frame, and not one for each of sixty cells.
        assert layouts() - before < 10 * 10
        page.locator("#grid").focus()
        for key in ("End", "Home", *["ArrowDown"] * 10, *["ArrowRight"] * 5):
            page.keyboard.press(key)
        chosen = page.evaluate("10 * across + 5")
        page.locator(f"#cell-{chosen}[aria-selected=true] img").wait_for()
        page.keyboard.press("End")
        page.get_by_role("option", name="x99999").wait_for()
        page.get_by_label("Words").fill("x0123")
        page.get_by_text("10 records", exact=True).wait_for()
        assert page.locator(".cell").count() == 10
        browser.close()
    assert seen == []
