"""Tables of ids as people have them, and the official ones of the challenges."""

from __future__ import annotations

import asyncio
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.records.errors import ArgumentError, SourceError
from imgcrawl.sources.isic.challenge_set import ChallengeSet
from imgcrawl.sources.isic.challenges import CHALLENGES, label_of
from imgcrawl.sources.isic.id_table import read_id_table
from replicas.isic_challenges import IsicChallengeTables
from replicas.isic_records import IsicArchive
from spiders.isic import IsicSpider
from tests.conftest import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Crawler

TWO = ["ISIC_0000001", "ISIC_0000002"]
TABLES = {
    "gt2019.csv": "image,MEL,NV\nISIC_0000001,0.0,1.0\nISIC_0000002_downsampled,1.0,0.0\n",
    "gt2020.csv": "image_name,patient_id,sex\nISIC_0000001,IP_0000009,male\nISIC_0000002,,\n",
    "ham.csv": "lesion_id,image_id,dx\nHAM_0000009,ISIC_0000001,bkl\nHAM_0000009,ISIC_0000002,nv\n",
    "gt2024.csv": "isic_id,malignant\nISIC_0000001,0\nISIC_0000002,1\n",
    "gt2016.csv": "ISIC_0000001,benign\nISIC_0000002,malignant\n",
    "plain.txt": "# mine\nISIC_0000001\n\nisic_0000002.jpg\n",
    "header.txt": "image\nISIC_0000001\nISIC_0000002\n",
    "remarks.csv": "isic_id,sex\nISIC_0000001,male\n\n# mine\n# too\nISIC_0000002,female\n",
    "digits.txt": "0000001\n0000002\n",
    "one-line.txt": "ISIC_0000001, ISIC_0000002\n",
    "semicolons.csv": 'sex;"image_id"\nmale;"ISIC_0000001"\nfemale;"ISIC_0000002"\n',
    "tabs.tsv": "image_id\tage\nISIC_0000001\t45\nISIC_0000002\t50\n",
    "paths.csv": "path,label\ndata/train/ISIC_0000001.jpg,nv\ndata/train/ISIC_0000002.png,mel\n",
    "records.json": '[{"isic_id": "ISIC_0000001", "a": 1}, {"isic_id": "ISIC_0000002", "a": 2}]',
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_column_of_ids_is_found(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(TABLES[name], encoding, newline="\r\n")
    found = [*read_id_table(str(path))]
    assert [each.isic_id for each in found] == TWO
    assert [each.is_smaller for each in found] == [False, name == "gt2019.csv"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("lesion_id,dx\nHAM_1,nv\n", "none of its columns (lesion_id, dx) has ids"),
        ("isic_id,a\nISIC_0000001,1\nnonsense,2\n", "line 3: 'nonsense' is not an image id"),
        ("ISIC_0000001\nISIC_00\n", "line 2: 'ISIC_00' is not an image id"),
        ("<html>", "web page"),
        ("image_id,dx\nISIC_0000001,nv\n,mel\n", "line 3: '' is not an image id"),
        ("isic_id,sex\nISIC_0000001,m\n\n# mine\nbanana,f\n", "line 5: 'banana' is not an image"),
    ],
)
def test_a_table_that_is_none_is_refused_in_words(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text(text)
    with pytest.raises(ArgumentError) as caught:
        [*read_id_table(str(path))]
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"image": "x", "MEL": "1.0", "NV": "0.0"}, "MEL"),
        ({"image": "x", "MEL": "0", "NV": "0", "VASC": "1"}, "VASC"),
        ({"image": "x", "MEL": "1", "NV": "1"}, ""),
        ({"image": "x", "MEL": "0", "NV": "a"}, ""),
        (
            {"image_id": "x", "melanoma": "0.0", "seborrheic_keratosis": "1.0"},
            "seborrheic_keratosis",
        ),
        ({"image_id": "x", "melanoma": "0.0", "seborrheic_keratosis": "0.0"}, "nevus"),
        ({"image_id": "x", "dx": "akiec", "dx_type": "histo"}, "akiec"),
        ({"image_name": "x", "benign_malignant": "benign", "target": "0"}, "benign"),
        ({"isic_id": "x", "malignant": "1"}, "malignant"),
        ({"ISIC_0000003": "x", "0.0": "1.0"}, "malignant"),
        ({"ISIC_0000000": "x", "benign": "malignant"}, "malignant"),
    ],
)
def test_a_row_of_a_challenge_has_one_label(fields: dict[str, Any], label: str) -> None:
    assert label_of(fields) == label


