"""Where the pictures of a run lie: on one host, or spread over many of this machine."""

from __future__ import annotations

LOOPBACK = "127.0.0.1"


def host(number: int) -> str:
    """Return the address of one of up to 60,000 hosts of this machine."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def address(base: str, number: int, hosts: int) -> str:
    """Return the URL of a picture: of the one host of `base`, or of host `number` modulo `hosts`.

    All addresses of 127.0.0.0/8 are this machine (Linux).
    """
    if hosts > 1:
        base = base.replace(LOOPBACK, host(number % hosts))
    return f"{base}/{number}.jpg"
