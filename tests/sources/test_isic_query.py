from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgcrawl.sources.isic.query import (
    CheckedQuery,
    Filter,
    QueryError,
    check_query,
    combine,
    filter_query,
    id_query,
    is_legacy_id,
    license_query,
    parse_id,
)
from imgcrawl.sources.isic.query_fields import FIELDS, FieldKind
from imgcrawl.sources.isic.query_hints import no_match
from spiders.isic import IsicSpider
from tests.conftest import refusal

# What the server's own parser (ImageMarkup/isic, isic/core/dsl.py) says of a query: the first
# table it accepts, the second it refuses. The second word of a line is what is sent here: "="
# as typed (but for spaces), None nothing, else the corrected query.
ACCEPTED: list[tuple[str, str | None]] = [
    ("", "="),
    ("   ", "="),
    ("diagnosis_1:Benign", "="),
    ("diagnosis_1:benign", "diagnosis_1:Benign"),
    ('diagnosis_1:"Benign"', "="),
    ("diagnosis_1:Malignant AND image_type:dermoscopic", "="),
    ("diagnosis_1:Malignant image_type:dermoscopic", "="),
    ("(diagnosis_1:Benign OR diagnosis_1:Malignant) AND sex:male", "="),
    ("-diagnosis_1:Benign", "="),
    ("- diagnosis_1:Benign", "="),
    ("-diagnosis_1:*", "="),
    ("diagnosis_1:*", "="),
    ("diagnosis_3:Melanoma*", "="),
    ('diagnosis_3:"Melanoma*"', "="),
    ('diagnosis_3:"Melanoma Invasive"', "="),
    ('diagnosis_3:"Melanoma in situ"', "="),
    ("isic_id:ISIC_0000000 OR isic_id:ISIC_0000001", "="),
    ("isic_id:ISIC_000*", "="),
    ("age_approx:[20 TO 40]", "="),
    ("age_approx:{20 TO 40}", "="),
    ("melanocytic:true", "="),
    ("sex:male", "="),
    ("sex:MALE", "sex:male"),
    ("image_type:clinical", 'image_type:"clinical: close-up"'),  # the server's own reading
    ('image_type:"TBP tile: close-up"', "="),
    ('image_type:"clinical: close-up"', "="),
    ("copyright_license:CC-0", "="),
    ('copyright_license:"CC-BY"', "="),
    ("copyright_license:CC-BY-NC", "="),
    ("public:true", "="),
    ("lesion_id:IL_1234567", "="),
    ("patient_id:IP_1234567", "="),
    ("fitzpatrick_skin_type:I", "="),
    ("fitzpatrick_skin_type:III OR fitzpatrick_skin_type:IV", "="),
    ('anatom_site_1:"Head and neck"', "="),
    ("anatom_site_special:*", "="),
    ('mel_mitotic_index:"0/mm^2"', "="),
    ("mel_thick_mm:[0 TO 1.5]", "="),
    ("clin_size_long_diam_mm:[* TO 6]", "="),
    ("diagnosis_confirm_type:histopathology", "="),
    ("diagnosis_1 : Benign", "="),
    ("diagnosis_1: Benign", "="),
    ("concomitant_biopsy:true", "="),
    ("family_hx_mm:false", "="),
    ("image_manipulation:altered", "="),
    ("rcm_case_id:*", "="),
    ('tbp_tile_type:"3D: XP"', "="),
    ("color_tint:blue", None),  # parsed, but the database has no such column
    ("hairy:true", None),
    ('diagnosis_2:"Malignant melanocytic proliferations (Melanoma)"', "="),
    ("diagnosis_1:*lign*", None),  # parsed, but the second star, or one inside, is taken for a star
    ("diagnosis_1:Ma*nant", None),
]
REFUSED: list[tuple[str, str | None]] = [
    ("NOT diagnosis_1:Benign", "-diagnosis_1:Benign"),
    ("age_approx:[20 to 40]", "age_approx:[20 TO 40]"),
    ("age_approx:20-40", "age_approx:[20 TO 40]"),
    ("age_approx:>20", "age_approx:{20 TO *}"),
    ("melanocytic:True", "melanocytic:true"),
    ('anatom_site_general:"head/neck"', None),
    ("mel_thick_mm:>1", "mel_thick_mm:{1 TO *}"),
    ("acquisition_day:3", None),
    ("pixels_x:600", None),
    ('attribution:"Anonymous"', None),
    ("collections:70", None),
    ("created:2020", None),
    ("diagnosis_1:Benign,Malignant", None),
    ("diagnosis_1:Benign OR", None),
    ("(diagnosis_1:Benign", None),
    ('diagnosis_1:"Benign', None),
    ("diagnosis_1:Benign & sex:male", "diagnosis_1:Benign AND sex:male"),
    (
        "diagnosis_2:'Benign melanocytic proliferations'",
        'diagnosis_2:"Benign melanocytic proliferations"',
    ),
    ("diagnosis_1:Bénign", None),
]
VECTORS = [(query, sent, True) for query, sent in ACCEPTED] + [
    (query, sent, False) for query, sent in REFUSED
]

