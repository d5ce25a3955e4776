"""A format as one object: a new one is a module here and an entry of `describe.FORMATS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.microscopy.facts import FileFacts
    from imgcrawl.microscopy.ranges import CachedRanges

    GetDocument: TypeAlias = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class DescribeOptions:
    """How much of a file is read and reported.

    walk:    count the pages of a TIFF, which takes a read for each
    private: report names of persons and paths of users too
    """

    walk: bool = True
    private: bool = False


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format of files.

    name:       a part of `FileFacts.format` of each of its files: "TIFF" of "OME-TIFF"
    extensions: with their dot, in lower case: a file so named is of this format, or is misnamed
    recognizes: whether a file that begins with these bytes (`HEAD_BYTES` of them) is of the format
    describe:   the facts of a file. Raises RecordMissing, and OSError where bytes cannot be read
    """

    name: str
    extensions: tuple[str, ...]
    recognizes: Callable[[bytes], bool]
    describe: Callable[[CachedRanges, DescribeOptions], FileFacts]


@dataclass(frozen=True, slots=True)
class FolderFormat:
    """A format of folders that small documents describe.

    extensions: of the folders, with their dot
    documents:  names of documents: a folder that holds one of them is of the format
    describe:   the facts of a folder, given a function that returns a document by its name
                relative to the folder, or None. Raises RecordMissing, and what the function raises
    """

    name: str
    extensions: tuple[str, ...]
    documents: tuple[str, ...]
    describe: Callable[[GetDocument], FileFacts]
