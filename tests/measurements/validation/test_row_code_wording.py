"""A golden answer for every row code, and the rules that its words keep."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from measurements.validation import ROW_CODES, Options, Reference, check_rows, render_markdown, row_as_sent

ROOT = Path(__file__).parents[3]
GOLDEN = json.loads((Path(__file__).parent / "row_codes.json").read_text(encoding="utf-8"))
GOOD = {"specimen": "S-081-6M-P1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}

CONTRACT = """
specimen_unknown participant_unknown visit_unknown biomarker_unknown unit_missing unit_not_convertible value_not_number
value_ambiguous value_empty value_negative value_not_finite value_excel_date duplicate_in_file differs_from_recorded
visit_locked date_future date_before_draw date_no_zone encoding field_missing field_too_long participant_withdrawn
specimen_ambiguous specimen_not_received specimen_held trial_locked limit_mismatch value_implausible outside_window
column_unknown biomarker_alias unit_converted value_flag already_recorded
"""


def set_up(trial: Reference, setting: dict[str, Any]) -> Reference:
    """The trial of conftest.py with what one golden case changes."""
    if "window" in setting:
        first, last = map(date.fromisoformat, setting["window"])
        trial = replace(trial, windows={("PNI-081", "six_months"): (first, last)})
    if "telling" in setting:
        telling = {code: replace(each, tells_arm=code == setting["telling"]) for code, each in trial.biomarkers.items()}
        everybody = frozenset(each.pk for each in trial.participants.values())
        trial = replace(trial, biomarkers=telling, withheld_of=everybody)
    return replace(trial, trial_state=setting.get("trial_state", "open"))


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["finding"]["code"])
def test_finding_is_word_for_word_the_golden_one(case: dict[str, Any], trial: Reference) -> None:
    setting = case.get("setting", {})
    rows = [row_as_sent(GOOD | case["changes"])] * setting.get("times", 1)
    checked = check_rows(rows, set_up(trial, setting), Options(**setting.get("options", {})))
    found = [finding.as_json() for finding in (*checked.errors, *checked.warnings)]
    assert case["finding"] in found
    assert all(finding["code"] == case["finding"]["code"] or finding["severity"] == "info" for finding in found)


def test_every_code_has_a_golden_case() -> None:
    assert {case["finding"]["code"] for case in GOLDEN} == ROW_CODES.keys()


def test_every_code_of_the_contract_is_in_the_table() -> None:
    assert set(CONTRACT.split()) <= ROW_CODES.keys()


def test_the_example_of_the_contract() -> None:
    message = next(case["finding"]["message"] for case in GOLDEN if case["finding"]["code"] == "value_ambiguous")
    assert message.replace("Row 1 ", "Row 17 ") == (
        '"1,234" can mean 1.234 or 1234. Send a decimal point and no thousands mark. Row 17 was not saved.'
    )


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["finding"]["code"])
def test_words_name_the_value_and_the_fix_and_blame_nobody(case: dict[str, Any]) -> None:
    finding = case["finding"]
    message = finding["message"]
    assert finding["fix"] in message
    assert f"Row {finding['row']} " in message
    assert finding["value"] is None or finding["value"] in message
    assert not {"invalid", "please", "you", "your", "wrong", "failed", "error"} & set(message.casefold().split())
    assert "{" not in message


def test_document_is_made_from_the_table() -> None:
    assert (ROOT / "docs" / "row-codes.md").read_text(encoding="utf-8") == render_markdown()
