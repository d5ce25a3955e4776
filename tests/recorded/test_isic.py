"""The ISIC Archive: the server's recorded answers judge this project and the replica."""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import pytest
from PIL import Image

from imgcrawl.pictures.check import check_image
from imgcrawl.sources.cursor_pages import CursorPage, read_pages
from imgcrawl.sources.isic.masks import read_imapp
from imgcrawl.sources.isic.query import QueryError, check_query
from imgcrawl.sources.isic.records import file_of, flatten
from replicas import isic_query
from replicas.isic_cursors import PAGE, Cursor
from replicas.isic_records import IsicArchive
from replicas.process import ReplicaProcess
from tests.recorded.shapes import FOLDER, differences, recorded
from tests.replicas.client import ask

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.sources.fetcher import Fetcher

API = "https://api.isic-archive.com/api/v2/"
ERRORS: list[dict[str, Any]] = recorded("isic/errors.json")["errors"]
QUERIES: list[dict[str, Any]] = recorded("isic/queries.json")["vectors"]
NEVER_FOUND = ("hairy", "color_tint", "*lign*", "Ma*nant")
PLACES = {"<b64 r=1&p=2020-03-29+19%3A35%3A52.>": "cj0xJnA9MjAyMC0wMy0yOSsxOSUzQTM1JTNBNTIu"}


# --- the project ---


def test_a_record_is_one_level_of_columns() -> None:
    record = recorded("isic/search_page_1.json")["results"][0]
    assert flatten(record) == {
        "isic_id": "ISIC_0000000",
        "copyright_license": "CC-0",
        "attribution": "Anonymous",
        "public": True,
        "pixels_x": 1022,
        "pixels_y": 767,
        "image_type": "dermoscopic",
        "concomitant_biopsy": False,
        "sex": "female",
        "diagnosis_1": "Benign",
        "diagnosis_2": "Benign melanocytic proliferations",
        "diagnosis_3": "Nevus",
        "diagnosis_4": "Nevus, Atypical, Dysplastic, or Clark",
        "diagnosis_5": "Nevus, Dysplastic",
        "melanocytic": True,
        "age_approx": 55,
        "anatom_site_1": "Trunk",
        "anatom_site_2": "Anterior trunk",
    }
    assert file_of(record, "full") == {
        "url": "https://isic-archive.s3.amazonaws.com/images/ISIC_0000000.jpg",
        "size": 50993,
    }
    assert file_of(record, "thumbnail")["url"].endswith("/ISIC_0000000_thumbnail.jpg")
    assert file_of(record, "none") == {}


def test_metadata_with_the_fields_of_2025_is_read_as_well() -> None:
    """Fields come and go over the years: none is known to the reader by its name."""
    metadata = recorded("isic/metadata_2025/ISIC_0000002.json")
    found = flatten({"isic_id": "ISIC_0000002", "metadata": metadata})
    assert found == {
        "isic_id": "ISIC_0000002",
        "pixels_x": 1022,
        "pixels_y": 767,
        "image_type": "dermoscopic",
        "concomitant_biopsy": True,
        "sex": "female",
        "anatom_site_general": "upper extremity",
        "benign_malignant": "malignant",
        "diagnosis_1": "Malignant",
        "diagnosis_2": "Malignant melanocytic proliferations (Melanoma)",
        "diagnosis_3": "Melanoma, NOS",
        "diagnosis_confirm_type": "histopathology",
        "melanocytic": True,
        "age_approx": 60,
        "diagnosis": "melanoma",
    }


def test_pages_lead_to_the_next_and_the_last_to_none() -> None:
    first = f"{API}images/search/?query=&limit=2"
    second = (
        f"{API}images/search/?cursor=cD0yMDE0LTEwLTA5KzE5JTNBMzYlM0ExMi4wNzAwMDAlMkIwMCUzQTAw"
        "&limit=2&query="
    )
    answers = {
        first: recorded("isic/search_page_1.json"),
        second: recorded("isic/search_page_2_last.json"),
    }

    class Recordings:
        async def fetch_json(self, url: str, **meta: Any) -> Any:
            return answers[url]

    async def read() -> list[CursorPage]:
        return [page async for page in read_pages(cast("Fetcher", Recordings()), first)]

    pages = asyncio.run(read())
    assert [[record["isic_id"] for record in page.records] for page in pages] == [
        ["ISIC_0000000", "ISIC_0000001"],
        ["ISIC_0000002", "ISIC_0000003"],
    ]
    assert [page.position for page in pages] == [0, 2]
    assert [page.count for page in pages] == [4, 4]  # null on the second page
    assert [page.resume.url for page in pages] == [second, second]


