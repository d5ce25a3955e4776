from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.arguments import parse_arguments
from imgcrawl.commands.spiders import as_markdown, as_text
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.records.retry import retry_outcomes
from imgcrawl.sources.isic.arguments import IsicArguments
from spiders.isic import IsicSpider

if TYPE_CHECKING:
    from pathlib import Path


def isic(**given: Any) -> IsicArguments:
    args = parse_arguments(IsicSpider, given)
    assert isinstance(args, IsicArguments)
    return args


def test_words_are_understood_as_people_type_them() -> None:
    args = isic(
        filter="Benign",
        segmentation="yes",
        descriptions="1",
        collections='212, "Challenge 2017: Training"',
        sizes="256,512",
        shard="2/4",
        num_images="60",
        since="2024-01-31",
        license="cc-0",
        images="FULL",
        images_dir="Data/Images/",
        layout="{attribution}/{isic_id}",
    )
    assert args.images_dir == "Data/Images"
    assert args.filter == "benign"
    assert args.segmentation
    assert args.descriptions
    assert args.collections == ["212", "Challenge 2017: Training"]
    assert args.settings() == {
        "IMAGES_THUMBS": {"256": (256, 256), "512": (512, 512)},
        "SHARD": (2, 4),
    }
    assert args.search("") == "diagnosis_1:Benign AND copyright_license:CC-0"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fliter": "benign"}, "did you mean 'filter'"),
        ({"filter": "benin"}, "did you mean 'benign'"),
        ({"num_images": "many"}, "num_images=many"),
        ({"num_images": "0"}, "num_images=0"),
        ({"retry": "dsn"}, "dsn is no reason"),
        ({"shard": "5/4"}, "1/4"),
        ({"layout": "{diagnosis_1}"}, "{isic_id}"),
        ({"layout": "{isic_id.__class__}"}, "layout="),
        ({"query": "diagnosis:melanoma"}, "diagnosis"),
        ({"query": "(sex:male"}, "query="),
        ({"license": "MIT"}, "CC-BY-NC"),
        ({"ids": "ISIC_12"}, "ids=ISIC_12"),
        ({"ids": "ISIC_0000001", "offset": "3"}, "do not go with"),
        ({"ids_file": "/nowhere/ids.txt"}, "cannot be read"),
        ({"since": "yesterday"}, "since=yesterday: type a day as YYYY-MM-DD"),
        ({"since": "2024"}, "type a day as YYYY-MM-DD"),
        ({"offset": "-1"}, "offset=-1: type 0 or more"),
        ({"num_images": "1e3"}, "num_images=1e3: type a whole number"),
        ({"segmentation": "maybe"}, "segmentation=maybe: type yes or no"),
        ({"sizes": "256,0"}, "sizes=256,0: type a number above 0"),
        ({"sizes": "-3"}, "sizes=-3"),
        ({"ids": ""}, "ids=: there is no value"),
        ({"ids_file": " "}, "ids_file=: there is no value"),
        ({"query": ""}, "query=: there is no value"),
        ({"out": ""}, "out=: there is no value"),
        ({"images_dir": "../elsewhere"}, "images_dir=../elsewhere: it must be a plain relative"),
        ({"seg_dir": "/tmp/masks"}, "a plain relative path"),
        ({"descs_dir": "Metadata.csv"}, "type another name"),
        ({"images_dir": ".partial"}, "a plain relative path"),
        ({"layout": "{diagnosis1}/{isic_id}"}, "did you mean 'diagnosis_1'?"),
        ({"layout": "{benign_malignant}/{isic_id}"}, "type diagnosis_1"),
        ({"seg_level": "expert"}, "segmentation=1"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_type(
    given: dict[str, str], words: str
) -> None:
    with pytest.raises(ArgumentError) as refused:
        isic(**given)
    assert words in str(refused.value)
    assert "isic takes: out, retry, shard" in str(refused.value)


def test_a_list_of_ids_names_its_first_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("isic_id,sex\nISIC_0000001,male\n\n# mine\nbanana,female\n")
    with pytest.raises(ArgumentError, match=r"line 5: .*banana"):
        isic(ids_file=str(path))


def test_what_scrapyd_adds_is_passed_over() -> None:
    assert isic(_job="123").out is None


def test_every_argument_is_described() -> None:
    text = as_text(IsicSpider)
    for name, field in IsicArguments.model_fields.items():
        assert f"    {name}\n" in text
        assert field.description
    assert "full | thumbnail | none" in text
    assert "benign | malignant | indeterminate | unlabelled" in text
    assert as_markdown(IsicSpider).count("\n") == len(IsicArguments.model_fields) + 1


def test_retry_words() -> None:
    assert Outcome.TIMEOUT in retry_outcomes(None)
    assert Outcome.NOT_FOUND not in retry_outcomes(None)
    assert retry_outcomes("all") == frozenset(Outcome) - {Outcome.STORED}
    assert retry_outcomes("none") == frozenset()
    assert retry_outcomes("dns, timeout") == {Outcome.DNS, Outcome.TIMEOUT}
    with pytest.raises(ArgumentError, match="stored is no reason"):
        retry_outcomes("stored")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (404, "not_found"),
        (410, "not_found"),
        (401, "forbidden"),
        (403, "forbidden"),
        (429, "rate_limited"),
        (500, "server_error"),
        (599, "server_error"),
        (202, "server_error"),
        (408, "server_error"),
        (421, "server_error"),
        (425, "server_error"),
        (499, "server_error"),
        (501, "http_error"),
        (505, "http_error"),
        (418, "http_error"),
        (204, "http_error"),
    ],
)
def test_statuses(status: int, outcome: str) -> None:
    assert of_status(status) == outcome
