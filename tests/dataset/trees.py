"""How other libraries read a folder of folders: the rules of their walks, without them.

Compared with the libraries themselves: torchvision 0.29, ``datasets/folder.py`` (BSD-3-Clause);
Keras 3.15, ``utils/dataset_utils.py`` and ``image_dataset_utils.py`` (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TORCHVISION = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
KERAS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def torchvision_tree(root: Path) -> list[tuple[str, str]]:
    """Return (name below root, class) of each sample, as ``ImageFolder(root)`` has them.

    Raises FileNotFoundError where there is no class, and where one has no pictures.
    """
    classes = sorted(each.name for each in root.iterdir() if each.is_dir())
    if not classes:
        raise FileNotFoundError(f"no class folder in {root}")
    samples = [
        (path.relative_to(root).as_posix(), name)
        for name in classes
        for path in sorted((root / name).rglob("*"))
        if path.is_file() and path.name.lower().endswith(TORCHVISION)
    ]
    if empty := {*classes} - {name for _, name in samples}:
        raise FileNotFoundError(f"no valid file for the classes {', '.join(sorted(empty))}")
    return samples


def keras_tree(root: Path) -> list[tuple[str, str]]:
    """Return (name below root, class), as ``image_dataset_from_directory(root)`` has them.

    Classes are all folders but hidden ones; files of other kinds are passed over.
    """
    classes = sorted(each.name for each in root.iterdir() if each.is_dir())
    return [
        (path.relative_to(root).as_posix(), name)
        for name in classes
        if not name.startswith(".")
        for path in sorted((root / name).rglob("*"))
        if path.is_file() and path.name.lower().endswith(KERAS)
    ]
