"""Environments of the tests' own, for judges that cannot be installed beside the project."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def environment(folder: Path, *packages: str) -> Path:
    """The Python of a new environment that has some packages; where they cannot be had, skip."""
    python = folder / "bin/python"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(folder)], check=True)
    made = subprocess.run(
        [*uv, "pip", "install", "--python", str(python), *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"{packages[0]} cannot be installed here: {made.stderr[-200:]}")
    return python
