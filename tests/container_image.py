"""The steps of the Containerfile without an engine: in a root of their own, above this machine's.

An overlay stands in for the base image, as Debian 12 has the same Python. What a step writes lies
in a folder of the test, and the machine stays as it is. Where an engine and a registry can be had:
``podman build -t imgcrawl .`` does the same.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

ROOT = Path(__file__).parent.parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How this machine reaches its registries is lent to the steps.
_LENT = re.compile(r"(?i)(?:PIP|UV)_\w+|SSL_CERT_\w+|\w+_CA_BUNDLE|(?:https?|no|all)_proxy")
_BASE = "apt-get update -qq && apt-get install -qq -y --no-install-recommends python3-venv"


def cannot(folder: Path) -> str:
    """Return why no step can be run here; empty if they can."""
    release = Path("/etc/os-release")
    if not release.exists() or "bookworm" not in release.read_text():
        return "the container is a Debian 12, and this machine is none"
    if os.geteuid() != 0:
        return "only root may have a root of its own here"
    needed = ("unshare", "chroot", "setpriv", "apt-get", "ip")
    if missing := [name for name in needed if shutil.which(name) is None]:
        return f"there is no {', '.join(missing)}"
    try:
        with Image(folder / "tried") as tried:
            ended = tried.run("true")
            return ended.stderr if ended.returncode else ""
    except OSError as error:
        return f"no root of its own can be had: {error}"


def steps() -> list[tuple[str, str]]:
    """Return the words and the rests of the Containerfile's lines."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and line[0] != "#"]
    return [(word, rest.strip()) for word, rest in lines]


@dataclass
class Image:
    """What the steps have made so far, below `folder`, and what they have set; use it with `with`.

    A process that sleeps keeps the root of its own, and whatever runs there ends with it.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH, "LANG": "C.UTF-8"})
    user: str = "root"
    workdir: str = "/"
    cmd: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    said: str = ""  # by all steps
    _holder: int = 0

    def __enter__(self) -> Self:
        """Make the root. Raises OSError with the words of the machine where it cannot be had."""
        root = self.folder / "root"
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        layers = f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work"
        script = f"""
            mount -t overlay overlay -o {layers} {root}
            mount -t proc proc {root}/proc
            mount --rbind /dev {root}/dev
            mount -t tmpfs -o mode=1777 tmpfs {root}/tmp
            exec chroot {root} sh -c 'echo there; exec sleep 3600'
        """
        own = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
        self._unshare = _started([*own, "sh", "-e", "-c", script])
        assert self._unshare.stdout is not None
        if self._unshare.stdout.readline() != "there\n":
            raise OSError(self._unshare.communicate()[0])
        self._holder = _child(self._unshare.pid) or 0
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever runs in it."""
        self._unshare.kill()
        self._unshare.communicate()

    def build(self) -> None:
        """Run every step. Raises AssertionError with what a step said that failed."""
        lent = {name: value for name, value in os.environ.items() if _LENT.fullmatch(name)}
        pip = [Path("~/.config/pip/pip.conf").expanduser(), Path("~/.pip/pip.conf").expanduser()]
        mine = next((path for path in pip if path.exists()), None)
        lend = f"install -D -m 644 {mine} /etc/xdg/pip/pip.conf" if mine else "true"
        self._step(f"{lend} && {_BASE}", lent)
        for word, rest in steps():
            match word:
                case "RUN":
                    self._step(rest, lent)
                case "USER":
                    self.user = rest
                case "WORKDIR":
                    self.workdir = rest
                    self._step(f"mkdir -p {rest}", {}, user="root", workdir="/")
                case "ENV":
                    for pair in shlex.split(rest):
                        name, _, value = pair.partition("=")
                        self.env[name] = value.replace("$PATH", self.env["PATH"])
                case "COPY":
                    self._copy(rest)
                case "HEALTHCHECK":
                    self.healthcheck = json.loads(rest.partition("CMD ")[2])
                case "CMD":
                    self.cmd = json.loads(rest)
                case "FROM" | "VOLUME" | "EXPOSE":
                    pass
                case _:
                    raise AssertionError(f"{word} is not known here")

    def command(
        self, script: str, *, user: str = "", workdir: str = "", network: int = 0
    ) -> list[str]:
        """Return a command that runs a script of the shell in the image.

        network: of which process it has the network; by default this machine's
        """
        name, where = user or self.user, str(network or self._holder)
        env = self.env | {"HOME": "/root" if name == "root" else f"/home/{name}"}
        who: list[str] = []
        if name != "root":  # compose.yaml drops all capabilities
            who = ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups"]
            who += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        enter = ["nsenter", "-t", where, "--mount", "--pid", "--net", "--root"]
        clean = ["env", "-i", f"--chdir={workdir or self.workdir}"]
        words = [f"{name}={value}" for name, value in env.items()]
        return [*enter, *clean, *words, *who, "sh", "-c", script]

    def start(self, script: str, network: int = 0) -> subprocess.Popen[str]:
        """Start a script in the image, all that it says in one pipe."""
        return _started(self.command(script, network=network))

    def network(self) -> int:
        """Make a network that is loopback and no more; return the process that keeps it."""
        script = "unshare --net sh -c 'ip link set lo up && echo there; exec sleep 3600'"
        keeper = _started(self.command(script, user="root"))
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "there\n"
        found = keeper.pid
        while (child := _child(found)) is not None:
            found = child
        return found

    def run(
        self, script: str, stdin: IO[bytes] | None = None, **where: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of the shell in the image, to its end."""
        command = self.command(script, **where)
        return subprocess.run(
            command, stdin=stdin, capture_output=True, text=True, timeout=600, check=False
        )

    def _step(self, script: str, lent: dict[str, str], **how: Any) -> None:
        exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in lent.items())
        ended = self.run(exports + script, **how)
        self.said += ended.stdout + ended.stderr
        assert ended.returncode == 0, f"{script}\n{ended.stdout}{ended.stderr}"

    def _copy(self, rest: str) -> None:
        """Copy files of the project, without what .containerignore names."""
        words = [word for word in rest.split() if not word.startswith("--")]
        owner = next(iter(re.findall(r"--chown=(\S+)", rest)), "root")
        *sources, target = words
        ignored = (ROOT / ".containerignore").read_text().split()
        no = [
            f"--exclude={'' if each.startswith('**/') else './'}{each.removeprefix('**/')}"
            for each in ignored
        ]
        named = ["." if source == "." else f"./{source}" for source in sources]
        place = self.workdir if target.startswith(".") else target
        target = f"{place}/{target.removeprefix('./')}".rstrip("/.") or "/"
        if sources[0] != "." and target != place:
            named = ["-C", str(ROOT / sources[0]), "."]
        # Packed out here: the checkout may lie where the image has a folder of its own, as in /tmp.
        flags = ["--anchored", "--no-wildcards-match-slash", *no]
        with tempfile.TemporaryFile() as packed:
            subprocess.run(["tar", "-c", "-C", ROOT, *flags, *named], stdout=packed, check=True)
            packed.seek(0)
            self._step(
                f"mkdir -p {target} && tar -x -C {target} --no-same-owner && "
                f"chown -R {owner} {target}",
                {},
                stdin=packed,
                user="root",
                workdir="/",
            )


def _started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _child(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None
