"""``python -m docs.generate tables|rooms|terminal|contact_sheet|report``: rewrite those."""

from __future__ import annotations

import sys
from importlib import import_module

_MAKERS = ("tables", "rooms", "terminal", "contact_sheet", "report")

if __name__ == "__main__":
    if not sys.argv[1:] or not set(sys.argv[1:]) <= set(_MAKERS):
        sys.exit(f"usage: python -m docs.generate {' | '.join(_MAKERS)}")
    for maker in sys.argv[1:]:
        import_module(f"docs.generate.{maker}").main()
