"""ImageNet's classes, offline."""

from __future__ import annotations

import pytest

from imgcrawl.records.errors import ArgumentError
from imgcrawl.sources.imagenet.synsets import Synsets, read_wnids


@pytest.fixture(scope="module")
def synsets() -> Synsets:
    return Synsets()


def test_all_synsets_of_fall_2011_are_there_with_words_and_definition(synsets: Synsets) -> None:
    assert len(synsets.listed()) == 21_841
    for wnid in synsets.listed():
        synset = synsets.get(wnid)
        assert synset is not None
        assert synset.label
        assert synset.lemmas
        assert synset.definition
    tench = synsets.get("n01440764")
    assert tench is not None
    assert (tench.label, tench.lemmas) == ("tench", "tench, Tinca tinca")
    assert synsets.get("n99999999") is None


def test_the_thousand_classes_in_their_order(synsets: Synsets) -> None:
    classes = synsets.ilsvrc2012()
    assert (len(classes), classes[0], classes[-1]) == (1000, "n01440764", "n15075141")
    assert "n04399382" in classes  # teddy, which fall11_urls.txt lacks


def test_names_are_looked_up_and_ambiguous_ones_refused(synsets: Synsets) -> None:
    assert synsets.find("Great White Shark") == "n01484850"
    assert synsets.find("n02084071") == "n02084071"
    with pytest.raises(ArgumentError, match=r"crane is 2 synsets.*n02012849.*n03126707"):
        synsets.find("crane")
    with pytest.raises(ArgumentError, match="did you mean 'tench'"):
        synsets.find("tensh")
    with pytest.raises(ArgumentError, match="no synset"):
        synsets.find("n99999999")


def test_a_subtree_is_the_synset_and_all_below_it(synsets: Synsets) -> None:
    dogs = synsets.subtree("n02084071")
    assert dogs[0] == "n02084071"
    assert "n02085620" in dogs  # Chihuahua, three levels down
    assert "n02121620" not in dogs  # cat
    assert len(dogs) == len(set(dogs)) > 150


@pytest.mark.parametrize(
    ("name", "wnid"),
    [
        ("dog", "n02084071"),
        ("vehicle", "n04524313"),
        ("Carnivore", "n02075296"),
        ("cat", "n02121620"),
        ("car", "n02958343"),
        ("bird", "n01503061"),
        ("table", "n04379243"),
        ("entity", "n00001740"),
        ("n02121808", "n02121808"),
    ],
)
def test_the_root_of_a_subtree_is_the_sense_that_has_others_below(
    name: str, wnid: str, synsets: Synsets
) -> None:
    assert synsets.find_root(name)[0] == wnid


def test_what_a_name_is_taken_for_is_said_or_asked(synsets: Synsets) -> None:
    words = synsets.find_root("dog")[1]
    assert words.startswith("dog is taken for n02084071 (dog, domestic dog")
    assert "and not for n02710044 (andiron" in words
    assert synsets.find_root("tool") == ("n04451818", "")
    for name in ("crane", "game"):  # two that are equally likely
        with pytest.raises(ArgumentError, match="name one by its wnid"):
            synsets.find_root(name)


def test_names_without_pictures_and_parts_of_names(synsets: Synsets) -> None:
    assert synsets.find("entity") == "n00001740"
    with pytest.raises(ArgumentError, match="did you mean 'labrador retriever'"):
        synsets.find("labrador")


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("n01440764", ""),
        ("tench,n01440764", "tench"),
        ('"great, white",n01440764', "great, white"),
        ("n01440764 tench", "tench"),
        ("n01440764\ttench", "tench"),
        ("\ufeffn01440764", ""),
        ("n01440764/", ""),
        ("train/n01440764/", ""),
        ("./val\\n01440764", ""),
        ("n01440764.tar", ""),
        ("tars/n01440764.tar.gz,tench", "tench"),
        ("n01440764 1 tench", "tench"),
        ("n01440764 tench, Tinca tinca", "tench, Tinca tinca"),
    ],
)
def test_the_files_that_people_have(line: str, label: str) -> None:
    assert read_wnids(["# mine\n", "\n", line + "\r\n"], "f") == {"n01440764": label}


def test_a_line_without_a_wnid_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"wnids.txt, line 2: no wnid .* 'tench'"):
        read_wnids(["n01440764\n", "tench\n"], "wnids.txt")
    with pytest.raises(ArgumentError, match="holds no wnids"):
        read_wnids(["# nothing\n"], "wnids.txt")
    assert read_wnids(["label,wnid\n", "tench,n01440764\n"], "f") == {"n01440764": "tench"}
