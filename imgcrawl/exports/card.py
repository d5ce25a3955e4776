"""README.md of an export: the card that Hugging Face's Hub and loader read."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgcrawl.exports.plan import ExportPlan

_SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(file: IO[str], plan: ExportPlan, splits: Mapping[str, int]) -> None:
    """Write the card. splits: records by the loader's names of the splits."""
    records = sum(splits.values())
    size = next((name for most, name in _SIZES if records < most), "1M<n<10M")
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split in splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    lines += ["license: other", "size_categories:", f"- {json.dumps(size)}", "---", ""]
    lines += ["# Dataset", "", f"{records:,} pictures, made by imgcrawl.", ""]
    lines += ["| split | records |", "|---|---|"]
    lines += [f"| {split} | {n:,} |" for split, n in splits.items()]
    lines += [
        "",
        "`record_id` names each record as its source does; `url`, `sha256` and the licence",
    ]
    lines += ["columns of the source say where it is from. Licences are those of each record.", ""]
    if plan.request.label:
        lines += [
            f"Classes: the column `{_plain(plan.request.label)}`, {len(plan.labels):,} of them."
        ]
    file.write("\n".join(lines) + "\n")


def _plain(text: str) -> str:
    """Return a name that cannot be markup: it is its source's."""
    return "".join(c if c.isalnum() or c in " _-." else "_" for c in text)
