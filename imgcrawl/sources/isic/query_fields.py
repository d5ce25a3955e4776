"""What the ISIC Archive calls things: the fields that its search knows, and those it has dropped.

Fields and closed lists of values are those of the server's code and of the isic-metadata
package 5.1.0, both public (https://github.com/ImageMarkup). The server compares values with
regard to case and answers a wrong one with nothing found, not with an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, auto
from typing import TYPE_CHECKING

from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping


class FieldKind(Enum):
    """What may stand after a field's colon."""

    WORD = auto()  # a word or a quoted text, with * at either end
    NUMBER = auto()  # a number or a range
    FLAG = auto()  # true or false


@dataclass(frozen=True, slots=True)
class QueryField:
    """A field that can be searched.

    values:  those that are known, for their spelling
    is_open: whether it may have others; the archive's facets name them
    """

    kind: FieldKind
    values: tuple[str, ...] = ()
    is_open: bool = False


_ANY = QueryField(FieldKind.WORD)
_NUMBER = QueryField(FieldKind.NUMBER)
_FLAG = QueryField(FieldKind.FLAG)


def _closed(*values: str) -> QueryField:
    return QueryField(FieldKind.WORD, values)


def _open(*values: str) -> QueryField:
    return QueryField(FieldKind.WORD, values, is_open=True)


# The words of the old flat `diagnosis` that stand, capitalised, on the third of today's levels.
_SAME_NAME = (
    "Angiokeratoma",
    "Atypical Spitz tumor",
    "Basal cell carcinoma",
    "Clear cell acanthoma",
    "Dermatofibroma",
    "Ephelis",
    "Epidermal nevus",
    "Lentigo NOS",
    "Lentigo simplex",
    "Melanoma metastasis",
    "Merkel cell carcinoma",
    "Neurofibroma",
    "Nevus",
    "Pigmented benign keratosis",
    "Pyogenic granuloma",
    "Scar",
    "Sebaceous adenoma",
    "Sebaceous hyperplasia",
    "Seborrheic keratosis",
    "Solar lentigo",
    "Verruca",
)


FIELDS: Mapping[str, QueryField] = {
    "isic_id": _ANY,
    "lesion_id": _ANY,
    "patient_id": _ANY,
    "rcm_case_id": _ANY,
    "public": _FLAG,
    "copyright_license": _closed("CC-0", "CC-BY", "CC-BY-NC"),
    "diagnosis_1": _closed("Benign", "Malignant", "Indeterminate"),
    "diagnosis_2": _open(
        "Benign melanocytic proliferations",
        "Benign soft tissue proliferations - Vascular",
        "Malignant melanocytic proliferations (Melanoma)",
    ),
    "diagnosis_3": _open(
        *_SAME_NAME,
        "Atypical intraepithelial melanocytic proliferation",
        "Cafe au lait macule or patch",
        "Lichen planus like keratosis",
        "Melanoma Invasive",
        "Melanoma in situ",
        "Melanoma, NOS",
        "Solar or actinic keratosis",
    ),
    "diagnosis_4": _open("Nevus, Atypical, Dysplastic, or Clark", "Nevus, Spilus"),
    "diagnosis_5": _open("Nevus, Dysplastic"),
    "anatom_site_1": _open("Head and neck", "Lower extremity", "Trunk", "Upper extremity"),
    "anatom_site_2": _open("Anterior trunk", "Lateral trunk", "Posterior trunk"),
    **{f"anatom_site_{level}": _open() for level in range(3, 6)},
    "anatom_site_special": _open("acral palms or soles", "oral or genital"),
    "age_approx": _NUMBER,
    "sex": _closed("male", "female"),
    "diagnosis_confirm_type": _closed(
        "histopathology",
        "serial imaging showing no change",
        "single image expert consensus",
        "confocal microscopy with consensus dermoscopy",
        "single contributor clinical assessment",
    ),
    "image_type": _closed(
        "dermoscopic",
        "clinical: overview",
        "clinical: close-up",
        "TBP tile: close-up",
        "TBP tile: overview",
        "RCM: macroscopic",
        "RCM: tile",
        "RCM: mosaic",
    ),
    "dermoscopic_type": _closed(
        "contact polarized", "contact non-polarized", "non-contact polarized"
    ),
    "tbp_tile_type": _closed("3D: white", "3D: XP", "2D"),
    "image_manipulation": _closed("instrument only", "altered", "synthetic"),
    "fitzpatrick_skin_type": _closed("I", "II", "III", "IV", "V", "VI"),
    "clin_size_long_diam_mm": _NUMBER,
    "mel_thick_mm": _NUMBER,
    "mel_mitotic_index": _closed(
        "0/mm^2", "<1/mm^2", "1/mm^2", "2/mm^2", "3/mm^2", "4/mm^2", ">4/mm^2"
    ),
    "mel_ulcer": _FLAG,
    "melanocytic": _FLAG,
    "concomitant_biopsy": _FLAG,
    "personal_hx_mm": _FLAG,
    "family_hx_mm": _FLAG,
}

LEGACY_LABEL = "benign_malignant"
LEGACY_LABELS = ("benign", "malignant", "indeterminate", "*")  # diagnosis_1 has them, capitalised

