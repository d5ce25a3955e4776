"""The browser: which one there is, and how it is started.

A page whose links are made by scripts is opened in a Chromium. It only finds links: what they lead
to is downloaded as everything else is.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.extras import require_extra

# As Debian, Fedora and Google name them.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Below a folder of Playwright's such as chromium-1187, on each system.
_INSIDE = (
    "chrome-linux*/chrome",
    "chrome-mac*/*.app/Contents/MacOS/*",
    "chrome-win*/chrome.exe",
    "chrome-*/headless_shell",
    "chrome-headless-shell-*/chrome-headless-shell*",
)

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # All goes through the guarding proxy: no names are looked up here, and no packets sent past it.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)

HANDLER = "imgcrawl.browser.handler.BrowserHandler"
HANDLERS = {"http": HANDLER, "https": HANDLER}  # DOWNLOAD_HANDLERS of a spider that needs a browser


def find_browser(setting: str | None = None) -> str | None:
    """Return the path of a Chromium (BROWSER_PATH, Playwright's, or on PATH), or None."""
    if setting:
        return shutil.which(setting)
    return _playwrights() or next(filter(None, map(shutil.which, NAMES)), None)


def require_browser(setting: str | None = None) -> str:
    """Return the path of a Chromium. Raises ArgumentError, which says how to get one."""
    require_extra("browser")
    path = find_browser(setting)
    if path is not None:
        return path
    missing = f"{setting} (BROWSER_PATH) is no program." if setting else "there is no Chromium."
    raise ArgumentError(
        f"this opens pages in a browser, and {missing} Type one of:\n"
        "  playwright install chromium\n"
        "  apt install chromium          (as root, on Debian; other systems have it too)\n"
        "  scrapy crawl ... -s BROWSER_PATH=/path/to/chromium"
    )


def launch_options(setting: str | None = None) -> dict[str, Any]:
    """Return Playwright's launch options, headless. Raises ArgumentError without a browser."""
    return {
        "executable_path": require_browser(setting),
        "headless": True,
        # Chromium's sandbox does not start as root.
        "chromium_sandbox": not _is_root(),
        "args": list(FLAGS),
    }


def _playwrights() -> str | None:
    """Return the newest Chromium that ``playwright install`` has installed, or None."""
    for folder in sorted(_registry().glob("chromium*-*"), key=_revision, reverse=True):
        for pattern in _INSIDE:
            for path in sorted(folder.glob(pattern)):
                if path.is_file() and os.access(path, os.X_OK):
                    return str(path)
    return None


def _registry() -> Path:
    """Return where Playwright keeps browsers; asking the module takes half a second."""
    given = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    if given and given != "0":
        return Path(given)
    home = Path.home()
    match sys.platform:
        case "darwin":
            return home / "Library/Caches/ms-playwright"
        case "win32":
            return Path(os.environ.get("LOCALAPPDATA", home / "AppData/Local"), "ms-playwright")
        case _:
            return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache", "ms-playwright")


def _revision(folder: Path) -> tuple[int, bool]:
    """Return a sort key: newer first, and of one revision the browser before the bare shell."""
    number = re.search(r"-(\d+)$", folder.name)
    return (int(number[1]) if number else 0), "shell" not in folder.name


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


if __name__ == "__main__":  # for `make browser`
    sys.exit(find_browser() is None)
