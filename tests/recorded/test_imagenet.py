"""ImageNet: lists of image-net.org and words of WordNet, and pictures that are placeholders."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from imgcrawl.pictures import placeholders
from imgcrawl.sources.imagenet.candidates import (
    Candidate,
    NoListError,
    check_answer,
    check_url_file,
    read_candidates,
)
from imgcrawl.sources.imagenet.synsets import Synsets, read_wnids
from imgcrawl.sources.imagenet.url_file import UrlFile
from replicas import imagenet
from tests.recorded.shapes import FOLDER, recorded
from tests.replicas.client import ask

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess

HERE = FOLDER / "imagenet"
GETURLS = HERE / "geturls_n07933530_2016.txt"
FALL11 = HERE / "fall11_urls_head.txt"
# Both come with status 200; more than ten public clients took them for a URL.
INVALID = b"Invalid url!"
NOT_READY = b"The synset is not ready yet. Please stay tuned!"


@pytest.fixture(scope="module")
def synsets() -> Synsets:
    return Synsets()


def test_every_line_of_an_answer_is_a_candidate() -> None:
    body = GETURLS.read_bytes()
    check_answer(body)
    with GETURLS.open("rb") as file:
        found = list(read_candidates(file, "n07933530", "the list"))
    urls = [candidate.url for candidate in found if isinstance(candidate, Candidate)]
    assert len(urls) == len(found) == 23
    assert urls[0] == "http://open.salon.com/files/tea_cup_small1259088246.jpg"
    # No extension, an asterisk, a plus: as they stand.
    assert urls[15].endswith("/.a/6a00e54ed890f88833011168682476970c-200wi")
    assert "ldu*IIBKr68CKtLHAYP3" in urls[4]
    assert urls[21].endswith("/Camellia+and+teacup.jpg")
    assert urls == body.decode().split("\r\n")[:23]


@pytest.mark.parametrize("body", [INVALID, NOT_READY])
def test_sentences_are_no_lists(body: bytes) -> None:
    with pytest.raises(NoListError) as caught:
        check_answer(body)
    assert not caught.value.broken


def test_lines_of_fall11_have_numbers_of_their_own() -> None:
    check_url_file(str(FALL11))
    file = UrlFile(str(FALL11))
    file.index({"n00004475"})
    found = list(file.candidates("n00004475"))
    numbers = [candidate.number for candidate in found if isinstance(candidate, Candidate)]
    assert numbers == [6590, 15899, 32312, 35466, 39382, 41022, 42770, 54295]
    assert found[5] == Candidate(
        41022,
        "http://fortunaweb.com.ar/wp-content/uploads/2009/10/Caroline-Atkinson-FMI.jpg",
    )


def test_words_are_those_of_image_nets_own_file(synsets: Synsets) -> None:
    lines = (HERE / "words_head200.txt").read_text("utf-8").splitlines()
    words = dict(line.split("\t") for line in lines)
    known = {wnid: synset.lemmas for wnid in words if (synset := synsets.get(wnid))}
    assert len(words) == 200
    assert len(known) == 41  # of those that have pictures, or such below them
    assert known == {wnid: words[wnid] for wnid in known}


def test_the_published_list_of_the_1000_classes(synsets: Synsets) -> None:
    text = (HERE / "wnids_1000.txt").read_text("utf-8").splitlines()
    found = read_wnids(text, "the list")
    assert len(found) == 1000
    assert list(found) == synsets.ilsvrc2012()
    assert found["n01440764"] == "tench"
    twice = {label for label in found.values() if [*found.values()].count(label) > 1}
    assert twice == {"crane", "maillot"}
    assert {wnid for wnid, label in found.items() if label == "crane"} == {"n02012849", "n03126707"}


def test_the_replica_answers_with_the_habits_of_the_api(replica: ReplicaProcess) -> None:
    url = f"{replica.url}/imagenet/api/imagenet.synset.geturls?wnid="
    recording = GETURLS.read_bytes()
    status, headers, body = ask(f"{url}n07933530")
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    # Lines end with CR LF, and the last one is blank.
    assert recording.endswith(b".jpg\r\n\r\n")
    assert body.endswith(b".jpg\r\n\r\n")
    assert body.count(b"\n") == body.count(b"\r\n")
    assert ask(f"{url}x")[::2] == (200, INVALID)
    assert ask(f"{url}n00000077")[::2] == (200, NOT_READY)
    status, _, page = ask(f"{replica.url}/imagenet/api/text/imagenet.synset.geturls?wnid=n07933530")
    assert status == 404
    assert b"URL is not valid" in page


def test_the_replicas_url_file_has_the_lines_of_fall11() -> None:
    form = r"n\d{8}_\d+\thttps?://\S+\n"
    lines = FALL11.read_text("utf-8").splitlines(keepends=True)
    for line in (*lines, *imagenet.fall11(["n00004475"], 20)):
        assert re.fullmatch(form, line)


@pytest.mark.parametrize("url", recorded("imagenet/placeholders.json")["seen_urls"])
def test_addresses_of_placeholders_are_known(url: str) -> None:
    assert placeholders.known_address(url)


def test_digests_of_placeholders_are_known() -> None:
    hashes = recorded("imagenet/placeholders.json")["hashes"]
    known = {(each["algo"], each["hex"]) for each in hashes}
    bodies = placeholders._bodies()
    assert {(name, digest) for name, found in bodies.items() for digest in found} == known
