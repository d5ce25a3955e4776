"""ViewScroller: a page and the lists in it, scrolled view by view to their ends.

Long lists are often virtual: of thousands of rows only those in view are in the page, and others
leave it as these come (ag-grid, react-window). A jump to the end shows the first and the last rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Page

MOST_VIEWS = 20_000

# Scrolls each thing that scrolls by most of its own height. Returns how many moved, and whether one
# of them has become longer by half a view since the last time: rows were added at its end.
_STEP = """async () => {
  const heights = (window.__imgcrawlHeights ??= new WeakMap());
  const all = [document.scrollingElement || document.documentElement];
  const walk = root => {
    for (const el of root.querySelectorAll("*")) {
      if (el.scrollHeight > el.clientHeight + 20 && el.clientHeight > 0
          && /auto|scroll|overlay/.test(getComputedStyle(el).overflowY)) all.push(el);
      if (el.shadowRoot) walk(el.shadowRoot);
    }
  };
  walk(document);
  let moved = 0, grown = false;
  for (const el of all) {
    const view = el === all[0] ? innerHeight : el.clientHeight;
    grown ||= el.scrollHeight > (heights.get(el) ?? Infinity) + view / 2;
    heights.set(el, el.scrollHeight);
    const before = el.scrollTop;
    el.scrollTo({top: before + Math.max(20, 0.8 * view), behavior: "instant"});
    if (el.scrollTop > before) moved++;
  }
  const frame = new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  await Promise.race([frame, new Promise(done => setTimeout(done, 200))]);
  return [moved, grown];
}"""


_WHEEL = 240  # pixels: little enough that no view is passed over
_AMID_LINKS = """() => {
  const boxes = Array.from(document.links, link => link.getBoundingClientRect());
  const shown = boxes.filter(
    box => box.width && box.top >= 0 && box.bottom <= innerHeight && box.left >= 0);
  const box = shown[shown.length >> 1];
  return box ? [box.left + box.width / 2, box.top + box.height / 2] : null;
}"""


class ViewScroller:
    """One page.

    rest:  called after each view, to look at what it shows
    count: returns how many links have been seen by now
    """

    def __init__(
        self, page: Page, rest: Callable[[Page], Awaitable[None]], count: Callable[[], int]
    ) -> None:
        self._page = page
        self._rest, self._count = rest, count
        self._grown = 0

    async def to_end(self, most: int) -> bool:
        """Scroll to the end of the page and of all lists in it.

        Return True if there may be more: the lists have grown `most` times by now. Raises Error.
        """
        for _ in range(MOST_VIEWS):
            moved, grown = await self._page.evaluate(_STEP)
            self._grown += grown
            await self._rest(self._page)
            if not moved and not await self._turns():
                return False
            if self._grown >= most:
                return True
        return True

    async def _turns(self) -> bool:
        """Turn the wheel over the links that are in view; return whether that brings new ones.

        Some lists are moved by their own script, and have nothing that scrolls.
        """
        place = await self._page.evaluate(_AMID_LINKS)
        if place is None:
            return False
        before = self._count()
        await self._page.mouse.move(*place)
        await self._page.mouse.wheel(0, _WHEEL)
        await self._rest(self._page)
        return self._count() > before
