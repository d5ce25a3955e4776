"""What OMERO servers answer becomes columns and addresses; excerpts of recorded answers."""

from __future__ import annotations

from typing import Any

import pytest

from imgcrawl.sources.omero.files import (
    FilesetPaths,
    encode_url,
    files_by_rule,
    read_download_urls,
    read_paths,
    relative_names,
)
from imgcrawl.sources.omero.records import (
    annotation_columns,
    image_columns,
    license_columns,
    license_fits,
    on_path,
    parse_link,
    read_annotations,
    to_nm,
    well_images,
    well_name,
)

IDR = "https://idr.openmicroscopy.org/"
FTP = "https://ftp.ebi.ac.uk/pub/databases/IDR/"


@pytest.mark.parametrize(
    ("link", "server", "shown"),
    [
        (f"{IDR}webclient/img_detail/9846137/?dataset=10740", IDR, [("image", 9846137)]),
        (f"{IDR}webclient/?show=image-123|dataset-5", IDR, [("image", 123), ("dataset", 5)]),
        (f"{IDR}webclient/?show=image-1%7Cwell-2%7Cimage-1", IDR, [("image", 1), ("well", 2)]),
        (
            f"{IDR}webclient/?show=screen-7|plate-8|experimenter-2",
            IDR,
            [("screen", 7), ("plate", 8)],
        ),
        (f"{IDR}webclient/userdata/?show=project-301", IDR, [("project", 301)]),
        (f"{IDR}webclient/?show=run-5", IDR, [("run", 5)]),
        (f"{IDR}iviewer/?images=1,2&dataset=5", IDR, [("image", 1), ("image", 2)]),
        (f"{IDR}iviewer/?dataset=5", IDR, [("dataset", 5)]),
        (f"{IDR}api/v0/m/screens/7/?x=1", IDR, [("screen", 7)]),
        (f"{IDR}webgateway/render_image/3/0/0/", IDR, [("image", 3)]),
        (
            "http://h.example:4080/omero/webclient/img_detail/4/",
            "http://h.example:4080/omero/",
            [("image", 4)],
        ),
    ],
)
def test_links(link: str, server: str, shown: list[tuple[str, int]]) -> None:
    parsed = parse_link(link)
    assert (parsed.server, list(parsed.shown)) == (server, shown)


@pytest.mark.parametrize(
    ("link", "study"),
    [
        (f"{IDR}study/idr0086/", "idr0086"),
        (f"{IDR}search/?query=Name:idr0018-neff", "idr0018-neff"),
        (f"{IDR}search?query=name%3A%20Graml%20et%20al", "Graml et al"),
    ],
)
def test_links_to_a_study(link: str, study: str) -> None:
    assert (parse_link(link).server, parse_link(link).study) == (IDR, study)


@pytest.mark.parametrize(
    "link",
    [
        *("", "9846137", "ftp://h.example/webclient/?show=image-1", f"{IDR}webclient/"),
        *(
            f"{IDR}search/?query=Gene:x",
            f"{IDR}webclient/?show=tag-1",
            "https:///webclient/?show=image-1",
        ),
    ],
)
def test_what_is_no_link_is_said_to_be_none(link: str) -> None:
    with pytest.raises(ValueError, match=r"OMERO|shows no"):
        parse_link(link)


@pytest.mark.parametrize(
    ("value", "unit", "nm"),
    [
        (0.02, "MICROMETER", 20.0),
        (0.00799825, "µm", 7.99825),  # the micro sign
        (0.02, "\u03bcm", 20.0),  # the Greek letter
        (0.02, "\\u00B5m", 20.0),  # six characters, as ImageJ writes them
        (80.0, "ANGSTROM", 8.0),
        (80, "Å", 8.0),
        (500, "nm", 500.0),
        (1, "MILLIMETER", 1e6),
        (1.5, "METER", 1.5e9),
        (1, "THOU", 25_400.0),
        (3, "PIXEL", None),
        (3, "REFERENCEFRAME", None),
        (0, "NANOMETER", None),
        (-1, "NANOMETER", None),
        (float("nan"), "NANOMETER", None),
        (float("inf"), "NANOMETER", None),
        ("1", "NANOMETER", None),
        (True, "NANOMETER", None),
        (1, "", None),
    ],
)
def test_lengths(value: Any, unit: str, nm: float | None) -> None:
    assert to_nm(value, unit) == nm