TERM, GROUP = "\ue000", "\ue001"
WORD_VALUE = r'(?:[A-Za-z0-9*_-]+|"[^"\n]*")'
NUMBER_VALUE = r"(?:[+-]?(?:\d*\.?\d+|\d+\.)(?:[eE][+-]?\d+)?|\*)"
VALUES = {
    FieldKind.WORD: WORD_VALUE,
    FieldKind.FLAG: r"(?:true|false|\*)",
    FieldKind.NUMBER: rf"(?:{NUMBER_VALUE}|[\[{{]\s*{NUMBER_VALUE}\s*TO\s*{NUMBER_VALUE}\s*[\]}}])",
}
KINDS = {name: field.kind for name, field in FIELDS.items()} | {
    "color_tint": FieldKind.WORD,
    "hairy": FieldKind.FLAG,
}
TERMS = re.compile(
    "|".join(rf"-?\s*\b{name}\s*:\s*{VALUES[kind]}(?![\w.])" for name, kind in KINDS.items())
)


def server_accepts(query: str) -> bool:
    """The server's grammar, in another way than the one under test: by reducing the text."""
    if not query.strip():
        return True
    left = re.sub(rf"{TERM}(?:\s*{TERM})*", GROUP, TERMS.sub(TERM, query.strip()))
    chain = rf"{GROUP}(?:\s*(?:AND|OR)\s*{GROUP})*"
    while (shorter := re.sub(rf"\(\s*{chain}\s*\)", GROUP, left)) != left:
        if re.search(rf"{GROUP}\s*{GROUP}", shorter):
            return False  # no AND beside a parenthesis
        left = shorter
    return re.fullmatch(chain, left) is not None


def without_spaces(query: str) -> str:
    return re.sub(r"\s+(?=[^\"]*(?:\"[^\"]*\"[^\"]*)*$)", "", query)


@pytest.mark.parametrize(("query", "sent", "accepted"), VECTORS)
def test_query_that_the_server_judged(query: str, sent: str | None, accepted: bool) -> None:
    assert server_accepts(query) is accepted
    if sent is None:
        with pytest.raises(QueryError, match=r"type|leave|use"):
            check_query(query)
        return
    checked = check_query(query)
    assert server_accepts(checked.text)
    if sent == "=":
        assert without_spaces(checked.text) == without_spaces(query)
        assert checked.corrections == ()
    else:
        assert checked.text == sent
        assert len(checked.corrections) == 1
        assert sent in checked.corrections[0] or "AND" in checked.corrections[0]


