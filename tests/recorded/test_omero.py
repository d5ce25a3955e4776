"""OMERO.web: answers of IDR and of stock servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from imgcrawl.sources.omero.files import OriginalFile, files_by_rule, read_download_urls, read_paths
from imgcrawl.sources.omero.records import (
    image_columns,
    license_columns,
    license_fits,
    read_annotations,
)
from tests.recorded.shapes import differences, recorded
from tests.replicas.client import ask

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess

FILES = "https://ftp.ebi.ac.uk/pub/databases/IDR/"
TIFF = "Figure_S3B_FIB-SEM_U2OS_20x20x20nm_xy.tif"
BELOW = "idr0086-miron-micrographs/20200610-ftp/experimentD/Miron_FIB-SEM/Miron_FIB-SEM_processed/"
IMAGE = recorded("omero/api_v0_m_images_9846137.json")
PAGE = recorded("omero/api_v0_m_datasets_10740_images_page.json")
ANNOTATIONS = recorded("omero/webclient_api_annotations_map.json")
PATHS = recorded("omero/webgateway_original_file_paths.json")
URLS = recorded("omero/idr_image_download_urls.json")
MIGRATING = recorded("omero/idr_imgData_during_migration.json")


def test_an_image_is_columns_in_nanometres() -> None:
    origin = "record: OMERO"
    assert image_columns(IMAGE["data"]) == {
        "image_id": 9846137,
        "image_name": TIFF,
        "series": 0,
        "dtype": "uint8",
        "size_x": 1121,
        "size_y": 775,
        "size_z": 184,
        "size_c": 1,
        "size_t": 1,
        **{f"voxel_{axis}_nm": 20.0 for axis in "xyz"},  # 0.02 µm
        **{f"voxel_{axis}_from": origin for axis in "xyz"},
    }
    listed = image_columns(PAGE["data"][0])
    assert (listed["size_z"], listed["size_y"], listed["size_x"]) == (184, 775, 1121)
    assert "voxel_x_nm" not in listed  # the list of a dataset has no sizes of voxels


def test_a_studys_licence_is_that_of_the_object_asked_for() -> None:
    pairs = read_annotations(ANNOTATIONS, "project", 51)
    assert [(pair.key, pair.value) for pair in pairs][:3] == [
        ("Organism", "Homo sapiens"),
        ("License", "CC BY 4.0 https://creativecommons.org/licenses/by/4.0/"),
        ("Copyright", "Lawo et al"),
    ]
    assert len(pairs) == 6
    columns = license_columns(pairs)
    assert columns == {
        "copyright_license": "CC BY 4.0",
        "license_url": "https://creativecommons.org/licenses/by/4.0/",
        "attribution": "Lawo et al",
    }
    assert license_fits(columns["copyright_license"], ["cc-by"])
    assert not license_fits(columns["copyright_license"], ["cc-by-nc", "cc0"])
    # A screen may have the project's number.
    assert read_annotations(ANNOTATIONS, "screen", 51) == []


def test_original_files_are_found_by_either_answer() -> None:
    address = f"{FILES}{BELOW}{TIFF}"
    assert read_download_urls(URLS) == [OriginalFile(TIFF, address)]
    paths = read_paths(PATHS)
    assert (paths.fileset, paths.client) == (1, (f"uod/idr/filesets/{BELOW}{TIFF}",))
    assert paths.names == [TIFF]
    assert files_by_rule(paths, FILES) == [OriginalFile(TIFF, address)]


def get(replica: ReplicaProcess, path: str) -> Any:
    status, headers, body = ask(f"{replica.url}/{path}")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    return json.loads(body)


def test_the_replicas_images_have_the_recorded_shape(replica: ReplicaProcess) -> None:
    answer = get(replica, "idr/api/v0/m/images/9846137/")
    # Optional: the key is there if the date is known.
    assert differences(IMAGE, answer) == {"$.data.AcquisitionDate": "added"}
    assert image_columns(answer["data"]) | {"acquired_at": None} == {
        **image_columns(IMAGE["data"]),
        "acquired_at": None,
    }


def test_the_replicas_lists_have_the_recorded_shape(replica: ReplicaProcess) -> None:
    answer = get(replica, "idr/api/v0/m/datasets/10740/images/")
    found = differences(PAGE, answer)
    # The recording is shortened: what it leaves out of an image is judged by the one above.
    of_the_image = differences(IMAGE["data"], answer["data"][0])
    assert of_the_image == {
        "$.AcquisitionDate": "added",
        "$.url:image": "added",
        "$.url:rois": "absent",
    }
    assert all(what == "added" for what in found.values())
    assert {path for path in found if not path.startswith("$.data[].")} == set()
    assert set(answer["meta"]) == {"offset", "limit", "maxLimit", "totalCount"}


def test_the_replicas_annotations_have_the_recorded_shape(replica: ReplicaProcess) -> None:
    answer = get(replica, "idr/webclient/api/annotations/?type=map&project=301")
    assert differences(ANNOTATIONS, answer) == {}


def test_the_replicas_paths_and_addresses_have_the_recorded_shape(replica: ReplicaProcess) -> None:
    paths = get(replica, "idr/webgateway/original_file_paths/9846137/")
    assert differences(PATHS, paths) == {}
    assert paths["client"] == PATHS["client"]
    urls = get(replica, "idr/image/9846137/download_urls/")
    assert differences(URLS, urls) == {}
    assert urls["client_paths"] == URLS["client_paths"]


def test_the_replica_of_idr_is_migrating_too(replica: ReplicaProcess) -> None:
    answer = get(replica, "idr/webgateway/imgData/9846137/")
    assert differences(MIGRATING, answer) == {}
    assert set(answer) == {"Exception", "id", "meta", "perms"}