_UNSEARCHABLE: Mapping[str, str] = {
    "nevus_type": "is gone: type diagnosis_4 or diagnosis_5",
    "mel_class": "is gone: type diagnosis_3, as in diagnosis_3:Melanoma*",
    "mel_type": "is gone: type diagnosis_4 or diagnosis_5",
    "acquisition_day": "cannot be searched: leave it out",
    "pixels_x": "cannot be searched: leave it out",
    "pixels_y": "cannot be searched: leave it out",
    "attribution": "cannot be searched: leave it out (copyright_license can)",
    "created": "cannot be searched: use the argument since=",
    "collections": "cannot be searched: use the argument collections=",
    **dict.fromkeys(
        ("blurry", "hairy", "marker_pen", "color_tint"),
        "is no longer recorded, and a search for it makes the server fail: leave it out",
    ),
}

# Columns of every image that the search does not know.
_ONLY_COLUMNS = ("acquisition_day", "attribution", "pixels_x", "pixels_y")

_DIAGNOSES: Mapping[str, str] = {
    **{
        name.lower(): f'diagnosis_3:"{name}"' if " " in name else f"diagnosis_3:{name}"
        for name in _SAME_NAME
    },
    "actinic keratosis": 'diagnosis_3:"Solar or actinic keratosis"',
    "aimp": 'diagnosis_3:"Atypical intraepithelial melanocytic proliferation"',
    "cafe-au-lait macule": 'diagnosis_3:"Cafe au lait macule or patch"',
    "lichenoid keratosis": 'diagnosis_3:"Lichen planus like keratosis"',
    "melanoma": "diagnosis_3:Melanoma*",
    "nevus spilus": 'diagnosis_4:"Nevus, Spilus"',
    "squamous cell carcinoma": 'diagnosis_3:"Squamous cell carcinoma*"',
    "vascular lesion": 'diagnosis_2:"Benign soft tissue proliferations - Vascular"',
}

_SITES: Mapping[str, str] = {
    "head/neck": 'anatom_site_1:"Head and neck"',
    "upper extremity": 'anatom_site_1:"Upper extremity"',
    "lower extremity": 'anatom_site_1:"Lower extremity"',
    "torso": "anatom_site_1:Trunk",
    "anterior torso": 'anatom_site_2:"Anterior trunk"',
    "lateral torso": 'anatom_site_2:"Lateral trunk"',
    "posterior torso": 'anatom_site_2:"Posterior trunk"',
    "palms/soles": 'anatom_site_special:"acral palms or soles"',
    "oral/genital": 'anatom_site_special:"oral or genital"',
}


def refusal(name: str, value: str) -> str:
    """Return why the field ``name`` (not one of ``FIELDS``) cannot be searched for ``value``.

    The answer is a sentence that ends with what to type instead.
    """
    key = value.lower().strip("* ")
    if name == "diagnosis":
        term = _DIAGNOSES.get(key, 'diagnosis_3:"…" (the server\'s images/facets/ lists the names)')
        return f"the flat field diagnosis is gone, levels 1 to 5 took its place: type {term}"
    if name == "anatom_site_general":
        term = _SITES.get(key, 'anatom_site_1:"…", such as anatom_site_1:"Head and neck"')
        return f"anatom_site_general is gone, anatom_site_1 to 5 took its place: type {term}"
    if name == LEGACY_LABEL:
        return f"{name} is gone: type diagnosis_1:Benign, :Malignant or :Indeterminate"
    if name in _UNSEARCHABLE:
        return f"{name} {_UNSEARCHABLE[name]}"
    near = nearest(name)
    return f"the archive has no field {name!r}: type " + (" or ".join(near) or ", ".join(FIELDS))


def check_column(name: str) -> None:
    """Raise ValueError, with what to type instead, for a column that no image has."""
    if name in FIELDS or name in _ONLY_COLUMNS:
        return
    if name in {"diagnosis", "anatom_site_general", LEGACY_LABEL} or name in _UNSEARCHABLE:
        instead = {"diagnosis": "diagnosis_3", "anatom_site_general": "anatom_site_1"}
        raise ValueError(
            f"there is no column {name} any more: type {instead.get(name, 'diagnosis_1')}"
        )
    near = did_you_mean(name, [*FIELDS, *_ONLY_COLUMNS])
    raise ValueError(f"no image has a column {name!r}{near}")


def nearest(name: str) -> tuple[str, ...]:
    """Return at most three fields that ``name`` may have been meant for, the likeliest first."""
    within = [
        field
        for field in FIELDS
        if len(name) > 1 and any(part.startswith(name) for part in field.split("_"))
    ]
    close = get_close_matches(name[:40], FIELDS, n=3)
    return tuple(dict.fromkeys(close + within))[:3]


def guess(word: str) -> str | None:
    """Return the term that a word without a field (``benign``) was likely meant for."""
    for name, field in FIELDS.items():
        for value in field.values:
            if value.lower() == word.lower():
                return f'{name}:"{value}"' if " " in value else f"{name}:{value}"
    return _DIAGNOSES.get(word.lower())