def test_all_verdicts_of_the_server_are_here() -> None:
    assert (len(ACCEPTED), len(REFUSED)) == (52, 19)


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("sex:male and age_approx:50", "sex:male AND age_approx:50"),
        ("sex:male or age_approx:50", "sex:male OR age_approx:50"),
        ("sex:male || age_approx:50", "sex:male OR age_approx:50"),
        ("not sex:male", "-sex:male"),
        ("!sex:male", "-sex:male"),
        ("(sex:male) public:true", "(sex:male) AND public:true"),
        ("sex:male (public:true)", "sex:male AND (public:true)"),
        ("(sex:male)(public:true)", "(sex:male) AND (public:true)"),
        ("sex:male\u00a0AND\npublic:true", "sex:male AND public:true"),
        ("SEX:male", "sex:male"),
        ("sex:'male'", 'sex:"male"'),
        ("diagnosis_3:\u201cMelanoma Naevus\u201d", 'diagnosis_3:"Melanoma Naevus"'),
        ("diagnosis_3:nevus", "diagnosis_3:Nevus"),
        ('diagnosis_3:"melanoma invasive"', 'diagnosis_3:"Melanoma Invasive"'),
        ("diagnosis_3:Melanoma,NOS", 'diagnosis_3:"Melanoma, NOS"'),
        ('anatom_site_1:"head AND neck"', 'anatom_site_1:"Head and neck"'),
        ("fitzpatrick_skin_type:3", "fitzpatrick_skin_type:III"),
        ("age_approx:>=20", "age_approx:[20 TO *]"),
        ("age_approx:< 20", "age_approx:{* TO 20}"),
        ("age_approx:<=20", "age_approx:[* TO 20]"),
        ("age_approx:[20-40}", "age_approx:[20 TO 40}"),
        ('age_approx:"50"', "age_approx:50"),
        ('public:"TRUE"', "public:true"),
        ("copyright_license:cc0", "copyright_license:CC-0"),
        ('image_type:"tbp tile: CLOSE-UP"', 'image_type:"TBP tile: close-up"'),
        ("image_type:Overview", 'image_type:"clinical: overview"'),
        ("mel_mitotic_index:<1/mm^2", 'mel_mitotic_index:"<1/mm^2"'),
        ("diagnosis_1:mal*", "diagnosis_1:Mal*"),
        ("isic_id:isic_0000001", "isic_id:ISIC_0000001"),
        ("isic_id:0000001.jpg", "isic_id:ISIC_0000001"),
        ("isic_id:isic_000*", "isic_id:ISIC_000*"),
        ("lesion_id:il_1234567", "lesion_id:IL_1234567"),
        ("benign_malignant:benign", "diagnosis_1:Benign"),
        ("-benign_malignant:Malignant", "-diagnosis_1:Malignant"),
        ("benign_malignant:indeterminate", "diagnosis_1:Indeterminate"),
        ("benign_malignant:*", "diagnosis_1:*"),
    ],
)
def test_mistake_with_one_meaning_is_mended_and_said(query: str, sent: str) -> None:
    checked = check_query(query)
    assert checked.text == sent
    assert server_accepts(sent)
    if "\u00a0" not in query:  # a space is a space, and not worth a word
        assert len(checked.corrections) == 1
        assert " → " in checked.corrections[0]


def test_correction_reads_as_promised() -> None:
    assert check_query("diagnosis_1:benign").corrections == (
        "diagnosis_1:benign → diagnosis_1:Benign (values are case-sensitive)",
    )
    (relabelled,) = check_query("benign_malignant:benign").corrections
    assert "labelled anew" in relabelled
    assert len(check_query("sex:MALE OR (sex:Female AND public:True)").corrections) == 3
    assert len(check_query("sex:MALE or sex:MALE or sex:MALE").corrections) == 2


