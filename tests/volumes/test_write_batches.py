"""Small jobs that share a hop into a thread: each gets its own answer, whatever the others do."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from imgcrawl.volumes.copy.write_batches import ENOUGH, WriteBatches


def test_each_job_has_its_own_answer_and_its_own_error() -> None:
    async def main() -> list[Any]:
        batches, loop = WriteBatches(), threading.get_ident()

        def job(number: int) -> int:
            assert threading.get_ident() != loop
            if number % 3 == 0:
                raise OSError(28, f"full at {number}")
            return number * 10

        works = (batches.run(lambda number=number: job(number)) for number in range(50))  # type: ignore[misc]
        return await asyncio.gather(*works, return_exceptions=True)

    for number, found in enumerate(asyncio.run(main())):
        if number % 3:
            assert found == number * 10
        else:
            assert isinstance(found, OSError)
            assert found.strerror == f"full at {number}"


def test_jobs_that_come_together_go_together() -> None:
    async def main() -> list[int]:
        batches, hops, real = WriteBatches(), list[int](), asyncio.get_running_loop()
        before = real.run_in_executor

        def counted(pool: Any, work: Any, jobs: Any) -> Any:
            hops.append(len(jobs))
            return before(pool, work, jobs)

        real.run_in_executor = counted  # type: ignore[method-assign,assignment]
        await asyncio.gather(*(batches.run(lambda: None) for _ in range(4 * ENOUGH)))
        await batches.run(lambda: None)  # alone: it waits for no other
        return hops

    hops = asyncio.run(main())
    assert sum(hops) == 4 * ENOUGH + 1
    assert len(hops) <= 3


def test_who_has_gone_holds_up_nobody() -> None:
    async def main() -> str:
        batches, begun, go_on = WriteBatches(), threading.Event(), threading.Event()

        def slow() -> None:
            begun.set()
            go_on.wait(10)

        gone = asyncio.create_task(batches.run(slow))
        await asyncio.to_thread(begun.wait, 10)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        after = asyncio.create_task(batches.run(lambda: "there"))
        go_on.set()
        return await asyncio.wait_for(after, 10)

    assert asyncio.run(main()) == "there"
