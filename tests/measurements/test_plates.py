"""Plates as results make them, their controls and replicates, and layouts drawn for them."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from measurements.models import ControlMaterial, ControlValue, Plate, PlateLayout, Query, Specimen
from measurements.plates.layout import Form, draw_layout
from measurements.selectors.plates import NO_CONTROLS, awaiting_by_participant, control_series, plate_of, plates_of
from measurements.services.assays import Precision, add_assay
from measurements.services.plates import (
    ControlReading,
    PlateDetails,
    add_control_material,
    draw_plate_layout,
    record_control_values,
    register_plate,
    revise_control_material,
)
from measurements.services.specimens import register_specimen
from tests.making import PLATFORM, make_member
from trials.errors import NotFound, RuleBroken

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 4, 9, tzinfo=UTC)


def post(bench: Any, *values: str, run: str = "plate-1", specimen: str = "S-1", first: int = 1, **more: Any) -> Any:
    """Post replicates of IL-10 of a specimen under a run."""
    rows = [
        {"specimen": specimen, "biomarker": "IL10", "value": value, "unit": "pg/mL", "replicate": number} | more
        for number, value in enumerate(values, first)
    ]
    body = json.dumps({"run": {"id": run, "performed_on": "2026-03-04"}, "results": rows}).encode()
    answer = bench.post(body)
    assert answer.status_code in {200, 201}, answer.json()
    return answer.json()


@pytest.fixture
def low(bench: Any) -> ControlMaterial:
    """A control of mean 10 and SD 1."""
    return add_control_material(
        assay=bench.trial.assays.get(),
        level="low",
        lot="A1",
        mean=Decimal(10),
        sd=Decimal(1),
        source="own",
        by=PLATFORM,
    )


def control(
    bench: Any, material: ControlMaterial, value: str, *, run: str = "plate-1", at: Any = AT, **more: Any
) -> Any:
    readings = [ControlReading(material, Decimal(value))]
    return record_control_values(
        trial=bench.trial, laboratory=bench.laboratory, code=run, readings=readings, measured_at=at, by=PLATFORM, **more
    )


class TestPlates:
    def test_a_plate_is_there_as_soon_as_a_result_names_it(self, bench: Any) -> None:
        post(bench, "2.0", "2.1")
        (line,) = plates_of(PLATFORM, bench.trial)
        assert (line.code, line.results, line.specimens, line.biomarkers) == ("plate-1", 2, 1, ("IL10",))
        assert (line.performed_on, line.plate, line.outcome) == (date(2026, 3, 4), None, NO_CONTROLS)
        assert not Plate.objects.exists()

    def test_what_is_registered_stands_beside_it(self, bench: Any) -> None:
        details = PlateDetails(kit_lot="K7", assays=[bench.trial.assays.get()])
        register_plate(trial=bench.trial, laboratory=bench.laboratory, code=" plate-1 ", details=details, by=PLATFORM)
        post(bench, "2.0")
        (line,) = plates_of(PLATFORM, bench.trial)
        assert (line.plate.kit_lot, line.results) == ("K7", 1)

    def test_the_other_site_counts_its_own(self, bench: Any) -> None:
        post(bench, "2.0", "2.1")
        post(bench, "3.0", specimen="S-2")
        by = make_member(bench.trial, "coordinator", "ghent")
        assert [line.results for line in plates_of(by, bench.trial)] == [1]

    def test_a_plate_of_nobody_is_not_found(self, bench: Any) -> None:
        with pytest.raises(NotFound):
            plate_of(PLATFORM, bench.trial, bench.laboratory.pk, "nowhere")

    @pytest.mark.parametrize("code", ["", "  ", "a\x07b", "x" * 81])
    def test_a_run_has_a_name(self, bench: Any, code: str) -> None:
        with pytest.raises(RuleBroken, match="Name the run"):
            register_plate(
                trial=bench.trial, laboratory=bench.laboratory, code=code, details=PlateDetails(), by=PLATFORM
            )


class TestReplicates:
    def asked(self) -> list[str]:
        return list(
            Query.objects.filter(code="replicates_differ").exclude(state="closed").values_list("question", flat=True)
        )

    def test_pool_over_the_plate(self, bench: Any) -> None:
        post(bench, "9", "11")
        post(bench, "20", "20", specimen="S-2")
        line = plate_of(PLATFORM, bench.trial, bench.laboratory.pk, "plate-1")
        assert [each.values for each in line.replicated] == [(9.0, 11.0), (20.0, 20.0)]
        assert line.cv == pytest.approx(10.0)
        assert line.differing == 0

    def test_that_differ_are_asked_about_once(self, bench: Any) -> None:
        post(bench, "9", "13")
        (question,) = self.asked()
        assert "S-1, run plate-1 are 9 and 13 pg/mL: their CV of 25.7% is above the assay's 15%" in question
        post(bench, "9", "13")
        post(bench, "14", first=3)
        assert len(self.asked()) == 1
        assert plate_of(PLATFORM, bench.trial, bench.laboratory.pk, "plate-1").differing == 1

    def test_in_two_deliveries_are_compared_as_well(self, bench: Any) -> None:
        post(bench, "9")
        assert self.asked() == []
        post(bench, "13", first=2)
        assert len(self.asked()) == 1

    def test_that_were_corrected_settle_the_question(self, bench: Any) -> None:
        post(bench, "9", "13")
        post(bench, "12.5", status="corrected", reason="Pipetted anew")
        assert self.asked() == []
        assert Query.objects.filter(code="replicates_differ", state="closed").count() == 1

    def test_the_limit_is_the_assays_own(self, bench: Any) -> None:
        add_assay(
            trial=bench.trial, laboratory=bench.laboratory, biomarker=bench.trial.biomarkers.get(code="IL10"),
            code="luminex", version="2", unit="pg/mL", valid_from=date(2026, 1, 1), by=PLATFORM,
            precision=Precision(limit=Decimal(30)),
        )  # fmt: skip
        post(bench, "9", "13")
        assert self.asked() == []

    def test_below_the_limit_of_detection_there_is_no_cv(self, bench: Any) -> None:
        post(bench, "<0.4", "13")
        assert self.asked() == []


class TestControls:
    def test_are_judged_over_runs(self, bench: Any, low: ControlMaterial) -> None:
        for day, value in enumerate(("10.1", "12.4", "12.6"), 1):
            control(bench, low, value, run=f"p{day}", at=AT.replace(day=day))
        (series,) = control_series(bench.trial)
        assert [each.rules for each in series.judged] == [(), ("1_2s",), ("1_2s", "2_2s")]
        outcomes = {line.code: line.outcome for line in plates_of(PLATFORM, bench.trial)}
        assert outcomes == {"p1": "in_control", "p2": "warning", "p3": "rejected"}

    def test_the_same_value_again_is_no_second_one(self, bench: Any, low: ControlMaterial) -> None:
        assert len(control(bench, low, "10.1")) == 1
        assert control(bench, low, "10.10") == []
        with pytest.raises(RuleBroken, match=r"is recorded as 10\.1 on this plate"):
            control(bench, low, "10.9")
        control(bench, low, "10.9", reason="Misread")
        assert ControlValue.objects.count() == 2
        assert [str(each.value) for series in control_series(bench.trial) for each in series.judged] == ["10.9"]

    def test_a_target_changes_with_a_reason(self, bench: Any, low: ControlMaterial) -> None:
        control(bench, low, "10.1")
        change = {"material": low, "mean": Decimal(9), "sd": Decimal(1), "source": "own", "by": PLATFORM}
        with pytest.raises(RuleBroken, match="Say why"):
            revise_control_material(**change, reason=" ")
        assert revise_control_material(**change, reason="Twenty runs of our own").target_mean == 9

    @pytest.mark.parametrize(("mean", "sd"), [("10", "0"), ("10", "-1"), ("NaN", "1"), ("1", "NaN"), ("1e30", "1")])
    def test_a_target_is_a_mean_and_an_sd(self, bench: Any, mean: str, sd: str) -> None:
        assay = bench.trial.assays.get()
        with pytest.raises(RuleBroken):
            add_control_material(
                assay=assay, level="low", lot="A", mean=Decimal(mean), sd=Decimal(sd), source="own", by=PLATFORM
            )

    def test_not_of_the_future_nor_twice(self, bench: Any, low: ControlMaterial) -> None:
        with pytest.raises(RuleBroken, match="yet"):
            control(bench, low, "10", at=timezone.now() + timezone.timedelta(days=1))
        with pytest.raises(RuleBroken, match="named twice"):
            record_control_values(
                trial=bench.trial, laboratory=bench.laboratory, code="p", measured_at=AT, by=PLATFORM,
                readings=[ControlReading(low, Decimal(1)), ControlReading(low, Decimal(2))],
            )  # fmt: skip
        assert not Plate.objects.exists()


class TestLayouts:
    @pytest.fixture(autouse=True)
    def _drawn(self, bench: Any) -> None:
        visits = {visit.code: visit for visit in bench.trial.visits.all()}
        for specimen in Specimen.objects.filter(trial=bench.trial).select_related("participant"):
            register_specimen(
                participant=specimen.participant, visit=visits["six_months"], by=PLATFORM, specimen_type="serum",
                identifier=f"{specimen.identifier}-6M", drawn_at=AT,
            )  # fmt: skip

    def draw(self, bench: Any, **more: Any) -> PlateLayout:
        given = {"assay": bench.trial.assays.get(), "name": "Plan", "form": Form(), "by": PLATFORM} | more
        return draw_plate_layout(**given)

    def test_is_drawn_again_from_its_seed(self, bench: Any) -> None:
        layout = self.draw(bench)
        groups, form = layout.specification["specimens"], Form(**layout.specification["form"])
        again = draw_layout(groups, form, bytes.fromhex(layout.seed))
        assert [[[w.well, w.kind, w.name, w.replicate] for w in plate] for plate in again] == layout.plates
        assert groups == [["S-1-6M"], ["S-2-6M"]]

    def test_only_what_awaits_a_result(self, bench: Any) -> None:
        post(bench, "2.0", specimen="S-1-6M")
        assert awaiting_by_participant(bench.trial.assays.get(), PLATFORM) == [["S-2-6M"]]

    def test_names_no_participant(self, bench: Any) -> None:
        layout = self.draw(bench)
        said = json.dumps([layout.specification, layout.plates])
        assert not any(code in said for code in bench.trial.participants.values_list("code", flat=True))

    def test_a_second_click_draws_no_second_one(self, bench: Any) -> None:
        assert self.draw(bench, key="k").pk == self.draw(bench, key="k").pk
        assert self.draw(bench).pk != self.draw(bench).pk

    def test_says_where_nothing_waits(self, bench: Any) -> None:
        with pytest.raises(RuleBroken, match="No drawn specimen awaits"):
            self.draw(bench, only_received=True)