@pytest.mark.parametrize(
    "query",
    [
        "diagnosis_3:Nevus",
        "diagnosis_3:unheard",
        'anatom_site_1:"wrist AND hand"',
        "diagnosis_1:Benign AND -sex:male",
        "diagnosis_1:AND",
        "sex:OR OR sex:male",
        "age_approx:1e1",
        "mel_thick_mm:[1e-1 TO 2.5E+0]",
        "diagnosis_3:*oma OR isic_id:*5",
        "(" * 20 + "sex:male" + ")" * 20,
        "anatom_site_special:Fingernail",
        "rcm_case_id:abc",
        "lesion_id:my-lesion",
        'diagnosis_2:"and"',
        "sex:male -public:true",
        "((sex:male))",
        " AND ".join(["(sex:male)"] * 20),
        "(sex:male OR sex:female) AND (public:true OR -age_approx:-5)",
        'diagnosis_4:"a (b) [c TO d] OR e:f"',
    ],
)
def test_what_is_not_known_to_be_wrong_is_left_alone(query: str) -> None:
    assert check_query(query) == CheckedQuery(query)
    assert server_accepts(query)


@pytest.mark.parametrize(
    ("query", "hint", "caret"),
    [
        ("diagnosis:melanoma", "type diagnosis_3:Melanoma*", "diagnosis"),
        ('diagnosis:"Nevus"', "type diagnosis_3:Nevus", "diagnosis"),
        (
            'diagnosis:"seborrheic keratosis"',
            'diagnosis_3:"Seborrheic keratosis"',
            "diagnosis",
        ),
        ('diagnosis:"actinic keratosis"', '"Solar or actinic keratosis"', "diagnosis"),
        ('diagnosis:"lentigo NOS"', 'diagnosis_3:"Lentigo NOS"', "diagnosis"),
        ("diagnosis:unheard", 'diagnosis_3:"…"', "diagnosis"),
        ('anatom_site_general:"head/neck"', '"Head and neck"', "anatom_site_general"),
        ("anatom_site_general:*torso", "anatom_site_1:Trunk", "anatom_site_general"),
        ("anatom_site_general:x", "anatom_site_1", "anatom_site_general"),
        ('benign_malignant:"indeterminate/benign"', "diagnosis_1:Benign", "benign_malignant"),
        ("nevus_type:blue", "diagnosis_4", "nevus_type"),
        ("mel_class:x", "diagnosis_3", "mel_class"),
        ("mel_type:x", "diagnosis_4", "mel_type"),
        ("created:2020", "since=", "created"),
        ("collections:70", "collections=", "collections"),
        ("blurry:true", "server fail", "blurry"),
        ("marker_pen:true", "server fail", "marker_pen"),
        ("pixels_y:3", "cannot be searched", "pixels_y"),
        ("sex:male age:50", "type age_approx", "age"),
        ("licence:CC-0", "copyright_license", "licence"),
        ("diagnosi_1:Benign", "diagnosis_1", "diagnosi_1"),
        ("-(sex:male OR public:true)", "negate each term", "-"),
        ("NOT (sex:male)", "negate each term", "NOT"),
        ("--sex:male", "twice", "-"),
        ("sex:(male OR female)", "each value with its field", "("),
        ("sex: AND public:true", "value is missing", "AND"),
        ("sex:male (", "term is missing", ""),
        ("sex:male OR OR public:true", "term is missing", "OR"),
        ("()", "term is missing", ")"),
        ("sex:male)", "no parenthesis is open", ")"),
        ("(sex:male AND (public:true)", "not closed", "("),
        ("age_approx:[20 TO", "not closed", "["),
        ("age_approx:20 TO 40]", "no range is open", "]"),
        ("sex:'male", "not closed", "'"),
        ("age_approx:[40 TO 20]", "type [20 TO 40]", "[40 TO 20]"),
        ("age_approx:[a TO b]", "takes a number", "[a TO b]"),
        ("age_approx:fifty", "takes a number", "fifty"),
        ("age_approx:1234567890", "takes a number", "1234567890"),
        ("age_approx:\u0665", "takes a number", "\u0665"),
        ("age_approx>20", "type age_approx:>20", "age_approx>20"),
        ("age_approx=20", "type age_approx:20", "age_approx=20"),
        ("diagnosis_1:[a TO b]", "age_approx", "[a TO b]"),
        ("melanocytic:yes", "melanocytic:true", "yes"),
        ("diagnosis_3:Melanoma Invasive", 'type diagnosis_3:"Melanoma Invasive"', "Invasive"),
        ("image_type:TBP tile: close-up", "double quotes", "tile"),
        ("image_type:RCM: tile", "double quotes", ":"),
        ("diagnosis_3:Melanoma,Scar", "(diagnosis_3:Melanoma OR", "Melanoma,Scar"),
        ("diagnosis_1:-Benign", "type -diagnosis_1:Benign to leave it out", "-Benign"),
        ("sex:-male", "-sex:male", "-male"),
        ('diagnosis_3:"-Melanoma Invasive"', '-diagnosis_3:"Melanoma Invasive"', None),
        ("image_type:-dermoscopic", "-image_type:dermoscopic", "-dermoscopic"),
        ("copyright_license:-CC-BY", "-copyright_license:CC-BY", "-CC-BY"),
        ("fitzpatrick_skin_type:--I", "-fitzpatrick_skin_type:I", "--I"),
        ("lesion_id:-IL_1234567", "-lesion_id:IL_1234567", "-IL_1234567"),
        ("sex:_male", "type sex:male for the value", "_male"),
        ("diagnosis_3:*anoma*", "type diagnosis_3:anoma* or diagnosis_3:*anoma", "*anoma*"),
        ("isic_id:ISIC_00*5", "one * only, at one end", "ISIC_00*5"),
        ("sex:**", "one * only", "**"),
        ('diagnosis_3:"Mel*in situ"', 'type diagnosis_3:Mel* AND diagnosis_3:"*in situ"', None),
        ("isic_id:ISIC_0*1*", "type isic_id:ISIC_0*", "ISIC_0*1*"),
        ("-diagnosis_3:Mel*situ", "as in -diagnosis_3:abc*", "Mel*situ"),
        ("diagnosis_1:Bénign", 'type diagnosis_1:"Benign"', "Bénign"),
        ("melanoma", "diagnosis_3:Melanoma*", "melanoma"),
        ("malignant", "diagnosis_1:Malignant", "malignant"),
        ('sex:""', "-sex:*", '""'),
        ('sex:"a\tb"', "invisible", '"a b"'),
        ("sex:'a\"b'", "double quote", "'a\"b'"),
        ("isic_id:5436e3abbae478396759f0cf", "old API", "5436e3abbae478396759f0cf"),
        ("isic_id:ISIC_12", "seven digits", "ISIC_12"),
        ("-diagnosis_3:*oma", "misreads", "*oma"),
        ("(" * 21 + "sex:male" + ")" * 21, "at most 20", "("),
    ],
)
def test_refusal_says_why_and_points_there(query: str, hint: str, caret: str | None) -> None:
    with pytest.raises(QueryError) as caught:
        check_query(query)
    words, excerpt, carets = str(caught.value).split("\n")
    assert hint in words
    if caret is None:
        return
    start = carets.index("^")
    assert excerpt[start : start + carets.count("^")].replace("\N{REPLACEMENT CHARACTER}", " ") == (
        caret
    )


