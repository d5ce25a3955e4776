"""OMERO servers: the files that images came from, by whatever way is open, or why there is none."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from replicas import omero_world as world
from spiders.omero import OmeroSpider
from tests.conftest import refusal
from tests.replicas.client import ask

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Ended

PLATE = {
    "fileset-80/Meas_01(2012-07-31_10-41-12)/005010001.flex",
    "fileset-80/Meas_01(2012-07-31_10-41-12)/005010002.flex",
    "fileset-80/#1_plate.xml",
}
LIFS = {"fileset-71/one.lif", "fileset-72/two.lif", "fileset-73.zip"}
XY = "fileset-1/Figure_S3B_FIB-SEM_U2OS_20x20x20nm_xy.tif"
PELVIC = "fileset-2/m4 pelvic (20x #2) 100%.ome.tif"


def addresses(ended: Ended) -> dict[str, str]:
    """Records that are stored, and the address of each."""
    assert ended.status in {0, 3}, ended.log
    ended.out.verify()
    return {row["record_id"].removeprefix("'"): row["url"] for row in ended.out.rows()}


def refusals(ended: Ended) -> dict[str, tuple[str, str]]:
    """Records that nobody may have or that do not exist: reason and words."""
    rows = ended.out.rows("failures.csv")
    return {r["record_id"]: (r["reason"], r["message"]) for r in rows}


def columns(ended: Ended) -> dict[str, dict[str, Any]]:
    """The columns of every record, stored or not."""
    with sqlite3.connect(ended.out.root / "ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT record_id, metadata FROM records").fetchall()
    return {record_id: json.loads(metadata) for record_id, metadata in rows}


def test_an_image_of_idr_with_all_that_is_known_of_it(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("omero", image="9846137")
    below = world.FILESETS[1].client[0].removeprefix("uod/idr/filesets/")
    assert addresses(ended) == {XY: f"{replica.url}/idr-files/{below}"}
    assert not refusals(ended)
    assert "Image 9846137: the licence is CC BY 4.0." in ended.log
    row = columns(ended)[XY]
    # The replica's file is a small one: its own word counts, and the record's stands beside it.
    assert [row[f"size_{axis}"] for axis in "xyzct"] == [80, 60, 184, 1, 1]
    assert "size_x: file 80, record 1121" in row["conflicts"]
    assert (row["image_id"], row["dtype"], row["fileset"]) == (9846137, "uint8", 1)
    assert [row[f"voxel_{axis}_nm"] for axis in "xyz"] == [20.0, 20.0, 20.0]
    assert {row[f"voxel_{axis}_from"] for axis in "xyz"} == {"record: OMERO"}
    assert (row["dataset"], row["dataset_id"]) == ("Figure_S3B", 10740)
    assert (row["project"], row["project_id"]) == ("idr0086-miron-micrographs/experimentD", 301)
    assert (row["copyright_license"], row["attribution"]) == ("CC BY 4.0", "Miron et al")
    assert row["license_url"] == "https://creativecommons.org/licenses/by/4.0/"
    assert row["annotation_Organism"] == "Homo sapiens"
    assert row["annotation_Cell Line"] == "U2OS; again"
    assert row["annotation_Study Type"] == "made up"
    assert all(not isinstance(value, (dict, list)) for value in row.values())


def test_addresses_are_percent_encoded_and_lead_to_the_files(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("omero", image="9846138,9846139", screen="7")
    found = addresses(ended)
    assert found[PELVIC].endswith("/m4%20pelvic%20%2820x%20%232%29%20100%25.ome.tif")
    assert found.keys() == {PELVIC, "fileset-3/not listed.tif", *PLATE}
    for url in found.values():
        status, _, body = ask(url)
        assert (status, body[:4]) in {(200, b"II*\0"), (200, b"<!--")}
    row = columns(ended)[PELVIC]
    assert row["voxel_x_nm"] == 500.0  # told in nanometres
    assert columns(ended)["fileset-3/not listed.tif"]["voxel_x_nm"] == 8.0  # in angstroms


def test_a_dataset_is_paged_and_files_that_images_share_are_one_record(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ask(f"{replica.url}/omero/_sessions", method="DELETE")
    ended = crawl("omero", dataset="71", server=f"{replica.url}/omero")
    found = addresses(ended)
    assert found.keys() == LIFS
    assert all(f"{replica.url}/omero/webgateway/archived_files" in url for url in found.values())
    paths = replica.log()["paths"]
    assert paths["/omero/api/v0/m/datasets/71/images/"] == 3  # 12 images, 5 a page
    # Which files are shared is told for a page of images at once.
    assert len([path for path in paths if "original_file_paths" in path]) == 3
    assert len([path for path in paths if "archived_files" in path]) == 3
    # A server without IDR's list of files is asked for it once.
    assert len([path for path in paths if "download_urls" in path]) == 1
    # A stock server takes no HEAD, and makes a session for each request without a cookie.
    assert json.loads(ask(f"{replica.url}/omero/_sessions")[2]) == 1
    row = columns(ended)["fileset-73.zip"]
    assert "image_id" not in row
    wells = ended.out.rows("wells.csv")
    assert len(wells) == 12
    assert {w["record_id"] for w in wells if w["image_id"] in {"7100", "7103"}} == {
        "fileset-71/one.lif"
    }
    assert (row["project"], row["project_id"]) == ("lifs/experimentA", 7)
    # Screen 7 has a licence, project 7 has none.
    assert "copyright_license" not in row


def test_a_project_with_what_nobody_may_have(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("omero", project="301")
    assert addresses(ended).keys() == {XY, PELVIC, "fileset-3/not listed.tif"}
    refused = refusals(ended)
    assert refused.keys() == {"fileset-4/secret.tif", "fileset-5/volume.zarr"}
    reason, words = refused["fileset-4/secret.tif"]
    assert reason == "forbidden"
    assert "asks for a login" in words
    assert "No download URL found" in words
    reason, words = refused["fileset-5/volume.zarr"]
    assert reason == "not_found"
    assert "OME-Zarr" in words
    assert columns(ended)["fileset-4/secret.tif"]["copyright_license"] == "CC BY 4.0"
    # No login page among what lies in OUT, and nothing rendered was asked for.
    for name in ended.out.files():
        assert not (ended.out.root / name).read_bytes().lstrip().startswith(b"<")
    assert not [path for path in replica.log()["paths"] if "render" in path or "imgData" in path]


def test_a_zip_that_nobody_may_have_is_one_record(crawl: Crawler, replica: ReplicaProcess) -> None:
    # Of IDR: no route leads to what was imported from elsewhere.
    ended = crawl("omero", image="7108")
    assert {name: why for name, (why, _) in refusals(ended).items()} == {
        "fileset-73.zip": "forbidden"
    }


def test_a_stock_server_says_404_of_what_nobody_may_have(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("omero", image="9846140,9846141", server=f"{replica.url}/omero/")
    assert addresses(ended).keys() == {"fileset-5/.zattrs"}
    reason, words = refusals(ended)["fileset-4/secret.tif"]
    assert (reason, "HTTP 404" in words, "login" in words) == ("not_found", True, True)


@pytest.mark.parametrize("asked", [{"screen": 7}, {"plate": 70}, {"well": 701}, {"image": 8003}])
def test_screens_plates_wells_and_their_images(
    asked: dict[str, Any], crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("omero", **asked)
    assert addresses(ended).keys() == PLATE
    row = columns(ended)["fileset-80/#1_plate.xml"]
    assert (row["screen"], row["screen_id"]) == ("idr0001-graml-sysgro/screenA", 7)
    assert (row["plate"], row["plate_id"]) == ("JL_120731_S6A", 70)
    # Several wells have these files: no row of a file is that of one of them.
    assert not {"well", "image_id", "annotation_Gene", "annotation_Quality"} & row.keys()
    wells = {w["image_id"]: w for w in ended.out.rows("wells.csv")}
    assert set(wells) == (
        {"8003"} if {"well", "image"} & asked.keys() else {"8001", "8002", "8003"}
    )
    told = wells["8003"]
    assert (told["record_id"], told["plate"], told["well"]) == (
        "fileset-80",
        "JL_120731_S6A",
        "B12",
    )
    assert told["annotation_Quality"] == "poor"
    if len(wells) > 1:
        assert [wells[str(n)]["field"] for n in (8001, 8002, 8003)] == ["1", "2", "1"]
        assert (wells["8001"]["well"], wells["8002"]["annotation_Gene"]) == ("A1", "gene of 700")
        paths = replica.log()["paths"]
        assert sum(n for path, n in paths.items() if "original_file_paths" in path) == 2
    assert row["copyright_license"] == "CC BY-NC 4.0"


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("webclient/img_detail/9846137/?dataset=10740", {XY}),
        ("webclient/?show=image-9846138", {PELVIC}),
        ("webclient/?show=image-9846137%7Cimage-9846138", {XY, PELVIC}),
        ("webclient/?show=dataset-10740|well-700", {XY, PELVIC, *PLATE}),
        ("webclient/?show=run-701", PLATE),
        ("study/idr0001/", PLATE),
    ],
)
def test_pasted_links(link: str, found: set[str], crawl: Crawler, replica: ReplicaProcess) -> None:
    # The link's own server is asked, not the default one.
    ended = crawl(
        "omero", link=f"{replica.url}/idr/{link}", settings={"IDR_URL": "http://x.invalid/"}
    )
    assert addresses(ended).keys() == found


def test_match_and_license_leave_out(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("omero", project="301", screen="7", match="*.TIF,*.xml", license="cc-by")
    assert addresses(ended).keys() == {XY, PELVIC, "fileset-3/not listed.tif"}
    assert refusals(ended).keys() == {"fileset-4/secret.tif"}
    assert "3 images are under other licences" in ended.log
    ended = crawl("omero", out="other", project="301", screen="7", match="*.xml")
    assert addresses(ended).keys() == {"fileset-80/#1_plate.xml"}


def test_what_does_not_exist_is_missing(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("omero", image="1,9846137", dataset="99")
    assert addresses(ended).keys() == {XY}
    assert {name: reason for name, (reason, _) in refusals(ended).items()} == {
        "image-1": "not_found",
        "dataset-99": "not_found",
    }


def test_what_is_forbidden_is_asked_for_again_and_never_taken_for_stored(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    crawl("omero", image="9846140")
    ended = crawl("omero", image="9846137")  # the ledger alone cannot tell of the other one
    assert refusals(ended)["fileset-4/secret.tif"][0] == "forbidden"
    replica.reset()
    ended = crawl("omero", image="9846140", server=f"{replica.url}/omero", retry="all")
    assert addresses(ended).keys() == {XY}
    assert refusals(ended)["fileset-4/secret.tif"][0] == "not_found"
    assert replica.log()["paths"]["/omero/webgateway/archived_files/download/9846140/"] == 1
    assert not [row for row in ended.out.rows() if row["record_id"] == "fileset-4/secret.tif"]


def test_a_server_behind_a_login_is_said_to_be(crawl: Crawler, replica: ReplicaProcess) -> None:
    login = f"{replica.url}/idr/webclient/login/"
    replica.faults([{"match": "/idr/api/", "kind": "redirect", "location": login}])
    ended = crawl("omero", image="9846137")
    assert ended.status == 3, ended.log
    reason, words = refusals(ended)["image-9846137"]
    assert (reason, "asks for a login" in words) == ("forbidden", True)


def test_an_image_that_the_server_stumbles_over_does_not_stop_the_others(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": "original_file_paths/9846137", "kind": "status", "status": 500}])
    ended = crawl("omero", dataset="10740", settings={"RETRY_TIMES": 1})
    assert addresses(ended).keys() == {PELVIC}
    ((name, (_, words)),) = refusals(ended).items()
    assert (name, "answers HTTP 500" in words) == ("image-9846137", True)
    replica.faults([])
    ended = crawl("omero", dataset="10740", settings={"RETRY_TIMES": 1})
    assert addresses(ended).keys() == {XY, PELVIC}
    assert not refusals(ended)


def test_another_image_of_a_fileset_leads_to_its_files(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": "original_file_paths/8001/", "kind": "status", "status": 500}])
    ended = crawl("omero", screen="7", settings={"RETRY_TIMES": 1})
    assert addresses(ended).keys() == PLATE
    assert refusals(ended).keys() == {"image-8001"}
    assert {w["image_id"] for w in ended.out.rows("wells.csv")} == {"8002", "8003"}


def test_a_list_that_is_refused_ends_the_run(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": "/datasets/71/images/", "kind": "status", "status": 403}])
    ended = crawl("omero", dataset="71")
    assert ended.status == 1, ended.log
    assert "HTTP 403" in ended.log


def test_a_server_that_fails_ends_the_run(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": "/datasets/71/images/", "kind": "status", "status": 500}])
    ended = crawl("omero", dataset="71", settings={"RETRY_TIMES": 1})
    assert ended.status == 1, ended.log
    assert "answers HTTP 500" in ended.log
    assert "Traceback" not in ended.log


@pytest.mark.parametrize(
    "answer", [[], {}, {"data": None}, {"data": [1, {"@id": "x"}], "meta": {"totalCount": 2}}]
)
def test_answers_of_any_shape_break_nothing(
    answer: Any, crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults(
        [
            {"match": f"/idr/{path}", "kind": "json", "body": answer}
            for path in ("api/v0/m/images/9846138/datasets", "webclient", "webgateway", "image/")
        ]
    )
    ended = crawl("omero", image="9846138")
    assert "Traceback" not in ended.log
    assert ended.status in {0, 1, 3}, ended.log


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "what to download?"),
        ({"image": "xy.tif"}, "xy.tif is no id"),
        ({"link": "https://example.org/x"}, "no link of OMERO.web"),
        ({"link": "https://idr.openmicroscopy.org/webclient/"}, "shows no image"),
        ({"image": "1", "server": "idr"}, "type an address"),
        (
            {"link": "https://h.example/webclient/?show=image-1", "server": "https://h.example/"},
            "leave server out",
        ),
    ],
)
def test_wrong_arguments_are_told(given: dict[str, str], words: str) -> None:
    assert words in refusal(OmeroSpider, **given)


def test_wrong_arguments_are_refused_before_any_request(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("omero", imgae="1")
    assert ended.status == 2, ended.log
    assert "did you mean 'image'?" in ended.log
    assert replica.log()["requests"] == 0
