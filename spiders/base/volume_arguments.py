"""VolumeArguments: a chunked volume, and which cubes of it are wanted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from imgcrawl.arguments import Numbers, SpiderArguments, Words
from imgcrawl.volumes.crop.box import Box, Size, parse_box, parse_size
from imgcrawl.volumes.metadata.address import parse_address

if TYPE_CHECKING:
    from imgcrawl.volumes.crop.cube_plan import Lengths

MAX_COUNT = 100_000
SHARED_CACHE = 256 << 20  # bytes of chunks that cubes may share


def check_address(text: str) -> str:
    """Return the text unchanged. Raises ValueError if it is no address of a volume."""
    parse_address(text, s3_url="https://{bucket}.invalid/", gcs_url="https://{bucket}.invalid/")
    return text


def _box(value: Any) -> Any:
    if isinstance(value, str):
        parse_box(value)
    return value


def _size(value: Any) -> Any:
    if isinstance(value, str):
        parse_size(value)
    return value


def _voxel(value: Any) -> Any:
    if isinstance(value, str):
        _lengths(value)
    return value


def _lengths(text: str) -> Lengths:
    """Return ``16``, ``16nm`` or ``z,y,x`` in nanometres; a unit at the end is that of all.

    Raises ValueError.
    """
    parts = [part.strip() for part in text.split(",")]
    unit = re.search(r"[a-zµμ]*\Z", parts[-1])
    ending = (unit[0] if unit else "") or "nm"
    parts = [f"{part}{ending}" if re.search(r"\d\Z", part) else part for part in parts]
    z, y, x = (nm for nm, _ in parse_size(",".join(parts)).sides)
    return z, y, x


class VolumeArguments(SpiderArguments):
    """A volume, and which cubes of it are wanted."""

    box: Annotated[str | None, BeforeValidator(_box)] = Field(
        None,
        description="one cube: z0:z1,y0:y1,x0:x1 in voxels of the level, or with units (nm, um) "
        "from the corner of voxel 0",
        examples=["0:100,200:300,400:500", "0:800nm,1um:2um,0:4um"],
    )
    size: Annotated[str | None, BeforeValidator(_size)] = Field(
        None,
        description="cubes at random places: z,y,x in voxels or with units; one number for a cube",
        examples=["1000,1000,1000", "2um"],
    )
    count: Annotated[PositiveInt, Field(le=MAX_COUNT)] = Field(
        1, description="how many cubes are drawn"
    )
    seed: NonNegativeInt = Field(
        0, description="of the draws: the same seed gives the same cubes, and more of them"
    )
    min_foreground: Annotated[float | None, Field(gt=0, le=1)] = Field(
        None,
        description="draw again where less than this part is tissue, judged on a coarse level",
        examples=["0.5"],
    )
    time: NonNegativeInt = Field(0, description="which time point, where there are several")
    dry_run: bool = Field(
        False, description="only say what there is: cubes, levels and sizes; nothing is stored"
    )

    layers: Words = Field(
        [],
        description="cubes of several layers at one place: names of layers of a link, or paths "
        "below the url, and . for the picture there; a row for each, all with the same cube_id",
        examples=["em,seg", ".,labels/cells"],
    )
    voxel: Annotated[str | None, BeforeValidator(_voxel)] = Field(
        None,
        description="the voxels of such cubes: one length, or z,y,x; images are averaged, labels "
        "are not; by default those of the first layer",
        examples=["16nm", "40,8,8nm"],
    )
    label_layers: Words = Field(
        [], description="which layers are ids, where their source does not say so"
    )
    boxes: Path | None = Field(
        None,
        description="known places in a CSV: z,y,x (nm, with size=), or z0,z1,y0,y1,x0,x1 (voxels "
        "of the first layer); other columns go through",
        examples=["points.csv"],
    )
    clip: bool = Field(
        False, description="cut a box that goes beyond a layer, for all layers alike"
    )
    min_label: Annotated[float | None, Field(gt=0, le=1)] = Field(
        None, description="draw again where less than this part of the labels is not 0"
    )
    classes: Numbers = Field([], description="draw again where none of these ids is")
    holdout: Annotated[float | None, Field(gt=0, lt=1)] = Field(
        None,
        description="this part of the cubes is split=val: no cube of train touches one of them",
    )
    gap: Annotated[str | None, BeforeValidator(_voxel)] = Field(
        None, description="least distance between train and val", examples=["500nm"]
    )
    allow_empty: bool = Field(
        False, description="a volume of which most chunks are absent (fill value) is as it must be"
    )

    as_settings: ClassVar[dict[str, str]] = {
        **SpiderArguments.as_settings,
        "allow_empty": "ALLOW_EMPTY_VOLUMES",
    }

    def extras(self) -> tuple[str, ...]:
        """Return the extra that reads and writes voxels, unless none are fetched."""
        return () if self.dry_run else ("volumes",)

    @model_validator(mode="after")
    def _fits_together(self) -> VolumeArguments:
        if self.box is not None and self.size is not None:
            raise ValueError("box says how large it is; leave size out, or type size for a draw")
        if self.is_shared:
            self._fits_shared()
        else:
            for name in ("voxel", "label_layers", "clip", "min_label", "classes", "holdout", "gap"):
                if name in self.model_fields_set:
                    raise ValueError(f"{name} is for cubes of layers: type layers= or boxes= too")
        if self.size is None:
            for name in ("count", "seed", "min_foreground"):
                if name in self.model_fields_set:
                    raise ValueError(f"{name} is for cubes at random places: type size=z,y,x too")
        return self

    def _fits_shared(self) -> None:
        """Raise ValueError for what cubes of several layers cannot have."""
        if self.boxes is None and self.size is None and self.box is None:
            raise ValueError("how much of them? Type size=z,y,x, box= or boxes=FILE.csv")
        if self.boxes is not None and self.box is not None:
            raise ValueError("box and boxes both say where; leave one of them out")
        if self.min_foreground is not None:
            raise ValueError("min_foreground is for cubes of one layer: type min_label=")
        if self.gap is not None and self.holdout is None:
            raise ValueError("gap lies between the splits: type holdout= too")
        if len(set(self.layers)) < len(self.layers):
            raise ValueError("layers names one of them twice")
        for name in ("min_label", "classes"):
            if name in self.model_fields_set and self.size is None:
                raise ValueError(f"{name} is for cubes at random places: type size=z,y,x too")
        if self.boxes is not None:
            for name in ("count", "seed", "min_label", "classes"):
                if name in self.model_fields_set:
                    raise ValueError(f"{name} is for cubes at random places; leave it or boxes out")

    @property
    def is_shared(self) -> bool:
        """Whether cubes are cut by their place in nm, from several layers or a list of places."""
        return bool(self.layers) or self.boxes is not None

    def settings(self) -> dict[str, Any]:
        """Return the settings that these arguments stand for."""
        # Places that lie together share chunks.
        return super().settings() | ({"VOLUME_CACHE": SHARED_CACHE} if self.is_shared else {})

    @property
    def asked_voxel(self) -> Lengths | None:
        """The voxel size of shared cubes, in nm."""
        return None if self.voxel is None else _lengths(self.voxel)

    @property
    def asked_gap(self) -> float:
        """The least distance between the splits, in nm."""
        return 0.0 if self.gap is None else max(_lengths(self.gap))

    @property
    def asked_box(self) -> Box | None:
        """The box, parsed."""
        return None if self.box is None else parse_box(self.box)

    @property
    def asked_size(self) -> Size | None:
        """The size, parsed."""
        return None if self.size is None else parse_size(self.size)