@pytest.mark.parametrize("field", ["diagnosis_1", "sex", "image_type", "diagnosis_3", "lesion_id"])
@pytest.mark.parametrize("sign", ["-", "_", "--", "-_"])
@pytest.mark.parametrize("value", ["Benign", '"male"', "dermoscopic", "*", "Nevus*"])
def test_a_sign_before_a_value_is_never_dropped(field: str, sign: str, value: str) -> None:
    typed = f'"{sign}{value[1:]}' if value[0] == '"' else f"{sign}{value}"
    with pytest.raises(QueryError, match=r"no value begins with|one \* only"):
        check_query(f"{field}:{typed}")


def test_a_hyphen_behind_an_operator_negates_as_it_does_for_the_server() -> None:
    assert check_query("diagnosis_1:Benign AND-sex:male").text == (
        "diagnosis_1:Benign AND -sex:male"
    )
    assert check_query("sex:male OR-melanocytic:true").text == "sex:male OR -melanocytic:true"


def test_names_that_the_archive_has_correct_those_that_are_typed() -> None:
    names = {"diagnosis_4": ["Melanoma in situ, lentigo maligna type", "Nevus, Spilus"]}
    typed = 'diagnosis_4:"melanoma in situ lentigo maligna type"'
    assert check_query(typed) == CheckedQuery(typed)
    sent = 'diagnosis_4:"Melanoma in situ, lentigo maligna type"'
    assert check_query(typed, names).text == sent
    assert check_query(sent, names) == CheckedQuery(sent)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("sex:unknown", "Type -sex:* for images without sex"),
        ("image_type:dermoscopy", "type image_type:dermoscopic (9,000 images)"),
        ("diagnosis_3:melanoma", 'type diagnosis_3:"Melanoma in situ" (30 images), '),
        ("fitzpatrick_skin_type:7", "type fitzpatrick_skin_type:I, "),
        ("diagnosis_1:Benign", ""),  # it is there: something else of the query is not
        ("diagnosis_3:Mela*", ""),
    ],
)
def test_what_matches_nothing_is_told_with_what_is_there(query: str, hint: str) -> None:
    facets = {
        "sex": {"male": 4, "female": 5},
        "image_type": {"dermoscopic": 9000, "TBP tile: close-up": 1},
        "diagnosis_1": {"Benign": 1},
        "diagnosis_3": {"Nevus": 50, "Melanoma in situ": 30, "Melanoma Invasive": 20},
    }
    told = no_match(query, check_query(query).words, facets)
    assert told.startswith(f"No image of the archive matches {query}.")
    assert hint in told
    assert hint or told.endswith(f"{query}.")


