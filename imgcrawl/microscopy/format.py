"""A format as one object: a new one is a module in `formats/`, and an entry of `FORMATS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.microscopy.facts import FileFacts
    from imgcrawl.microscopy.ranges import ByteRanges, CachedRanges

    GetDocument: TypeAlias = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class DescribeOptions:
    """How much of a file is read and reported.

    walk:    prove the file to its end: each page of a TIFF, each member of an archive; that may
             read all of it. If False, what the header alone says, its length among it
    private: report names of persons and paths of users too
    name:    of the file, for messages, and for what a compressed file holds
    inner:   describes what a compressed file holds, given its beginning and its name; returns None
             if that name promises nothing
    """

    walk: bool = True
    private: bool = False
    name: str = ""
    inner: Callable[[ByteRanges, str], FileFacts | None] | None = None


def by_name_only(_: bytes) -> bool:
    """Return False: `recognizes` of a format that has no signature."""
    return False


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format of files.

    name:       a part of `FileFacts.format` of each of its files: "TIFF" of "OME-TIFF"
    extensions: with their dot, in lower case: a file so named is of this format, or is misnamed
    recognizes: whether a file that begins with these bytes (some thousand) is of the format
    describe:   check a file, and return its facts with how far it was proved (`FileFacts.proof`).
                Raises RecordMissing, and OSError where bytes cannot be read
    plausible:  the same of a file that has one of the extensions, where the first bytes alone are
                too weak a sign; `recognizes` where it is None
    archive:    it holds other files, or text: under the extension of another format it is no
                picture by a wrong name, but a wrong answer
    """

    name: str
    extensions: tuple[str, ...]
    recognizes: Callable[[bytes], bool]
    describe: Callable[[CachedRanges, DescribeOptions], FileFacts]
    plausible: Callable[[bytes], bool] | None = None
    archive: bool = False


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
