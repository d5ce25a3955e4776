"""``NAME.crop.json``: the provenance of a crop, by which anyone can cite it and make it again."""

from __future__ import annotations

import json
import math
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import imgcrawl
from imgcrawl.records.volume import Chunks, Crop
from imgcrawl.volumes.crop.writing.coordinates import origin_nm, size_nm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgcrawl.records.volume import CubeMember, Raw

SCHEMA = 1  # of the file; raised when an older imgcrawl could misread it
SUFFIX = ".crop.json"
MAX_BYTES = 1 << 20
MAX_MEMBERS = 100  # of a cube

_MAX_SIDE = 1 << 40  # voxels
_MAX_CUBE = 1 << 50  # bytes
# numpy's names and their bytes; numpy itself is not imported for them
_TYPES = {f"{kind}{bits}": bits // 8 for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_TYPES |= {"bool": 1, "float16": 2, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16}

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=4096)]


class _ProvenanceModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ProvenanceFile(_ProvenanceModel):
    """The stored file or folder: its name below OUT, and the figures that identify it.

    sha256: of a folder as `imgcrawl.volumes.crop.digests.result_sha256` computes it
    """

    name: Text
    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class ProvenanceMember(_ProvenanceModel):
    """A crop and its source.

    voxels_sha256: of the voxels alone, in the order c, z, y, x, little-endian, whatever the format
    url:           where people would look for the volume
    dataset:       its name in the file, if the file holds others, too
    """

    record_id: Text
    url: str
    crop: Crop
    chunks: Chunks
    voxels_sha256: Sha256
    dataset: Annotated[str, Field(max_length=200)] = ""

    @model_validator(mode="after")
    def _can_be_fetched(self) -> Self:
        check_crop(self.crop)
        return self


class Provenance(ProvenanceMember):
    """A crop, its source, and the digests of what was stored.

    partners: the ids of the other members of its cube
    others:   these members, if they are in the same file
    """

    file: ProvenanceFile
    made_at: str
    partners: list[Text] = []
    others: Annotated[list[ProvenanceMember], Field(max_length=MAX_MEMBERS)] = []

    def members(self) -> list[ProvenanceMember]:
        """Return all that the file holds."""
        fields = ProvenanceMember.model_fields
        return [ProvenanceMember(**{name: getattr(self, name) for name in fields}), *self.others]

    def of_member(self, record_id: str) -> Provenance:
        """Return the same as a member would tell it. Raises KeyError if there is none."""
        members = {member.record_id: member for member in self.members()}
        own = members.pop(record_id)
        about: dict[str, Any] = {name: getattr(own, name) for name in ProvenanceMember.model_fields}
        about["partners"] = [*members] if self.others else self.partners
        about["others"] = [*members.values()]
        return Provenance(**about, file=self.file, made_at=self.made_at)


def check_crop(crop: Crop) -> None:
    """Raise ValueError for a crop that lies outside its level, or cannot be at all."""
    level = crop.level
    if level.dtype not in _TYPES:
        raise ValueError(f"there is no type {level.dtype[:40]!r} of voxels")
    if len(set(level.axes)) != len(level.axes) or not set("yx") <= set(level.axes):
        raise ValueError("its axes are none of a volume")
    sides = (*level.shape, *level.chunk, *crop.shape, level.channels, level.times)
    if not all(0 < side <= _MAX_SIDE for side in sides):
        raise ValueError("sizes are whole numbers of voxels, one at least")
    if not all(abs(first) <= _MAX_SIDE for first in (*level.offset, *crop.origin)):
        raise ValueError("its origin is nowhere")
    axes = zip("zyx", level.offset, level.shape, crop.origin, crop.shape, strict=True)
    for axis, low, size, first, wanted in axes:
        if not (low <= first and first + wanted <= low + size):
            raise ValueError(
                f"the crop has {axis} {first} to {first + wanted}, its level {low} to {low + size}"
            )
    if not 0 <= crop.time < level.times:
        raise ValueError(f"time {crop.time} of {level.times}")
    if crop_bytes(crop) > _MAX_CUBE:
        raise ValueError("a crop of more bytes than any disk has")
    if any(voxel is not None and voxel <= 0 for voxel in level.voxel_nm):
        raise ValueError("voxel sizes are above 0")
    address = urlsplit(level.address.url)
    known = address.hostname if address.scheme in {"http", "https"} else address.scheme == "file"
    if not known or not address.path.endswith("/") or address.query or address.fragment:
        raise ValueError("its url is no folder of a store: https://host/path/")