def test_caret_points_into_a_long_query() -> None:
    query = " OR ".join(f"isic_id:ISIC_{n:07d}" for n in range(90)) + " OR sexx:male OR sex:male"
    with pytest.raises(QueryError) as caught:
        check_query(query)
    _, excerpt, carets = str(caught.value).split("\n")
    assert excerpt[carets.index("^") :].startswith("sexx")
    assert len(excerpt) < 100


def test_query_too_long_is_refused() -> None:
    with pytest.raises(QueryError, match="at most 4000"):
        check_query("sex:male " * 500)
    with pytest.raises(QueryError, match="too long"):  # below 4,000 characters, but not escaped
        check_query(f'diagnosis_3:"{"é" * 2000}"')
    with pytest.raises(QueryError, match="too long"):  # longer than 4,000 once corrected
        check_query("(sex:ab)" * 309)


VALID_VALUES = {
    FieldKind.NUMBER: st.sampled_from(
        ["50", "1.5", "-5", "*", "[20 TO 40]", "{* TO 6]", "[* TO *]"]
    ),
    FieldKind.FLAG: st.sampled_from(["true", "false", "*"]),
    FieldKind.WORD: st.sampled_from(["*", '"a b"', '"( OR"', "x*", "x-y"]),
}
ID_VALUES = st.sampled_from(["*", "ISIC_0000000", "ISIC_00*", '"ISIC_0000000"'])
terms = st.sampled_from(list(FIELDS)).flatmap(
    lambda name: (ID_VALUES if name == "isic_id" else VALID_VALUES[KINDS[name]]).map(
        lambda value: f"{name}:{value}"
    )
)
signed_terms = st.builds(str.__add__, st.sampled_from(["", "-"]), terms)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.tuples(inner, st.sampled_from([" AND ", " OR "]), inner).map("".join)
    return joined | inner.map(lambda query: f"({query})")


