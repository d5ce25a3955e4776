"""The socket on which a crawl tells how far it is."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.progress.channel import ProgressSocket, receive

LONGEST = 1 << 16


def heard(*pieces: bytes) -> list[dict[str, Any]]:
    """What is heard of bytes that come piece by piece, until the other end is closed."""
    found: list[dict[str, Any]] = []
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs:
            for piece in pieces:
                theirs.sendall(piece)

    with ours:
        sender = threading.Thread(target=send)
        sender.start()
        asyncio.run(asyncio.wait_for(receive(ours, found.append), 20))
        sender.join()
    return found


def line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(), st.integers()), max_size=5), st.integers(1, 40))
def test_messages_arrive_whole_however_they_are_cut(
    messages: list[dict[str, int]], each: int
) -> None:
    data = b"".join(map(line, messages))
    pieces = [data[n : n + each] for n in range(0, len(data), each)]
    assert heard(*pieces) == [message for message in messages if message]


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_what_is_no_message_is_passed_over(junk: bytes) -> None:
    found = heard(junk + b"\n", line({"done": 1}))
    assert found[-1] == {"done": 1}


def test_a_line_without_an_end_is_not_kept() -> None:
    longer = line({"says": "x" * 10 * LONGEST})
    assert heard(longer, line([1]), line({"done": 2}), b'{"done": 3}') == [{"done": 2}]


def test_a_parent_that_does_not_listen_holds_up_nothing() -> None:
    ours, theirs = socket.socketpair()
    crawl = ProgressSocket(theirs.detach())
    for number in range(5000):  # far more than there is room for
        crawl.send({"number": number, "says": "x" * 2000})
    found: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []

    async def listens() -> None:
        listening = asyncio.create_task(receive(ours, found.append))
        while not told or told[-1] not in found:
            told.append({"late": len(told)})
            crawl.send(told[-1])
            await asyncio.sleep(0.01)
        listening.cancel()

    with ours:
        asyncio.run(asyncio.wait_for(listens(), 20))
    numbers = [message["number"] for message in found if "number" in message]
    assert numbers == list(range(len(numbers)))  # each whole, until there was no room
    assert 0 < len(numbers) < 5000
    assert found[len(numbers) :] == told[told.index(found[len(numbers)]) :]


def test_a_parent_that_is_gone_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    crawl = ProgressSocket(theirs.detach())
    waiting = threading.Thread(target=crawl.wait_for_death, daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    ours.close()
    waiting.join(20)
    assert not waiting.is_alive()
    crawl.send({"done": 1})  # to nobody, without harm
