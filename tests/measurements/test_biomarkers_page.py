"""Choosing what a trial measures on its page, defining its own, and changing what no number hangs on."""

import csv
import io

import pytest
from django.test import Client

from measurements.catalogue import CATALOGUE
from measurements.forms.biomarkers import check_digit
from measurements.models import Biomarker
from measurements.services.assays import add_assay
from measurements.services.catalogue import MEANING, READING, add_biomarkers
from tests.making import PLATFORM, make_member, make_trial
from trials.models import AuditChange, AuditEvent

pytestmark = pytest.mark.django_db
URL = "/trials/t/biomarkers/"


@pytest.fixture
def investigator(client: Client) -> Client:
    client.force_login(make_member(make_trial(status="draft"), "principal_investigator").user)
    return client


def own(**changes: str) -> dict[str, str]:
    return {
        "name": "Zonulin", "code": "ZON", "outcome_class": "other_immune", "direction": "harmful",
        "analysis_scale": "log", "unit": "ng/mL", "low": "1", "high": "90", "specimen_type": "serum",
        "aliases": "Zonulin-1, prehaptoglobin", "is_awaited": "on",
    } | changes  # fmt: skip


def test_an_empty_list_names_the_next_step(investigator: Client) -> None:
    shown = investigator.get(URL).content.decode()
    assert "Choose biomarkers from the catalogue" in shown
    assert shown.count("<details open>") > 10


def test_from_the_catalogue(investigator: Client) -> None:
    assert investigator.post(URL, {"codes": ["IL6", "CRP"]}).status_code == 302
    assert set(Biomarker.objects.values_list("code", flat=True)) == {"IL6", "CRP"}
    again = investigator.post(URL, {"codes": ["IL6"]})
    assert again.status_code == 422
    assert Biomarker.objects.count() == 2
    shown = investigator.get(URL).content.decode()
    assert shown.count("<details open>") == 1  # the navigation's own
    assert 'value="IL6"' not in shown


def test_what_is_chosen_is_shown_with_what_it_brings(investigator: Client) -> None:
    shown = investigator.get(URL).content.decode()
    assert "Interleukin-6, pg/mL" in shown
    assert "27415-9" in shown
    assert "not confirmed" in shown
    assert "Converts to moles (362.4600 g/mol)." in shown


def test_the_list_is_narrowed_sorted_and_downloaded(investigator: Client) -> None:
    investigator.post(URL, {"codes": ["IL6", "CRP", "PSS10"]})
    answer = investigator.get(f"{URL}biomarkers.csv?class=proinflammatory&sort=name")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["code"] for row in rows] == ["CRP", "IL6"]
    assert rows[1] | {"plausible_low": "0.05", "unit": "pg/mL", "loinc": "26881-3", "molar_mass": ""} == rows[1]
    shown = investigator.get(f"{URL}?sort=-code").content.decode()
    assert shown.index("<code>PSS10") < shown.index("<code>IL6") < shown.index("<code>CRP")


def test_one_of_the_trials_own(investigator: Client) -> None:
    assert investigator.post(f"{URL}new/", own(loinc="26881-3", molar_mass="10.5")).status_code == 302
    made = Biomarker.objects.get(code="ZON")
    assert (made.direction, made.aliases, str(made.molar_mass.normalize())) == (
        "harmful",
        ["Zonulin-1", "prehaptoglobin"],
        "10.5",
    )
    assert (made.loinc, made.loinc_verified) == ("26881-3", True)
    assert investigator.post(f"{URL}new/", own(code="OTHER", name="O", aliases="", loinc="1-8")).status_code == 302
    assert not Biomarker.objects.get(code="OTHER").loinc_verified


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"unit": "furlong"}, "is not a unit that is known here"),
        ({"high": ""}, "Give both ends of the range"),
        ({"low": "99"}, "The range ends before it begins"),
        ({"code": "zon"}, "Enter a valid value"),
        ({"may_be_negative": "on"}, "A value below zero has no logarithm"),
        ({"loinc": "26881-4"}, "“26881-4” is no LOINC code: its check digit does not fit. 26881-3 would."),
        ({"molar_mass": "0"}, "A molecule weighs something"),
        ({"aliases": "il 6"}, "“il 6” is what Interleukin-6 is called already."),
        ({"code": "IL6", "name": "Another", "aliases": ""}, "measures one of these already"),
    ],
)
def test_what_cannot_be_is_told(investigator: Client, changes: dict[str, str], sentence: str) -> None:
    investigator.post(URL, {"codes": ["IL6"]})
    answer = investigator.post(f"{URL}new/", own(**changes))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert Biomarker.objects.count() == 1


def test_check_digits_of_the_catalogue() -> None:
    codes = [each.loinc.code for each in CATALOGUE.values() if each.loinc]
    assert codes
    assert [code for code in codes if code[-1] != str(check_digit(code[:-2]))] == []


def test_others_see_the_list_and_no_forms(client: Client) -> None:
    client.force_login(make_member(make_trial(), "monitor").user)
    page = client.get(URL).content.decode()
    assert "Choose from the catalogue" not in page
    assert client.post(URL, {"codes": ["IL6"]}).status_code == 403
    assert client.get(f"{URL}new/").status_code == 403
    assert client.post(f"{URL}new/", own()).status_code == 403