@settings(max_examples=300, deadline=None)
@given(st.recursive(signed_terms, nested, max_leaves=6))
def test_right_query_is_sent_as_typed(query: str) -> None:
    assert server_accepts(query)
    assert check_query(query) == CheckedQuery(query)


PIECES = re.split(
    " ",
    "sex diagnosis_1 age_approx melanocytic isic_id benign_malignant diagnosis : : : ( ) [ ] { } "
    "AND OR and or NOT TO - - ! & , = > <= \" ' \u201c \u201d * male MALE benign 20 1.5 20-40 "
    'true True ISIC_0000001 "a_b" sex:male -age_approx:>3 (public:True) image_type:Overview é',
)
typed = st.text(max_size=60) | st.lists(
    st.sampled_from([*PIECES, "[20 TO 40]", " ", " ", "\n"])
).map("".join)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(typed)
@example("sex:\ud800")
@example('diagnosis_3:"\ud800"')
@example('sex:"\x00"')
@example("age_approx:" + "9" * 500)
@example("age_approx:\u0665")
@example("isic_id:\u0130SIC_0000000")
def test_any_text_is_refused_or_made_right_once(text: str) -> None:
    try:
        checked = check_query(text)
    except QueryError:
        return
    assert server_accepts(checked.text)
    assert check_query(checked.text) == CheckedQuery(checked.text)


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "(",
            ")",
            "-",
            "[",
            "[1",
            '"',
            "'",
            "\u201c",
            ">",
            ">1",
            " ",
            "1",
            ":",
            "a:",
            "!a",
            "a b",
        ),
        *("sex:a ", "(sex:a ", "sex:a OR ", "not ", "and ", "* ", "age_approx:1", "age_approx:[ "),
    ],
)
def test_long_hostile_text_is_judged_at_once(piece: str) -> None:
    for text in (piece * (4000 // len(piece)), f"age_approx:[{piece * (3900 // len(piece))} TO"):
        with contextlib.suppress(QueryError):
            check_query(text)


def test_combine_groups_what_has_several_terms() -> None:
    both = combine("sex:male OR sex:female", "", filter_query(Filter.BENIGN), "  ")
    assert both == "(sex:male OR sex:female) AND diagnosis_1:Benign"
    assert combine("sex:male public:true", "age_approx:5") == (
        "(sex:male public:true) AND age_approx:5"
    )
    assert combine("sex:male", "-public:true") == "sex:male AND -public:true"
    assert combine("sex:male OR sex:female") == "sex:male OR sex:female"
    assert combine() == combine("", " ") == ""
    assert check_query(both) == CheckedQuery(both)
    with pytest.raises(QueryError, match="not closed"):
        combine("sex:male OR (sex:female", "public:true")
    with pytest.raises(QueryError, match="at most 4000"):
        combine(*["sex:male " * 300] * 2)


@pytest.mark.parametrize(
    ("word", "query"),
    [
        ("benign", "diagnosis_1:Benign"),
        ("Malignant", "diagnosis_1:Malignant"),
        (" INDETERMINATE ", "diagnosis_1:Indeterminate"),
        ("unlabelled", "-diagnosis_1:*"),
        ("Unlabeled", "-diagnosis_1:*"),
    ],
)
def test_filter_words(word: str, query: str) -> None:
    assert filter_query(Filter(word)) == query
    assert check_query(query) == CheckedQuery(query)


def test_unknown_filter_word() -> None:
    for wrong in ("", "melanoma", "benign malignant"):
        with pytest.raises(ValueError, match="not a valid Filter"):
            Filter(wrong)


def test_license_query() -> None:
    assert license_query(["cc0"]) == "copyright_license:CC-0"
    both = license_query(["CC-BY", "cc-0", "cc by"])
    assert both == "copyright_license:CC-BY OR copyright_license:CC-0"
    assert check_query(both) == CheckedQuery(both)
    assert license_query([]) == ""
    for wrong in ("CC-BY-SA", "", "all\x1b[2J", "-CC-BY", "_CC-0"):
        with pytest.raises(QueryError, match="CC-0, CC-BY, CC-BY-NC") as caught:
            license_query(["CC-0", wrong])
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "image_id"),
    [
        ("ISIC_0000000", "ISIC_0000000"),
        (" isic_0012345\n", "ISIC_0012345"),
        ("0000000", "ISIC_0000000"),
        ("ISIC_0000000.jpg", "ISIC_0000000"),
        ("Isic_0000000.TIFF", "ISIC_0000000"),
        ("images/ISIC_0000000.jpg", "ISIC_0000000"),
        ("https://isic-archive.s3.amazonaws.com/images/ISIC_0000000.jpg", "ISIC_0000000"),
        ("https://api.isic-archive.com/images/ISIC_0000000/?a=b#c", "ISIC_0000000"),
        ("5436E3ABBAE478396759F0CF", "5436e3abbae478396759f0cf"),
        (
            "https://api.isic-archive.com/images/5436e3abbae478396759f0cf/",
            "5436e3abbae478396759f0cf",
        ),
    ],
)
def test_parse_id(text: str, image_id: str) -> None:
    assert parse_id(text) == image_id
    assert parse_id(image_id) == image_id
    assert is_legacy_id(image_id) is not image_id.startswith("ISIC")