def test_a_picture_of_the_archive_is_whole_and_as_large_as_its_record_says() -> None:
    body = (FOLDER / "isic/ISIC_0000001.jpg").read_bytes()
    record = recorded("isic/search_page_1.json")["results"][1]
    assert len(body) == file_of(record, "full")["size"] == 39644
    with Image.open(BytesIO(body)) as image:
        image.load()
        assert image.size == (1022, 767)
    found = check_image(body)
    assert (found.format, found.width, found.height) == ("JPEG", 1022, 767)


@pytest.mark.parametrize("vector", QUERIES, ids=lambda vector: vector["query"])
def test_no_query_is_sent_that_the_server_refuses(vector: dict[str, Any]) -> None:
    try:
        sent = check_query(vector["query"]).text
    except QueryError:
        # Refused here: right for what the server refuses, answers with status 500, or never finds.
        assert vector["status"] == 400 or any(n in vector["query"] for n in NEVER_FOUND)
        return
    if vector["status"] == 200:
        assert sent.strip() or not vector["query"].strip()
    else:
        assert sent != vector["query"], "sent as it is, though the server refuses it"
    isic_query.parse(sent)


# --- the replica ---


def test_the_replicas_page_has_the_shape_of_the_archives(replica: ReplicaProcess) -> None:
    url = f"{replica.url}/isic/api/v2/images/search/?query="
    first = json.loads(ask(url)[2])
    found = differences(recorded("isic/search_page_1.json"), first)
    assert found.pop("$.results[].metadata.clinical.anatom_site_2") == "absent"  # one level of five
    assert {path for path in found if "metadata.clinical" not in path} == set(), found
    # Clinical fields are an open map; those of the replica are all among the server's.
    assert {path.rpartition(".")[2] for path in found} <= {
        *("diagnosis_4", "diagnosis_5", "lesion_id", "mel_thick_mm", "patient_id"),
    }
    second = json.loads(ask(first["next"])[2])
    # The replica pages forwards only, and a page that is not the last leads on.
    assert {
        path: what
        for path, what in differences(recorded("isic/search_page_2_last.json"), second).items()
        if "metadata.clinical" not in path
    } == {"$.next": "string for null", "$.previous": "null for string"}
    assert list(first) == ["results", "count", "next", "previous"]
    # Query strings keep all parameters, sorted by name.
    assert first["next"].startswith(f"{replica.url}/isic/api/v2/images/search/?cursor=")
    assert first["next"].endswith("&query=")


def test_a_recorded_cursor_is_a_place_in_time() -> None:
    cursor = "cD0yMDE2LTExLTE1KzIyJTNBMzklM0EwMC43NDEwMDAlMkIwMCUzQTAw"
    assert b64decode(cursor) == b"p=2016-11-15+22%3A39%3A00.741000%2B00%3A00"
    archive = IsicArchive(1000)
    moment = datetime(2016, 11, 15, 22, 39, 0, 741000, UTC)
    assert Cursor.parse(cursor) == Cursor(moment)
    first = archive.after(moment)
    assert archive.created(first - 1) <= moment < archive.created(first)


def served(created: list[datetime], limit: int) -> list[int]:
    """The numbers of the rows that a list of them leads to, page after page."""
    found: list[int] = []
    cursor, seen = Cursor(), set()
    while cursor not in seen:
        seen.add(cursor)
        start = (
            next((n for n, c in enumerate(created) if c > cursor.position), len(created))
            if (cursor.position)
            else 0
        )
        start += cursor.offset
        found += range(start, min(start + limit, len(created)))
        following = cursor.following(created[start : start + PAGE + 1], limit)
        if following is None:
            break
        cursor = Cursor.parse(b64encode(following.encode()).decode())
    return found


