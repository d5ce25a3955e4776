"""Diffraction pictures with a header in text: SMV and CBF; and FITS.

Sources: the description of SMV by ADSC, CBF/imgCIF by H. J. Bernstein, the FITS standard 4.0.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, require, whole
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_SMV = re.compile(rb"\{\s*HEADER_BYTES\s*=\s*(\d{1,6})\s*;")
_SMV_TYPES = {
    "unsigned_short": ("uint16", 2),
    "unsigned_short_int": ("uint16", 2),
    "signed_short": ("int16", 2),
    "signed_short_int": ("int16", 2),
    "unsigned_long": ("uint32", 4),
    "unsigned_int": ("uint32", 4),
    "signed_long": ("int32", 4),
    "long_integer": ("int32", 4),
    "float": ("float32", 4),
    "unsigned_byte": ("uint8", 1),
}
_CBF = b"###CBF: VERSION"
_CBF_END = b"--CIF-BINARY-FORMAT-SECTION----"
_CBF_MARK = b"\x0c\x1a\x04\xd5"
_CBF_FIELD = re.compile(rb"X-Binary-([A-Za-z-]+):\s*(\d{1,15})")
_USUAL_CBF_HEADER, _MAX_CBF_HEADER = 64 << 10, 1 << 20
_CARD, _BLOCK = 80, 2880
_MAX_BLOCKS, _MAX_UNITS = 1000, 10_000


def _smv(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    found = _SMV.match(ranges.read(0, 1024))
    length = int(found[1]) if found else 0
    text = ranges.read(0, length).decode("latin-1")
    fields = dict(re.findall(r"(\w{1,40})\s*=\s*([^;\n]{0,200});", text))
    columns, rows = (int(re.sub(r"\D", "", fields.get(f"SIZE{n}", "")) or 0) for n in (1, 2))
    kind = (fields.get("TYPE") or fields.get("Data_type") or "unsigned_short").strip()
    dtype, size = _SMV_TYPES.get(kind.replace(" ", "_"), (None, 0))
    if not (0 < columns < 1 << 20 and 0 < rows < 1 << 20):
        raise corrupt(f"an SMV of {columns} x {rows} pixels")
    end = length + columns * rows * size
    proof = whole(ranges, end, f"an SMV of {columns} x {rows}") if size else Proof()
    return FileFacts("SMV", size_x=columns, size_y=rows, dtype=dtype, proof=proof)


def _cbf(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe a CBF by the first of its binary sections."""
    head = ranges.read(0, _USUAL_CBF_HEADER)
    if (start := head.find(_CBF_MARK)) < 0 and len(head) == _USUAL_CBF_HEADER:
        head = ranges.read(0, _MAX_CBF_HEADER)
        start = head.find(_CBF_MARK)
    if start < 0:
        raise RecordMissing(Outcome.TRUNCATED, "the CBF stops before its pixels")
    fields = {name.lower(): int(value) for name, value in _CBF_FIELD.findall(head[:start])}
    if b"size" not in fields:
        raise corrupt("a CBF that does not say how long its pixels are")
    end = start + len(_CBF_MARK) + fields[b"size"]
    proof = Proof(whole(ranges, end, "the pixels of the CBF").checked)
    if _CBF_END not in ranges.read(end, 256):
        proof = Proof(proof.checked, "it stops right behind its pixels")
    sides = (fields.get(b"size-fastest-dimension"), fields.get(b"size-second-dimension"))
    return FileFacts("CBF", size_x=sides[0], size_y=sides[1], proof=proof)


def _fits(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    """Describe a FITS: units of a header and its pixels, in blocks of 2880 bytes."""
    at, facts = 0, None
    for _ in range(_MAX_UNITS if options.walk else 1):
        if facts is not None and (ranges.size is None or at >= ranges.size):
            break
        cards, at = _cards(ranges, at)
        count = _integer(cards, "NAXIS")
        if not 0 <= count <= 99:
            raise corrupt(f"a FITS of {count} axes")
        sides = [_integer(cards, f"NAXIS{n}") for n in range(1, count + 1)]
        if cards.get("GROUPS") == "T" and sides and not sides[0]:
            sides = sides[1:]  # random groups, of radio telescopes: their first side is none
        pixels = math.prod(sides) if sides else 0
        pixels = (pixels + _integer(cards, "PCOUNT")) * max(1, _integer(cards, "GCOUNT"))
        at += -(-pixels * abs(_integer(cards, "BITPIX")) // 8 // _BLOCK) * _BLOCK
        require(ranges, at, "a unit of the FITS")
        if facts is None or (not facts.get("size_x") and sides):
            facts = dict(zip(("size_x", "size_y", "size_z"), sides, strict=False))
    checked = Checked.WHOLE if options.walk and ranges.size is not None else Checked.HEADER
    # Where the pixels are in an extension, the file may be cut right before it.
    remark = "it has no pixels" if options.walk and not (facts or {}).get("size_x") else ""
    proof = Proof(Checked.HEADER if remark else checked, remark)
    return FileFacts("FITS", **(facts or {}), proof=proof)  # type: ignore[arg-type]


def _cards(ranges: CachedRanges, at: int) -> tuple[dict[str, str], int]:
    cards: dict[str, str] = {}
    for _ in range(_MAX_BLOCKS):
        block = ranges.read(at, _BLOCK)
        require(ranges, at + _BLOCK, "the header of the FITS")
        at += _BLOCK
        for place in range(0, len(block), _CARD):
            card = block[place : place + _CARD].decode("latin-1")
            name = card[:8].strip()
            if name == "END":
                return cards, at
            if card[8:10] == "= ":
                cards.setdefault(name, card[10:].partition("/")[0].strip())
        if not block:
            break
    raise corrupt("a FITS header without an end")


def _integer(cards: dict[str, str], name: str) -> int:
    text = cards.get(name, "0")
    if not re.fullmatch(r"-?\d{1,12}", text):
        raise corrupt(f"a FITS whose {name} is {text[:20]!r}")
    return int(text)


SMV = FileFormat("SMV", (".img", ".smv"), lambda head: _SMV.match(head) is not None, _smv)
CBF = FileFormat("CBF", (".cbf",), lambda head: head.startswith(_CBF), _cbf)
FITS = FileFormat(
    "FITS", (".fits", ".fit", ".fts"), lambda head: head.startswith(b"SIMPLE  ="), _fits
)
