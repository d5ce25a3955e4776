"""The map of the rooms: which folder imports which, drawn from the import graph of the code.

A room is a folder of imgcrawl/, or one of the folders beside it. It stands on the floor above the
highest room that it imports. An import that follows from others (a -> b -> c, so a -> c) is not
drawn. Imports under TYPE_CHECKING and inside functions count.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "rooms.svg"
PACKAGES = ("imgcrawl", "spiders", "pipelines", "replicas")

_BOX, _GAP, _ROW, _FLOOR, _MARGIN = 132, 26, 46, 96, 30  # pixels
_VIA = 16  # pixels that an arrow takes on a floor which it passes
_FILLS = {
    "imgcrawl": "#dbe7f3",
    "spiders": "#f6dcdc",
    "pipelines": "#dcefd9",
    "replicas": "#eee6f5",
}
_EDGES = {
    "imgcrawl": "#4878a8",
    "spiders": "#b05a5a",
    "pipelines": "#5a9450",
    "replicas": "#8a6bab",
}


@dataclass(slots=True)
class Rooms:
    """The rooms of a project, with what each imports."""

    modules: dict[str, int] = field(default_factory=dict)
    imports: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def floors(self) -> dict[str, int]:
        """Return the floor of each room; 0 is that of rooms that import none."""
        floors: dict[str, int] = {}

        def floor(room: str, above: tuple[str, ...]) -> int:
            if room in above:
                raise ValueError(f"a circle of rooms: {' -> '.join((*above, room))}")
            if room not in floors:
                below = [floor(each, (*above, room)) for each in self.imports[room]]
                floors[room] = 1 + max(below, default=-1)
            return floors[room]

        for room in self.modules:
            floor(room, ())
        return floors

    def drawn(self) -> list[tuple[str, str]]:
        """Return the imports that do not follow from others, as (importing, imported)."""
        reached: dict[str, set[str]] = {}

        def reach(room: str) -> set[str]:
            if room not in reached:
                direct = self.imports[room]
                reached[room] = direct.union(*(reach(each) for each in direct))
            return reached[room]

        return sorted(
            (room, target)
            for room in list(self.modules)
            for target in self.imports[room]
            if not any(target in reach(other) for other in self.imports[room] - {target})
        )


def room_of(module: str) -> str | None:
    """Return the room of a module, or None for the package imgcrawl itself (the version)."""
    match module.split("."):
        case ["imgcrawl"]:
            return None
        case ["imgcrawl", room, *_]:
            return f"imgcrawl.{room}"
        case ["spiders", "base", *_]:
            return "spiders.base"
        case [package, *_]:
            return package
    return None


def read_rooms() -> Rooms:
    """Return the rooms of this project from its import graph."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    rooms = Rooms()
    for module in sorted(graph.modules):
        if (room := room_of(module)) is None:
            continue
        rooms.modules[room] = rooms.modules.get(room, 0) + 1
        targets = {room_of(each) for each in graph.find_modules_directly_imported_by(module)}
        rooms.imports[room] |= {each for each in targets if each and each != room}
    # Packages without code: data files.
    rooms.modules.pop("imgcrawl.data", None)
    return rooms


