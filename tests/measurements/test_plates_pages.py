"""Assays, plates, controls and layouts on their pages."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from measurements.forms.plates import pasted_readings
from measurements.models import Assay, ControlMaterial, ControlValue, Plate, PlateLayout
from measurements.services.plates import add_control_material
from measurements.services.specimens import register_specimen
from tests.making import PLATFORM, make_member
from tests.measurements.test_plates import AT, control, post
from trials.errors import RuleBroken

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(bench: Any, signed_in: Any) -> Any:
    """The browser of the laboratory's manager."""
    return signed_in(make_member(bench.trial, "lab_manager"))


@pytest.fixture
def low(bench: Any) -> ControlMaterial:
    assay, one = bench.trial.assays.get(), Decimal(1)
    return add_control_material(assay=assay, level="low", lot="A1", mean=10 * one, sd=one, source="own", by=PLATFORM)


def text(answer: Any) -> str:
    return b"".join(answer).decode()


class TestAssays:
    def test_add_and_list_and_csv(self, bench: Any, lab: Any) -> None:
        sent = {
            "biomarker": bench.trial.biomarkers.get(code="CRP").pk, "laboratory": bench.laboratory.pk, "code": "crp",
            "version": "1", "unit": "mg/L", "detection": "0.1", "quantification": "0.3", "upper": "100", "intra": "4",
            "inter": "7.5", "limit": "15",
        }  # fmt: skip
        assert lab.post("/trials/t/assays/new/", sent).status_code == 302
        assert ">100</td>" in text(lab.get("/trials/t/assays/?sort=-code&in_use=yes"))
        rows = list(csv.DictReader(io.StringIO(text(lab.get("/trials/t/assays/assays.csv?biomarker=CRP")))))
        assert [(row["lloq"], row["uloq"], row["inter_assay_cv"]) for row in rows] == [("0.3", "100", "7.5")]

    def test_a_new_version_starts_from_the_old_one(self, bench: Any, lab: Any) -> None:
        known = bench.trial.assays.get()
        shown = text(lab.get(f"/trials/t/assays/new/?version_of={known.pk}"))
        assert 'value="luminex"' in shown
        assert 'value="500"' in shown
        sent = {
            "biomarker": known.biomarker_id, "laboratory": known.laboratory_id, "code": "luminex", "version": "2",
            "unit": "pg/mL", "limit": "15",
        }  # fmt: skip
        refused = lab.post("/trials/t/assays/new/", sent)
        assert refused.status_code == 422
        assert "these days overlap" in text(refused)
        assert lab.post("/trials/t/assays/new/", sent | {"valid_from": "2026-07-01"}).status_code == 302

    def test_put_right_with_a_reason(self, bench: Any, lab: Any) -> None:
        post(bench, "OOR <")
        known = bench.trial.assays.get()
        sent = {"unit": "pg/mL", "quantification": "0.6", "limit": "15"}
        refused = lab.post(f"/trials/t/assays/{known.pk}/", sent)
        assert refused.status_code == 422
        assert "Say why they change" in text(refused)
        assert lab.post(f"/trials/t/assays/{known.pk}/", sent | {"reason": "Misread"}).status_code == 302

    def test_others_read(self, bench: Any, signed_in: Any) -> None:
        client = signed_in(make_member(bench.trial, "monitor"))
        number = bench.trial.assays.get().pk
        assert "Add an assay" not in text(client.get("/trials/t/assays/"))
        assert 'name="unit"' not in text(client.get(f"/trials/t/assays/{number}/"))
        assert client.get("/trials/t/assays/new/").status_code == 403
        assert client.post(f"/trials/t/assays/{number}/", {"unit": "pg/mL", "limit": "15"}).status_code == 403
        assert Assay.objects.get().upper_limit_of_quantification == 500