SPLITS = {
    "2016": ["test", "train"],
    "2017": ["test", "train", "validation"],
    "2018": ["test", "train", "validation"],
    "2019": ["test", "train"],
    "2020": ["train"],
    "2024": ["train"],
}


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("from_folder", [False, True])
def test_each_challenge_is_read_from_tables_of_its_shape(
    name: str, from_folder: bool, tmp_path: Path
) -> None:
    tables = IsicChallengeTables(IsicArchive(400, tiny=True))
    asked: list[str] = []

    async def fetch_file(url: str) -> str:
        asked.append(url)
        path = tmp_path / f"{len(asked)}.list"
        body = tables.file(url.removeprefix("base/"))
        assert body is not None, url
        path.write_bytes(body)
        return str(path)

    folder = None
    if from_folder:
        folder = str(tmp_path / "mine")
        (tmp_path / "mine").mkdir()
        challenge = CHALLENGES[name]
        for table in filter(None, (*challenge.tables, challenge.duplicates)):
            body = tables.file(table.file) or b""
            (tmp_path / "mine" / table.name).write_bytes(body)
            if table.name.endswith(".zip"):  # as people unpack it
                with zipfile.ZipFile(tmp_path / "mine" / table.name) as packed:
                    packed.extractall(tmp_path / "mine")
                (tmp_path / "mine" / table.name).unlink()
    found = asyncio.run(ChallengeSet.of(name, folder, "base/", fetch_file))
    images = [*found]
    assert found.count() == (len(images), 0, 0)
    assert len({image.isic_id for image in images}) == len(images) == 60 * len(SPLITS[name])
    assert sorted({image.columns["split"] for image in images}) == SPLITS[name]
    assert all(image.columns["label"] for image in images)
    assert bool(asked) is not from_folder
    doubles = {i.isic_id: i.columns["duplicate_of"] for i in images if "duplicate_of" in i.columns}
    assert doubles == ({"ISIC_0000008": "ISIC_0000003"} if name == "2020" else {})


@pytest.mark.parametrize(
    "body", [b"<html>Sign in</html>", b"", b"image,MEL\nno,1.0\n", b"PK\x03\x04 cut"]
)
def test_a_table_that_cannot_be_read_is_named_by_its_address(body: bytes, tmp_path: Path) -> None:
    async def fetch_file(url: str) -> str:
        path = tmp_path / "spool.list"
        path.write_bytes(body)
        return str(path)

    found = asyncio.run(ChallengeSet.of("2019", None, "http://base/", fetch_file))
    with pytest.raises(SourceError) as caught:
        found.count()
    assert "http://base/2019/ISIC_2019_Training_GroundTruth.csv" in str(caught.value)
    assert "-a tables=FOLDER" in str(caught.value)
    assert "spool" not in str(caught.value)


def test_a_challenge_is_a_crawl_with_labels_and_splits(crawl: Crawler, tmp_path: Path) -> None:
    ended = crawl("isic", challenge="2019", num_images=70, images="none")
    assert ended.status == 0, ended.log
    rows = {row["record_id"]: row for row in ended.out.rows()}
    assert len(rows) == 70
    assert (rows["ISIC_0000000"]["label"], rows["ISIC_0000000"]["split"]) == ("MEL", "train")
    assert rows["ISIC_0000120"]["split"] == "test"
    assert rows["ISIC_0000120"]["anatom_site_1"]
    assert ended.out.summary()["records"]["expected"] == 70

    own = tmp_path / "mine" / "HAM10000_metadata.csv"
    own.parent.mkdir()
    own.write_text(TABLES["ham.csv"] + "HAM_3,ISIC_9999998,df\n")
    ended = crawl("isic", challenge="HAM10000", tables=own.parent, images="none", out="ham")
    assert ended.status == 3, ended.log
    assert {row["isic_id"]: row["label"] for row in ended.out.rows()} == dict(
        zip(TWO, ("bkl", "nv"), strict=True)
    )
    assert ended.out.failures() == {"ISIC_9999998": "not_found"}


def test_what_does_not_go_with_a_challenge_is_refused() -> None:
    assert "did you mean '2019'" in refusal(IsicSpider, challenge="20199")
    assert "leave out ids" in refusal(IsicSpider, challenge="2019", ids="ISIC_0000001")
    assert "do not go with" in refusal(IsicSpider, challenge="2019", since="2020-01-01")
    assert "-a challenge=" in refusal(IsicSpider, tables="mine")
