"""Which tests go to which test process: one by one, but the users of a dear server together."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

# Files whose tests share a server, or an image, that takes longer to set up than they do.
TOGETHER = {
    "tests/docs/test_site.py",
    "tests/microscopy/test_matrix.py",
    "tests/replicas/test_server.py",
    "tests/scheduling/test_scrapyd.py",
    "tests/scheduling/test_site.py",
    "tests/test_crawl_container.py",
}


class TogetherScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Keep the tests of some files in one process, in place of the marks of pytest-xdist.

    pytest 9.2 no longer lets xdist 3.8 write a group into the id of a test: its marks do nothing.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if path in TOGETHER else nodeid
