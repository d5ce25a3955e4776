"""A suite of Spidermon's, as somebody has it who watches other spiders with it."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

spidermon: Any = importlib.import_module("spidermon")


@spidermon.monitors.name("imgcrawl")
class ShareMissing(spidermon.Monitor):  # type: ignore[misc] # it has no types
    data: Any

    def test_few_are_missing(self) -> None:
        stats = self.data.stats
        missing, stored = stats["imgcrawl/missing"], stats["imgcrawl/stored"]
        assert missing < 0.05 * (missing + stored), f"{missing} missing"


class CloseSuite(spidermon.MonitorSuite):  # type: ignore[misc] # likewise
    monitors: ClassVar[list[Any]] = [ShareMissing]