class TestPlates:
    def address(self, bench: Any, run: str = "plate-1") -> str:
        return reverse("plate", kwargs={"slug": "t", "laboratory": bench.laboratory.pk}) + f"?run={run}"

    def test_list_and_csv(self, bench: Any, lab: Any, low: ControlMaterial) -> None:
        post(bench, "9", "13")
        control(bench, low, "13.5")
        shown = text(lab.get("/trials/t/plates/?controls=rejected&sort=results"))
        assert "Rejected" in shown
        assert "25.7%" in shown
        (row,) = csv.DictReader(io.StringIO(text(lab.get("/trials/t/plates/plates.csv"))))
        assert (row["results"], row["controls"], row["specimens_whose_replicates_differ"]) == ("2", "rejected", "1")
        assert "No plate matches" in text(lab.get("/trials/t/plates/?controls=in_control"))

    def test_describe_a_run_and_enter_its_controls(self, bench: Any, lab: Any, low: ControlMaterial) -> None:
        opened = lab.post("/trials/t/plates/", {"laboratory": bench.laboratory.pk, "code": "plate 9/a"})
        assert opened.status_code == 302
        address = opened["Location"]
        assert lab.get(address).status_code == 200
        told = {"step": "plate", "kit_lot": "K7", "assays": [bench.trial.assays.get().pk]}
        assert lab.post(address, told).status_code == 302
        entered = {"step": "controls", "measured_at": "2026-03-04T10:00", f"value_{low.pk}": "10.4"}
        assert lab.post(address, entered).status_code == 302
        assert lab.post(address, entered).status_code == 302  # a second click
        assert ControlValue.objects.count() == 1
        refused = lab.post(address, entered | {f"value_{low.pk}": "11"})
        assert refused.status_code == 422
        assert "Give a reason if 11 is right" in text(refused)
        assert Plate.objects.get().kit_lot == "K7"

    def test_paste_controls(self, bench: Any, lab: Any, low: ControlMaterial) -> None:
        sent = {"step": "controls", "measured_at": "2026-03-04T10:00", "pasted": "luminex\tLow\tA1\t10.4\t2\n\n"}
        assert lab.post(self.address(bench), sent).status_code == 302
        assert ControlValue.objects.get().replicate == 2
        refused = lab.post(self.address(bench), sent | {"pasted": "luminex;low;A1;high"})
        assert refused.status_code == 422
        assert "Line 1 has the value “high”" in text(refused)

    @pytest.mark.parametrize("line", ["a", "luminex\tlow\tB\t1", "luminex\tlow\tA1\tNaN", "luminex\tlow\tA1\t1\t0"])
    def test_lines_that_cannot_be_read(self, low: ControlMaterial, line: str) -> None:
        with pytest.raises(RuleBroken, match=r"Line 2 .*Nothing was saved"):
            pasted_readings(f"luminex\tlow\tA1\t1\n{line}", [low])

    def test_an_unknown_plate(self, bench: Any, signed_in: Any) -> None:
        client = signed_in(make_member(bench.trial, "monitor"))
        assert client.get(self.address(bench, "nowhere")).status_code == 404
        assert client.get("/trials/t/plates/999999/?run=x").status_code == 404

    def test_a_lot_and_its_target(self, bench: Any, lab: Any) -> None:
        sent = {
            "assay": bench.trial.assays.get().pk, "level": "high", "lot": "H", "mean": "90", "sd": "5", "source": "own"
        }  # fmt: skip
        assert lab.post("/trials/t/plates/controls/", sent).status_code == 302
        assert lab.post("/trials/t/plates/controls/", sent).status_code == 422
        number = ControlMaterial.objects.get().pk
        change = {"mean": "91", "sd": "5", "source": "own"}
        assert lab.post(f"/trials/t/plates/controls/{number}/", change).status_code == 302
        assert ControlMaterial.objects.get().target_mean == 91

    def test_others_read(self, bench: Any, signed_in: Any) -> None:
        post(bench, "9")
        client = signed_in(make_member(bench.trial, "monitor"))
        assert client.get(self.address(bench)).status_code == 200
        told = {"step": "plate", "kit_lot": "K7"}
        assert client.post(self.address(bench), told).status_code == 403
        assert client.post("/trials/t/plates/", {"laboratory": bench.laboratory.pk, "code": "x"}).status_code == 403


class TestLayouts:
    FORM = {"name": "Plan", "wells": "96", "replicates": "2", "standards": "8", "blanks": "1", "controls": "3"}

    def test_draw_show_and_give_to_the_robot(self, bench: Any, lab: Any) -> None:
        register_specimen(
            participant=bench.trial.participants.first(), visit=bench.trial.visits.get(code="six_months"),
            identifier="S-9", by=PLATFORM, drawn_at=AT,
        )  # fmt: skip
        sent = self.FORM | {"assay": bench.trial.assays.get().pk, "key": "k"}
        drawn = lab.post("/trials/t/plates/layouts/", sent)
        assert drawn.status_code == 302
        assert lab.post("/trials/t/plates/layouts/", sent)["Location"] == drawn["Location"]
        shown = text(lab.get(drawn["Location"]))
        assert 'class="specimen" colspan="2">S-9<' in shown
        assert 'class="standard" colspan="2">Standard 8<' in shown
        assert PlateLayout.objects.get().seed in shown
        rows = list(csv.DictReader(io.StringIO(text(lab.get(f"{drawn['Location']}layout.csv")))))
        assert [row["replicate"] for row in rows if row["name"] == "S-9"] == ["1", "2"]
        for code in bench.trial.participants.values_list("code", flat=True):
            assert code not in shown

    def test_what_cannot_be_drawn_is_told(self, bench: Any, lab: Any) -> None:
        sent = self.FORM | {"assay": bench.trial.assays.get().pk}
        nothing = lab.post("/trials/t/plates/layouts/", sent)
        assert nothing.status_code == 422
        assert "No drawn specimen awaits" in text(nothing)
        full = lab.post("/trials/t/plates/layouts/", sent | {"standards": "48"})
        assert full.status_code == 422
        assert "leave no room" in text(full)
