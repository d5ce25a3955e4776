"""Text beside the pictures: MDOC, STAR, CSV, JSON, XML and their like.

Text has no magic. A file is refused where it is no text at all, or a page, an error or a pointer in
its place; where its kind has a form (an MDOC's sections, a STAR's blocks), that is looked for.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn
from xml.parsers import expat

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat, by_name_only
from imgcrawl.microscopy.formats.bdv_xml import read_bdv
from imgcrawl.microscopy.formats.mdoc import read_mdoc
from imgcrawl.microscopy.formats.oif import decoded, read_oif
from imgcrawl.microscopy.ome_xml import parse_ome_xml
from imgcrawl.microscopy.proof import Checked, Proof, corrupt
from imgcrawl.pictures.sniff import sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.microscopy.ranges import CachedRanges

_PIECE = 256 << 10
_MAX_TEXT = 1 << 20  # of which the description is read
_MAX_OME = 8 << 20
_MAX_XML_TAG = 1 << 20  # of which a parser reads each attribute against all others
_MAX_JSON = 4 << 20  # parsed, it takes up to 24 times as much
_PLAIN = {"plain text", "JSON", "an XML document"}
_MDOC = re.compile(rb"(?:^|\n)[ \t]*(?:\[(?:ZValue|FrameSet|MontSection|Item)|[A-Za-z]\w* = )")
_STAR = re.compile(rb"(?:^|[\r\n])[ \t]*data_", re.IGNORECASE)
_CONTROLS = re.compile(rb"[\0-\x07\x0b\x0e-\x1a\x1c-\x1f]")
_WORD_ENDS = re.compile(rb"[\s,;=:]")
_PAGE = re.compile(r"<!doctype|<html", re.IGNORECASE)
# A section of Windows' settings fills its line, and is in UTF-16 as a rule.
_OIF = re.compile(
    rb"\A(?:\xff\xfe|\xfe\xff|\xef\xbb\xbf)?\s*\0?\[\0?[A-Za-z][^\]\r\n\"]{0,200}\]\0?\s"
)
_HDR = re.compile(rb"\A\s*(?:ENVI\s|!INTERFILE|#\?RADIANCE|[A-Za-z_][\w ]{0,60}[:=])")
# Angles and transforms of IMOD's: numbers, and lines that are remarks.
_NUMBERS = re.compile(rb"\A(?:[#%][^\n]*+\n|[\d.eE+,;\s-]++|nan|inf)*+\Z", re.IGNORECASE)
_ROOT = re.compile(rb"<(?:\w{1,20}:)?([A-Za-z_]\w{0,60})[\s/>]")
_ANSWERS = {b"Envelope", b"Fault"}  # of SOAP
_ROOTS = {
    **dict.fromkeys((".ome", ".companion.ome"), b"OME"),
    **dict.fromkeys((".xlif", ".xlef", ".xlcf"), b"LMSDataContainerHeader"),
}


def _is_text(head: bytes, kinds: set[str]) -> bool:
    return sniff(head).what in kinds


def _is_plain(head: bytes) -> bool:
    """Return whether a file may be text in any encoding, old ones and terminals' among them."""
    if _is_text(head, _PLAIN):
        return True
    controls = len(_CONTROLS.findall(head))
    is_odd = sniff(head).is_known or b"\0" in head or controls * 50 > len(head) - 1
    return not is_odd and _WORD_ENDS.search(head) is not None


def _is_readme(head: bytes) -> bool:
    """Return whether a file may be Markdown, which may begin with a piece of HTML."""
    return _is_plain(head) or (_is_text(head, {"an HTML page"}) and not _PAGE.search(decoded(head)))


def _text(
    name: str,
    form: re.Pattern[bytes] | None = None,
    read: Callable[[str], dict[str, Any]] | None = None,
    least: int = 0,
) -> Callable[[CachedRanges, DescribeOptions], FileFacts]:
    """Return what describes a text: it has a form, and `read` returns arguments of FileFacts.

    least: bytes that any of its kind has
    """

    def describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
        at, zeros = 0, 0
        while options.walk and (piece := ranges.ranges.read(at, _PIECE)):
            zeros += piece.count(0)
            at += len(piece)
        # UTF-16 has a zero in each ASCII letter; an end never written has only these.
        if ranges.read(0, 2) in {b"\xff\xfe", b"\xfe\xff"}:
            zeros = 0
        if zeros * 100 > at:
            raise corrupt(f"a text with {zeros:,} zero bytes in it")
        head = ranges.read(0, _MAX_TEXT)
        if form is not None and (len(head) < least or not form.search(head)):
            raise RecordMissing(Outcome.NOT_IMAGE, f"a text that is no {name}")
        remark = f"{zeros:,} zero bytes in a text" if zeros else ""
        if not head.strip():
            remark = "nothing but white space"
        facts = read(decoded(head)) if read else {}
        return FileFacts(name, **facts, proof=Proof(Checked.HEADER, remark))

    return describe


