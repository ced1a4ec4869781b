"""Scores of questionnaires, checked against sheets that can be counted by hand."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.catalogue import CATALOGUE
from measurements.questionnaires import INSTRUMENTS, instrument_of, read_answers, render_markdown, scores_of

ROOT = Path(__file__).parents[3]
ALL = list(INSTRUMENTS.values())
ids = [each.code for each in ALL]


def scored(code: str, entered: str) -> dict[str, str | None]:
    """Score a sheet written as answers in order, `-` for a missing one."""
    instrument = INSTRUMENTS[code]
    given_answers = {number: "" if text == "-" else text for number, text in enumerate(entered.split(), 1)}
    answers, misread = read_answers(instrument, given_answers)
    assert not misread
    return {
        score.scale.code: None if score.value is None else str(score.value) for score in scores_of(instrument, answers)
    }


@pytest.mark.parametrize(
    ("code", "entered", "expected"),
    [
        # All zeros: the four reversed items count four each.
        ("PSS10", "0 0 0 0 0 0 0 0 0 0", {"PSS10": "16", "PSS10H": "0", "PSS10S": "16"}),
        ("PSS10", "4 4 4 0 0 4 0 0 4 4", {"PSS10": "40", "PSS10H": "24", "PSS10S": "16"}),
        ("PSS10", "0 0 0 4 4 0 4 4 0 0", {"PSS10": "0", "PSS10H": "0", "PSS10S": "0"}),
        # 2+1+3+(4-2)+(4-3)+1+(4-2)+(4-1)+2+0 = 17
        ("PSS10", "2 1 3 2 3 1 2 1 2 0", {"PSS10": "17", "PSS10H": "9", "PSS10S": "8"}),
        ("PSS10", "2 1 3 2 3 1 2 1 2 -", {"PSS10": None, "PSS10H": None, "PSS10S": "8"}),
        ("CEQ", "1 1 1 0 1 0", {"CEQ": "6", "CEQC": "3", "CEQE": "3"}),
        ("CEQ", "9 9 9 100 9 100", {"CEQ": "54", "CEQC": "27", "CEQE": "27"}),
        # 60% is 1 + 8 * 0.6 = 5.8 and 70% is 6.6: 7+6+8 = 21, 5.8+7+6.6 = 19.4
        ("CEQ", "7 6 8 60 7 70", {"CEQ": "40.4", "CEQC": "21", "CEQE": "19.4"}),
        ("CEQ", "7 6 8 - 7 70", {"CEQ": None, "CEQC": "21", "CEQE": None}),
        # Goal 4,6,8,11: 4+2+3+5; task 1,2,10,12: 1+2+4+5; bond 3,5,7,9: 3+5+1+2
        ("WAISR", "1 2 3 4 5 2 1 3 2 4 5 5", {"WAISR": "37", "WAISRG": "14", "WAISRT": "12", "WAISRB": "11"}),
        ("WAISR", "1 2 - 4 5 2 1 3 2 4 5 5", {"WAISR": None, "WAISRG": "14", "WAISRT": "12", "WAISRB": None}),
        ("CARE", "5 5 5 5 5 5 5 5 5 5", {"CARE": "50"}),
        # 4+4+4+4+5+5+5+5 = 36 of eight items, mean 4.5, so 45
        ("CARE", "4 4 4 4 5 5 5 5 - na", {"CARE": "45"}),
        # 40 of nine: 40 * 10 / 9 = 44.4444...
        ("CARE", "4 4 4 4 4 5 5 5 5 -", {"CARE": "44.4444"}),
        ("CARE", "4 4 4 4 5 5 5 - - na", {"CARE": None}),
    ],
)
def test_a_sheet_counted_by_hand(code: str, entered: str, expected: dict[str, str | None]) -> None:
    assert scored(code, entered) == expected


def test_what_is_missing_is_told() -> None:
    instrument = INSTRUMENTS["CARE"]
    [score] = scores_of(instrument, {number: Decimal(3) for number in range(1, 10)})
    assert (score.missing, score.is_imputed) == ((10,), True)
    [none] = scores_of(instrument, {})
    assert (none.value, none.is_imputed, len(none.missing)) == (None, False, 10)


@pytest.mark.parametrize(
    ("code", "number", "text"),
    [
        ("PSS10", 1, "5"),
        ("PSS10", 1, "-1"),
        ("PSS10", 1, "2.0"),
        ("PSS10", 1, "2,5"),
        ("PSS10", 1, "٢"),
        ("PSS10", 1, "²"),
        ("PSS10", 1, "na"),
        ("PSS10", 1, "1e0"),
        ("CEQ", 1, "0"),
        ("CEQ", 4, "55"),
        ("CEQ", 4, "110"),
        ("WAISR", 12, "6"),
        ("CARE", 1, "0"),
        ("CARE", 1, "9" * 400),
    ],
)
def test_what_is_no_answer_is_told_with_its_range(code: str, number: int, text: str) -> None:
    answers, [misread] = read_answers(INSTRUMENTS[code], {number: text})
    assert not answers
    assert misread.number == number
    assert f"Item {number} takes whole numbers from " in misread.sentence


@pytest.mark.parametrize("instrument", ALL, ids=ids)
def test_an_instrument_is_whole(instrument) -> None:
    numbers = [item.number for item in instrument.items]
    assert numbers == list(range(1, len(numbers) + 1))
    assert instrument.total.code == instrument.code
    assert list(instrument.total.items) == numbers
    parts = [number for scale in instrument.scales[1:] for number in scale.items]
    assert not parts or sorted(parts) == numbers


@pytest.mark.parametrize("instrument", ALL, ids=ids)
def test_every_scale_is_in_the_catalogue_with_its_range(instrument) -> None:
    for scale in instrument.scales:
        definition = CATALOGUE[scale.code]
        assert (definition.specimen_type, definition.unit) == ("questionnaire", "{score}")
        assert definition.range_in_numbers() == tuple(map(Decimal, instrument.range_of(scale)))
        assert definition.is_awaited is not instrument.is_about_therapy
        assert instrument_of(scale.code) is instrument
    assert instrument_of("IL6") is None


sheets = st.sampled_from(ALL).flatmap(
    lambda each: st.tuples(
        st.just(each),
        st.fixed_dictionaries(
            {}, optional={item.number: st.sampled_from([Decimal(n) for n in item.choices]) for item in each.items}
        ),
    )
)


@given(sheets)
def test_a_score_is_in_its_range_or_says_what_is_missing(sheet) -> None:
    instrument, answers = sheet
    for score in scores_of(instrument, answers):
        low, high = instrument.range_of(score.scale)
        assert set(score.missing) == set(score.scale.items) - set(answers)
        assert (score.value is None) == (len(score.missing) > score.scale.may_lack)
        assert score.value is None or low <= score.value <= high
        assert score.value is None or isinstance(score.value, Decimal)


@given(sheets)
def test_subscales_add_up_to_the_total(sheet) -> None:
    instrument, answers = sheet
    total, *parts = scores_of(instrument, answers)
    if parts and total.value is not None:
        assert sum(part.value for part in parts) == total.value


@given(
    st.sampled_from(ALL).flatmap(lambda each: st.tuples(st.just(each), st.dictionaries(st.integers(0, 20), st.text())))
)
def test_any_text_is_an_answer_nothing_or_misread(entered) -> None:
    instrument, texts = entered
    answers, misread = read_answers(instrument, texts)
    known = {item.number for item in instrument.items}
    assert set(answers) | {each.number for each in misread} == {
        n for n, text in texts.items() if n in known and text.strip()
    }


def test_the_page_of_the_documentation_is_made_from_the_table() -> None:
    found = (ROOT / "docs" / "questionnaires.md").read_text(encoding="utf-8")
    assert found == render_markdown()