@dataclass(slots=True)
class _RoomsLayout:
    """Where the rooms stand, and the places on each floor that the arrows pass through."""

    rooms: Rooms
    floors: dict[str, int] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)
    paths: list[list[str]] = field(default_factory=list)  # of the arrows, from room to room
    x: dict[str, float] = field(default_factory=dict)  # of centres

    def __post_init__(self) -> None:
        self.floors = self.rooms.floors()
        self.rows = [[] for _ in range(1 + max(self.floors.values()))]
        for room in sorted(self.rooms.modules):
            self.rows[self.floors[room]].append(room)
        for source, target in self.rooms.drawn():
            between = range(self.floors[source] - 1, self.floors[target], -1)
            vias = [f"{source}>{target}@{floor}" for floor in between]
            for floor, via in zip(between, vias, strict=True):
                self.rows[floor].append(via)
            self.paths.append([source, *vias, target])
        self._order()
        self._place()

    @property
    def width(self) -> float:
        """The width of the widest floor in pixels."""
        return max(sum(self._widths(row)) + _GAP * (len(row) - 1) for row in self.rows)

    @staticmethod
    def _widths(row: list[str]) -> list[float]:
        return [_VIA if ">" in each else _BOX for each in row]

    def _neighbours(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            for above, below in pairwise(path):
                found[above].append(below)
                found[below].append(above)
        return found

    def _order(self) -> None:
        """Order each floor so that few arrows cross: rooms near the mean of their neighbours."""
        near = self._neighbours()
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for turn in range(60):
            place = {each: i / len(row) for row in self.rows for i, each in enumerate(row)}
            floors = range(len(self.rows)) if turn % 2 else reversed(range(len(self.rows)))
            for floor in floors:
                row = self.rows[floor]
                row.sort(key=lambda each: _mean([place[n] for n in near[each]], place[each]))
                place |= {each: i / len(row) for i, each in enumerate(row)}
            if (crossings := self._crossings()) < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _crossings(self) -> int:
        place = {each: i for row in self.rows for i, each in enumerate(row)}
        steps: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for path in self.paths:
            floor = self.floors[path[0]]
            for i, (above, below) in enumerate(pairwise(path)):
                steps[floor - i].append((place[above], place[below]))
        return sum(
            (a - c) * (b - d) < 0
            for pairs in steps.values()
            for i, (a, b) in enumerate(pairs)
            for c, d in pairs[:i]
        )

    def _place(self) -> None:
        """Spread each floor over the width, and pull what is on it towards its neighbours."""
        near, width = self._neighbours(), self.width
        for row in self.rows:
            sizes = self._widths(row)
            gap = (width - sum(sizes)) / (len(row) + 1)
            left = gap
            for each, size in zip(row, sizes, strict=True):
                self.x[each] = left + size / 2
                left += size + gap
        for _ in range(40):
            for row in self.rows:
                wanted = [_mean([self.x[n] for n in near[each]], self.x[each]) for each in row]
                self.x |= dict(zip(row, _apart(wanted, self._widths(row), width), strict=True))


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _apart(wanted: list[float], sizes: list[float], width: float) -> list[float]:
    """Return centres near the wanted ones, in their order, that overlap nowhere."""
    centres = list(wanted)
    for i, size in enumerate(sizes):  # from the left ...
        least = size / 2 if i == 0 else centres[i - 1] + (sizes[i - 1] + size) / 2 + _GAP
        centres[i] = max(centres[i], least)
    for i in reversed(range(len(sizes))):  # ... and back from the right
        last = i == len(sizes) - 1
        most = (
            width - sizes[i] / 2 if last else centres[i + 1] - (sizes[i] + sizes[i + 1]) / 2 - _GAP
        )
        centres[i] = min(centres[i], most)
    return centres


def draw(rooms: Rooms) -> str:
    """Return the map as an SVG document."""
    layout = _RoomsLayout(rooms)
    top = len(layout.rows) - 1
    width = layout.width + 2 * _MARGIN
    height = top * _FLOOR + _ROW + 2 * _MARGIN + 40
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="14">\n'
        f"<title>The rooms of imgcrawl and what they import</title>\n"
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0.5 L7.5 4 L0 7.5 z" fill="#7a8794"/>'
        f"</marker></defs>\n"
    )
    arrows = "".join(_arrow(layout, path, top) for path in layout.paths)
    boxes = "".join(_box(layout, room, top) for room in sorted(rooms.modules))
    legend = (
        f"{len(rooms.modules)} rooms on {top + 1} floors; every import runs downwards.",
        f"The {len(layout.paths)} arrows are the imports that do not follow from others.",
    )
    foot = "".join(
        f'<text x="{_MARGIN}" y="{y:.0f}" font-size="12" fill="#5c6770">{line}</text>\n'
        for y, line in zip((height - 30, height - 12), legend, strict=True)
    )
    return f"{head}{arrows}{boxes}{foot}</svg>\n"


def _y(floor: int, top: int) -> float:
    return _MARGIN + (top - floor) * _FLOOR


def _box(layout: _RoomsLayout, room: str, top: int) -> str:
    x, y = layout.x[room] + _MARGIN - _BOX / 2, _y(layout.floors[room], top)
    package = room.partition(".")[0]
    name = room.removeprefix("imgcrawl.").replace(".", "/")
    count = layout.rooms.modules[room]
    # A package's own __init__ is no file to read.
    files = f"{count - 1} files" if count > 2 else "1 file"
    return (
        f'<rect x="{x:.1f}" y="{y:.0f}" width="{_BOX}" height="{_ROW}" rx="7" '
        f'fill="{_FILLS[package]}" stroke="{_EDGES[package]}"/>\n'
        f'<text x="{x + _BOX / 2:.1f}" y="{y + 20:.0f}" text-anchor="middle" font-weight="600" '
        f'fill="#22303c">{escape(name)}</text>\n'
        f'<text x="{x + _BOX / 2:.1f}" y="{y + 36:.0f}" text-anchor="middle" font-size="11" '
        f'fill="#5c6770">{files}</text>\n'
    )


def _arrow(layout: _RoomsLayout, path: list[str], top: int) -> str:
    floor = layout.floors[path[0]]
    x, y = layout.x[path[0]] + _MARGIN, _y(floor, top) + _ROW
    d = f"M{x:.1f} {y:.0f}"
    for i, place in enumerate(path[1:], 1):
        nx, ny = layout.x[place] + _MARGIN, _y(floor - i, top)
        bend = (ny - y) / 2
        d += f" C{x:.1f} {y + bend:.0f} {nx:.1f} {ny - bend:.0f} {nx:.1f} {ny:.0f}"
        if ">" in place:  # straight on past the boxes of this floor
            ny += _ROW
            d += f" L{nx:.1f} {ny:.0f}"
        x, y = nx, ny
    return (
        f'<path d="{d}" fill="none" stroke="#9aa6b2" stroke-width="1.4" marker-end="url(#tip)"/>\n'
    )


def shape(svg: str) -> str:
    """Return a drawing without the numbers of files, which change with every commit."""
    return re.sub(r"\d+ files?", "files", svg)


def main() -> None:
    """Draw the map anew."""
    PICTURE.write_text(draw(read_rooms()), "utf-8")
