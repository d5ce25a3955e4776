"""A small whole file of each format, written here from the formats' own descriptions."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from functools import cache

import numpy as np
import tifffile
from PIL import Image

from replicas.dm3 import Blob, write_dm

PIXELS = bytes(range(256)) * 24  # 6144 bytes
SIDES = (64, 48, 2)  # columns, rows, sections: of bytes, PIXELS


def mrc(mode: int = 0, *, order: str = "<", extended: bytes = b"", kind: bytes = b"") -> bytes:
    """64 x 48 x 2 pixels of bytes, or 64 x 24 x 2 of shorts, 2 angstrom each."""
    columns, rows, sections = SIDES if mode == 0 else (64, 24, 2)
    head = bytearray(1024)
    struct.pack_into(order + "4i", head, 0, columns, rows, sections, mode)
    struct.pack_into(order + "3i", head, 28, columns, rows, sections)
    cell = (2.0 * columns, 2.0 * rows, 3.0 * sections)
    struct.pack_into(order + "6f", head, 40, *cell, 90, 90, 90)
    struct.pack_into(order + "3i", head, 64, 1, 2, 3)
    struct.pack_into(order + "2i", head, 88, 1, len(extended))
    head[104 : 104 + len(kind)] = kind
    head[208:212] = b"MAP "
    head[212:214] = b"\x44\x44" if order == "<" else b"\x11\x11"
    return bytes(head) + extended + PIXELS


def dv() -> bytes:
    head = bytearray(1024)
    struct.pack_into("<4i", head, 0, *SIDES, 0)
    struct.pack_into("<3f", head, 40, 0.1, 0.1, 0.3)
    struct.pack_into("<H", head, 96, 0xC0A0)
    struct.pack_into("<h", head, 180, 1)
    struct.pack_into("<h", head, 196, 2)
    return bytes(head) + PIXELS


def em() -> bytes:
    head = bytearray(512)
    head[0], head[3] = 6, 1
    struct.pack_into("<3i", head, 4, *SIDES)
    struct.pack_into("<i", head, 96, 300_000)
    return bytes(head) + PIXELS


def spider() -> bytes:
    numbers = [0.0] * 256
    columns, rows = 64, 24
    numbers[0], numbers[1], numbers[4], numbers[11] = 1, rows, 1, columns
    numbers[12], numbers[21], numbers[22] = 4, 1024, 4 * columns
    return struct.pack("<256f", *numbers) + PIXELS


def imagic() -> bytes:
    head = bytearray(1024)
    struct.pack_into("<2i", head, 0, 1, 2)
    struct.pack_into("<2i", head, 48, 48, 64)
    head[56:60] = b"REAL"
    return bytes(head) + bytes(2048)


def ser() -> bytes:
    element = struct.pack("<ddi", 0, 1e-9, 0) * 2 + struct.pack("<H2i", 1, 64, 48) + PIXELS[:3072]
    head = struct.pack("<3H4I", 0x4949, 0x0197, 0x0220, 0x4122, 0x4152, 2, 2)
    head += struct.pack("<QI", 34, 0)
    places = struct.pack("<4Q", 66, 66 + len(element), 0, 0)
    return head + places + element * 2


def blo() -> bytes:
    head = b"IMGBLO" + struct.pack("<H3I4HH2dI", 0x0102, 100, 100, 0, 16, 0, 4, 3, 0, 1, 1, 200_000)
    return head.ljust(100, b"\0") + (bytes(6) + PIXELS[:256]) * 12


def klb() -> bytes:
    head = struct.pack(
        "<B5I5fBB256s5I", 2, *SIDES, 1, 1, 0.5, 0.5, 2, 1, 1, 0, 1, b"", 64, 48, 1, 1, 1
    )
    blocks = [bz2.compress(PIXELS[:3072]), bz2.compress(PIXELS[3072:])]
    ends = struct.pack("<2Q", len(blocks[0]), len(blocks[0]) + len(blocks[1]))
    return head + ends + b"".join(blocks)


def nifti(unit: int = 2) -> bytes:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *SIDES, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, 2, 8)
    struct.pack_into("<8f", head, 76, 1, 0.5, 0.5, 2, 0, 0, 0, 0)
    struct.pack_into("<f", head, 108, 352)
    head[123] = unit
    head[344:348] = b"n+1\0"
    return bytes(head) + PIXELS


def nrrd(encoding: str = "raw") -> bytes:
    text = f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 64 48 2\nencoding: {encoding}\n"
    text += 'space directions: (0.5,0,0) (0,0.5,0) (0,0,2)\nspace units: "um" "um" "um"\n\n'
    return text.encode() + (gzip.compress(PIXELS) if encoding == "gzip" else PIXELS)


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((2, 48, 64), "uint16"))
    return file.getvalue()


def smv() -> bytes:
    text = b"{\nHEADER_BYTES=  512;\nTYPE=unsigned_short;\nSIZE1=64;\nSIZE2=48;\n}\n"
    return text.ljust(512) + PIXELS


def cbf() -> bytes:
    text = b"###CBF: VERSION 1.5\r\n\r\n_array_data.data\r\n;\r\n--CIF-BINARY-FORMAT-SECTION--\r\n"
    text += b"X-Binary-Size: 6144\r\nX-Binary-Size-Fastest-Dimension: 64\r\n\r\n"
    return text + b"\x0c\x1a\x04\xd5" + PIXELS + b"\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\n"


def fits() -> bytes:
    cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 64", "NAXIS2  = 96", "END"]
    head = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    return head + PIXELS.ljust(8640, b"\0")


def pic() -> bytes:
    head = bytearray(76)
    struct.pack_into("<3H", head, 0, *SIDES)
    struct.pack_into("<H", head, 14, 1)
    struct.pack_into("<H", head, 54, 12345)
    return bytes(head) + PIXELS


def bcf() -> bytes:
    """Two chunks of 512 bytes."""
    head = bytearray(0x118)
    head[:8] = b"AAMVHFSS"
    chunks = bytearray(1024)
    struct.pack_into("<fI", chunks, 0x124 - 0x118, 2.6, 512)
    struct.pack_into("<3I", chunks, 0x140 - 0x118, 1, 0, 2)
    return bytes(head + chunks)


def wdf() -> bytes:
    blocks = (b"WDF1", PIXELS[:496]), (b"DATA", PIXELS)
    return b"".join(struct.pack("<4sIQ", n, 1, 16 + len(data)) + data for n, data in blocks)


def mib(bits: int = 16) -> bytes:
    """Two pictures of 64 x 24."""
    head = f"MQ1,000001,00384,01,0064,0024,U{bits:02},   1x1,01,2020-05-18 16:51:49".encode()
    return (head.ljust(384, b"\0") + PIXELS[: 64 * 24 * bits // 8]) * 2


def tvips() -> bytes:
    """Two pictures of 64 x 24, 1.5 nm each, with headers of 60 bytes."""
    numbers = (256, 2, 64, 24, 16, 0, 0, 1, 1, 2, 200, 80, 60)
    head = struct.pack("<13I", *numbers).ljust(256, b"\0")
    return head + (bytes(60) + PIXELS[:3072]) * 2


def streak() -> bytes:
    """An IMG of Hamamatsu's with its notes."""
    notes = b"[Application],Date=x"
    return (
        struct.pack("<2s6H", b"IM", len(notes), 64, 48, 0, 0, 2).ljust(64, b"\0") + notes + PIXELS
    )


