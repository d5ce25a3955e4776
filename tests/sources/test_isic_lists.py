"""What is kept of a list of the ISIC Archive, and when all of it is read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.records.errors import OutputError
from imgcrawl.sources.isic.id_set import IdSet
from imgcrawl.sources.isic.list_state import ListState
from imgcrawl.sources.isic.list_sums import ListSums


def ids(numbers: Any) -> IdSet:
    found = IdSet()
    for number in numbers:
        found.add(f"ISIC_{number:07d}")
    return found


@pytest.mark.slow
@settings(max_examples=10)  # each set has a bit for every id that there can be
@given(st.sets(st.integers(0, 9_999_999), max_size=50), st.sets(st.integers(0, 40), max_size=20))
def test_a_set_of_ids_is_one(numbers: set[int], others: set[int]) -> None:
    found = IdSet.from_text(ids(numbers).to_text())
    assert len(found) == len(numbers)
    assert [*found.without(ids(others))] == [f"ISIC_{n:07d}" for n in sorted(numbers - others)]
    assert all(f"ISIC_{n:07d}" in found for n in numbers)


def test_an_id_is_new_once_and_what_is_none_is_never_remembered() -> None:
    found = IdSet()
    assert (found.add("ISIC_0000007"), found.add("ISIC_0000007")) == (True, False)
    for odd in ("ISIC_00000070", "isic_0000007", "", None, 7, "ISIC_000000\u0661"):
        assert found.add(odd)
        assert odd not in found
    assert len(found) == 1


@pytest.mark.parametrize("text", ["", "é", "AAAA", "eJwDAAAAAAE", "x" * 99])
def test_ids_of_a_spoiled_ledger_are_refused_in_words(text: str) -> None:
    with pytest.raises(OutputError, match="cannot be read"):
        IdSet.from_text(text)


def facet(**counts: int) -> dict[str, Any]:
    return {"buckets": [{"key": key, "doc_count": count} for key, count in counts.items()]}


FACETS = {
    "sex": facet(male=3, female=4),
    "melanocytic": {"buckets": [{"key": 1, "key_as_string": "true", "doc_count": 5}]},
    "age_approx": {"buckets": [{"key": 50.0, "doc_count": 6}, {"key": 55.0, "doc_count": 1}]},
    "mel_thick_mm": {"buckets": [{"key": "0.0-0.5", "from": 0.0, "to": 0.5, "doc_count": 2}]},
}


def sums(count: int = 7, size: int = 700, **facets: Any) -> ListSums:
    return ListSums.of(count, size, FACETS | facets)


def test_a_list_that_is_what_it_was_is_not_doubted() -> None:
    assert sums().difference(sums()) == ""
    assert ListSums.of(7, None, {}).difference(sums()) == ""  # what is not said tells nothing


def test_a_list_is_counted_by_its_facets() -> None:
    licences = {"meta": {"missing_count": 1, "present_count": 7}, "buckets": []}
    assert ListSums.of(None, 1, {"copyright_license": licences}).count == 8
    odd: list[Any] = [None, [], {}, {"missing_count": "1", "present_count": 7}]
    for meta in odd:
        assert ListSums.of(9, 1, {"copyright_license": {"meta": meta}}).count == 9


def test_sums_of_all_records_are_those_that_the_archive_says_of_the_most_frequent_values() -> None:
    own, names = ListSums.own(), [f"site {n}" for n in range(12)]
    for number, name in enumerate(names * 2 + names[:10]):
        clinical = {"anatom_site_special": name, "age_approx": 5 * (number % 3)}
        file = {"full": {"url": "u", "size": 100}}
        own.add({"isic_id": "x", "files": file, "metadata": {"clinical": clinical}})
    terms = facet(**dict.fromkeys(names[:10], 3))
    ages = {"buckets": [{"key": 5.0 * n, "doc_count": k} for n, k in enumerate((12, 11, 11))]}
    said = {"anatom_site_special": terms, "age_approx": ages}
    assert own.difference(ListSums.of(34, 3400, said)) == ""
    assert "anatom" in own.difference(
        ListSums.of(34, 3400, said | {"anatom_site_special": facet(**{names[0]: 4})})
    )
    ages["buckets"][0]["doc_count"] = 11
    assert "age" in own.difference(ListSums.of(34, 3400, said))


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (sums(8), "counts 8, where 7 are known"),
        (sums(7, 710), "710 bytes, where 700"),
        (sums(sex=facet(male=2, female=5)), "other values of sex"),
        (sums(melanocytic={"buckets": [{"key": 1, "doc_count": 4}]}), "of melanocytic"),
        (sums(age_approx={"buckets": [{"key": 50.0, "doc_count": 7}]}), "of age_approx"),
    ],
)
def test_a_list_that_differs_is_told_by_what(today: ListSums, words: str) -> None:
    assert words in sums().difference(today)


def test_images_that_were_added_at_the_end_explain_a_difference() -> None:
    known = sums()
    clinical = {"sex": "male", "melanocytic": True, "age_approx": 30, "mel_thick_mm": "0.20"}
    record = {"isic_id": "ISIC_0000009", "files": {"full": {"size": 11}}}
    known.add(record | {"metadata": {"clinical": clinical}})
    now_male = facet(male=4, female=4)
    now_melanocytic = {"buckets": [{"key": 1, "doc_count": 6}]}
    assert not known.difference(sums(8, 711, sex=now_male, melanocytic=now_melanocytic))
    assert "of sex" in known.difference(sums(8, 711, melanocytic=now_melanocytic))


def test_a_number_between_the_steps_of_its_facet_leaves_nothing_known_of_it() -> None:
    steps = {"clin_size_long_diam_mm": facet(**{"1.0": 3, "2.0": 4})}
    known = ListSums.of(7, 700, steps)
    sizes = {"metadata": {"clinical": {"clin_size_long_diam_mm": "1.20"}}}
    known.add({"isic_id": "ISIC_0000009", "files": {"full": {"size": 11}}} | sizes)
    assert (
        known.difference(ListSums.of(8, 711, {"clin_size_long_diam_mm": facet(**{"1.0": 4})})) == ""
    )


@pytest.mark.parametrize("answer", [None, [], {"sex": None}, {"sex": {"buckets": [1, {}, None]}}])
def test_facets_of_another_shape_say_nothing(answer: Any) -> None:
    assert not any(ListSums.of("7", "x", answer).facets.values())


def test_a_list_is_read_whole_again_after_some_days() -> None:
    state = ListState(ids([1, 2]), [sums()], "2026-01-01T00:00:00Z", ["ISIC_0000003"])
    again = ListState.from_json(state.to_json())
    assert (again.broken, again.sums) == (["ISIC_0000003"], [sums()])
    assert "days ago" in state.doubt(state, sums(), 7)
    recent = datetime.now(UTC) - timedelta(days=6)
    state.read_at = f"{recent:%Y-%m-%dT%H:%M:%SZ}"
    assert state.doubt(state, sums(), 7) == ""
    assert "days ago" in state.doubt(state, sums(), 5)


def test_sums_that_are_a_night_late_are_waited_for_once() -> None:
    record = {"isic_id": "ISIC_0000009", "files": {"full": {"size": 11}}}
    before, late = ListState.new(), sums()
    before.sums = [sums()]
    today = before.copy()
    today.add(record)
    assert today.doubt(before, late, 7) == ""
    today.hold(late)
    assert today.is_late
    tomorrow = ListState.from_json(today.to_json()).copy()
    assert "counts 7, where 8 are known" in tomorrow.doubt(today, late, 7)
    assert tomorrow.doubt(today, sums(8, 711), 7) == ""
    tomorrow.hold(sums(8, 711))
    assert (tomorrow.is_late, tomorrow.sums) == (False, [sums(8, 711)])


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"read_at": 1}', "null"])
def test_a_state_that_no_run_has_written_is_refused_in_words(text: str) -> None:
    with pytest.raises(OutputError, match="cannot be read"):
        ListState.from_json(text)
