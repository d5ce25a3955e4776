"""The replica answers as the ISIC server's own code does; nothing here knows the spider."""

from __future__ import annotations

import json
import urllib.parse
from base64 import b64decode, b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from replicas import isic_query
from replicas.faults import parse
from replicas.isic_records import IsicArchive
from replicas.process import ReplicaProcess
from tests.replicas.client import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def images(replica: ReplicaProcess, path: str = "images/", **params: Any) -> Any:
    query = urllib.parse.urlencode(params)
    status, _, body = ask(f"{replica.url}/isic/api/v2/{path}?{query}")
    assert status == 200, body
    return json.loads(body)


@pytest.fixture(scope="module")
def small() -> Iterator[ReplicaProcess]:
    with ReplicaProcess(records=250, tiny=True) as process:
        yield process


def walk(replica: ReplicaProcess, **params: Any) -> list[str]:
    page = images(replica, **params)
    ids = [image["isic_id"] for image in page["results"]]
    while page["next"]:
        page = json.loads(ask(page["next"])[2])
        ids += [image["isic_id"] for image in page["results"]]
    return ids


def test_a_page(small: ReplicaProcess) -> None:
    page = images(small)
    assert list(page) == ["results", "count", "next", "previous"]
    assert (page["count"], len(page["results"])) == (250, 100)
    image = page["results"][0]
    assert list(image) == [
        "isic_id",
        "copyright_license",
        "attribution",
        "files",
        "metadata",
        "public",
    ]
    assert set(image["metadata"]) == {"acquisition", "clinical"}
    following = json.loads(ask(page["next"])[2])
    assert following["count"] is None
    cursor = urllib.parse.parse_qs(urllib.parse.urlsplit(page["next"]).query)["cursor"][0]
    assert b"p=20" in b64decode(cursor)


def test_only_pages_of_100_are_complete(small: ReplicaProcess) -> None:
    """250 rows in groups of two with the same `created`: 250, 219 and 126 are seen."""
    assert len(walk(small)) == 250
    assert len(set(walk(small, limit=100))) == 250
    assert len(walk(small, limit=7)) == 219
    assert len(walk(small, limit=1)) in {125, 126}


def test_limits_and_unknown_parameters(small: ReplicaProcess) -> None:
    assert len(images(small, limit=5000)["results"]) == 100
    assert len(images(small, limit=0)["results"]) == 100
    negative = images(small, limit=-5)
    assert negative["results"] == []
    assert negative["next"]
    ignored = images(small, offset=10, sort="name", filter="benign")
    assert ignored["results"] == images(small)["results"]
    assert "offset=10" in ignored["next"]


def test_cursors(small: ReplicaProcess) -> None:
    since = b64encode(b"p=2015-01-01").decode()
    assert images(small, cursor=since)["results"][0]["isic_id"] > "ISIC_0000000"
    assert images(small, cursor="")["results"] == images(small)["results"]
    assert ask(f"{small.url}/isic/api/v2/images/?cursor=not-a-cursor")[0] == 422
    broken = b64encode(b"r=1&p=2020-03-29+19%3A35%3A52.").decode()
    assert ask(f"{small.url}/isic/api/v2/images/?cursor={broken}")[0] == 422


@pytest.mark.parametrize(
    ("path", "status", "kind", "words"),
    [
        ("images/ISIC_9999999/", 404, "application/json", '"detail": "Not Found"'),
        ("images/isic_0000001/", 404, "application/json", "Not Found"),
        ("nope/", 404, "text/html", "<h1>Not Found</h1>"),
        ("images/?limit=abc", 422, "application/json", "valid integer"),
        ("images/search/?collections=abc", 422, "application/json", "invalid literal"),
        ("images/search/?query=benign_malignant:benign", 400, "application/json", "parse search"),
        ("images/ISIC_0000001/similar/", 401, "application/json", "Unauthorized"),
        ("users/me/", 401, "application/json", "Unauthorized"),
        ("collections/99999/", 404, "application/json", "Not Found"),
        (f"images/search/?query={'x' * 9000}", 400, "text/html", "Bad Request"),
    ],
)
def test_errors(small: ReplicaProcess, path: str, status: int, kind: str, words: str) -> None:
    got, headers, body = ask(f"{small.url}/isic/api/v2/{path}")
    assert got == status
    assert headers["Content-Type"].startswith(kind)
    assert words in body.decode()


def test_slashes_methods_and_the_old_api(small: ReplicaProcess) -> None:
    status, headers, _ = ask(f"{small.url}/isic/api/v2/images/search?query=x")
    assert (status, headers["Location"]) == (301, "/isic/api/v2/images/search/?query=x")
    assert ask(f"{small.url}/isic/api/v2/images/", "POST")[0] == 405
    assert ask(f"{small.url}/isic/api/v1/image")[0] == 404


