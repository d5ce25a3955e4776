"""EMPIAR's API and index, EPFL's page, and a listing of S3."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

from imgcrawl.sources.empiar import Imageset, missing_names, parse_entry
from imgcrawl.sources.web.links import clean_href, read_links
from imgcrawl.sources.web.page_link import LinkKind, PageLink
from imgcrawl.sources.web.page_text import voxel_columns
from tests.recorded.shapes import FOLDER, differences, recorded
from tests.replicas.client import ask

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess

ENTRY = "empiar/api_entry_EMPIAR-11759.json"
INDEX = (FOLDER / "empiar/index_11759_data.html").read_text("utf-8")
INDEX_URL = "https://ftp.ebi.ac.uk/empiar/world_availability/11759/data/"
EPFL = recorded("epfl/links.json")
LISTING = (FOLDER / "s3/list_objects_v2.xml").read_text("utf-8")
BUCKET = "https://janelia-cosem-datasets.s3.amazonaws.com/?list-type=2&delimiter=/&max-keys=3"
BLANKS = re.compile(r">[^<>]+<")


# --- EMPIAR ---


def test_the_record_of_an_entry() -> None:
    entry = parse_entry(recorded(ENTRY), "11759")
    assert (entry.doi, entry.experiment) == ("10.6019/EMPIAR-11759", "SBF-SEM")
    assert (entry.title, entry.size) == (
        "Developing retina in zebrafish 55 hpf larval eye.",
        "1.2 GB",
    )
    assert entry.imagesets == [
        Imageset(
            name="Developing retina in zebrafish 55 hpf larval eye.",
            directory="data",
            count=16,
            category="reconstructed volumes",
            format="DM3",
            voxel_type="unsigned byte",
            width=5628,  # text in the record
            height=5632,
            pixel_nm=(8.0, 8.0),  # 80 angstrom in the record
            details="... The resolution is 8nm/px in xy and 50nm per section (z). ...",
        )
    ]


def test_an_index_of_apache() -> None:
    links = [link for link in read_links(INDEX, INDEX_URL) if link.is_data]
    names = [link.name for link in links]
    slices = [f"F57-8_test1_3VBSED_slice_{number:04}.dm3" for number in range(16)]
    assert names == [*slices, "F57-8_test1_3VBSED.xml"]
    # Sizes are rounded, of 1024 bytes a kilobyte.
    assert links[0] == PageLink(
        f"{INDEX_URL}{slices[0]}",
        29 * 1024 * 1024,
        exact=False,
        date="2023-11-01 10:00",
        kind=LinkKind.FILE,
    )
    assert links[-1].size == round(8.1 * 1024)
    folders = [link.url for link in read_links(INDEX, INDEX_URL) if link.url.endswith("/")]
    assert folders == [INDEX_URL.removesuffix("data/"), f"{INDEX_URL}trakem2/"]
    assert missing_names([name for name in names if name.endswith("3")], 16) == ([], 0)
    # As one of EBI's mirrors had it: a slice is there and not in the index.
    assert missing_names([*slices[:9], *slices[10:]], 16) == ([slices[9]], 0)


def test_the_replicas_record_has_the_recorded_shape(replica: ReplicaProcess) -> None:
    status, headers, body = ask(f"{replica.url}/ebi/api/entry/EMPIAR-11759/")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    assert differences(recorded(ENTRY), json.loads(body)) == {}


def test_the_replicas_index_has_the_recorded_markup(replica: ReplicaProcess) -> None:
    path = "/ebi/empiar/world_availability/11759/data/"
    status, headers, body = ask(f"{replica.url}{path}")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    # The remark on the recording's origin is its first line.
    assert markup(body.decode()) == markup(INDEX.partition("-->\n")[2])
    hrefs = re.findall(r'href="([^"]*)"', body.decode())[:5]
    assert hrefs[:4] == ["?C=N;O=D", "?C=M;O=A", "?C=S;O=A", "?C=D;O=A"]
    assert hrefs[4] == path.removesuffix("data/")


def markup(page: str) -> list[str]:
    """Return the lines of a page without texts, addresses and icons, each once."""
    lines = (BLANKS.sub("><", f">{line}<") for line in page.splitlines())
    bare = (re.sub(r'(href|src|alt)="[^"]*"', r"\1", line).strip("><") for line in lines)
    return list(dict.fromkeys(bare))


# --- EPFL ---


def test_links_with_a_raw_blank_are_six_files() -> None:
    page = "https://www.epfl.ch/labs/cvlab/data/data-em/"
    found = {clean_href(link, page) for link in EPFL["download_links"]}
    root = "https://documents.epfl.ch/groups/c/cv/cvlab-unit/www/data/%20ElectronMicroscopy_"
    files = ("volumedata", "training", "testing", "training_groundtruth", "testing_groundtruth")
    assert found == {f"{root}Hippocampus/{name}.tif" for name in (*files, "results_test")}


def test_the_page_tells_the_size_of_a_voxel_and_not_of_the_sample() -> None:
    columns = voxel_columns(EPFL["dataset_description"])
    assert {name: columns[name] for name in ("voxel_x_nm", "voxel_y_nm", "voxel_z_nm")} == {
        "voxel_x_nm": 5.0,
        "voxel_y_nm": 5.0,
        "voxel_z_nm": 5.0,
    }


def test_the_replicas_page_has_the_recorded_links(replica: ReplicaProcess) -> None:
    url = f"{replica.url}/epfl/labs/cvlab/data/data-em/"
    page = ask(url)[2].decode()
    assert 'href="/epfl/documents/groups/c/cv/cvlab-unit/www/data/ ElectronM' in page
    found = {unquote(urlsplit(link.url).path) for link in read_links(page, url) if link.is_data}
    real = {unquote(urlsplit(link).path) for link in EPFL["download_links"]}
    assert {path.removeprefix("/epfl/documents") for path in found} <= real
    assert voxel_columns(page)["voxel_x_nm"] == 5.0


# --- S3 ---


def test_a_listing_of_s3() -> None:
    root = "https://janelia-cosem-datasets.s3.amazonaws.com/"
    folder = "jrc_test/jrc_test.zarr/recon-1/em/fibsem-uint8/"
    *links, prefix, more = read_links(LISTING, BUCKET)
    assert [(link.url, link.size, link.exact) for link in links] == [
        (f"{root}{folder}.zattrs", 1924, True),
        (f"{root}{folder}.zgroup", 22, True),
    ]
    # The folder below, and not the <Prefix> that repeats the question.
    assert unquote(prefix.url).endswith(f"&prefix={folder}s0/")
    assert more.continues
    token = "continuation-token=b80e41889e6cf2fc81eafc901e0aac18"
    assert more.url == f"{BUCKET}&{token}"


def test_the_replicas_listing_has_the_recorded_elements(replica: ReplicaProcess) -> None:
    query = (
        "list-type=2&delimiter=/&max-keys=3&prefix=jrc_mus-nacc-2/jrc_mus-nacc-2.zarr/recon-2/em/"
    )
    folder = f"{query}fibsem-int16/"
    status, headers, body = ask(f"{replica.url}/s3/janelia-cosem-datasets/?{folder}")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/xml")
    recording, answer = elements(LISTING), elements(body.decode())
    # Moto names the checksum that its client sent along; most objects have none.
    assert recording - answer == {"/Contents/ChecksumAlgorithm"}
    assert answer - recording == set()


def elements(text: str) -> set[str]:
    """Return the paths of all elements below the root."""
    found: set[str] = set()

    def walk(element: ET.Element, path: str) -> None:
        for child in element:
            name = child.tag.removeprefix("{http://s3.amazonaws.com/doc/2006-03-01/}")
            assert "{" not in name
            found.add(f"{path}/{name}")
            walk(child, f"{path}/{name}")

    walk(ET.fromstring(text.encode()), "")
    return found
