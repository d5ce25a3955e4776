"""The ISIC Archive of skin lesions: https://www.isic-archive.com, API v2."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from imgcrawl.lists.ids import read_ids
from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Bookmark, Document, Expects, ImageItem, Item, Missing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.isic import masks as isic_masks
from imgcrawl.sources.isic.masks import Mask, SegLevel
from imgcrawl.sources.isic.query import check_query, combine, id_query, is_legacy_id, parse_id
from imgcrawl.sources.isic.records import expected, file_of, flatten
from imgcrawl.text.filenames import format_layout
from imgcrawl.text.suggest import did_you_mean
from spiders.base.cursor_api import CursorApiSpider, CursorPage
from spiders.isic_arguments import IsicArguments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import date

    from imgcrawl.records.items import SpiderOutput

BATCH = 100  # ids a request; the server takes a request line of 8,192 bytes


class IsicSpider(CursorApiSpider[IsicArguments]):
    """Dermoscopic images with their diagnoses, licences and masks.

    API documentation: https://api.isic-archive.com/api/docs/swagger/
    Caveats: the API knows no masks and no offset (see the arguments); its sizes and counts are
    estimates.
    """

    name = "isic"
    arguments: ClassVar[type[IsicArguments]] = IsicArguments
    example = "scrapy crawl isic -a filter=benign -a num_images=100"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Images in the order they were published, each followed by its masks."""
        for correction in check_query(self.args.query).corrections:
            self.logger.warning("query corrected: %s", correction)
        self._api = self.settings["ISIC_API_URL"]
        self._licenses: set[str] = set()
        self._masks = await self._published_masks() if self.args.segmentation else {}
        listed = self._listed() if self.args.ids or self.args.ids_file else self._searched()
        async for said in listed:
            if isinstance(said, dict):
                async for record in self._record(said):
                    yield record
            else:
                yield said

    async def renew(self, item: Item) -> list[str]:
        """Fresh addresses of an image whose signed ones have expired."""
        isic_id = item.metadata.get("isic_id")
        if not isic_id or not any("Expires=" in url for url in item.urls):
            return item.urls
        record = await self.fetch_json(f"{self._api}images/{isic_id}/", dont_cache=True)
        return self._urls(record) or item.urls

    # --- which images ---

    async def _searched(self) -> AsyncIterator[dict[str, Any] | SpiderOutput]:
        args = self.args
        params = await self._parameters()
        url = f"{self._api}images/{'search/' if params else ''}"
        first = params | ({"cursor": _cursor(args.since)} if args.since else {})
        key = f"isic {urlencode(params)} since={args.since} offset={args.offset}"
        end = None if args.num_images is None else args.offset + args.num_images
        told = False
        async for said in self.pages(key, f"{url}?{urlencode(first)}" if first else url):
            if isinstance(said, Bookmark):
                yield said
                continue
            position, page = said
            if not told:
                told = True
                yield await self._expects(params, page, position)
            for number, record in enumerate(page.records, position):
                if end is not None and number >= end:
                    return
                if number >= args.offset:
                    yield record

    async def _parameters(self) -> dict[str, str]:
        params = {"query": self.args.search()}
        if self.args.collections:
            ids = [await self._collection(name) for name in self.args.collections]
            params["collections"] = ",".join(map(str, sorted(set(ids))))
        return {name: value for name, value in params.items() if value}

    async def _collection(self, name: str) -> int:
        """The id of a collection given by id or name; the API has no error for one it lacks."""
        if name.isdigit():
            response = await self.fetch(f"{self._api}collections/{name}/")
            if response.status == 404:
                raise SourceError(f"There is no collection {name}, or you may not see it.")
            return int(name)
        known: dict[str, int] = {}
        async for said in self.pages("", f"{self._api}collections/"):
            if not isinstance(said, Bookmark):
                known |= {str(c.get("name")): int(c.get("id", 0)) for c in said[1].records}
        for title, number in known.items():
            if title.casefold() == name.casefold():
                return number
        raise SourceError(f"There is no collection {name!r}{did_you_mean(name, known)}")

    async def _expects(self, params: dict[str, str], page: CursorPage, position: int) -> Expects:
        """What the archive says of the size of the list; `count` is told once, and only nearly."""
        if page.count is None:
            return Expects()
        args = self.args
        wanted = min(max(page.count - args.offset, 0), args.num_images or page.count)
        if not page.count:
            self.logger.warning("No image of the archive matches %s", params.get("query", "that"))
        note, size = "", None
        asked = f"?{urlencode(params)}" if params else ""
        if args.images == "full" and page.count and position == 0:
            answer = await self._maybe(f"{self._api}images/search/size/{asked}")
            size = int(answer.get("size", 0)) * wanted // page.count or None
        if page.count and position == 0:
            facets = await self._maybe(f"{self._api}images/facets/{asked}")
            buckets = facets.get("copyright_license", {}).get("buckets", ())
            counts = (f"{b['key']} {b['doc_count']:,}" for b in buckets if b.get("doc_count"))
            note = "Licences in the whole list: " + ", ".join(counts)
        return Expects(wanted - max(position - args.offset, 0), size, note)

    async def _maybe(self, url: str) -> dict[str, Any]:
        """An answer of an undocumented part of the API, empty where it is gone."""
        try:
            answer = await self.fetch_json(url, tries=1)
        except SourceError as error:
            self.logger.info("No estimate: %s", error)
            return {}
        return answer if isinstance(answer, dict) else {}

    async def _listed(self) -> AsyncIterator[dict[str, Any] | SpiderOutput]:
        """The images of a list of ids; those that the archive does not know are missing."""
        args = self.args
        given = [*args.ids, *(read_ids(args.ids_file, parse_id) if args.ids_file else ())]
        ids = list(dict.fromkeys(given))[: args.num_images]
        for start in range(0, len(ids), BATCH):
            asked = {i: await self._modern_id(i) for i in ids[start : start + BATCH]}
            records = await self._of_ids(sorted({new for new in asked.values() if new}))
            if start == 0:
                yield expected(records, args.images, len(ids), len(asked))
            found = {record.get("isic_id") for record in records}
            for record in records:
                yield record
            for given_id, isic_id in asked.items():
                if isic_id not in found:
                    why = "the archive has no public image of this id"
                    if args.search():
                        why += f", or none that matches {args.search()}"
                    missing = Missing(
                        Outcome.NOT_FOUND, why, f"{self._api}images/{given_id}/", tries=1
                    )
                    yield ImageItem(given_id, [], f"{args.images_dir}/{given_id}", result=missing)

    async def _of_ids(self, ids: list[str]) -> list[dict[str, Any]]:
        """The records of a batch of ids, as many as the archive has and the query admits."""
        if not ids:
            return []
        query = urlencode({"query": combine(self.args.search(), id_query(ids))})
        page = await self.fetch_json(f"{self._api}images/search/?{query}")
        return self.parse_page(page, "the answer to a list of ids").records

    async def _modern_id(self, given: str) -> str | None:
        """The ISIC id; that of an old archive's id is where the website redirects to."""
        if not is_legacy_id(given):
            return given
        url = f"{self.settings['ISIC_WEBSITE_URL']}images/{given}/"
        response = await self.fetch(url, dont_redirect=True)
        location = (response.headers.get("Location") or b"").decode("latin-1")
        match = re.search(r"/images/(ISIC_\d{7})/", location)
        return match[1] if match else None

    # --- what a record comes to ---

    async def _record(self, record: dict[str, Any]) -> AsyncIterator[SpiderOutput]:
        args = self.args
        metadata = flatten(record)
        isic_id = str(metadata.get("isic_id") or "")
        thumbnail = "/thumbnail" if args.images == "thumbnail" else ""
        item = ImageItem(
            record_id=f"{isic_id}{thumbnail}",
            urls=self._urls(record),
            path=f"{args.images_dir}/{format_layout(args.layout, metadata)}",
            metadata=metadata,
        )
        if args.images != "none" and not item.urls:
            item.result = Missing(Outcome.BAD_URL, "the archive gives no address for this image")
        if args.descriptions:
            text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
            item.documents.append(Document(f"{args.descs_dir}/{isic_id}.json", text))
        yield item
        if args.segmentation:
            for mask in self._mask_items(isic_id):
                yield mask
        async for document in self._license_text(str(metadata.get("copyright_license") or "")):
            yield document

    def _urls(self, record: dict[str, Any]) -> list[str]:
        url = file_of(record, self.args.images).get("url")
        return [url] if isinstance(url, str) and url else []

    async def _license_text(self, name: str) -> AsyncIterator[Document]:
        if name in self._licenses or not re.fullmatch(r"[A-Z0-9-]{2,20}", name):
            return
        self._licenses.add(name)
        response = await self.fetch(f"{self._api}zip-download/license-file/{name}/", cache="page")
        if response.status == 200:
            yield Document(f"licenses/{name}.txt", response.body.decode("utf-8", "replace"))
        else:
            self.logger.warning("The archive has no text of the licence %s", name)

    # --- masks ---

    async def _published_masks(self) -> dict[str, list[Mask]]:
        """Every mask of the two releases that `seg_level` may ask for, by image."""
        masks: defaultdict[str, list[Mask]] = defaultdict(list)
        base = self.settings["ISIC_IMAPP_URL"]
        table = await self._text(f"{base}{isic_masks.IMAPP_TABLE}")
        for mask in isic_masks.read_imapp(table, f"{base}{isic_masks.IMAPP_ARCHIVE}"):
            masks[mask.isic_id].append(mask)
        if self.args.seg_level in {SegLevel.ANY, SegLevel.ALL}:
            for source, archives in isic_masks.CHALLENGE_ARCHIVES.items():
                for name in archives:
                    archive = f"{self.settings['ISIC_CHALLENGES_URL']}{name}"
                    members = await self._text(f"zip+{archive}")
                    for mask in isic_masks.read_challenge(members, archive, source):
                        masks[mask.isic_id].append(mask)
        return masks

    async def _text(self, url: str) -> str:
        response = await self.fetch(url)
        if response.status != 200:
            raise SourceError(
                f"{url} answered HTTP {response.status}: which masks there are cannot be told. "
                "Run again later, or without -a segmentation=1."
            )
        return response.body.decode("utf-8", "replace")

    def _mask_items(self, isic_id: str) -> Iterator[ImageItem]:
        args = self.args
        published = self._masks.get(isic_id, ())
        masks = isic_masks.choose(published, args.seg_level)
        if not masks:
            kind = "" if args.seg_level in {SegLevel.ANY, SegLevel.ALL} else f" {args.seg_level}"
            why = f"no{kind} mask of this image is published (IMA++, challenges 2016-2018)"
            path = f"{args.seg_dir}/{isic_id}"
            missing = Missing(Outcome.NOT_FOUND, why, tries=1)
            yield ImageItem(f"{isic_id}/mask", [], path, {"isic_id": isic_id}, result=missing)
        names = isic_masks.stems(published)
        for mask in masks:
            stem = names[mask]
            yield ImageItem(
                record_id=f"{isic_id}/mask/{stem}",
                urls=[mask.url],
                path=f"{args.seg_dir}/{stem}",
                metadata={
                    "isic_id": isic_id,
                    "mask_source": mask.source,
                    "mask_skill": mask.skill or None,
                    "mask_annotator": mask.annotator or None,
                    "mask_tool": mask.tool or None,
                    "copyright_license": mask.license or None,
                },
                replaces=f"{isic_id}/mask",
            )


def _cursor(since: date) -> str:
    """The archive's cursor for a day: base64 of ``p=<created>``, as its own cursors are."""
    return b64encode(f"p={since.isoformat()}".encode()).decode("ascii")
