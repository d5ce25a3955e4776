"""OUTs without a crawl, as the tests of exports have them."""

from __future__ import annotations

from tests.exports.conftest import filled

__all__ = ["filled"]