def jeol() -> bytes:
    return struct.pack("<I", 0x34) + b"JED-2200:LibJxImageForm" + PIXELS


def emi() -> bytes:
    text = "<ObjectInfo><ExperimentalDescription><Root>"
    for name, value, unit in (
        ("Microscope", "Tecnai 200 kV", ""),
        ("High tension", "200", "kV"),
        ("Mode", " TEM uP SA Zoom Image", ""),
        ("Magnification", "19500", "x"),
    ):
        text += f"<Data><Label>{name}</Label><Value>{value}</Value><Unit>{unit}</Unit></Data>"
    text += "</Root></ExperimentalDescription><AcquireDate>Sun Feb 21 17:50:18 2016</AcquireDate>"
    text += "<CameraNamePath>WA-Orius</CameraNamePath></ObjectInfo>"
    return b"JK\0\2\0\0\0\0" + PIXELS + text.encode()


def obf(unit: tuple[int, int] = (1, 1)) -> bytes:
    """Two stacks of 64 x 48 x 2 and 4 x 3 bytes; the sides of pixels are 0.5, 0.5 and 2 um."""
    head = struct.pack("<10sIQI", b"OMAS_BF\n\xff\xff", 1, 26, 0)
    units = struct.pack("<18id", *unit, *(0, 1) * 8, 1.0) * 16
    stacks = b""
    for index, (sides, pixels) in enumerate((((64, 48, 2), PIXELS), ((4, 3, 1), PIXELS[:12]))):
        res = (*sides, *[1] * 12)
        lengths = (sides[0] * 5e-7, sides[1] * 5e-7, sides[2] * 2e-6, *[0.0] * 12)
        labels = bytes(12)  # of three axes: empty
        footer = struct.pack("<32I", 128 + len(units), *[0] * 31) + units + labels
        size = 16 + 17 * 4 + 30 * 8 + 5 * 4 + 3 * 8 + len(pixels) + len(footer)
        following = 26 + size if not index else 0
        numbers = (2, 3, *res, *lengths, *[0.0] * 15, 1, 0, 0, 0, 0, 0, len(pixels), following)
        stacks += struct.pack("<16s17I30d5I3Q", b"OMAS_BF_STACK\n\xff\xff", *numbers)
        stacks += pixels + footer
    return head + stacks


