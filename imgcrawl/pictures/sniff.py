"""The kind of a file, from its bytes alone: never from a URL, a name or a Content-Type.

Only formats that Pillow reads and that hold raster pictures count as pictures. Whatever else a
server sends in place of one (an error page, an S3 error document, an archive) is named.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from imgcrawl.text.redact import printable

HEAD_BYTES = 1024  # what `sniff` wants to see; fewer will do for every picture format
_EXCERPT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class FileKind:
    """The kind of a file.

    format:    Pillow's name (JPEG, PNG, TIFF, ...), None for anything else
    extension: with its dot (".jpg"), empty for anything else
    what:      its name with an article: "a JPEG picture", "an HTML page"
    is_answer: no file, but a server's words in place of one: a page, an error, a pointer
    """

    format: str | None
    extension: str
    what: str
    is_answer: bool = False
    is_known: bool = True


def _picture(format_: str, extension: str, name: str | None = None) -> FileKind:
    return FileKind(format_, extension, f"a {name or format_} picture")


def _other(what: str, *, is_answer: bool = False) -> FileKind:
    return FileKind(None, "", what, is_answer)


_JPEG = _picture("JPEG", ".jpg")
_TIFF = _picture("TIFF", ".tif")
_AVIF = FileKind("AVIF", ".avif", "an AVIF picture")

_MAGIC: tuple[tuple[bytes, FileKind], ...] = (
    (b"\xff\xd8\xff", _JPEG),
    (b"\x89PNG\r\n\x1a\n", _picture("PNG", ".png")),
    (b"GIF87a", _picture("GIF", ".gif")),
    (b"GIF89a", _picture("GIF", ".gif")),
    (b"II*\0", _TIFF),
    (b"MM\0*", _TIFF),
    (b"II+\0", _TIFF),  # BigTIFF
    (b"MM\0+", _TIFF),
    (b"\0\0\0\x0cjP  \r\n\x87\n", _picture("JPEG2000", ".jp2", "JPEG 2000")),
    (b"\xff\x4f\xff\x51", _picture("JPEG2000", ".j2k", "JPEG 2000")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _other("a JPEG XL picture, which Pillow does not read")),
    (b"\xff\x0a", _other("a JPEG XL picture, which Pillow does not read")),
    (b"8BPS", _other("a Photoshop document")),
    (b"\0\0\1\0", _other("a Windows icon")),
    (b"\0\0\2\0", _other("a Windows cursor")),
    (b"%PDF-", _other("a PDF")),
    (b"%!PS", _other("a PostScript document")),
    (b"\x1f\x8b", _other("a gzip archive")),
    (b"PK\3\4", _other("a ZIP archive")),
    (b"PK\5\6", _other("an empty ZIP archive")),
    (b"BZh", _other("a bzip2 archive")),
    (b"\xfd7zXZ\0", _other("an xz archive")),
    (b"\x28\xb5\x2f\xfd", _other("a Zstandard archive")),
    (b"7z\xbc\xaf\x27\x1c", _other("a 7z archive")),
    (b"Rar!\x1a\7", _other("a RAR archive")),
    (b"\x89HDF\r\n\x1a\n", _other("an HDF5 file")),
    (b"\x1aE\xdf\xa3", _other("a Matroska or WebM video")),
    (b"FLV\1", _other("a Flash video")),
    (b"OggS", _other("an Ogg file")),
    (b"ID3", _other("an MP3 file")),
    (b"\x7fELF", _other("a program")),
    (b"HTTP/1.", _other("an HTTP answer with its header", is_answer=True)),
)

_RIFF = {
    b"WEBP": _picture("WEBP", ".webp", "WebP"),
    b"AVI ": _other("an AVI video"),
    b"WAVE": _other("a WAVE sound"),
}
_BMP = _picture("BMP", ".bmp")
_PNM = {
    letter: _picture("PPM", f".{name}", name.upper())
    for letters, name in (("14", "pbm"), ("25", "pgm"), ("36", "ppm"))
    for letter in letters
}
_PNM_HEAD = re.compile(rb"P([1-6])\s+(?:#|\d)")
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # lengths of the second header

_HTML = re.compile(r"<!doctype\s+html|<html[\s>]", re.IGNORECASE)
_HTML_PIECE = re.compile(
    r"<(?:head|body|title|meta|script|style|link|div|span|p|br|h[1-6]|a|b|img|table|center|iframe"
    r"|form|noscript)[\s>/]",
    re.IGNORECASE,
)
_SVG = re.compile(r"<svg[\s>]", re.IGNORECASE)
_MARKUP = re.compile(r"<[!?a-z]", re.IGNORECASE)
_JSON = re.compile(r'\{\s*["}]|\[\s*(?:["\[{\]\d-]|true|false|null)')
_CODE = re.compile(r"<Code>\s*([\w.-]{1,80})\s*</Code>")
_MESSAGE = re.compile(r"<Message>(.{1,400}?)</Message>", re.DOTALL)
_TITLE = re.compile(r"<title[^>]{0,200}>(.{1,400}?)</title", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]{0,500}>")
_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
# "<!" and "<h" without a byte order mark.
_UTF_16_MARKUP = {
    mark.encode(encoding): encoding for encoding in _UTF_16.values() for mark in ("<!", "<h", "<?")
}
_LFS = "version https://git-lfs.github.com/spec/"
# What git-annex leaves in place of a file: a pointer, or the target of a link as a text.
_ANNEX = re.compile(r"(?:(?:\.\./){0,40}\.git)?/annex/objects/\S{10,400}\s*\Z")
_BINARY = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")

# Every extension that a picture is stored with.
EXTENSIONS = tuple(
    dict.fromkeys(
        kind.extension
        for kind in (*(kind for _, kind in _MAGIC), *_RIFF.values(), _AVIF, _BMP, *_PNM.values())
        if kind.extension
    )
)


def sniff(head: bytes) -> FileKind:
    """Return what the bytes beginning with `head` are; `HEAD_BYTES` of them are enough."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    for recognise in (_container, _plain_raster, _by_offset, _text):
        if kind_found := recognise(head):
            return kind_found
    if not head:
        return _other("empty")
    if not head.strip(b"\0"):
        return _other("nothing but zero bytes")
    return FileKind(None, "", f"unknown bytes {head[:8].hex(' ')}", is_known=False)


