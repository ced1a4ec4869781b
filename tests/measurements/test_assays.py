"""The laboratories' methods in versions, and which of them a row is judged by."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from measurements.models import Assay, Result
from measurements.selectors.reference import reference_for
from measurements.services.assays import Limits, Precision, add_assay, revise_assay
from tests.making import PLATFORM, make_member
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import AuditChange

pytestmark = pytest.mark.django_db
JULY = date(2026, 7, 1)


def add(bench: Any, version: str, **changes: Any) -> Assay:
    """Add a version of the bench's Luminex assay of IL-10."""
    given = {
        "trial": bench.trial, "laboratory": bench.laboratory, "biomarker": bench.trial.biomarkers.get(code="IL10"),
        "code": "luminex", "unit": "pg/mL", "by": PLATFORM, "version": version,
    } | changes  # fmt: skip
    return add_assay(**given)


def row(number: int, value: str = "OOR <", **more: Any) -> dict[str, Any]:
    return {"specimen": "S-1", "biomarker": "IL10", "value": value, "unit": "pg/mL", "replicate": number} | more


def used(bench: Any, number: int) -> tuple[str, Decimal | None]:
    """Which version a stored row was judged by, and the limit it was given."""
    result = Result.objects.select_related("assay").get(trial=bench.trial, replicate=number)
    return (result.assay.version if result.assay else "", result.limit_of_quantification)


class TestVersions:
    def test_a_new_version_ends_the_open_one_the_day_before(self, bench: Any) -> None:
        new = add(bench, "2", valid_from=JULY)
        old = Assay.objects.get(version="1")
        assert (old.valid_from, old.valid_to) == (None, date(2026, 6, 30))
        assert (new.valid_from, new.valid_to) == (JULY, None)

    @pytest.mark.parametrize(("first", "last"), [(None, None), (None, JULY), (date(2026, 1, 1), date(2026, 2, 1))])
    def test_versions_of_one_code_never_overlap(self, bench: Any, first: date | None, last: date | None) -> None:
        with pytest.raises(RuleBroken, match="these days overlap") as refused:
            add(bench, "2", valid_from=first, valid_to=last)
        assert refused.value.field == "valid_from"
        assert Assay.objects.count() == 1

    def test_a_code_is_of_one_biomarker(self, bench: Any) -> None:
        with pytest.raises(RuleBroken, match=r"assay of (IL-10|Interleukin-10)"):
            add(bench, "2", biomarker=bench.trial.biomarkers.get(code="IL6"), valid_from=JULY)

    @pytest.mark.parametrize(
        ("limits", "field"),
        [
            (Limits(Decimal("0.5"), Decimal("0.4"), None), "detection"),
            (Limits(None, Decimal(4), Decimal(4)), "upper"),
            (Limits(Decimal(5), None, Decimal(4)), "upper"),
            (Limits(Decimal(-1), None, None), "detection"),
        ],
    )
    def test_limits_stand_in_order(self, bench: Any, limits: Limits, field: str) -> None:
        with pytest.raises(RuleBroken) as refused:
            add(bench, "2", valid_from=JULY, limits=limits)
        assert refused.value.field == field
        assert "Nothing was saved" in refused.value.sentence

    def test_equal_limits_below_are_in_order(self, bench: Any) -> None:
        assert add(bench, "2", valid_from=JULY, limits=Limits(Decimal(1), Decimal(1), Decimal(2))).pk

    @pytest.mark.parametrize("precision", [Precision(intra=Decimal(0)), Precision(limit=Decimal("100.1"))])
    def test_a_cv_is_a_percentage(self, bench: Any, precision: Precision) -> None:
        with pytest.raises(RuleBroken, match="no coefficient of variation"):
            add(bench, "2", valid_from=JULY, precision=precision)

    def test_lab_managers_may_and_monitors_may_not(self, bench: Any) -> None:
        add(bench, "2", valid_from=JULY, by=make_member(bench.trial, "lab_manager"))
        with pytest.raises(NotAllowed):
            add(bench, "3", valid_from=date(2026, 8, 1), by=make_member(bench.trial, "monitor"))