def ets() -> bytes:
    """Two tiles of 64 x 48 bytes."""
    table = 64 + 228 + len(PIXELS)
    head = struct.pack("<4s3IQ2IQI", b"SIS\0", 64, 3, 4, 64, 228, 0, table, 2).ljust(64, b"\0")
    inner = bytearray(228)
    struct.pack_into("<4s9I", inner, 0, b"ETS\0", 0x30006, 2, 1, 1, 0, 100, 64, 48, 1)
    struct.pack_into("<3I", inner, 184, 2, 120, 48)
    tiles = b"".join(
        struct.pack("<I4iQ2I", 4, n, 0, 0, 0, 292 + 3072 * n, 3072, 0) for n in range(2)
    )
    return head + bytes(inner) + PIXELS + tiles


def sif() -> bytes:
    """Two pictures of 32 x 24 floats, and a background of as many."""
    first = (
        b"Andor Technology Multi-Channel File\n65538 1\n"
        b"65567 0 0 1 1254330082 -100 \x00 \x00 \x00 \x05 \x00 0 0.25 1.02 1.02 1 \x00 1.02\n"
        b"DU897_BV \n 512 512 9\nC:\\a\\b.sif \n65538 4\nnote\n"
    )
    layout = b"Pixel number6\nCounts12\nPixel number65541 1 512 512 1 2 1 1536 768\n"
    part = b"65538 65 112 128 65 2 2 0\n         0\n     90000\n0\n"
    xml = b'<?xml version="1.0" ?>\n<Sources />\n'
    notes = b"0\n0\n" + xml + struct.pack("<q", len(xml)) + b"SIFX"
    background = b"0\n1\n65567 0 0 1 1\n" + layout + part + PIXELS
    return first + layout + part + PIXELS + background + notes


def tpx3() -> bytes:
    return (b"TPX3\0\0" + struct.pack("<H", 800) + PIXELS[:800]) * 5


def hdf5() -> bytes:
    head = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<2HI", 4, 16, 0)
    body = PIXELS
    return head + struct.pack("<4Q", 0, 2**64 - 1, len(head) + 32 + len(body), 2**64 - 1) + body


