"""What becomes of rows: resolved, compared with what is stored, counted."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from measurements.validation import Checked, NewSpecimen, Options, RecordedRef, Reference, check_rows, row_as_sent
from measurements.validation.sent import FIELDS

GOOD = {"specimen": "S-081-6M-P1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}
RECORDED = GOOD | {"specimen": "S-083-6M-P1"}
BY_ROWS = Options(on_error="reject_rows")
HOLD = Options(unknown_specimen="hold")
KEY = ("S-083-6M-P1", "IL6", "luminex", None, 1)


def check(trial: Reference, *rows: dict, options: Options = BY_ROWS) -> Checked:
    return check_rows([row_as_sent(row) for row in rows], trial, options)


def codes(checked: Checked) -> list[str]:
    return [finding.code for finding in (*checked.errors, *checked.warnings)]


def test_good_row_is_resolved(trial: Reference) -> None:
    sent = GOOD | {"value": "0.00180", "unit": "ng/ml", "run": "plate-7", "performed_on": "2026-11-22", "replicate": 2}
    (row,) = check(trial, sent).accepted
    assert (row.specimen_pk, row.participant_pk, row.visit_pk, row.biomarker_pk, row.assay_pk) == (1, 81, 2, 1, 1)
    assert (row.value, row.unit, str(row.canonical_value), row.canonical_unit) == (
        "0.00180",
        "ng/ml",
        "1.80000",
        "pg/mL",
    )
    assert (row.run, row.performed_on, row.replicate, row.factor) == ("plate-7", date(2026, 11, 22), 2, Decimal(1000))
    assert (row.disposition, row.status, row.supersedes, row.implausible) == ("created", "final", None, False)


def test_participant_and_visit_find_the_one_specimen(trial: Reference) -> None:
    sent = {"participant": "PNI-081", "visit": "six_months", "biomarker": "IL6", "value": "2", "unit": "pg/mL"}
    checked = check(trial, sent)
    assert checked.accepted[0].specimen == "S-081-6M-P1"
    assert checked.new_specimens == ()


def test_absent_specimen_is_made_once_for_each_kind(trial: Reference) -> None:
    sent = {"participant": "PNI-082", "visit": "six_months", "value": "2"}
    serum = sent | {"biomarker": "IL6", "unit": "pg/mL"}
    saliva = sent | {"biomarker": "CORT", "unit": "nmol/L"}
    checked = check(trial, serum, serum | {"replicate": "2"}, saliva)
    assert [row.specimen for row in checked.accepted] == [
        "PNI-082-six_months-1",
        "PNI-082-six_months-1",
        "PNI-082-six_months-2",
    ]
    assert checked.new_specimens == (
        NewSpecimen("PNI-082-six_months-1", 82, 2, "serum"),
        NewSpecimen("PNI-082-six_months-2", 82, 2, "saliva"),
    )


def test_refused_rows_make_no_specimen(trial: Reference) -> None:
    sent = {"participant": "PNI-082", "visit": "six_months", "biomarker": "IL6", "value": "x", "unit": "pg/mL"}
    assert check(trial, sent).new_specimens == ()


def test_row_that_names_nothing_says_what_is_missing(trial: Reference) -> None:
    checked = check(trial, {})
    assert {(finding.code, finding.field) for finding in checked.errors} == {
        ("field_missing", "specimen"),
        ("field_missing", "biomarker"),
        ("value_empty", "value"),
    }


def test_one_wrong_row_refuses_all_and_every_wrong_row_is_listed(trial: Reference) -> None:
    bad = GOOD | {"value": "1,234"}
    checked = check(trial, GOOD, bad, GOOD | {"unit": "ng/mL", "replicate": "2"}, bad, options=Options())
    assert [finding.row for finding in checked.errors] == [2, 4]
    assert checked.accepted == ()
    assert astuple(checked.counts) == (4, 0, 0, 0, 0, 4)
    converted = next(finding for finding in checked.warnings if finding.code == "unit_converted")
    assert converted.message.endswith("Row 3 was not saved, because other rows were not.")


def test_rows_can_be_refused_alone(trial: Reference) -> None:
    checked = check(trial, GOOD, GOOD | {"value": "1,234"})
    assert astuple(checked.counts) == (2, 1, 0, 0, 0, 1)


def test_dry_run_says_would(trial: Reference) -> None:
    checked = check(trial, GOOD | {"value": "x"}, options=Options(dry_run=True))
    assert checked.errors[0].message.endswith("Row 1 would not be saved.")


def test_retry_changes_nothing_however_it_is_written(trial: Reference) -> None:
    for same in (
        {"value": "1.80"},
        {"value": "1.8"},
        {"value": "0.0018", "unit": "ng/mL"},
        {"status": "corrected", "value": "1.8"},
    ):
        checked = check(trial, RECORDED | same)
        assert astuple(checked.counts) == (1, 0, 1, 0, 0, 0)
        assert codes(checked) == ["already_recorded"]


def test_other_value_needs_to_say_it_is_a_correction(trial: Reference) -> None:
    assert codes(check(trial, RECORDED)) == ["differs_from_recorded"]
    assert codes(check(trial, RECORDED | {"value": "<1.80"})) == ["differs_from_recorded"]
    without_reason = check(trial, RECORDED | {"status": "corrected"})
    assert [(finding.code, finding.field) for finding in without_reason.errors] == [("field_missing", "reason")]


@pytest.mark.parametrize("how", [{"status": "corrected"}, {"corrects": "r-900"}])
def test_correction_with_a_reason_supersedes(trial: Reference, how: dict) -> None:
    checked = check(trial, RECORDED | how | {"reason": "Dilution factor was missed"})
    assert astuple(checked.counts) == (1, 0, 0, 1, 0, 0)
    assert checked.accepted[0].supersedes == 900
    assert checked.accepted[0].reason == "Dilution factor was missed"


def test_correction_without_run_finds_the_only_run(trial: Reference) -> None:
    recorded = {(*KEY[:3], "plate-7", 1): trial.recorded[KEY]}
    correction = RECORDED | {"status": "corrected", "reason": "Dilution"}
    assert check(replace(trial, recorded=recorded), correction).accepted[0].supersedes == 900
    recorded[(*KEY[:3], "plate-8", 1)] = RecordedRef(901, "r-901", Decimal(2), "2", "pg/mL")
    assert codes(check(replace(trial, recorded=recorded), correction)) == ["corrects_unknown"]


def test_another_run_or_replicate_is_another_result(trial: Reference) -> None:
    checked = check(trial, RECORDED | {"run": "plate-9"}, RECORDED | {"replicate": "2"})
    assert astuple(checked.counts) == (2, 2, 0, 0, 0, 0)


@pytest.mark.parametrize("assay", [None, "elisa"])
def test_a_row_without_assay_is_no_second_result_when_assays_were_described_meanwhile(
    trial: Reference, assay: str | None
) -> None:
    trial = replace(trial, recorded={(KEY[0], KEY[1], assay, None, 1): trial.recorded[KEY]})
    again = RECORDED | {"value": "1.80"}
    assert check(trial, again).counts.unchanged == 1
    assert codes(check(trial, RECORDED)) == ["differs_from_recorded"]
    correction = check(trial, RECORDED | {"status": "corrected", "reason": "Dilution"})
    assert (correction.counts.corrected, correction.accepted[0].supersedes) == (1, 900)
    dated = check(trial, again | {"performed_on": "2026-11-22"})
    assert dated.counts.created == (assay is not None), "the day says which assay is meant"
    assert check(trial, again | {"assay": "luminex"}).counts.created == 1, "the row says which assay is meant"


def test_final_value_follows_a_preliminary_one(trial: Reference) -> None:
    preliminary = {KEY: replace(trial.recorded[KEY], status="preliminary")}
    checked = check(replace(trial, recorded=preliminary), RECORDED)
    assert (checked.accepted[0].disposition, checked.accepted[0].supersedes) == ("corrected", 900)
    assert checked.accepted[0].reason == "Final value after a preliminary one."


def test_unknown_specimen_is_held_when_asked(trial: Reference) -> None:
    unknown = GOOD | {"specimen": "T-1"}
    checked = check(trial, unknown, options=HOLD)
    assert astuple(checked.counts) == (1, 0, 0, 0, 1, 0)
    (row,) = checked.accepted
    assert (row.specimen, row.specimen_pk, row.participant_pk, row.visit_pk) == ("T-1", None, None, None)
    assert checked.new_specimens == ()
    waiting = replace(
        trial, held={("T-1", "IL6", "luminex", None, 1): RecordedRef(5, "r-5", Decimal("1.83"), "1.83", "pg/mL")}
    )
    assert astuple(check(waiting, unknown, options=HOLD).counts) == (1, 0, 1, 0, 0, 0)


def test_held_value_is_accepted_once_its_specimen_is_known(trial: Reference) -> None:
    key = ("S-081-6M-P1", "IL6", "luminex", None, 1)
    waiting = replace(trial, held={key: RecordedRef(5, "r-5", Decimal("1.83"), "1.83", "pg/mL")})
    (row,) = check(waiting, GOOD).accepted
    assert (row.disposition, row.supersedes, row.reason) == ("created", 5, "Accepted after it was held.")


@pytest.mark.parametrize("state", ["frozen", "locked"])
def test_every_good_row_of_a_locked_trial_is_held(trial: Reference, state: str) -> None:
    locked = replace(trial, trial_state=state)
    late = RECORDED | {"status": "corrected", "reason": "Dilution"}
    checked = check(locked, GOOD, late, GOOD | {"specimen": "S-081-BL-P1"}, GOOD | {"value": "x", "replicate": "3"})
    assert astuple(checked.counts) == (4, 0, 0, 0, 3, 1)
    assert codes(checked) == ["value_not_number", "trial_locked", "trial_locked", "trial_locked"]
    assert all(row.supersedes is None for row in checked.accepted)


def test_not_done_needs_a_reason_and_no_value(trial: Reference) -> None:
    not_done = {"specimen": "S-081-6M-P1", "biomarker": "IL6", "status": "not_done", "reason": "Haemolysed"}
    (row,) = check(trial, not_done).accepted
    assert (row.status, row.value, row.canonical_value, row.flag, row.reason) == (
        "not_done",
        "",
        None,
        None,
        "Haemolysed",
    )
    assert codes(check(trial, not_done | {"value": "---"})) == []
    beside = check(trial, not_done | {"value": "1.83", "unit": "pg/mL"})
    assert beside.accepted[0].canonical_value is None
    assert [each.message.partition(" Nothing")[0] for each in beside.warnings] == [
        '"1.83" was read as nothing measured, because the status is not_done.'
    ]


def test_mark_below_range_takes_the_assays_limit(trial: Reference) -> None:
    below, above, none = check(
        trial,
        GOOD | {"value": "OOR <"},
        GOOD | {"value": "OOR >", "replicate": "2"},
        {"specimen": "S-081-6M-P1", "biomarker": "IL6", "value": "---", "replicate": "3"},
    ).accepted
    assert (below.value, below.comparator, below.flag, below.limit) == ("OOR <", "<", "out_of_range", Decimal("0.4"))
    assert (above.comparator, above.canonical_value) == (">", Decimal(500))
    assert (none.value, none.canonical_value, none.flag, none.limit) == ("---", None, "not_measured", None)


@pytest.mark.parametrize(
    ("value", "unit"), [("<0.4", "pg/mL"), ("<0.2", "pg/mL"), ("<0.0004", "ng/mL"), (">500", "pg/mL")]
)
def test_the_assays_own_limits_are_no_mismatch(trial: Reference, value: str, unit: str) -> None:
    checked = check(trial, GOOD | {"value": value, "unit": unit})
    assert "limit_mismatch" not in codes(checked)
    assert checked.accepted[0].limit == checked.accepted[0].canonical_value


def test_molar_mass_of_the_biomarker_is_used(trial: Reference) -> None:
    row = {"specimen": "S-081-6M-P1", "biomarker": "cortisol", "value": "0.18123", "unit": "ug/dL"}
    assert check(trial, row).accepted[0].canonical_value == Decimal("5")


def test_negative_only_where_it_can_be(trial: Reference) -> None:
    change = {"specimen": "S-081-6M-P1", "biomarker": "CHG", "value": "-3", "unit": "{score}"}
    assert check(trial, change).accepted[0].canonical_value == Decimal(-3)
    assert codes(check(trial, GOOD | {"value": "-3"})) == ["value_negative"]


def test_aliases_and_conversions_are_said_once(trial: Reference) -> None:
    rows = [GOOD | {"biomarker": "IL-6", "unit": "ng/mL", "value": "0.001", "replicate": str(i)} for i in range(1, 6)]
    checked = check(trial, *rows)
    assert [(finding.row, finding.code) for finding in checked.warnings] == [
        (1, "biomarker_alias"),
        (1, "unit_converted"),
    ]
    assert checked.warnings[0].message.endswith("The same is true of 4 more.")


def test_foreign_and_unknown_specimen_are_answered_alike(trial: Reference) -> None:
    """The reference holds one trial, so this asserts that the words depend on the id alone."""
    answers = []
    for specimen in ("X-FOREIGN", "X-MISSING"):
        finding = check(trial, GOOD | {"specimen": specimen}).errors[0].as_json()
        answers.append(str(finding).replace(specimen, "…"))
    assert answers[0] == answers[1]


def test_messages_about_a_specimen_never_name_its_participant(trial: Reference) -> None:
    checked = check(
        trial, *[GOOD | {"specimen": specimen} for specimen in trial.specimens], GOOD | {"participant": "PNI-082"}
    )
    assert {finding.code for finding in checked.errors} >= {
        "participant_withdrawn",
        "visit_locked",
        "specimen_mismatch",
    }
    assert not any(
        code in finding.message for finding in checked.errors for code in trial.participants if code != "PNI-082"
    )


def test_near_codes_are_looked_for_in_the_first_bad_rows_only(trial: Reference) -> None:
    """Otherwise 20,000 misspelt ids among 20,000 known ones would keep the server busy for an hour."""
    rows = [
        GOOD | {"specimen": f"S-081-6M-P1x{number}", "unit": f"pgmL{number}", f"valu{number}": 1}
        for number in range(200)
    ]
    checked = check(trial, *rows)
    assert checked.counts.rejected == 200
    near = [finding.did_you_mean for finding in checked.errors if finding.code == "specimen_unknown"]
    assert near == ["S-081-6M-P1"] * 50 + [None] * 150
    assert len(checked.warnings) == 50


def test_suggested_unit_is_one_that_would_do(trial: Reference) -> None:
    sent = ("pgml", "NG/M", "U/L", "mg//L")
    errors = check(trial, *[GOOD | {"unit": unit, "replicate": str(i)} for i, unit in enumerate(sent, 1)]).errors
    assert [finding.did_you_mean for finding in errors] == ["pg/mL", "ng/mL", "pg/mL", "mg/L"]


texts = st.one_of(
    st.none(),
    st.text(max_size=70),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.lists(st.text(), max_size=2),
    st.sampled_from(
        ["S-081-6M-P1", "T-9", "PNI-082", "six_months", "IL6", "CORT", "il-6", "pg/mL", "nmol/L", "1.8", "<0.4"]
    ),
    st.sampled_from(
        ["OOR <", "---", "*2", "not_done", "corrected", "preliminary", "r-900", "2026-11-20T08:30:00+01:00", "2"]
    ),
)
GUESSES = {
    "specimen": ["S-081-6M-P1", "S-083-6M-P1", "T-9", None],
    "participant": ["PNI-082", "PNI-083", None],
    "visit": ["six_months", "baseline", None],
    "biomarker": ["IL6", "CORT", "il-6"],
    "value": ["1.80", "1.9", "<0.4", "OOR >", "---", "-1", "1,2"],
    "unit": ["pg/mL", "ng/mL", "nmol/L", None],
    "status": ["final", "preliminary", "corrected", "not_done", None],
    "reason": ["rerun", None],
    "replicate": [1, "2", None],
    "corrects": ["r-900", None],
    "run": ["plate-7", None],
}
near_rows = st.fixed_dictionaries({}, optional={field: st.sampled_from(values) for field, values in GUESSES.items()})
any_rows = st.dictionaries(st.one_of(st.sampled_from(FIELDS), st.text(max_size=12)), texts, max_size=14)
any_options = st.builds(
    Options,
    on_error=st.sampled_from(["reject_all", "reject_rows"]),
    unknown_specimen=st.sampled_from(["reject", "hold"]),
    dry_run=st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(
    rows=st.lists(st.one_of(near_rows, any_rows), max_size=8),
    options=any_options,
    state=st.sampled_from(["open", "locked"]),
)
def test_any_rows_are_checked_and_counted(trial: Reference, rows: list[dict], options: Options, state: str) -> None:
    checked = check(replace(trial, trial_state=state), *rows, options=options)
    received, *parts = astuple(checked.counts)
    assert received == len(rows) == sum(parts)
    assert len(checked.accepted) == received - checked.counts.rejected
    wrong = {finding.row for finding in checked.errors}
    assert wrong.isdisjoint(row.row for row in checked.accepted)
    if options.on_error == "reject_rows":
        assert len(wrong) == checked.counts.rejected
    for finding in (*checked.errors, *checked.warnings):
        assert finding.message.isprintable()
        assert str(finding.as_json()).encode("utf-8")
    if state == "locked":
        assert {row.disposition for row in checked.accepted} <= {"held", "unchanged"}
    assert all(row.canonical_value is None or row.canonical_value.is_finite() for row in checked.accepted)