def test_an_image_without_its_optional_keys() -> None:
    record = {
        "@id": 9846137,
        "Name": "xy.tif",
        "omero:series": 0,
        "AcquisitionDate": 1507197219000,
        "Pixels": {
            "SizeX": 1121,
            "SizeZ": 184,
            "Type": {"@id": 1, "value": "uint8"},
            "PhysicalSizeX": {"Unit": "MICROMETER", "Symbol": "µm", "Value": 0.02},
            "PhysicalSizeY": {"Symbol": "nm", "Value": 8},
            "PhysicalSizeZ": {"Unit": "PIXEL", "Symbol": "pixel", "Value": 1.0},
            "Channels": [{"@id": 1, "Name": "DAPI"}, {"@id": 2}],
        },
    }
    assert image_columns(record) == {
        "image_id": 9846137,
        "image_name": "xy.tif",
        "series": 0,
        "acquired_at": "2017-10-05T09:53:39+00:00",
        "dtype": "uint8",
        "channels": "DAPI; ",
        "size_x": 1121,
        "size_z": 184,
        "voxel_x_nm": 20.0,
        "voxel_x_from": "record: OMERO",
        "voxel_y_nm": 8.0,
        "voxel_y_from": "record: OMERO",
    }
    assert image_columns({"@id": 1, "Pixels": None, "AcquisitionDate": 1e30}) == {"image_id": 1}


def test_wells() -> None:
    samples: list[Any] = [{"Image": {"@id": 5}}, {"Image": None}, {}, "junk", {"Image": {"@id": 6}}]
    assert [image["@id"] for image in well_images({"WellSamples": samples})] == [5, 6]
    assert well_images({}) == []
    assert [well_name({"Row": r, "Column": 11}) for r in (0, 25, 26)] == ["A12", "Z12", "AA12"]
    assert well_name({"Row": 1}) is None
    path = [{"type": "screen", "id": 7}, {"type": "well", "id": 700}, {"type": "image", "id": 1}]
    assert on_path({"paths": [path]}, "well") == 700
    nothing: list[Any] = [None, {}, {"paths": [[]]}, {"paths": 1}]
    assert [on_path(answer, "well") for answer in nothing] == [0, 0, 0, 0]


ANNOTATIONS = {
    "annotations": [
        {
            "ns": "idr.openmicroscopy.org/study/info",
            "link": {
                "parent": {
                    "id": 51,
                    "class": "ProjectI",
                    "name": "idr0021-lawo-pericentriolarmaterial/experimentA",
                }
            },
            "values": [
                ["Organism", "Homo sapiens"],
                ["License", "CC BY 4.0 https://creativecommons.org/licenses/by/4.0/"],
                ["Copyright", "Lawo et al"],
                ["Organism", "Mus musculus"],
                ["", "no key"],
                ["alone"],
            ],
        },
        "junk",
        {"link": None, "values": [["License", "none"]]},
    ]
}


def test_annotations_and_whose_they_are() -> None:
    name = "idr0021-lawo-pericentriolarmaterial/experimentA"
    pairs = read_annotations(ANNOTATIONS, "project", 51, name)
    assert license_columns(pairs) == {
        "copyright_license": "CC BY 4.0",
        "license_url": "https://creativecommons.org/licenses/by/4.0/",
        "attribution": "Lawo et al",
    }
    assert annotation_columns(pairs)["annotation_Organism"] == "Homo sapiens; Mus musculus"
    # A screen of the same number is another study.
    assert read_annotations(ANNOTATIONS, "screen", 51) == []
    assert read_annotations(ANNOTATIONS, "project", 52) == []
    assert read_annotations(ANNOTATIONS, "project", 51, "idr0022/experimentA") == []
    assert read_annotations(None, "project", 51) == []


@pytest.mark.parametrize(
    ("licence", "wanted", "fits"),
    [
        ("CC BY 4.0 https://creativecommons.org/licenses/by/4.0/", "cc-by", True),
        ("CC BY 4.0", "CC BY 4.0", True),
        ("CC BY-NC 4.0", "CC-BY", False),
        ("CC BY-NC 4.0", "cc-by-nc", True),
        ("CC0 1.0", "CC-0", True),
        ("CC0 1.0", "CC0", True),
        ("", "CC0", False),
    ],
)
def test_licences(licence: str, wanted: str, fits: bool) -> None:
    assert license_fits(licence, [wanted]) is fits


# --- files ---


def test_download_urls_are_encoded_whatever_is_in_the_names() -> None:
    path = "idr0096-tratwal-marrowquant/20210609-ftp-ome-tiffs/m4 pelvic (20x #2).ome.tiff"
    answer = {"client_paths": [f"uod/idr/filesets/{path}"], "download_urls": [f"{FTP}{path}"]}
    (original,) = read_download_urls(answer)
    assert original.name == "m4 pelvic (20x #2).ome.tiff"
    assert original.url == (
        f"{FTP}idr0096-tratwal-marrowquant/20210609-ftp-ome-tiffs/"
        "m4%20pelvic%20%2820x%20%232%29.ome.tiff"
    )
    # The day they are encode_url by the server, they are not encode_url twice.
    again = {"client_paths": answer["client_paths"], "download_urls": [original.url]}
    assert read_download_urls(again) == [original]
    assert read_download_urls({"download_urls": [original.url]})[0].url == original.url
    assert read_download_urls({"client_paths": ["x"], "error": "No rows"}) == []
    assert read_download_urls(None) == []


