"""PageLink: a link of a page, and what it looks like: a file, a page, or what must be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from mimetypes import MimeTypes
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

_PAGES = ("", ".html", ".htm", ".php", ".asp", ".aspx", ".jsp", ".cgi", ".xhtml")
_PARTS_OF_PAGES = (".css", ".js", ".ico", ".woff", ".woff2", ".svg", ".map")
# Extensions of data that Python's table of media types lacks; the machine's own table is not read.
_NAMES_OF_DATA = """
    dm3 dm4 mrc mrcs st rec ali map ccp4 eer ser emd emi czi lif nd2 lsm oib oif vsi ets svs ndpi
    scn mrxs flex ims h5 he5 nc5 npy npz mat nii nrrd nhdr mha mhd raw vol am klb sif spe
    stk ome btf tf8 dcm ima fits fit fts parquet feather arrow jsonl ndjson yaml yml md log md5
    sha1 sha256 sha512 sum gz bz2 xz zst 7z rar tgz tbz txz lz4 z part dv r3d ids ics obf msr
    tdms bin dat mdoc star cif pdb swc obj ply stl vtk vti vtu xlsx docx pptx webp avif heic heif
    jp2 jxl exr hdr dng nef cr2 arw psd xcf ini cfg toml ijm m r py ipynb c h cpp java lock
"""
_FILES = frozenset({"file", "filename", "download"})  # parts of a query whose values are files
_DATA = frozenset(_NAMES_OF_DATA.split())
_TYPES = MimeTypes(filenames=())
# Where repositories hand out files by number: Dataverse, Figshare, OSF, Dryad, DSpace, EPrints.
_DOWNLOADS = re.compile(
    r"/(?:downloads?|ndownloader|bitstreams?|datafiles?|file_stream|get_?file)(?:\.\w{2,4})?(?:/|$)",
    re.IGNORECASE,
)


class LinkKind(Enum):
    """What a listing says of a link; UNTOLD where it only looks like one or the other."""

    UNTOLD = "untold"
    FILE = "file"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class PageLink:
    """A link, as an absolute URL without a fragment, and what its page says of it.

    size:      bytes, as nearly as the page says; exact: whether that is to the byte
    called:    the name that the page or the server gives to the file
    continues: the same listing goes on there, as a listing says that is made for programs
    following: the page says that the next page of the same is there (``rel=next``)
    """

    url: str
    size: int | None = None
    exact: bool = False
    date: str | None = None
    embedded: bool = False  # shown in the page, and not a link to click on
    text: str = ""  # what a person clicks on, where that is more than the name
    continues: bool = False
    following: bool = False
    kind: LinkKind = LinkKind.UNTOLD
    called: str = ""

    @property
    def name(self) -> str:
        """The name of the file, as a person reads it; empty for a directory."""
        if self.called:
            return self.called
        return self._asked_for or unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def _asked_for(self) -> str:
        """The name of the file that a script is asked for, as in ``get.php?file=x.tif``."""
        parts = urlsplit(self.url)
        if not parts.query or _extension(parts.path) not in _PAGES:
            return ""
        pairs = parse_qsl(parts.query)
        asked = [(name.lower(), value.rpartition("/")[2]) for name, value in pairs]
        named = (value for _, value in asked if is_data_name(value))
        called = (value for name, value in asked if name in _FILES)
        files = (value for value in called if _extension(value) not in _PAGES)
        return next(chain(named, files), "")

    @property
    def is_page(self) -> bool:
        """Whether it leads to more links, by what its page says or else by its looks."""
        if self.kind is not LinkKind.UNTOLD:
            return self.kind is LinkKind.FOLDER
        return _extension(self.name) in _PAGES

    @property
    def is_doubtful(self) -> bool:
        """Whether only its server can tell a file from a folder: it has no known extension."""
        if self.kind is not LinkKind.UNTOLD or self.called or self.embedded or not self.name:
            return False
        if self._asked_for or not _extension(self.name):
            return True
        return not (self.is_page or is_data_name(self.name))

    @property
    def is_download(self) -> bool:
        """Whether it looks like the address of a download that does not have the file's name."""
        if self.kind is not LinkKind.UNTOLD or self.called or self.embedded:
            return False
        is_download = _DOWNLOADS.search(urlsplit(self.url).path) is not None
        return bool(self._asked_for) or (self.is_page and is_download)

    @property
    def is_data(self) -> bool:
        """Whether it may be a file that somebody wants, by its looks."""
        if self.is_page or self.embedded:
            return False
        return self.kind is LinkKind.FILE or _extension(self.name) not in _PARTS_OF_PAGES


def is_data_name(name: str) -> bool:
    """Return whether a name has an extension of files, and of no pages."""
    extension = _extension(name)
    if not extension or extension in _PAGES:
        return False
    known = extension in _TYPES.types_map[True] or extension in _TYPES.encodings_map
    return known or extension[1:] in _DATA


def _extension(name: str) -> str:
    """Return the extension with its dot, in lower case; empty for none, or for a hidden file."""
    return PurePosixPath(name).suffix.lower() if name.rstrip(".") else ""