@pytest.mark.parametrize(("limit", "seen"), [(7, 219), (1, 126), (100, 250)])
def test_pages_shorter_than_the_longest_lose_images_as_the_servers_do(
    limit: int, seen: int
) -> None:
    """The numbers are those of the server's own pagination.py over 250 rows, two of a moment."""
    start = datetime(2019, 1, 3, tzinfo=UTC)
    created = [start + timedelta(days=n // 2) for n in range(250)]
    assert len(set(served(created, limit))) == seen


@pytest.mark.parametrize("tie", [2, 99, 100, 101, 150, 250])
@pytest.mark.parametrize("before", [0, 37, 100])
def test_images_of_one_moment_are_served_up_to_two_hundred(tie: int, before: int) -> None:
    """The server takes an offset above 100 for 100, and its pages go in a circle from there."""
    start = datetime(2019, 1, 3, tzinfo=UTC)
    numbers = [*range(before), *[before] * tie, *range(before + 1, before + 40)]
    created = [start + timedelta(days=n) for n in numbers]
    found = served(created, PAGE)
    if tie <= 150:
        assert found == [*range(len(created))]
    else:
        assert {*found} == {*range(before + 200)}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error["req"])
def test_the_replica_refuses_as_the_server_does(
    replica: ReplicaProcess, error: dict[str, Any]
) -> None:
    method, _, path = error["req"].partition(" ")
    path = path.partition("  or ")[0]
    if method not in {"GET", "POST"}:  # a remark in place of a request: one of those that it names
        method, path = "GET", "/api/v2/users/me/"
    for remark, real in PLACES.items():
        path = path.replace(remark, real)
    status, headers, body = ask(f"{replica.url}/isic{quote(path, safe='/?&=:,*!')}", method)
    assert status == error["status"]
    if "location" in error:
        assert headers["Location"] == f"/isic{error['location']}"
    if "content_type" in error:
        kind = error["content_type"].partition(";")[0]
        assert headers["Content-Type"].partition(";")[0] == kind
    if isinstance(wanted := error.get("body"), dict):
        answer = json.loads(body)
        if all("ctx" not in each for each in wanted.get("detail", ()) if isinstance(each, dict)):
            for each in answer.get("detail", ()):  # left out in some of the recordings
                if isinstance(each, dict) and "type" not in wanted["detail"][0]:
                    del each["type"], each["ctx"]
        assert answer == wanted
    elif wanted and "<h1>" in wanted:
        assert "<h1>Not Found</h1>" in body.decode()
    elif wanted:
        assert body.decode() == wanted


def test_a_cursor_without_a_place_is_the_first_page(replica: ReplicaProcess) -> None:
    """A count is only on the first page, whatever cursor led there."""
    first, same = (
        json.loads(ask(f"{replica.url}/isic/api/v2/images/{query}")[2])
        for query in ("", "?cursor=!!!")
    )
    assert (same["results"], same["count"]) == (first["results"], 5000)
    assert json.loads(ask(first["next"])[2])["count"] is None


def test_collections_and_counts_have_the_servers_shape(replica: ReplicaProcess) -> None:
    base = f"{replica.url}/isic/api/v2/"
    answer = json.loads(ask(f"{base}collections/")[2])
    # None of the replica's collections has a DOI: null is among the recorded types.
    assert differences(recorded("isic/collections.json"), answer) == {}
    one = json.loads(ask(f"{base}collections/212/")[2])
    assert differences(recorded("isic/collections.json")["results"][0], one) == {}
    facets = json.loads(ask(f"{base}images/facets/?query=")[2])
    for name in ("diagnosis_1", "copyright_license"):
        assert differences(recorded("isic/facets.json")[name], facets[name]) == {}


@pytest.mark.parametrize("vector", QUERIES, ids=lambda vector: vector["query"])
def test_the_replica_reads_a_query_as_the_server_does(vector: dict[str, Any]) -> None:
    """The recordings hold the question to Elasticsearch, which is read here on its own."""
    if vector["status"] == 400:
        with pytest.raises(isic_query.BadQueryError):
            isic_query.parse(vector["query"])
        return
    test = isic_query.parse(vector["query"])
    if any(name in vector["query"] for name in isic_query.WITHOUT_COLUMN):
        with pytest.raises(isic_query.NoColumnError):
            test({})
        return
    archive = IsicArchive(300, tiny=True)
    for fields in [*map(archive.fields, range(300)), *OTHERS]:
        assert test(fields) == _matches(vector.get("es"), fields), fields


OTHERS: list[dict[str, Any]] = [
    {"diagnosis_3": "Melanoma in situ", "mel_thick_mm": "1.50", "rcm_case_id": "RCM_1"},
    {"diagnosis_3": "melanoma", "clin_size_long_diam_mm": "6.00", "family_hx_mm": False},
    {"image_type": "clinical: close-up", "anatom_site_special": "nail", "age_approx": 20},
    {"image_type": "TBP tile: close-up", "tbp_tile_type": "3D: XP", "age_approx": 40},
    {
        "mel_mitotic_index": "0/mm^2",
        "fitzpatrick_skin_type": "III",
        "image_manipulation": "altered",
    },
    {"anatom_site_1": "Head and neck", "diagnosis_confirm_type": "histopathology"},
]


def _matches(query: Any, fields: dict[str, Any]) -> bool:
    """Return what the server finds by a recorded question to Elasticsearch."""
    if not query:
        return True
    ((kind, rest),) = query.items()
    if kind == "bool":
        wanted = rest.get("filter", []) + rest.get("must", [])
        either = rest.get("should", [])
        never = rest.get("must_not", [])
        never = never if isinstance(never, list) else [never]
        return (
            all(_matches(each, fields) for each in wanted)
            and (not either or any(_matches(each, fields) for each in either))
            and not any(_matches(each, fields) for each in never)
        )
    if kind == "exists":
        return fields.get(rest["field"]) is not None
    ((field, value),) = rest.items()
    found = fields.get(field)
    if found is None:
        return False
    match kind:
        case "term":
            return bool(found == value)
        case "wildcard":
            # The rows come from the database, whose question takes one star, at an end.
            wanted = value["value"]
            if wanted.startswith("*"):
                return str(found).endswith(wanted[1:])
            return str(found).startswith(wanted[:-1]) if wanted.endswith("*") else found == wanted
        case "range":
            signs = {"gte": "__ge__", "gt": "__gt__", "lte": "__le__", "lt": "__lt__"}
            return all(getattr(float(found), signs[s])(float(n)) for s, n in value.items())
    raise AssertionError(kind)


# Of 218 query strings that were given to the server's own parser, those that an earlier replica
# judged otherwise.
@pytest.mark.parametrize(
    ("query", "parses"),
    [
        ("age_approx:+50", True),
        ("age_approx:[20TO40]", True),
        ("mel_thick_mm:.5", True),
        ("mel_thick_mm:[1e-1 TO 2]", True),
        ("diagnosis_1:Benign AND-sex:male", True),
        ("age_approx:\uff15\uff10", True),
        ('age_approx:"50"', False),
        ('melanocytic:"true"', False),
        ("isic_id:ISIC_0000001.jpg", False),
        ("diagnosis_1:Benign\u00a0AND sex:male", False),
        ('diagnosis_3:"Melanoma\nInvasive"', False),
    ],
)
def test_the_replica_parses_what_the_server_parses(query: str, parses: bool) -> None:
    if parses:
        isic_query.parse(query)
    else:
        with pytest.raises(isic_query.BadQueryError):
            isic_query.parse(query)


def test_a_field_without_a_column_is_a_server_error(replica: ReplicaProcess) -> None:
    status, headers, body = ask(f"{replica.url}/isic/api/v2/images/search/?query=hairy:true")
    assert (status, headers["Content-Type"].partition(";")[0]) == (500, "text/html")
    assert b"Server Error" in body


def test_the_replicas_masks_have_the_published_columns(replica: ReplicaProcess) -> None:
    """The first line of IMA++'s seg_metadata.csv; nothing more of it is kept (CC BY-NC-ND)."""
    url = f"{replica.url}/zenodo/records/14201693/files/seg_metadata.csv?download=1"
    table = ask(url)[2].decode()
    header = "ISIC_id,img_filename,seg_filename,annotator,tool,skill_level,mskObjectID,mask_md5"
    assert table.splitlines()[0] == header
    # S1 is an expert, S2 a novice.
    found = {mask.skill for mask in read_imapp(table, "https://a.example/segs.zip")}
    assert found == {"expert", "novice"}


def test_a_folder_of_recorded_records_is_served_as_it_is(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "isic/metadata_2025/ISIC_0000001.json", tmp_path)
    shutil.copy(FOLDER / "isic/ISIC_0000001.jpg", tmp_path)
    with ReplicaProcess(isic=tmp_path) as process:
        (image,) = json.loads(ask(f"{process.url}/isic/api/v2/images/")[2])["results"]
        assert image["metadata"] == recorded("isic/metadata_2025/ISIC_0000001.json")
        assert image["files"]["full"]["size"] == 39644
        body = ask(image["files"]["full"]["url"])[2]
    assert body == (FOLDER / "isic/ISIC_0000001.jpg").read_bytes()
