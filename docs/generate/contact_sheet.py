"""The picture of a result: some of the demo's own pictures, with what metadata.csv says of each."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "contact-sheet.jpg"
OUT = ROOT / "data" / "demo"  # as docs.generate.terminal leaves it

_COLUMNS, _ROWS, _THUMB, _TEXT, _GAP = 6, 3, (150, 112), 34, 10  # pixels


def sheet(out: Path) -> Image.Image:
    """Return the first pictures of a dataset in rows, each above its name and columns."""
    width = _COLUMNS * (_THUMB[0] + _GAP) + _GAP
    height = _ROWS * (_THUMB[1] + _TEXT + _GAP) + _GAP
    page = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=11)
    with (out / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(islice(csv.DictReader(file), _COLUMNS * _ROWS))
    for i, row in enumerate(rows):
        x = _GAP + i % _COLUMNS * (_THUMB[0] + _GAP)
        y = _GAP + i // _COLUMNS * (_THUMB[1] + _TEXT + _GAP)
        with Image.open(out / row["file_name"]) as picture:
            page.paste(ImageOps.fit(picture.convert("RGB"), _THUMB), (x, y))
        below = y + _THUMB[1] + 3
        draw.text((x, below), row["record_id"], "#22303c", font)
        columns = f"{row['diagnosis_1']}, {row['copyright_license']}"
        draw.text((x, below + 14), columns, "#5c6770", font)
    return page


def main() -> None:
    """Draw the sheet from what the demo has left."""
    sheet(OUT).save(PICTURE, quality=82, optimize=True)
