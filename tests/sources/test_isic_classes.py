"""Images that are drawn of each class: all in the end, each once, and never many in memory."""

from __future__ import annotations

import asyncio
import logging
import re
import tracemalloc
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from scrapy.settings import Settings

from imgcrawl.sources.isic.api import IsicApi
from imgcrawl.sources.isic.class_samples import ClassSamples
from imgcrawl.sources.isic.image_items import IsicImageItems

if TYPE_CHECKING:
    from imgcrawl.records.items import ImageItem

URL = "http://127.0.0.1/api/v2/"


class Archive:
    """An archive of images of one class, whose ids end in all digits."""

    settings = Settings({"ISIC_API_URL": URL})
    logger: Any = logging.getLogger("isic")

    def __init__(self, images: int) -> None:
        self.images = images
        self.asked = 0

    async def fetch_json(self, url: str, **meta: Any) -> Any:
        """Answer a request of the API as it must."""
        self.asked += 1
        asked = parse_qs(urlsplit(url).query)
        if "facets" in url:
            return {"sex": {"buckets": [{"key": "male", "doc_count": self.images}]}}
        query = asked["query"][0]
        if ids := re.findall(r"isic_id:ISIC_(\d{7})", query):
            return {"results": [record(int(each)) for each in ids], "next": None}
        ending = re.search(r"isic_id:\*(\d+)", query)
        step, first = (10 ** len(ending[1]), int(ending[1])) if ending else (1, 0)
        at = int(asked.get("at", ["0"])[0])
        numbers = range(first, self.images, step)
        following = f"{URL}images/search/?{urlencode({'query': query, 'at': at + 100})}"
        results = [record(number) for number in numbers[at : at + 100]]
        return {"results": results, "next": following if at + 100 < len(numbers) else None}


def record(number: int) -> dict[str, Any]:
    fields = {f"field_{n}": f"value {n} of {number}" for n in range(20)}
    return {"isic_id": f"ISIC_{number:07d}", "metadata": {"clinical": {"sex": "male"} | fields}}


async def draw(images: int, wanted: int, most: int, seed: int = 0) -> tuple[list[int], Archive]:
    """Return the numbers of the first images that are drawn, no more than `most`."""
    archive: Any = Archive(images)
    places = ("images", "{isic_id}", None, "masks")
    items = IsicImageItems(IsicApi(archive), "full", *places)
    samples = ClassSamples(archive, items, {}, "sex", wanted, seed)
    (quota,) = await samples.quotas()
    drawn: list[int] = []
    batch: list[ImageItem] = [*await samples.candidates(quota)]
    while batch and len(drawn) < most:
        assert [item.rank for item in batch] == [*range(len(drawn), len(drawn) + len(batch))]
        assert {item.quota for item in batch} == {"sex:male"}
        drawn += [int(item.record_id[5:]) for item in batch]
        batch = [*await samples.more_candidates(quota)]
    return drawn[:most], archive


@pytest.mark.parametrize(("images", "wanted"), [(7, 2), (100, 3), (1003, 20), (5000, 400)])
def test_all_images_of_a_class_are_drawn_in_the_end_each_once(images: int, wanted: int) -> None:
    drawn, _ = asyncio.run(draw(images, wanted, images))
    assert sorted(drawn) == [*range(images)]
    assert drawn != sorted(drawn)
    again, _ = asyncio.run(draw(images, wanted, wanted))
    assert again == drawn[:wanted]
    other, _ = asyncio.run(draw(images, wanted, images, seed=1))
    assert other != drawn


def test_a_large_class_is_not_read_whole() -> None:
    _, archive = asyncio.run(draw(400_000, 200, 200))
    assert archive.asked < 20


@pytest.mark.slow
def test_what_is_kept_of_a_candidate_is_its_number() -> None:
    """Some 150 bytes while they are put in order, 4 then; a record has a hundred times as many."""
    peaks = []
    for wanted in (500, 10_000):
        tracemalloc.start()
        asyncio.run(draw(2 * wanted, wanted, wanted))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < (20_000 - 1_000) * 200
