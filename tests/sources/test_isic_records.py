"""What the archive's records say of their pictures, and what a list of them comes to."""

from __future__ import annotations

from typing import Any

import pytest

from imgcrawl.records.items import Expects
from imgcrawl.sources.isic.records import expects_of_ids, file_of, flatten


def record(size: Any = 1000, license_: str = "CC-0") -> dict[str, Any]:
    files = {"full": {"url": "http://a/full", "size": size}, "thumbnail_256": {"size": 10}}
    return {"isic_id": "ISIC_1", "copyright_license": license_, "files": files}


def test_sections_are_columns_and_none_hides_another() -> None:
    sections = {"acquisition": {"pixels_x": 3, "isic_id": "other"}, "clinical": {"sex": "male"}}
    assert flatten({**record(), "metadata": sections}) == {
        "isic_id": "ISIC_1",
        "copyright_license": "CC-0",
        "pixels_x": 3,
        "acquisition_isic_id": "other",
        "sex": "male",
    }


@pytest.mark.parametrize("files", [None, [], "x", {"full": None}, {"full": "x"}, {}])
def test_a_record_without_a_file_has_none(files: Any) -> None:
    assert file_of({"files": files}, "full") == {}
    assert expects_of_ids([{"files": files}], "full", 1, 1).bytes is None


def test_a_list_is_measured_by_its_first_records() -> None:
    seen = [record(1000), record(3000, "CC-BY"), record(None)]
    assert expects_of_ids(seen, "full", 4, 4) == Expects(4, 4000, "Licences: CC-0 2, CC-BY 1")
    assert expects_of_ids(seen, "full", 500, 4) == Expects(
        500, 500_000, "Licences of the first 4: CC-0 2, CC-BY 1"
    )
    assert expects_of_ids(seen, "thumbnail", 300, 3).bytes == 3000
    assert expects_of_ids(seen, "none", 300, 3).bytes is None
    assert expects_of_ids([], "full", 7, 7) == Expects(7)
