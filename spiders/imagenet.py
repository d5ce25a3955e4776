"""ImageNet by synset: https://www.image-net.org and the lists of URLs that it published."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, PositiveInt, PrivateAttr, model_validator

from imgcrawl.arguments import ListArguments, ReadsStdin, Words
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.items import ImageItem, Item, Read
from imgcrawl.records.quotas import Quota
from imgcrawl.sources.imagenet.candidates import check_url_file
from imgcrawl.sources.imagenet.lists import SynsetLists
from imgcrawl.sources.imagenet.synsets import WNID, Synset, Synsets, read_wnids_file
from spiders.base.candidates import CandidatesSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from imgcrawl.records.items import SpiderOutput
    from imgcrawl.sources.imagenet.candidates import Candidate

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
    _said: list[str] = PrivateAttr(default_factory=list)  # which synsets names were taken for

    @model_validator(mode="after")
    def _is_complete(self) -> ImagenetArguments:
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
        """Return the settings that these arguments stand for."""
        return super().settings() | {"DISTINCT": True}

    def chosen(self) -> dict[str, str]:
        """Return the wnids that are asked for, each once, with the label that a file gives or none.

        Raises ArgumentError for a name that no synset has, or several.
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
            for wnid, label in read_wnids_file(self.wnids_file).items():
                found[synsets.find(wnid)] = label
        for name in self.classes:
            found.setdefault(synsets.find(name), "")
        for name in self.subtree:
            root, words = synsets.find_root(name)
            found = dict.fromkeys(synsets.subtree(root), "") | found
            self._said.extend(filter(None, [words]))
        self._chosen.update(found)
        return self._chosen

    def said(self) -> list[str]:
        """Return what names of subtrees were taken for, where they are those of several synsets."""
        return self._said


class ImagenetSpider(CandidatesSpider[ImagenetArguments]):
    """Pictures of synsets: of each the first N of its list of URLs that are good.

    Lists: your own copy of fall11_urls.txt (14 million URLs), a directory with one file a synset,
    or image-net.org's API, which is not always there. Names and hierarchy come with imgcrawl.
    Caveats: a quarter to a half of the URLs are dead; teddy (n04399382) is not in fall11_urls.txt.
    """

    name = "imagenet"
    arguments: ClassVar[type[ImagenetArguments]] = ImagenetArguments
    example = "scrapy crawl imagenet -a wnids_file=wnids.txt -a n=50"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield synsets and their candidates."""
        args, self._synsets, self._wnids = self.args, Synsets(), self.args.chosen()
        for words in self.args.said():
            self.logger.info("%s", words)
        hosts = [host for name in args.hosts for host in HOSTS.get(name, (name,))]
        self._lists = SynsetLists(self, args.urls_file, args.list_dir, hosts)
        await self._lists.open(self._wnids)
        handed_out: dict[str, int] = {}  # by synset, of which some are opened twice
        async for output in super().records():
            if isinstance(output, Item) and output.quota:
                handed_out[output.quota] = max(handed_out.get(output.quota, 0), output.rank + 1)
            yield output
        rows, candidates = sum(self._lists.n_lines.values()), sum(handed_out.values())
        yield Read(rows, candidates, 0, rows - candidates)  # not needed, or on other hosts
        if count := self._lists.n_malformed:
            self.logger.warning("%s lines of the lists are no candidates", f"{count:,}")

    def quotas(self) -> Iterator[Quota]:
        """Yield the synsets, in the order given."""
        for wnid, label in self._wnids.items():
            known = self._synsets.get(wnid)
            yield Quota(wnid, self.args.n, label or (known.label if known else ""))

    async def candidates(self, quota: Quota) -> Iterator[Item]:
        """Return what the list of a synset has on the hosts that are wanted, in its order."""
        found = await self._lists.candidates(quota.key)
        quota.listed = len(found)
        return self._items(quota, found)

    def _items(self, quota: Quota, candidates: list[Candidate]) -> Iterator[Item]:
        wnid = quota.key
        synset = self._synsets.get(wnid) or Synset(wnid, quota.label, "", "")
        metadata = {"wnid": wnid, "label": quota.label} | {
            "lemmas": synset.lemmas,
            "definition": synset.definition,
        }
        for rank, candidate in enumerate(candidates):
            name = f"{wnid}_{candidate.number}"
            path = f"{wnid}/{name}"
            yield ImageItem(name, [candidate.url], path, dict(metadata), quota=wnid, rank=rank)