def _segment(name: bytes, data: bytes) -> bytes:
    data = data.ljust(-(-len(data) // 32) * 32, b"\0")
    return struct.pack("<16s2q", name, len(data), len(data)) + data


CZI_XML = (
    "<ImageDocument><Metadata><Information><Image><SizeX>64</SizeX><SizeY>48</SizeY><SizeZ>2</SizeZ>"
    "<SizeC>1</SizeC><PixelType>Gray8</PixelType>"
    "<AcquisitionDateAndTime>2021-03-04T05:06:07.123Z</AcquisitionDateAndTime></Image>"
    "<Instrument><Objectives><Objective Id='Objective:1'><NominalMagnification>63"
    "</NominalMagnification></Objective></Objectives></Instrument></Information><Scaling><Items>"
    "<Distance Id='X'><Value>1e-07</Value></Distance>"
    "<Distance Id='Y'><Value>1e-07</Value></Distance>"
    "<Distance Id='Z'><Value>5e-07</Value></Distance></Items></Scaling></Metadata></ImageDocument>"
)


def czi_entry(kind: int, compression: int, **sides: tuple[int, int]) -> bytes:
    """A line of the directory; sides: where a block begins along an axis, and how far it goes."""
    line = struct.pack("<2siqii6xi", b"DV", kind, 0, 0, compression, len(sides))
    return line + b"".join(
        struct.pack("<4siifi", axis.encode(), start, size, 0.0, 0)
        for axis, (start, size) in sides.items()
    )


def czi(body: bytes = PIXELS, xml_text: str = CZI_XML, entries: tuple[bytes, ...] = ()) -> bytes:
    pixels = _segment(b"ZISRAWSUBBLOCK", body)
    xml = xml_text.encode()
    metadata = _segment(b"ZISRAWMETADATA", struct.pack("<2i248x", len(xml), 0) + xml)
    lines = struct.pack("<i124x", len(entries)) + b"".join(entries)
    directory = _segment(b"ZISRAWDIRECTORY", lines)
    head = bytearray(512)
    struct.pack_into("<2i", head, 0, 1, 0)
    first = 32 + 512 + len(pixels)
    struct.pack_into("<2qi", head, 52, first + len(metadata), first, 0)
    return _segment(b"ZISRAWFILE", bytes(head)) + pixels + metadata + directory


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sIQ", b"\xda\xce\xbe\x0a", len(name), len(data)) + name + data


def nd2(chunks: dict[bytes, bytes] | None = None, body: bytes = PIXELS) -> bytes:
    data = _chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"))
    entries = b""
    for name, content in {**(chunks or {}), b"ImageDataSeq|0!": body}.items():
        entries += name + struct.pack("<2Q", len(data), len(content))
        data += _chunk(name, content)
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", len(data))
    return data + _chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", entries + end)


def level(name: str, *items: bytes) -> bytes:
    """A level of a tree as ND2 has it: items, and a table of eight bytes each."""
    head = bytes([11, len(name) + 1]) + f"{name}\0".encode("utf-16-le")
    body = b"".join(items)
    length = len(head) + 12 + len(body)
    return head + struct.pack("<IQ", len(items), length) + body + bytes(8 * len(items))


def leaf(name: str, value: float | str) -> bytes:
    is_whole = not isinstance(value, str) and value == int(value)
    kind = 8 if isinstance(value, str) else 3 if is_whole else 6
    head = bytes([kind, len(name) + 1]) + f"{name}\0".encode("utf-16-le")
    if isinstance(value, str):
        return head + f"{value}\0".encode("utf-16-le")
    return head + (struct.pack("<I", int(value)) if is_whole else struct.pack("<d", value))


def nd2_chunks() -> dict[bytes, bytes]:
    """The metadata of a series of 5 times and 3 slices, 64 x 48 pixels of 16 bits, 2 channels."""
    sizes = [("uiWidth", 64), ("uiHeight", 48), ("uiBpcInMemory", 16), ("uiComp", 2)]
    z = level("uLoopPars", leaf("uiCount", 3), leaf("dZStep", 0.3))
    inner = level("ppNextLevelEx", level("", leaf("eType", 4), z))
    t = level("uLoopPars", leaf("uiCount", 5), leaf("dPeriod", 2000.0))
    names = [leaf("sDescription", "DAPI"), leaf("sDescription", "GFP")]
    picture = [
        leaf("dCalibration", 0.1),
        leaf("dObjectiveMag", 60.0),
        level("sPicturePlanes", *names),
    ]
    return {
        b"ImageAttributesLV!": level("SLxImageAttributes", *(leaf(*size) for size in sizes)),
        b"ImageMetadataLV!": level("SLxExperiment", leaf("eType", 1), t, inner),
        b"ImageMetadataSeqLV|0!": level("SLxPictureMetadata", *picture),
    }


LIF_XML = (
    '<LMSDataContainerHeader Version="2"><Element Name="a"><Data><Image><ImageDescription>'
    '<Channels><ChannelDescription DataType="0" Resolution="8" BytesInc="0"/></Channels>'
    "<Dimensions>"
    '<DimensionDescription DimID="1" NumberOfElements="64" Length="6.3e-06" Unit="m"/>'
    '<DimensionDescription DimID="2" NumberOfElements="48" Length="4.7e-06" Unit="m"/>'
    '<DimensionDescription DimID="3" NumberOfElements="2" Length="5e-07" Unit="m"/>'
    '</Dimensions></ImageDescription></Image></Data><Memory Size="6144" MemoryBlockID="M1"/>'
    "</Element></LMSDataContainerHeader>"
)


def lif(body: bytes = PIXELS, xml_text: str = LIF_XML) -> bytes:
    xml, name = xml_text.encode("utf-16-le"), "M1".encode("utf-16-le")
    head = struct.pack("<IIBI", 0x70, len(xml) + 5, 0x2A, len(xml) // 2) + xml
    block = struct.pack("<IIBQBI", 0x70, 14 + len(name), 0x2A, len(body), 0x2A, len(name) // 2)
    return head + block + name + body


def ole() -> bytes:
    """A file of a table, a directory and eleven sectors of a stream."""
    head = bytearray(512)
    head[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<5H", head, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<6I", head, 40, 0, 1, 1, 0, 4096, 0xFFFFFFFE)
    struct.pack_into("<3I", head, 64, 0, 0xFFFFFFFE, 0)
    struct.pack_into("<109I", head, 76, 0, *[0xFFFFFFFF] * 108)
    chain = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, 13), 0xFFFFFFFE]
    table = struct.pack("<128I", *chain, *[0xFFFFFFFF] * (128 - len(chain)))
    return bytes(head) + table + bytes(512) + PIXELS[: 11 * 512]


def ole_of(streams: dict[str, bytes]) -> bytes:
    """A file of these streams, each below 4096 bytes: they lie in sectors of 64 within another."""
    mini = b""
    links: list[int] = []
    entries: list[tuple[str, int, int, int]] = []
    for name, data in streams.items():
        first, count = len(links), -(-len(data) // 64)
        links += [*range(first + 1, first + count), 0xFFFFFFFE]
        mini += data.ljust(count * 64, b"\0")
        entries.append((name, 2, first, len(data)))
    entries.insert(0, ("Root Entry", 5, 2, len(mini)))
    directory = b"".join(
        name.encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<HB", 2 * len(name) + 2, kind)
        + bytes(49)
        + struct.pack("<IQ", start, size)
        for name, kind, start, size in entries
    )
    assert len(directory) <= 512
    sectors = -(-len(mini) // 512)
    mini_table = 2 + sectors
    chain = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, 2 + sectors), 0xFFFFFFFE, 0xFFFFFFFE]
    head = bytearray(ole()[:512])
    struct.pack_into("<I", head, 60, mini_table)
    table = struct.pack("<128I", *chain, *[0xFFFFFFFF] * (128 - len(chain)))
    numbers = struct.pack("<128I", *links, *[0xFFFFFFFF] * (128 - len(links)))
    return (
        bytes(head)
        + table
        + directory.ljust(512, b"\0")
        + mini.ljust(sectors * 512, b"\0")
        + numbers
    )


def dicom() -> bytes:
    def element(group: int, tag: int, kind: bytes, value: bytes) -> bytes:
        if kind == b"OW":
            return struct.pack("<2H2s2xI", group, tag, kind, len(value)) + value
        return struct.pack("<2H2sH", group, tag, kind, len(value)) + value

    short = struct.Struct("<H").pack
    meta = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")
    return (
        bytes(128)
        + b"DICM"
        + element(2, 0, b"UL", struct.pack("<I", len(meta)))
        + meta
        + element(8, 0x60, b"CS", b"SM")
        + element(0x28, 2, b"US", short(1))
        + element(0x28, 8, b"IS", b"2 ")
        + element(0x28, 0x10, b"US", short(48))
        + element(0x28, 0x11, b"US", short(64))
        + element(0x28, 0x30, b"DS", b"0.001\\0.002 ")
        + element(0x28, 0x100, b"US", short(8))
        + element(0x7FE0, 0x10, b"OW", PIXELS)
    )


def zip_of(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def tar_of(*members: tuple[str, bytes], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return bytes(file.getvalue())


def mha(*, packed: bool = False, pixels: bytes = PIXELS) -> bytes:
    """A MetaImage of 64 x 48 x 2, 0.5 x 0.5 x 2 mm."""
    text = f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = {packed}\n"
    text += "ElementSpacing = 0.5 0.5 2\nDimSize = 64 48 2\nElementType = MET_UCHAR\n"
    data = zlib.compress(pixels) if packed else pixels
    return f"{text}ElementDataFile = LOCAL\n".encode() + data


def zstd() -> bytes:
    """A frame of one raw block and one run."""
    raw = struct.pack("<I", 6144 << 3)[:3] + PIXELS
    run = struct.pack("<I", 99 << 3 | 1 << 1 | 1)[:3] + b"a"
    return b"\x28\xb5\x2f\xfd" + b"\xa0" + struct.pack("<I", 6243) + raw + run


def seven_zip() -> bytes:
    """An archive whose index speaks of nothing."""
    index = b"\x01\0"
    start = struct.pack("<QQI", len(PIXELS), len(index), zlib.crc32(index))
    head = b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start
    return head + PIXELS + index


def boxes(brand: bytes) -> bytes:
    box = struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, brand)
    return box + struct.pack(">I4s", 8 + len(PIXELS), b"mdat") + PIXELS


def jxl() -> bytes:
    head = b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I4s4sI4s", 20, b"ftyp", b"jxl ", 0, b"jxl ")
    return head + struct.pack(">I4s", 8 + len(PIXELS), b"jxlc") + PIXELS


def avi() -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(PIXELS)) + b"AVI " + PIXELS


def tiff(**how: object) -> bytes:
    file = io.BytesIO()
    data = np.frombuffer(PIXELS, "uint8").reshape(2, 48, 64)
    tifffile.imwrite(file, data, photometric="minisblack", **how)  # type: ignore[arg-type]
    return file.getvalue()


def picture(format_: str) -> bytes:
    file = io.BytesIO()
    Image.frombytes("L", (64, 96), PIXELS).save(file, format_)
    return file.getvalue()


def dm(version: int) -> bytes:
    data = {"Data": Blob(10, PIXELS), "DataType": 6, "Dimensions": {"0": 64, "1": 96}}
    return write_dm({"ImageList": {"0": {"ImageData": data}}}, version, little=True)


_MDOC = b"PixelSpacing = 1.5\nVoltage = 300\n\n[ZValue = 0]\nTiltAngle = -60\n"
_STAR = b"\ndata_particles\n\nloop_\n_rlnMicrographName #1\na.mrc\n"


@cache
def whole_files() -> dict[str, bytes]:
    """Return a whole file of each extension that is known."""
    return {
        **dict.fromkeys((".mrc", ".mrcs", ".map", ".rec", ".st", ".ali", ".ccp4"), mrc()),
        **dict.fromkeys((".h5", ".hdf5", ".hdf", ".ims", ".emd", ".nxs"), hdf5()),
        **dict.fromkeys((".oib", ".zvi", ".ipw"), ole()),
        **dict.fromkeys((".dv", ".r3d"), dv()),
        **dict.fromkeys((".lsm", ".svs", ".ndpi", ".scn", ".bif", ".eer", ".vsi", ".tif"), tiff()),
        **dict.fromkeys((".spi", ".vol", ".stk"), spider()),
        ".czi": czi(),
        ".nd2": nd2(),
        ".lif": lif(),
        ".dcm": dicom(),
        ".em": em(),
        ".hed": imagic(),
        ".ser": ser(),
        ".blo": blo(),
        ".klb": klb(),
        ".tpx3": tpx3(),
        ".mha": mha(),
        ".obf": obf(),
        ".ets": ets(),
        ".bcf": bcf(),
        ".wdf": wdf(),
        ".mib": mib(),
        ".tvips": tvips(),
        ".nii": nifti(),
        ".nrrd": nrrd(),
        ".npy": npy(),
        ".img": smv(),
        ".cbf": cbf(),
        ".fits": fits(),
        ".pic": pic(),
        ".sif": sif(),
        ".jxl": jxl(),
        ".heic": boxes(b"heic"),
        ".avi": avi(),
        ".mp4": boxes(b"isom"),
        ".dm3": dm(3),
        ".dm4": dm(4),
        ".jp2": picture("JPEG2000"),
        ".png": picture("PNG"),
        ".jpg": picture("JPEG"),
        ".webp": picture("WEBP"),
        ".zip": zip_of(("a.bin", PIXELS)),
        ".npz": zip_of(("a.npy", npy())),
        ".tar": tar_of(("a.bin", PIXELS)),
        ".tgz": tar_of(("a.bin", PIXELS), mode="w:gz"),
        ".7z": seven_zip(),
        ".zst": zstd(),
        ".gz": gzip.compress(PIXELS),
        ".bz2": bz2.compress(PIXELS),
        ".xz": lzma.compress(PIXELS),
        ".nii.gz": gzip.compress(nifti()),
        ".mrc.bz2": bz2.compress(mrc()),
        ".mdoc": _MDOC,
        ".star": _STAR,
        ".json": b'{"a": [1, 2]}',
        ".csv": b"a,b\n1,2\n",
        ".xml": b'<?xml version="1.0"?><OME><Image ID="a"/></OME>',
        ".oif": b"[ProfileSaveInfo]\n",
    }