@pytest.mark.parametrize(
    "text",
    [
        *("", "ISIC_", "ISIC_123", "ISIC_12345678", "ISIC_000000\u0661", "IL_1234567", "x" * 24),
        *("ISIC_0000000 ISIC_0000001", "https://example.org/collections/1234567", "\x1b[2J"),
    ],
)
def test_parse_id_refuses_in_words(text: str) -> None:
    with pytest.raises(QueryError, match="not an image id") as caught:
        parse_id(text)
    assert str(caught.value).isprintable()


@given(st.text())
def test_parse_id_of_any_text(text: str) -> None:
    try:
        image_id = parse_id(text)
    except QueryError:
        return
    assert re.fullmatch(r"ISIC_[0-9]{7}|[0-9a-f]{24}", image_id)


def test_id_query() -> None:
    assert id_query(["0000001"]) == "isic_id:ISIC_0000001"
    assert id_query(["isic_0000001", "0000002", "ISIC_0000001"]) == (
        "isic_id:ISIC_0000001 OR isic_id:ISIC_0000002"
    )
    hundred = id_query([f"{n:07d}" for n in range(100)])
    assert hundred.count(" OR ") == 99
    assert check_query(hundred) == CheckedQuery(hundred)
    assert combine(hundred, filter_query(Filter.BENIGN)) == f"({hundred}) AND diagnosis_1:Benign"
    for ids in ([], [f"{n:07d}" for n in range(101)]):
        with pytest.raises(QueryError, match="1 to 100"):
            id_query(ids)
    with pytest.raises(QueryError, match="old API"):
        id_query(["5436e3abbae478396759f0cf"])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"filter": "-benign"}, "type -a query=-diagnosis_1:Benign"),
        ({"filter": "!Malignant"}, "type -a query=-diagnosis_1:Malignant"),
        ({"filter": "not unlabelled"}, "type -a query=diagnosis_1:*"),
        ({"filter": "-benin"}, "a filter is one of benign, malignant"),
        ({"license": "CC-0,-CC-BY"}, "type -a query=-copyright_license:CC-BY to leave it out"),
        ({"license": "-GPL"}, "has no licence '-GPL': type CC-0, CC-BY"),
    ],
)
def test_what_is_to_be_left_out_is_never_taken(args: dict[str, str], words: str) -> None:
    assert words in refusal(IsicSpider, **args)
