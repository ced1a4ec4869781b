"""Assay drift on its page, and the arms on plates for those who may see them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.selectors.plate_balance import plate_balance, unevenness
from measurements.services.assays import add_assay
from measurements.services.catalogue import add_biomarkers
from measurements.services.plates import ControlReading, add_control_material, record_control_values
from measurements.services.results import laboratory_of, record_results
from measurements.validation import decode_json
from tests.analytics.filling import ARMS, CANARIES, randomize
from tests.making import PLATFORM, make_member, make_trial
from trials.models import Trial

VALUES = ("10.2", "9.1", "12.3", "12.6", "13.4")


@pytest.fixture
def trial(db: None) -> Trial:
    """A blinded trial: one arm on plate-1, the other on plate-2, both on plate-3; controls on the way."""
    trial = make_trial(arms=ARMS, factors={}, is_open_label=False)
    (biomarker,) = add_biomarkers(trial=trial, biomarkers=("IL6",), by=PLATFORM)
    people = [randomize(trial, "leeds") for _ in range(12)]
    kinds = sorted({person.allocation.arm.kind for person in people})
    for person in people:
        _post(trial, person.code, "baseline", f"plate-{1 + kinds.index(person.allocation.arm.kind)}")
        _post(trial, person.code, "six_months", "plate-3")
    laboratory = laboratory_of(PLATFORM, trial)
    assay = add_assay(
        trial=trial, laboratory=laboratory, biomarker=biomarker, code="il6-elisa", unit="pg/mL", by=PLATFORM
    )
    low = add_control_material(
        assay=assay, level="low", lot="A1", mean=Decimal(10), sd=Decimal(1), source="own", by=PLATFORM
    )
    for day, value in enumerate(VALUES, 1):
        record_control_values(
            trial=trial, laboratory=laboratory, code=f"plate-{day}", readings=[ControlReading(low, Decimal(value))],
            measured_at=datetime(2026, 3, day, tzinfo=UTC), by=PLATFORM,
        )  # fmt: skip
    return trial


def _post(trial: Trial, participant: str, visit: str, run: str) -> None:
    row = {"participant": participant, "visit": visit, "biomarker": "IL6", "value": "2", "unit": "pg/mL"}
    payload = decode_json(json.dumps({"run": {"id": run}, "results": [row]}).encode())
    answer = record_results(
        trial=trial, laboratory=laboratory_of(PLATFORM, trial), payload=payload, by=PLATFORM, channel="api_json"
    )
    assert answer.status == 201, answer.body


def page(signed_in: Any, trial: Trial, role: str, address: str = "") -> str:
    answer = signed_in(make_member(trial, role)).get(f"/trials/t/drift/{address}")
    assert answer.status_code == 200
    return b"".join(answer).decode()


def test_the_chart_and_its_numbers(signed_in: Any, trial: Trial) -> None:
    shown = page(signed_in, trial, "lab_manager")
    assert "Target 10 ± 1 pg/mL" in shown
    assert "Show these numbers as a table" in shown
    assert "B 1_2s, 2_2s" in shown
    assert "AB 1_2s, 1_3s, 2_2s" in shown


def test_the_same_as_csv(signed_in: Any, trial: Trial) -> None:
    lines = page(signed_in, trial, "monitor", "controls.csv").splitlines()
    assert len(lines) == 1 + len(VALUES)
    assert lines[-1].endswith("1_2s 1_3s 2_2s")


def test_an_empty_page_names_the_next_step(signed_in: Any, db: None) -> None:
    trial = make_trial()
    assert "Describe a control lot" in page(signed_in, trial, "monitor")


@pytest.mark.parametrize("role", ["unblinded_statistician", "monitoring_board"])
def test_the_entitled_see_arms_on_plates_with_a_warning(signed_in: Any, trial: Trial, role: str) -> None:
    shown = page(signed_in, trial, role)
    assert "Canary Waitlist" in shown
    assert "2 plates are unbalanced" in shown


@pytest.mark.parametrize(
    "role", ["lab_manager", "monitor", "blinded_statistician", "principal_investigator", "data_manager"]
)
def test_to_the_blinded_there_is_no_such_card(signed_in: Any, trial: Trial, role: str) -> None:
    shown = page(signed_in, trial, role)
    assert not any(name in shown for name in CANARIES)
    assert "Arms on each plate" not in shown
    assert "unbalanced" not in shown.lower()


def test_in_an_open_label_trial_ones_own_site_is_not_enough(signed_in: Any, db: None) -> None:
    trial = make_trial(arms=ARMS, factors={})
    randomize(trial, "leeds")
    assert plate_balance(trial, make_member(trial, "coordinator")) is None


def test_counts_are_of_participants(trial: Trial) -> None:
    found = plate_balance(trial, PLATFORM)
    assert sum(found.randomized) == 12
    assert {plate.run: sum(plate.counts) for plate in found.plates}["plate-3"] == 12
    assert {plate.run for plate in found.plates if plate.is_unbalanced} == {"plate-1", "plate-2"}


def test_unevenness_by_hand() -> None:
    # All 6 of one arm and none of the other, of 6 and 6: 2 of the 924 ways to choose 6.
    assert unevenness((6, 0), (6, 6)) == pytest.approx(2 / 924, rel=1e-12)
    assert unevenness((3, 3), (6, 6)) == 1.0
    assert unevenness((4, 0, 0), (4, 4, 4)) == pytest.approx(3 * 1 / 495, rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=4))
def test_unevenness_is_a_probability(drawn: list[tuple[int, int]]) -> None:
    counts, _others = zip(*drawn, strict=True)
    randomized = tuple(here + other for here, other in drawn)
    assert 0 <= unevenness(counts, randomized) <= 1
    assert unevenness(counts[::-1], randomized[::-1]) == pytest.approx(unevenness(counts, randomized))
