"""The signals of items, sent to one receiver after another.

Scrapy makes a task for each receiver of each item, and waits for all of them at once. Most are
plain functions that count, and none of them needs a task.
"""

from __future__ import annotations

import logging
from typing import Any

from pydispatch.dispatcher import getAllReceivers, liveReceivers
from pydispatch.robustapply import robustApply
from scrapy.signalmanager import SignalManager
from scrapy.utils.defer import ensure_awaitable

logger = logging.getLogger(__name__)


class ItemSignals(SignalManager):
    """Stands in for a crawl's own signal manager where items are sent: in its scraper."""

    async def send_catch_log_async(self, signal: Any, **named: Any) -> list[tuple[Any, Any]]:
        """Send a signal, and wait for what its receivers have to wait for.

        Returns each with its answer, or the exception that it raised, which is logged.
        """
        answers: list[tuple[Any, Any]] = []
        for receiver in liveReceivers(getAllReceivers(self.sender, signal)):
            try:
                answer = robustApply(receiver, signal=signal, sender=self.sender, **named)
                if answer is not None:
                    answer = await ensure_awaitable(answer)
            except Exception as error:
                logger.exception("Error caught on signal handler: %s", receiver)
                answer = error
            answers.append((receiver, answer))
        return answers
