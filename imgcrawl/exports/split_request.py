"""How a dataset is to be split, read from what was typed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

from imgcrawl.records.errors import ArgumentError
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_RATIOS = "train=0.8,val=0.1,test=0.1"


@dataclass(frozen=True, slots=True)
class SplitRequest:
    """How to split. ratios: by the names of the splits; group, stratify: columns; seed: of chance.

    Another request than the last one splits anew.
    """

    ratios: dict[str, float]
    group: tuple[str, ...] = ()
    stratify: tuple[str, ...] = ()
    seed: int = 0


def parse_ratios(text: str) -> dict[str, float]:
    """Return the ratios of ``train=0.8,val=0.1,test=0.1``. Raises ArgumentError."""
    ratios: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (word.strip() for word in part.partition("="))
        ratio = _ratio(number) if equals else None
        if ratio is None or not is_split_name(name) or name in ratios:
            raise ArgumentError(
                f"--ratios {text}: {part.strip()!r} is no NAME=NUMBER, such as train=0.8; a name "
                "has letters, digits, - and _, and stands once"
            )
        ratios[name] = ratio
    if abs(sum(ratios.values()) - 1) > 1e-6:
        raise ArgumentError(
            f"--ratios {text}: they sum to {sum(ratios.values()):g} and not to 1. Type for example "
            "--ratios train=0.8,val=0.1,test=0.1"
        )
    return ratios


def is_split_name(name: str) -> bool:
    """Return whether a split may be called so: folders and files are named after it."""
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) < 60


def _ratio(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 1 else None


def folds(count: int) -> dict[str, float]:
    """Return the ratios of so many folds."""
    return dict(zip((f"fold_{n}" for n in range(count)), repeat(1 / count), strict=False))


def require_columns(option: str, names: Iterable[str], columns: list[str]) -> None:
    """Raise ArgumentError, which names the nearest, for a column that there is not."""
    for name in names:
        if name not in columns:
            raise ArgumentError(
                f"{option} {name}: there is no such column{did_you_mean(name, columns)} "
                f"There are: {', '.join(columns)}"
            )