def crop_bytes(crop: Crop) -> int:
    """Return how many bytes the voxels of a crop have."""
    return math.prod(crop.shape) * crop.level.channels * _TYPES.get(crop.level.dtype, 8)


def format_provenance(provenance: Provenance) -> str:
    """Return the text of the file: what `parse_provenance` reads, and a summary for people."""
    shown: dict[str, Any] = _shown(provenance.crop)
    if provenance.others:
        shown = {member.dataset: _shown(member.crop) for member in provenance.members()}
    versions = {"imgcrawl": imgcrawl.__version__, "tensorstore": version("tensorstore")}
    extra = {"schema": SCHEMA, "versions": versions, "for_people": shown}
    return (
        json.dumps(extra | provenance.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    )


def _shown(crop: Crop) -> dict[str, Any]:
    """Return a crop in words that people look for."""
    crop = crop.as_stored()
    level = crop.level
    return {
        "source": level.address.shown,
        "level": level.name,
        "axes": "czyx" if level.channels > 1 else "zyx",
        "origin": crop.origin,
        "shape": crop.shape,
        "dtype": level.dtype,
        "unit": "nanometer",
        "voxel": level.voxel_nm,
        "origin_nm": origin_nm(crop),
        "size_nm": size_nm(crop),
        "metadata_sha256": level.sha256,
        "seed": crop.seed,
        "draw": crop.draw,
        "format": crop.format,
    }


def parse_provenance(text: str | bytes) -> Provenance:
    """Read the text of a file. Raises ValueError that says what is wrong with it.

    The part `for_people` may say anything, and is not read.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"{len(text):,} bytes: the description of a crop is far shorter")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(content, dict) or "schema" not in content:
        raise ValueError("not the description of a crop: it has no schema")
    schema = content.pop("schema")
    if schema is True or schema != SCHEMA:
        raise ValueError(
            f"it has schema {str(schema)[:20]}, and imgcrawl {imgcrawl.__version__} reads "
            f"{SCHEMA}: use the version that wrote it"
        )
    for name in ("versions", "for_people"):
        content.pop(name, None)
    try:
        return Provenance.model_validate_json(json.dumps(content))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))[:80]
        words = str(problem["msg"]).removeprefix("Value error, ")
        raise ValueError(f"{where}: {words}" if where else words) from None


def read_provenance(path: Path) -> Provenance:
    """Read the file at a path. Raises ValueError with its name and what is wrong with it."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        return parse_provenance(text)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def make_provenance(
    members: Sequence[CubeMember],
    raws: Sequence[Raw],
    digests: Sequence[str],
    partners: Sequence[str],
    url: str = "",
    **made: Any,
) -> Provenance:
    """Return the provenance of a file, as its first member tells it.

    raws:     the voxels of each member, and digests: their SHA-256
    partners: the ids of the other members of the cube, in whichever file
    url:      where people would look for the volume of the first, if not where it lies
    made:     `file` and `made_at`
    """
    first, *others = (
        ProvenanceMember(
            record_id=member.record_id,
            url=member.crop.level.address.url,
            crop=member.crop,
            chunks=raw.chunks,
            voxels_sha256=sha256,
            dataset=member.dataset,
        )
        for member, raw, sha256 in zip(members, raws, digests, strict=True)
    )
    about = dict(first) | {"url": url or first.url}
    return Provenance(**about, partners=[*partners], others=others, **made)
