"""Spider arguments: typed, validated, and described in one place.

A spider declares a subclass of `SpiderArguments`; ``scrapy spiders``, the error messages and the
tables of docs/sources are made from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
)
from scrapy.settings import SETTINGS_PRIORITIES

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.retry import retry_outcomes
from imgcrawl.storage.address import BucketAddress, is_address
from imgcrawl.text.sizes import size_of_text
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy import Spider
    from scrapy.settings import BaseSettings

# pydantic's errors of a value, as what to type.
_A_DAY = "type a day as YYYY-MM-DD, such as 2024-01-31"
_MESSAGES = {
    "int_parsing": "type a whole number",
    "int_from_float": "type a whole number",
    "float_parsing": "type a number",
    "bool_parsing": "type yes or no",
    "greater_than": "type a number above {gt}",
    "greater_than_equal": "type {ge} or more",
    "less_than_equal": "type {le} or less",
    "date_parsing": _A_DAY,
    "date_from_datetime_parsing": _A_DAY,
    "date_from_datetime_inexact": _A_DAY,
}

# Scrapyd gives every spider these.
_IGNORED = frozenset({"_job", "_version"})


def split_words(text: str) -> list[str]:
    """Return the words of ``a,b``; a comma inside double quotes does not part them."""
    parts = re.findall(r'"([^"]*)"|([^,"]+)', text)
    return [word for quoted, plain in parts if (word := (quoted or plain).strip())]


def _words(value: Any) -> Any:
    return split_words(value) if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class TypeName:
    """The name of an argument's type, if the type itself says less."""

    name: str


@dataclass(frozen=True, slots=True)
class ReadsStdin:
    """Marks an argument that reads standard input when ``-`` is typed."""


Words = Annotated[list[str], BeforeValidator(_words)]
Numbers = Annotated[list[PositiveInt], BeforeValidator(_words)]
AnyCase = BeforeValidator(_lower)


def _shard(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+)/(\d+)", value.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError("type K/N with 1 <= K <= N, such as 1/4")
    return int(match[1]), int(match[2])


def _retry(value: Any) -> Any:
    try:
        retry_outcomes(value)
    except ArgumentError as error:
        raise ValueError(str(error).removeprefix(f"retry={value}: ")) from error
    return value