class TestTheDayOfTheRun:
    @pytest.fixture(autouse=True)
    def _versions(self, bench: Any) -> None:
        add(bench, "2", valid_from=JULY, limits=Limits(quantification=Decimal("0.9")))

    @pytest.mark.parametrize(
        ("more", "version", "limit"),
        [
            ({"performed_on": "2026-06-30"}, "1", "0.4"),
            ({"performed_on": "2026-07-01"}, "2", "0.9"),
            ({"performed_on": "2026-07-02", "collected_at": "2026-03-03T09:00:00Z"}, "2", "0.9"),
            ({"collected_at": "2026-03-03T09:00:00Z"}, "1", "0.4"),
            ({}, "2", "0.9"),
            ({"assay": "luminex", "performed_on": "2026-06-30"}, "1", "0.4"),
        ],
    )
    def test_decides_the_version(self, bench: Any, more: dict[str, str], version: str, limit: str) -> None:
        assert bench.post([row(1, **more)]).status_code == 201
        assert used(bench, 1) == (version, Decimal(limit))

    def test_rows_of_one_delivery_may_mean_different_versions(self, bench: Any) -> None:
        bench.post([row(1, performed_on="2026-06-30"), row(2, performed_on="2026-07-01")])
        assert [used(bench, number)[0] for number in (1, 2)] == ["1", "2"]

    def test_an_assay_that_has_ended_is_still_that_of_its_days(self, bench: Any) -> None:
        new = Assay.objects.get(version="2")
        revise_assay(
            assay=new, unit="pg/mL", by=PLATFORM, limits=Limits(), precision=Precision(), valid_to=date(2026, 8, 1)
        )
        bench.post([row(1, performed_on="2026-07-31"), row(2, value="3")])
        assert used(bench, 1)[0] == "2"
        assert used(bench, 2)[0] == ""  # none is valid today

    def test_a_day_that_cannot_be_read_is_told_once(self, bench: Any) -> None:
        answer = bench.post([row(1, value="3", performed_on="soon")])
        assert [error["field"] for error in answer.json()["errors"]] == ["performed_on"]

    def test_biomarkers_and_assays_take_one_query(self, bench: Any) -> None:
        with CaptureQueriesContext(connection) as asked:
            reference_for([], trial=bench.trial, laboratory=bench.laboratory, sites=None, now=timezone.now())
        assert sum("measurements_assay" in query["sql"] for query in asked.captured_queries) == 1


class TestRevising:
    def revise(self, bench: Any, **changes: Any) -> Assay:
        given = {
            "assay": Assay.objects.get(version="1"), "unit": "pg/mL", "by": PLATFORM, "precision": Precision(),
            "limits": Limits(quantification=Decimal("0.4"), upper=Decimal(500)),
        } | changes  # fmt: skip
        return revise_assay(**given)

    def test_limits_that_were_used_change_only_with_a_reason(self, bench: Any) -> None:
        bench.post([row(1)])
        limits = Limits(quantification=Decimal("0.6"))
        with pytest.raises(RuleBroken, match="1 results were judged by these limits") as refused:
            self.revise(bench, limits=limits)
        assert refused.value.field == "reason"
        self.revise(bench, limits=limits, reason="Certificate misread")
        assert used(bench, 1)[1] == Decimal("0.4")  # what was recorded stays
        change = AuditChange.objects.filter(table_name="measurements_assay", operation="UPDATE").latest("pk")
        assert Decimal(str(change.old["lower_limit_of_quantification"])) == Decimal("0.4")

    def test_what_judges_nothing_changes_freely(self, bench: Any) -> None:
        bench.post([row(1)])
        revised = self.revise(bench, method="Bead array", precision=Precision(intra=Decimal(5)))
        assert (revised.method, revised.intra_assay_cv) == ("Bead array", 5)

    def test_it_does_not_end_before_its_last_run(self, bench: Any) -> None:
        bench.post([row(1, performed_on="2026-07-05")])
        with pytest.raises(InConflict, match="used in a run of 5 Jul 2026"):
            self.revise(bench, valid_to=JULY)
