"""One OUT, asked for something else by the next run: what was told before must not stand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from imgcrawl.sources.isic.masks import Mask, stems
from tests.conftest import scrapy

if TYPE_CHECKING:
    from tests.conftest import Crawler

IDS = "ISIC_0000001,ISIC_0000002,ISIC_0000004"


def test_an_image_that_did_not_match_is_fetched_once_it_does(crawl: Crawler) -> None:
    first = crawl("isic", ids=IDS, filter="malignant")
    assert first.status == 3, first.log
    assert set(first.out.failures()) == {"ISIC_0000001", "ISIC_0000002"}
    assert "1 stored" in first.log
    assert "The same command again" not in first.log  # nothing of it can be had so
    second = crawl("isic", ids=IDS, filter="malignant")
    assert "1 already there, 2 not tried again" in second.log
    third = crawl("isic", ids=IDS)
    assert third.status == 0, third.log
    assert third.out.failures() == {}
    assert len(third.out.rows()) == 3
    third.out.verify()


def test_an_unknown_id_that_is_published_later_is_fetched(crawl: Crawler) -> None:
    first = crawl("isic", ids="ISIC_0000001", filter="malignant")
    assert set(first.out.failures()) == {"ISIC_0000001"}
    second = crawl("isic", num_images=2)
    assert second.status == 0, second.log
    assert {row["record_id"] for row in second.out.rows()} == {"ISIC_0000000", "ISIC_0000001"}


def test_a_mask_takes_the_place_of_the_word_that_there_is_none(crawl: Crawler) -> None:
    experts = crawl("isic", num_images=8, segmentation=1, seg_level="expert")
    assert experts.status == 3, experts.log
    assert experts.out.failures()
    anybody = crawl("isic", num_images=8, segmentation=1)
    assert anybody.status == 0, anybody.log
    assert anybody.out.failures() == {}
    with_mask = {r["isic_id"] for r in anybody.out.rows("masks.csv")}
    assert len(with_mask) == 8


def test_metadata_first_and_pictures_later_fill_every_column(crawl: Crawler) -> None:
    assert crawl("isic", num_images=3, images="none").status == 0
    pictures = crawl("isic", num_images=3)
    assert pictures.status == 0, pictures.log
    assert {row["frames"] for row in pictures.out.rows()} == {"1"}
    before = (pictures.out.root / "metadata.csv").read_bytes()
    assert scrapy("rebuild", pictures.out.root).returncode == 0
    assert (pictures.out.root / "metadata.csv").read_bytes() == before


def test_masks_of_one_name_in_two_challenges_are_both_stored(crawl: Crawler) -> None:
    ended = crawl(
        "isic", num_images=40, segmentation=1, seg_level="all", attributes=1, images="none"
    )
    assert ended.status == 3, ended.log  # some images have no mask at all
    masks = ended.out.rows("masks.csv")
    names = [row["file_name"] for row in masks]
    parts = Counter(row["mask_of"] for row in masks if row["mask_attribute"])
    attributes = {"ISIC_0000003": 5, "ISIC_0000004": 5, "ISIC_0000006": 5, "ISIC_0000010": 5}
    assert parts.items() >= attributes.items()
    streaks = next(row for row in masks if row["mask_attribute"] == "streaks")
    assert streaks["file_name"].endswith("_attribute_streaks.png")
    assert streaks["mask_source"] == "challenge 2018 task 2"
    lacking = {i.partition("/")[0] for i in ended.out.failures() if i.endswith("/mask/attributes")}
    assert {*parts} | lacking == {row["record_id"] for row in ended.out.rows()}
    whole = {row["mask_of"] for row in masks if not row["mask_attribute"]}
    with_mask = {row["record_id"] for row in ended.out.rows() if row["mask_file_name"]}
    assert with_mask == whole
    assert {*parts} - whole  # an attribute's mask alone is not that of the picture
    assert not any("_attribute_" in row["mask_file_name"] for row in ended.out.rows())
    assert len({name.casefold() for name in names}) == len(names)
    assert not [name for name in names if "~" in name]
    assert any(name.endswith("_2016.png") for name in names)
    assert not any("/mask/" in row["record_id"] for row in ended.out.rows())
    best = {row["record_id"]: row["mask_skill"] for row in ended.out.rows()}
    assert best["ISIC_0000000"] == "expert"  # of a novice's and an expert's
    assert best["ISIC_0000002"] == ""  # of a challenge, which does not tell


def test_masks_of_one_image_have_names_of_their_own() -> None:
    name = "ISIC_0000001_segmentation.png"
    masks = [
        Mask("ISIC_0000001", f"Training/{name}", "2018.zip", "challenge 2018"),
        Mask("ISIC_0000001", name, "2017.zip", "challenge 2017"),
        Mask("ISIC_0000001", name.replace("_s", "_S"), "2016.zip", "challenge 2016"),
        Mask("ISIC_0000001", name.upper(), "2016-test.zip", "challenge 2016"),
    ]
    named = list(stems(masks).values())
    assert named[:3] == [
        "ISIC_0000001_segmentation",
        "ISIC_0000001_segmentation_2017",
        "ISIC_0000001_Segmentation_2016",
    ]
    assert len({each.casefold() for each in named}) == 4
