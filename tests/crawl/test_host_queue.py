from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.crawl.host_queue import FairHostQueue, host_of
from imgcrawl.crawl.in_flight import Flight
from imgcrawl.records.items import ImageItem, Missing
from imgcrawl.records.outcomes import Outcome


def flight(host: str, number: int = 0) -> Flight:
    item = ImageItem(f"{host}/{number}", [f"http://{host}/{number}"], "x")
    return Flight(item, host_of(item))


def test_no_more_than_the_total_is_in_flight_and_put_waits_for_room() -> None:
    async def run() -> None:
        window = FairHostQueue(total=3, per_host=99, ahead=2)
        taken: list[Flight] = []
        fed = 0

        async def feed() -> None:
            nonlocal fed
            for number in range(20):
                await window.put(flight("a.org", number))
                fed += 1
            window.close()

        feeder = asyncio.create_task(feed())
        for _ in range(3):
            got = await window.get()
            assert isinstance(got, Flight)
            taken.append(got)
        fourth = asyncio.create_task(window.get())
        for _ in range(20):
            await asyncio.sleep(0)
        assert window.in_flight == 3
        assert fed == 5  # three in flight and two ahead: the feeder holds the sixth
        assert not fourth.done()
        window.release(taken[0])
        assert await fourth is not None
        feeder.cancel()

    asyncio.run(run())


async def host_of_next(queue: FairHostQueue) -> str:
    got = await queue.get()
    assert isinstance(got, Flight)
    return got.host or ""


def test_a_host_has_its_share_and_the_most_loaded_goes_first() -> None:
    async def run() -> list[str]:
        window = FairHostQueue(total=5, per_host=2, ahead=100)
        for number in range(10):
            await window.put(flight("big.org", number))
        await window.put(flight("small.org"))
        await window.put(flight("other.org"))
        window.close()
        return [await host_of_next(window) for _ in range(4)]

    assert asyncio.run(run()) == ["big.org", "big.org", "small.org", "other.org"]


def test_the_host_that_has_most_waiting_goes_first() -> None:
    async def run() -> list[str]:
        window = FairHostQueue(total=5, per_host=5, ahead=100)
        for host in ("a.org", "b.org", "b.org", "c.org", "c.org", "c.org"):
            await window.put(flight(host))
        window.close()
        return [await host_of_next(window) for _ in range(5)]

    assert asyncio.run(run()) == ["c.org", "b.org", "c.org", "a.org", "b.org"]


def test_items_without_an_address_are_not_held_up() -> None:
    async def run() -> int:
        window = FairHostQueue(total=50, per_host=1, ahead=100)
        for number in range(10):
            known = Missing(Outcome.NOT_FOUND)
            item = ImageItem(str(number), ["http://a.org/"], "x", result=known)
            await window.put(Flight(item, host_of(item)))
        window.close()
        return len([1 for _ in range(10) if await window.get()])

    assert asyncio.run(run()) == 10


def test_closing_with_drop_forgets_what_waits() -> None:
    async def run() -> None:
        window = FairHostQueue(total=1, per_host=1, ahead=10)
        first = flight("a.org", 0)
        await window.put(first)
        await window.put(flight("a.org", 1))
        assert await window.get() is first
        window.close(drop=True)
        assert await window.get() is None
        window.release(first)
        await asyncio.wait_for(window.drained(), 1)

    asyncio.run(run())


def test_a_broken_address_is_nobodys_host() -> None:
    assert host_of(ImageItem("a", ["http://[::1"], "x")) == ""
    assert host_of(ImageItem("a", ["//"], "x")) == ""


@given(
    st.lists(st.sampled_from(["put a", "put b", "put c", "get", "release"]), max_size=60),
    st.integers(1, 4),
)
def test_the_next_is_always_of_the_host_that_has_most_and_has_room(
    steps: list[str], per_host: int
) -> None:
    async def run() -> None:
        queue = FairHostQueue(total=6, per_host=per_host, ahead=100)
        waiting: Counter[str] = Counter()
        flying: list[Flight] = []
        for step in steps:
            of = Counter(each.host for each in flying)
            ready = {host: n for host, n in waiting.items() if n and of[host] < per_host}
            if step.startswith("put"):
                await queue.put(flight(f"{step[-1]}.org"))
                waiting[f"{step[-1]}.org"] += 1
            elif step == "get" and ready and len(flying) < 6:
                got = await queue.get()
                assert isinstance(got, Flight)
                assert waiting[got.host or ""] == max(ready.values())
                assert got.host in ready
                waiting[got.host or ""] -= 1
                flying.append(got)
            elif step == "release" and flying:
                queue.release(flying.pop(0))
            assert queue.in_flight == len(flying)

    asyncio.run(run())