def excerpt(body: bytes) -> str:
    """Return what an error page says, on one line of at most 200 printable characters.

    The title of an HTML page, the code and message of an S3 error document, the first words of any
    other text; empty for binary data.
    """
    text = _decoded(body[:_EXCERPT_BYTES])
    if text is None:
        return ""
    if code := _CODE.search(text):
        message = _MESSAGE.search(text)
        return printable(f"{code[1]}: {html.unescape(message[1])}" if message else code[1])
    if title := _TITLE.search(text):
        return printable(html.unescape(title[1]))
    return printable(html.unescape(_TAG.sub(" ", text)) if _MARKUP.match(text.lstrip()) else text)


def _container(head: bytes) -> FileKind | None:
    """Recognize RIFF and ISO base media files, whose kind stands after the first length."""
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], _other("a RIFF file"))
    if head[4:8] != b"ftyp":
        return None
    length = int.from_bytes(head[:4], "big")
    brands = {head[i : i + 4] for i in (8, *range(16, min(length, 256, len(head)), 4))}
    if brands & {b"avif", b"avis"}:
        return _AVIF
    if brands & {b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"}:
        return _other("a HEIC picture, which Pillow does not read")
    return _other("a QuickTime or MP4 video")


def _plain_raster(head: bytes) -> FileKind | None:
    """Recognize BMP and PNM, whose two magic letters begin many a text as well."""
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return _BMP
    pnm = _PNM_HEAD.match(head)
    return _PNM[pnm[1].decode()] if pnm else None


def _by_offset(head: bytes) -> FileKind | None:
    if head[128:132] == b"DICM":
        return _other("a DICOM file")
    if head[257:262] == b"ustar":
        return _other("a tar archive")
    if head.startswith(b"MZ") and b"\0" in head:
        return _other("a program")
    return None


def _text(head: bytes) -> FileKind | None:
    if (text := _decoded(head)) is None or not head:
        return None
    text = text.lstrip()
    if _MARKUP.match(text):
        return _markup(text)
    if text.startswith(_LFS):
        return _other("a git-LFS pointer, whose file is elsewhere", is_answer=True)
    if _ANNEX.match(text):
        return _other("a git-annex pointer, whose file is elsewhere", is_answer=True)
    return _other("JSON" if _JSON.match(text) else "plain text")


def _markup(text: str) -> FileKind:
    svg = _SVG.search(text)
    page = _HTML.search(text) or _HTML_PIECE.match(text)
    if svg and not (page and page.start() < svg.start()):
        return _other("an SVG drawing")
    if page:
        return _other("an HTML page", is_answer=True)
    code = _CODE.search(text)
    is_error = code is not None and "<Error>" in text[: code.start()]
    what = f"an XML document ({code[1]})" if code else "an XML document"
    return _other(what, is_answer=is_error)


def _decoded(body: bytes) -> str | None:
    """Return `body` as text, whose last character may be cut, or None for binary data."""
    encoding = _UTF_16.get(body[:2])
    # Noise may begin with a byte order mark too, but ASCII in UTF-16 is half zeros.
    if encoding and body.count(0) * 4 >= len(body):
        text = body[2:].decode(encoding, "replace")
    elif body[:4] in _UTF_16_MARKUP:
        text = body.decode(_UTF_16_MARKUP[body[:4]], "replace")
    else:
        text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if _BINARY.search(text):
        return None
    # An old page in a legacy encoding is still mostly ASCII; noise is not.
    return text if text.count("\ufffd") <= len(text) // 4 else None