def _json(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    """Describe a JSON file: it must parse; one that is very long must end as it begins."""
    if not options.walk or ranges.size is None:
        return FileFacts("JSON")
    if ranges.size > _MAX_JSON:
        tail = ranges.ranges.read(ranges.size - 64, 64).rstrip()
        if not tail.endswith((b"}", b"]")):
            raise RecordMissing(Outcome.TRUNCATED, "the JSON stops before its end")
        return FileFacts("JSON")
    data = ranges.ranges.read(0, ranges.size)
    try:
        json.loads(data)
    except (ValueError, RecursionError) as error:
        # A line for each record is a usual form, and each has to be JSON by itself.
        if not _are_json_lines(data):
            outcome = Outcome.TRUNCATED if _is_cut(error, data) else Outcome.CORRUPT
            raise RecordMissing(outcome, f"JSON that cannot be read: {error}") from error
    return FileFacts("JSON", proof=Proof(Checked.WHOLE))


def _are_json_lines(data: bytes) -> bool:
    try:
        return all(isinstance(json.loads(line), dict | list) for line in data.splitlines() if line)
    except (ValueError, RecursionError):
        return False


def _is_cut(error: Exception, data: bytes) -> bool:
    place = getattr(error, "pos", 0)
    return place >= len(data.rstrip()) - 1 or "Unterminated" in str(error)


class _EntitiesError(Exception):
    """An XML file that declares entities."""


def _refuse_entities(*_: object) -> NoReturn:
    raise _EntitiesError


def _xml(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    """Describe an XML file: it must parse to the end of its root, which its name may promise."""
    wanted = next((root for end, root in _ROOTS.items() if options.name.lower().endswith(end)), b"")
    root = _ROOT.search(decoded(ranges.read(0, 4096)).encode())
    if (wanted and (root is None or root[1] != wanted)) or (root and root[1] in _ANSWERS):
        words = f"an XML of {printable(root[1].decode())}" if root else "an XML"
        of = f", and of no {wanted.decode()}" if wanted else ""
        raise RecordMissing(Outcome.NOT_IMAGE, f"{words}{of}")
    if not options.walk:
        return _of_xml(ranges, Proof())
    parser = expat.ParserCreate()
    # Entities are how a small file becomes a large one; a companion file has no use for them.
    parser.EntityDeclHandler = _refuse_entities
    at = 0
    try:
        while piece := ranges.ranges.read(at, _PIECE):
            parser.Parse(piece, False)
            at += len(piece)
            if at - parser.CurrentByteIndex > _MAX_XML_TAG:
                remark = f"not read to its end: a tag of more than {_MAX_XML_TAG:,} bytes"
                return FileFacts("XML", proof=Proof(Checked.HEADER, remark))
        parser.Parse(b"", True)
    except _EntitiesError:
        remark = "not read to its end: it declares entities"
        return FileFacts("XML", proof=Proof(Checked.HEADER, remark))
    except expat.ExpatError as error:
        cut = error.code in {3, 5} and parser.CurrentByteIndex >= at - 4096
        outcome = Outcome.TRUNCATED if cut else Outcome.CORRUPT
        raise RecordMissing(outcome, f"XML that cannot be read: {error}") from error
    return _of_xml(ranges, Proof(Checked.WHOLE))


def _of_xml(ranges: CachedRanges, proof: Proof) -> FileFacts:
    """Describe what an XML is of: a companion of OME-TIFFs says how large its images are."""
    head = ranges.read(0, 4096)
    if b"<SpimData" in head:
        return replace(read_bdv(decoded(ranges.read(0, _MAX_TEXT))), proof=proof)
    if b"<OME" not in head and b":OME" not in head:
        return FileFacts("XML", proof=proof)
    ome = parse_ome_xml(decoded(ranges.read(0, min(ranges.size or _MAX_OME, _MAX_OME))))
    voxels = VoxelSizes()
    for axis, size in ome.voxels.items():
        voxels.add(axis, size, "file: OME-XML")
    return FileFacts(
        "OME-XML",
        **{f"size_{axis}": size for axis, size in ome.sizes.items()},  # type: ignore[arg-type]
        acquired=ome.acquired,
        magnification=ome.magnification,
        detector=ome.detector,
        extra=ome.extra,
        proof=proof,
        **voxels.facts(),
    )


def _format(
    name: str,
    extensions: tuple[str, ...],
    describe: Callable[[CachedRanges, DescribeOptions], FileFacts],
    plausible: Callable[[bytes], bool] = _is_plain,
) -> FileFormat:
    return FileFormat(name, extensions, by_name_only, describe, plausible, archive=True)


def _is_page(head: bytes) -> bool:
    """Return whether a file may be a page; a piece of one may begin with words."""
    if _is_text(head, {"plain text"}):
        return "<" in decoded(head)
    return _is_text(head, {"an HTML page", "an XML document"})


TEXTS = (
    _format("MDOC", (".mdoc", ".idoc"), _text("MDOC", _MDOC, read_mdoc)),
    _format("STAR", (".star", ".cif"), _text("STAR", _STAR)),
    _format(
        "text",
        (".csv", ".tsv", ".txt", ".log", ".yaml", ".yml", ".ini"),
        _text("text"),
    ),
    _format("numbers", (".tlt", ".rawtlt", ".xf"), _text("numbers", _NUMBERS)),
    _format("Markdown", (".md", ".rst"), _text("Markdown"), _is_readme),
    _format("OIF", (".oif", ".pty"), _text("OIF", _OIF, read_oif)),
    _format("header", (".hdr",), _text("header", _HDR, least=17)),
    _format("HTML", (".html", ".htm", ".xhtml"), _text("HTML"), _is_page),
    _format("SVG", (".svg",), _text("SVG"), lambda head: _is_text(head, {"an SVG drawing"})),
    _format("JSON", (".json", ".geojson", ".ipynb"), _json, lambda head: _is_text(head, {"JSON"})),
    _format(
        "XML",
        (".xml", ".xlif", ".xlef", ".xlcf", ".ome", ".xmp"),
        _xml,
        lambda head: _is_text(head, {"an XML document"}),
    ),
)
