"""What can be asked of a chunked volume: a box of it, or boxes drawn at random."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from imgcrawl.arguments import SpiderArguments
from imgcrawl.volumes.crop.box import Box, Size, parse_box, parse_size
from imgcrawl.volumes.metadata.address import parse_address

MAX_COUNT = 100_000


def checked_address(text: str) -> str:
    """The text again. Raises ValueError where it is no address of a volume."""
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

    @model_validator(mode="after")
    def _fits_together(self) -> VolumeArguments:
        if self.box is not None and self.size is not None:
            raise ValueError("box says how large it is; leave size out, or type size for a draw")
        if self.size is None:
            for name in ("count", "seed", "min_foreground"):
                if name in self.model_fields_set:
                    raise ValueError(f"{name} is for cubes at random places: type size=z,y,x too")
        return self

    @property
    def asked_box(self) -> Box | None:
        """The box, read."""
        return None if self.box is None else parse_box(self.box)

    @property
    def asked_size(self) -> Size | None:
        """The size, read."""
        return None if self.size is None else parse_size(self.size)
