"""Which synsets of ImageNet, how many pictures of each, and from which lists."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveInt, PrivateAttr, model_validator

from imgcrawl.arguments import ListArguments, ReadsStdin, Words
from imgcrawl.lists.lines import decoded
from imgcrawl.records.errors import ArgumentError
from imgcrawl.sources.imagenet.candidates import check_url_file
from imgcrawl.sources.imagenet.synsets import WNID, Synsets, read_wnids

# What a word in hosts= stands for. Half of ImageNet's URLs are Flickr's, and these live longest.
HOSTS: dict[str, tuple[str, ...]] = {"all": (), "flickr": ("flickr.com", "staticflickr.com")}
ILSVRC = "ilsvrc2012"


class ImagenetArguments(ListArguments):
    """Which synsets of ImageNet, how many pictures of each, and from which lists."""

    dataset_year: ClassVar[int | None] = 2010

    wnids: Words = Field(
        [],
        description="synsets by their ids; ilsvrc2012 is the 1000 classes of that year",
        examples=["n01440764,n01443537", ILSVRC],
    )
    wnids_file: Annotated[str | None, ReadsStdin()] = Field(
        None,
        description="a file of wnids, of label,wnid or of wnid label lines; - is standard input",
    )
    classes: Words = Field(
        [], description="synsets by name", examples=['tench,"great white shark"']
    )
    subtree: Words = Field(
        [], description="synsets, by id or name, with all below them", examples=["n02084071"]
    )
    n: PositiveInt = Field(10, description="good pictures of each class")
    hosts: Words = Field(
        ["flickr"], description="where candidates may lie: flickr, all, or names of hosts"
    )
    urls_file: str | None = Field(
        None, description="a file of wnid_number<TAB>URL lines", examples=["fall11_urls.txt"]
    )
    list_dir: Path | None = Field(
        None, description="a folder with one file of URLs a synset, n01440764.txt"
    )

    _chosen: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_meant(self) -> ImagenetArguments:
        try:
            self._check()
        except ArgumentError as error:
            raise ValueError(str(error)) from error
        return self

    def _check(self) -> None:
        if not (self.wnids or self.wnids_file or self.classes or self.subtree):
            raise ArgumentError(
                "Which classes? Type -a wnids=n01440764,..., -a wnids_file=FILE, "
                "-a classes=tench,..., -a subtree=n02084071, or -a wnids=ilsvrc2012."
            )
        if self.urls_file and self.list_dir:
            raise ArgumentError("urls_file and list_dir do not go together: one of them.")
        if self.urls_file:
            check_url_file(self.urls_file)
        if self.list_dir and not self.list_dir.expanduser().is_dir():
            raise ArgumentError(f"list_dir={self.list_dir} is no folder.")
        if self.wnids_file != "-":
            self.chosen()

    def settings(self) -> dict[str, Any]:
        """The settings that these arguments stand for."""
        return super().settings() | {"DISTINCT": True}

    def chosen(self) -> dict[str, str]:
        """The wnids that are asked for, each once, with the label that a file gives or none.

        Raises ArgumentError for what is no synset, or several.
        """
        if self._chosen:
            return self._chosen
        synsets = Synsets()
        found: dict[str, str] = {}
        for word in self.wnids:
            if word.lower() == ILSVRC:
                found |= dict.fromkeys(synsets.ilsvrc2012(), "")
            elif WNID.fullmatch(word):
                found.setdefault(synsets.find(word), "")
            else:
                raise ArgumentError(
                    f"wnids={word}: a wnid is n and eight digits. By name: -a classes={word}"
                )
        if self.wnids_file:
            for wnid, label in _read(self.wnids_file).items():
                found[synsets.find(wnid)] = label
        for name in self.classes:
            found.setdefault(synsets.find(name), "")
        for name in self.subtree:
            found = dict.fromkeys(synsets.subtree(synsets.find(name)), "") | found
        self._chosen.update(found)
        return self._chosen


def _read(name: str) -> dict[str, str]:
    if name == "-":
        return read_wnids(sys.stdin, "standard input")
    try:
        raw = Path(name).expanduser().read_bytes()
    except OSError as error:
        raise ArgumentError(f"{name} cannot be read: {error.strerror}.") from error
    if len(raw) > 64 << 20:
        raise ArgumentError(f"{name} is no list of wnids: it has {len(raw):,} bytes.")
    return read_wnids(decoded(raw).splitlines(), name)