def test_pages_and_folders_are_no_files() -> None:
    page = "https://livingobjects.ebi.ac.uk/bioimaging-integrator-data/pages/S-BIAD992.html"
    zarr = "https://uk1s3.embassy.ebi.ac.uk/bia-integrator-data/S-BIAD992/a.zarr/.zattrs"
    problems = [
        o.problem for o in read_download_urls({"download_urls": [page, zarr, f"{FTP}x.tif"]})
    ]
    assert "a page or a folder" in problems[0]
    assert "OME-Zarr" in problems[1]
    assert problems[2] == ""


def test_an_ome_zarr_is_one_thing() -> None:
    below = "S-BIAD992/a.zarr"
    paths = [f"bia-idr/{below}/.zattrs", f"bia-idr/{below}/0/.zarray"]
    urls = [path.replace("bia-idr", "https://s3.example") for path in paths]
    (original,) = read_download_urls({"client_paths": paths, "download_urls": urls})
    assert (original.name, original.url) == ("a.zarr", f"https://s3.example/{below}")
    client = tuple(f"uod/idr/filesets/idr0138-x/a.ome.zarr/{n}" for n in range(3))
    (original,) = files_by_rule(FilesetPaths(1, (), client), FTP)
    assert (original.name, original.url) == ("a.ome.zarr", f"{FTP}idr0138-x/a.ome.zarr")
    assert "OME-Zarr" in original.problem


def test_a_page_of_github_becomes_the_file() -> None:
    page = "https://github.com/IDR/idr0163-greenwald-tnbc/blob/main/companions/T 1.companion.ome"
    assert encode_url(page, raw=True) == (
        "https://github.com/IDR/idr0163-greenwald-tnbc/raw/main/companions/T%201.companion.ome"
    )


@pytest.mark.parametrize(
    ("client", "url"),
    [
        ("uod/idr/filesets/idr0165-duinkerken/F 1.tif", f"{FTP}idr0165-duinkerken/F%201.tif"),
        ("/uod/idr/filesets/idr0165-duinkerken/F.tif", f"{FTP}idr0165-duinkerken/F.tif"),
        ("nfs/bioimage/drop/idr0063-newman/a.tif", f"{FTP}idr0063-newman/a.tif"),
        ("uod/idr/incoming/idr0018-neff/a.ndpi", f"{FTP}idr0018-neff/a.ndpi"),
        ("idr/filesets/idr0007-srikumar/003.flex", f"{FTP}idr0007-srikumar/003.flex"),
        (
            "uod/idr/filesets/idr0045-reichmann/20180806/E.tif",
            f"{FTP}idr0045-reichmann-zygotespindle/20180806/E.tif",
        ),
        (
            "data/idr-metadata/idr0106-kubota-lunglightsheet/a/M.companion.ome",
            "https://github.com/IDR/idr0106-kubota-lunglightsheet/raw/HEAD/a/M.companion.ome",
        ),
        (
            "bia-idr/S-BIAD582/01/5_mp.tif",
            "https://ftp.ebi.ac.uk/biostudies/fire/S-BIAD/582/S-BIAD582/Files/01/5_mp.tif",
        ),
        ("home/someone/secret.tif", ""),
        ("uod/idr/filesets/idr0165-x/../../secret.tif", ""),
        ("uod/idr/filesets/other/a.tif", ""),
    ],
)
def test_where_idr_keeps_what_it_imported(client: str, url: str) -> None:
    found = files_by_rule(FilesetPaths(1, (), (client,)), FTP)
    assert [original.url for original in found] == ([url] if url else [])


def test_a_fileset_is_had_whole_or_not_at_all_by_the_rule() -> None:
    paths = FilesetPaths(1, (), ("uod/idr/filesets/idr0001-x/a.tif", "home/b.tif"))
    assert files_by_rule(paths, FTP) == []


def test_names_below_the_folder_that_all_share() -> None:
    assert relative_names(["a/b/c/x.tif", "a/b/y.xml"]) == ["c/x.tif", "y.xml"]
    assert relative_names(["a/b/x.tif"]) == ["x.tif"]
    assert relative_names(["/x.tif", "y.tif"]) == ["x.tif", "y.tif"]
    assert relative_names([]) == []


def test_paths_of_servers_old_and_new() -> None:
    answer = {"repo": ["demo_2/x.tif"], "client": ["home/x.tif"], "fileset": {"id": 1}}
    assert read_paths(answer) == FilesetPaths(1, ("demo_2/x.tif",), ("home/x.tif",))
    assert read_paths({"repo": ["demo_2/x.tif"]}) == FilesetPaths(None, ("demo_2/x.tif",), ())
    assert read_paths(None).names == []