def _size(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    size = size_of_text(value)
    if size is None:
        raise ValueError("type a number of bytes, or one such as 500MB, 20GB, 1.5TB or 8GiB")
    return size


def _place(value: Any) -> Any:
    """Return a folder or an address as text: as a path, an address would lose a slash."""
    text = str(value)
    if is_address(text):
        try:
            BucketAddress.of(text)
        except ArgumentError as error:
            raise ValueError(str(error)) from error
    return text


class SpiderArguments(BaseModel):
    """Arguments of every spider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: Annotated[str | None, BeforeValidator(_place), TypeName("folder")] = Field(
        None, description="where the dataset goes", examples=["data/mine"]
    )
    retry: Annotated[str | None, BeforeValidator(_retry)] = Field(
        None,
        description="which missing records to try again: all, none, or reasons; "
        "by default those that may still be had",
        examples=["dns,timeout"],
    )
    shard: Annotated[tuple[int, int] | None, BeforeValidator(_shard)] = Field(
        None, description="the K-th of N parts of the records (K/N)", examples=["1/4"]
    )
    dry_run: bool = Field(
        False, description="only say what there is: files, sizes, formats, and how long it takes"
    )

    max_total_bytes: Annotated[int | None, BeforeValidator(_size), Field(gt=0)] = Field(
        None,
        description="of all files of the dataset, those of earlier runs too: the run ends before "
        "it would pass them (500GB, 2TB, or bytes)",
        examples=["500GB"],
    )

    # Arguments that are settings by another name: what the rest of the project reads. Typed with
    # -s, such a setting is taken as the argument (`arguments_of_settings`).
    as_settings: ClassVar[dict[str, str]] = {
        "retry": "RETRY",
        "shard": "SHARD",
        "dry_run": "DRY_RUN",
        "max_total_bytes": "MAX_TOTAL_BYTES",
    }

    def default_out(self, spider: str) -> str:
        """Return where the dataset goes if `out` is not given."""
        return f"data/{spider}"

    def extras(self) -> tuple[str, ...]:
        """Return the extras of the package that a crawl with these arguments needs."""
        return ()

    def settings(self) -> dict[str, Any]:
        """Return the settings that these arguments stand for."""
        given = self.model_dump(include=set(self.as_settings) & self.model_fields_set)
        return {self.as_settings[name]: value for name, value in given.items() if value is not None}


class ImageArguments(SpiderArguments):
    """Arguments of every spider of pictures."""

    sizes: Numbers = Field(
        default=[],
        description="smaller copies made beside the originals: the longest side in pixels",
        examples=["256,512"],
    )

    def settings(self) -> dict[str, Any]:
        """Return the settings that these arguments stand for."""
        sizes = {str(size): (size, size) for size in self.sizes}
        return super().settings() | ({"IMAGES_THUMBS": sizes} if sizes else {})


class ListArguments(ImageArguments):
    """Arguments of spiders whose pictures lie on many hosts, and may be gone."""

    wayback: bool = Field(
        False, description="look for what is gone in the Wayback Machine, after all else"
    )
    wayback_year: Annotated[int | None, Field(ge=1996, le=2100)] = Field(
        None, description="captures nearest to this year; by default the dataset's own, or the last"
    )
    phash: bool = Field(
        False, description="a perceptual hash of each picture; duplicates.csv has near ones too"
    )
    exif: bool = Field(False, description="the EXIF tags of each picture, as JSON in a column")
    min_size: PositiveInt | None = Field(
        None, description="pictures whose shorter side has fewer pixels are left out (too_small)"
    )
    max_pixels: PositiveInt | None = Field(
        None, description="pictures of more pixels are left out (too_large)"
    )
    max_aspect_ratio: Annotated[float, Field(ge=1)] | None = Field(
        None, description="pictures that are longer for their width are left out (too_large)"
    )

    dataset_year: ClassVar[int | None] = None

    as_settings: ClassVar[dict[str, str]] = {
        **SpiderArguments.as_settings,
        "wayback": "WAYBACK",
        "wayback_year": "WAYBACK_YEAR",
        "phash": "PHASH",
        "exif": "EXIF",
        "max_pixels": "IMAGE_MAX_PIXELS",
        "max_aspect_ratio": "IMAGE_MAX_ASPECT_RATIO",
    }

    def settings(self) -> dict[str, Any]:
        """Return the settings that these arguments stand for."""
        least = {"IMAGES_MIN_WIDTH": self.min_size, "IMAGES_MIN_HEIGHT": self.min_size}
        return (
            super().settings()
            | (least if self.min_size else {})
            | {
                "PLACEHOLDER_REPEATS": 3,
                "WAYBACK_YEAR": self.wayback_year or self.dataset_year,
            }
        )


class OrdinaryArguments(ListArguments):
    """Arguments of every ordinary Scrapy spider: all others are the spider's own."""

    def settings(self) -> dict[str, Any]:
        """Return the settings that these arguments stand for."""
        settings = super().settings()
        del settings["PLACEHOLDER_REPEATS"]  # its addresses were chosen, not collected
        return settings


class FileArguments(SpiderArguments):
    """Arguments of every spider of files."""

    match: str | None = Field(
        None,
        description="which files: globs, or a regular expression in slashes; by default all",
        examples=["*.dm3,*.tif", "/slice_\\d+/"],
    )
    max_files: PositiveInt | None = Field(None, description="stop after so many files")
    max_bytes: PositiveInt | None = Field(
        None, description="stop before so many bytes, by what the source says of sizes"
    )

    @field_validator("match")
    @classmethod
    def _is_pattern(cls, match: str | None) -> str | None:
        if match and len(match) > 2 and match[0] == match[-1] == "/":
            try:
                re.compile(match[1:-1])
            except re.error as error:
                raise ValueError(f"no regular expression: {error}") from error
        return match


def model_of(spider: type[Spider]) -> type[SpiderArguments]:
    """Return the model of a spider's arguments."""
    model: type[SpiderArguments] = getattr(spider, "arguments", OrdinaryArguments)
    return model


def own_arguments(spider: type[Spider], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed for an ordinary spider that is not for the spider itself."""
    theirs = signature(spider.__init__).parameters
    fields = OrdinaryArguments.model_fields.keys() - theirs
    return {name: value for name, value in given.items() if name in fields}


def parse_arguments(spider: type[Spider], given: Mapping[str, Any]) -> SpiderArguments:
    """Return the arguments of a spider class, parsed from what was typed.

    Raises ArgumentError with a line for each argument that is wrong, and what to type instead.
    """
    model = model_of(spider)
    typed = {name: value for name, value in given.items() if name not in _IGNORED}
    if model is OrdinaryArguments:
        typed = own_arguments(spider, typed)
    # A variable of a script that is not set: taken for no argument, it would mean everything.
    lines = [
        f"{name}=: there is no value; type one, or leave {name} out"
        for name, value in typed.items()
        if name in model.model_fields and isinstance(value, str) and not value.strip(" ,")
    ]
    if lines:
        raise ArgumentError(_with_takes(lines, spider, model))
    try:
        return model(**typed)
    except ValidationError as error:
        lines = [_explain(problem, model, typed) for problem in error.errors()]
        raise ArgumentError(_with_takes(lines, spider, model)) from None


def arguments_of_settings(
    spider: type[Spider], given: Mapping[str, Any], settings: BaseSettings
) -> dict[str, Any]:
    """Return the arguments that were typed, with those typed as the settings that they stand for.

    ``-s DRY_RUN=1`` is ``-a dry_run=1``, checked as that is.
    Raises ArgumentError if both were typed and differ, or if a spider has no such argument.
    """
    model = model_of(spider)
    merged = dict(given)
    known = {**ListArguments.as_settings, **model.as_settings, "out": "OUT"}
    for name, setting in known.items():
        if not _is_typed(settings, setting):
            continue
        value = settings[setting]
        if name not in model.model_fields:
            raise ArgumentError(f"-s {setting}={value}: {spider.name} has no argument {name}")
        if name in given and str(given[name]) != str(value):
            both = f"-s {setting}={value} and -a {name}={given[name]}"
            raise ArgumentError(f"{both} say different things: leave one of them out")
        merged[name] = value
    if _is_typed(settings, "OUT_STORE"):
        raise ArgumentError("OUT_STORE is set by -a out=s3://BUCKET/PREFIX (or gs://): type that")
    if "sizes" in given and _is_typed(settings, "IMAGES_THUMBS"):
        raise ArgumentError("-s IMAGES_THUMBS and -a sizes say the same: leave one of them out")
    return merged


def _is_typed(settings: BaseSettings, name: str) -> bool:
    """Return whether a setting was given on the command line (or by what starts a crawl)."""
    return (settings.getpriority(name) or 0) >= SETTINGS_PRIORITIES["cmdline"]


def reads_stdin(spider: type[Spider], given: Mapping[str, Any]) -> list[str]:
    """Return the names of the arguments by which a crawl would read standard input."""
    model = model_of(spider)
    marked = (n for n, f in model.model_fields.items() if ReadsStdin() in f.metadata)
    return [name for name in marked if given.get(name) == "-"]


def _with_takes(lines: list[str], spider: type[Spider], model: type[SpiderArguments]) -> str:
    takes = ", ".join(model.model_fields)
    return "\n".join([*lines, f"{spider.name} takes: {takes}. `scrapy spiders` explains them."])


def _explain(problem: Any, model: type[SpiderArguments], given: Mapping[str, Any]) -> str:
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ")
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return f"{name}={given[name]}: there is no argument {name!r}" + did_you_mean(
            name, model.model_fields
        )
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] in {"literal_error", "enum"}:
        message = f"one of {problem['ctx']['expected']}" + did_you_mean(
            str(given[name]).lower(), re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        )
    elif problem["type"] == "missing":
        field = model.model_fields[name]
        example = f", such as -a {name}={field.examples[0]}" if field.examples else ""
        message = f"it is needed: {field.description}{example}"
    elif problem["type"] in _MESSAGES:
        message = _MESSAGES[problem["type"]].format(**problem.get("ctx", {}))
    return f"{name}={given.get(name, '')}: {message}"