# The statuses are those of the server's own parser.
@pytest.mark.parametrize(
    ("query", "parses"),
    [
        ("diagnosis_1:Benign", True),
        ("diagnosis_1:benign", True),
        ('diagnosis_3:"Melanoma Invasive"', True),
        ("diagnosis_1:Malignant image_type:dermoscopic", True),
        ("(diagnosis_1:Benign OR diagnosis_1:Malignant) AND sex:male", True),
        ("-diagnosis_1:*", True),
        ("- diagnosis_1:Benign", True),
        ("diagnosis_1 : Benign", True),
        ("age_approx:[20 TO 40]", True),
        ("age_approx:{20 TO 40}", True),
        ("clin_size_long_diam_mm:[* TO 6]", True),
        ("melanocytic:true", True),
        ("diagnosis_1:*lign*", True),
        ("", True),
        ("   ", True),
        ("NOT diagnosis_1:Benign", False),
        ("age_approx:[20 to 40]", False),
        ("age_approx:20-40", False),
        ("age_approx:>20", False),
        ("melanocytic:True", False),
        ("acquisition_day:3", False),
        ("pixels_x:600", False),
        ("diagnosis_1:Benign,Malignant", False),
        ("diagnosis_1:Benign OR", False),
        ("(diagnosis_1:Benign", False),
        ('diagnosis_1:"Benign', False),
        ("diagnosis_1:Benign & sex:male", False),
        ("diagnosis_2:'Benign melanocytic proliferations'", False),
        ("(sex:male) age_approx:50", False),
        ("age_approx:[[[[]]]]", False),
    ],
)
def test_the_query_language(query: str, parses: bool) -> None:
    if parses:
        isic_query.parse(query)
    else:
        with pytest.raises(isic_query.BadQueryError):
            isic_query.parse(query)


def test_queries_select(small: ReplicaProcess) -> None:
    def found(query: str) -> set[str]:
        page = images(small, "images/search/", query=query)
        return {image["isic_id"] for image in page["results"]}

    assert found("diagnosis_1:benign") == set()
    benign, male = found("diagnosis_1:Malignant"), found("diagnosis_1:Malignant AND sex:male")
    assert male < benign
    assert found("isic_id:ISIC_0000003 OR isic_id:ISIC_0000007") == {"ISIC_0000003", "ISIC_0000007"}
    assert found("-diagnosis_1:*").isdisjoint(found("diagnosis_1:*"))
    whole = images(small, "images/search/", query="diagnosis_1:Malignant")["count"]
    assert whole == len(walk(small, query="")) - 250 + len(benign)


def test_files_are_the_same_at_every_call_and_longer_than_the_api_says(
    small: ReplicaProcess,
) -> None:
    image = images(small)["results"][5]
    file = image["files"]["full"]
    first, second = ask(file["url"])[2], ask(file["url"])[2]
    assert first == second
    assert len(first) > file["size"]
    assert Image.open(BytesIO(first)).size == (24, 18)
    assert ask(f"{small.url}/isic-s3/images/ISIC_0000005.png")[0] == 404


def test_old_ids_are_redirected(small: ReplicaProcess) -> None:
    url = f"{small.url}/isic/images/{small.legacy_id('ISIC_0000042')}/"
    status, headers, _ = ask(url)
    assert (status, headers["Location"]) == (301, "/isic/images/ISIC_0000042/")
    assert ask(f"{small.url}/isic/images/{'f' * 24}/")[0] == 404


def test_masks(small: ReplicaProcess) -> None:
    import csv
    import hashlib
    import zipfile

    base = f"{small.url}/zenodo/records/14201693/files"
    rows = list(csv.DictReader(ask(f"{base}/seg_metadata.csv?download=1")[2].decode().splitlines()))
    assert {row["skill_level"] for row in rows} == {"S1", "S2"}
    with zipfile.ZipFile(BytesIO(ask(f"{base}/segs.zip?download=1")[2])) as archive:
        for row in rows[:5]:
            body = archive.read(f"segs/{row['seg_filename']}")
            assert hashlib.md5(body).hexdigest() == row["mask_md5"]
            assert set(Image.open(BytesIO(body)).tobytes()) == {0, 255}
    name = "2016/ISBI2016_ISIC_Part1_Training_GroundTruth.zip"
    with zipfile.ZipFile(BytesIO(ask(f"{small.url}/isic-s3/challenges/{name}")[2])) as archive:
        assert all(member.endswith("_Segmentation.png") for member in archive.namelist())


def test_faults_and_growth(small: ReplicaProcess) -> None:
    url = f"{small.url}/isic-s3/images/ISIC_0000001.jpg"
    try:
        small.faults([{"match": "images/", "kind": "status", "status": 503, "times": 1}])
        assert [ask(url)[0] for _ in range(3)] == [503, 200, 200]
        small.faults([{"match": "images/", "kind": "status", "status": 404, "share": 0.2}])
        paths = [f"{small.url}/isic-s3/images/ISIC_{n:07d}.jpg" for n in range(100)]
        gone = [path for path in paths if ask(path)[0] == 404]
        assert 8 <= len(gone) <= 35
        assert gone == [path for path in paths if ask(path)[0] == 404]
        small.grow(260)
        assert images(small)["count"] == 260
    finally:
        small.faults([])
        small.grow(250)


def test_a_folder_of_real_records_is_served_as_it_is(tmp_path: Path) -> None:
    metadata = {"acquisition": {"image_type": "dermoscopic"}, "clinical": {"sex": "male"}}
    (tmp_path / "ISIC_0000007.json").write_text(json.dumps(metadata))
    (tmp_path / "ISIC_0000007.jpg").write_bytes(b"\xff\xd8 bytes of its own \xff\xd9")
    with ReplicaProcess(isic=tmp_path) as process:
        (image,) = images(process)["results"]
        assert image["metadata"] == metadata
        body = ask(image["files"]["full"]["url"])[2]
    assert body == (tmp_path / "ISIC_0000007.jpg").read_bytes()


def test_the_index_explains(small: ReplicaProcess) -> None:
    status, _, body = ask(small.url)
    assert status == 200
    assert b"<h1>imgcrawl replica</h1>" in body
    assert b"/_faults" in body


def test_what_the_replica_cannot_serve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give a folder of real records"):
        IsicArchive(10, folder=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="objects with a kind"):
        parse("[1]")