class TestChange:
    def changed(self, client: Client, biomarker: Biomarker, **changes: str):
        url = f"{URL}{biomarker.code}/change/"
        form = client.get(url).context["form"]
        sent = {name: value for name in form.fields if (value := form[name].value()) not in (None, "", False)}
        return client.post(url, sent | changes)

    def test_a_draft_changes_freely_and_keeps_its_code(self, investigator: Client) -> None:
        investigator.post(URL, {"codes": ["CORT"]})
        biomarker = Biomarker.objects.get()
        answer = self.changed(
            investigator, biomarker, code="X", unit="ug/dL", direction="harmful", low="0.5", high="40"
        )
        assert answer.status_code == 302
        biomarker.refresh_from_db()
        assert (biomarker.code, biomarker.unit, biomarker.direction) == ("CORT", "ug/dL", "harmful")
        assert biomarker.loinc == ""
        [change] = AuditChange.objects.filter(table_name="measurements_biomarker", operation="UPDATE")
        assert (change.old["unit"], change.new["unit"]) == ("nmol/L", "ug/dL")

    def test_what_stays_as_it_was_stays(self, investigator: Client) -> None:
        investigator.post(URL, {"codes": ["CAR", "IL6", "WAISR"]})
        for biomarker in Biomarker.objects.all():
            before = {name: getattr(biomarker, name) for name in (*MEANING, *READING)}
            assert self.changed(investigator, biomarker).status_code == 302
            after = Biomarker.objects.get(pk=biomarker.pk)
            assert {name: getattr(after, name) for name in before} == before

    def test_after_registration_with_a_reason(self, client: Client) -> None:
        trial = make_trial()
        [biomarker] = add_biomarkers(trial=trial, biomarkers=["IL6"], by=PLATFORM)
        client.force_login(make_member(trial, "data_manager").user)
        assert "Say why it changes" in self.changed(client, biomarker, high="150").content.decode()
        assert self.changed(client, biomarker, high="150", reason="Stressed people").status_code == 302
        assert AuditEvent.objects.get(verb="biomarker.revised").reason == "Stressed people"

    @pytest.mark.parametrize(
        "changes",
        [
            {"unit": "ng/mL"},
            {"direction": "neutral"},
            {"analysis_scale": "identity"},
            {"molar_mass": "20000"},
            {"outcome_class": "antiinflammatory"},
            {"specimen_type": "plasma"},
            {"analysis_scale": "identity", "may_be_negative": "on"},
        ],
    )
    def test_what_recorded_numbers_mean_stays(self, bench, client: Client, changes: dict[str, str]) -> None:
        self.recorded(bench)
        client.force_login(make_member(bench.trial, "data_manager").user)
        biomarker = bench.trial.biomarkers.get(code="IL6")
        answer = self.changed(client, biomarker, **changes, reason="Wish")
        assert answer.status_code == 422
        assert "every number would mean something else" in answer.content.decode()
        assert "Values are recorded." in answer.content.decode()
        assert not AuditEvent.objects.filter(verb="biomarker.revised").exists()

    def test_how_values_are_read_changes_with_a_reason(self, bench, client: Client) -> None:
        self.recorded(bench)
        client.force_login(make_member(bench.trial, "data_manager").user)
        biomarker = bench.trial.biomarkers.get(code="IL6")
        assert self.changed(client, biomarker, aliases="IL-6, hIL6").status_code == 422
        assert self.changed(client, biomarker, aliases="IL-6, hIL6", reason="New export").status_code == 302
        row = {"specimen": "S-2", "biomarker": "hIL6", "value": "2", "unit": "pg/mL"}
        assert bench.post([row]).status_code == 201

    def test_a_row_that_waits_counts_as_recorded(self, bench, client: Client) -> None:
        row = {"specimen": "S-99", "biomarker": "IL6", "value": "2", "unit": "pg/mL"}
        assert bench.post([row], query="?unknown_specimen=hold").json()["held"] == 1
        client.force_login(make_member(bench.trial, "data_manager").user)
        answer = self.changed(client, bench.trial.biomarkers.get(code="IL6"), unit="ng/mL", reason="Wish")
        assert answer.status_code == 422

    def test_a_unit_that_methods_do_not_convert_to(self, investigator: Client) -> None:
        investigator.post(URL, {"codes": ["CORT"]})
        biomarker = Biomarker.objects.get()
        laboratory = biomarker.trial.own_laboratories.get()
        add_assay(
            trial=biomarker.trial, laboratory=laboratory, biomarker=biomarker, code="lc", unit="ug/dL", by=PLATFORM
        )
        answer = self.changed(investigator, biomarker, molar_mass="")
        assert "which does not convert to nmol/L" in answer.content.decode()

    def test_an_unknown_one_is_not_found(self, investigator: Client) -> None:
        assert investigator.get(f"{URL}NOPE/change/").status_code == 404

    def recorded(self, bench) -> None:
        assert bench.post([{"specimen": "S-1", "biomarker": "IL6", "value": "2", "unit": "pg/mL"}]).status_code == 201


def test_as_sent_and_as_used_are_both_kept(bench) -> None:
    rows = [
        {"specimen": "S-1", "biomarker": "CORT", "value": "18.1230", "unit": "µg/dl"},
        {"specimen": "S-1", "biomarker": "IL6", "value": "0.00180", "unit": "mcg/L"},
        {"specimen": "S-1", "biomarker": "CRP", "value": "<0.02", "unit": "mg/100 ml"},
    ]
    assert bench.post(rows).status_code == 201
    kept = bench.trial.results.order_by("row_number").values_list("value_as_sent", "unit_as_sent", "value", "unit")
    assert [(sent, unit, f"{used.normalize():f}", stored) for sent, unit, used, stored in kept] == [
        ("18.1230", "µg/dl", "500", "nmol/L"),
        ("0.00180", "mcg/L", "1.8", "pg/mL"),
        ("<0.02", "mg/100 ml", "0.2", "mg/L"),
    ]
