"""The pages of specimens, shipments and rows that wait, as people use them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from measurements.labels import is_generated
from measurements.models import HeldRowOutcome, Result, Shipment, Specimen
from measurements.services.specimens import Facts, correct_times, note_specimen, part_specimen
from tests.making import PLATFORM, make_member
from tests.measurements.conftest import Bench
from trials import audit
from trials.errors import RuleBroken
from trials.models import AuditEvent
from trials.services.lifecycle import change_data_state

pytestmark = pytest.mark.django_db
IL6 = {"specimen": "SERUM-l", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}


@pytest.fixture
def manager(bench: Bench, signed_in: Any) -> Client:
    """A data manager of the trial."""
    return signed_in(make_member(bench.trial, "data_manager"))


@pytest.fixture
def laboratory(bench: Bench, signed_in: Any) -> Client:
    """A laboratory's manager."""
    return signed_in(make_member(bench.trial, "lab_manager"))


def serum(bench: Bench) -> Specimen:
    """The specimen S-1."""
    return Specimen.objects.get(trial=bench.trial, identifier="S-1")


def draw(specimen: Specimen) -> None:
    """Record that it was drawn yesterday."""
    drawn = timezone.now() - timedelta(days=1)
    correct_times(specimen=specimen, drawn_at=drawn, received_at=None, by=PLATFORM, reason="x")


def text(answer: Any) -> str:
    """The page, one space wherever there is white space."""
    return re.sub(r"\s+", " ", answer.content.decode())


def test_a_visits_whole_set_is_registered_once_under_ids_without_the_participants_code(bench, manager) -> None:
    visit = bench.trial.visits.get(code="six_months")
    sent = {"participant": "T-001-F", "visit": visit.pk, "kind": "planned", "identifier": ""}
    answer = manager.post("/trials/t/specimens/register/", sent)
    assert answer.status_code == 302
    made = Specimen.objects.filter(visit=visit)
    assert set(made.values_list("specimen_type", flat=True)) == {"serum"}
    assert all(is_generated(each.identifier) for each in made)
    labels = manager.get(answer.url)
    assert text(labels).count('class="barcode"') == 1
    assert "T-001-F" not in text(labels).split("label-sheets")[1]
    again = manager.post("/trials/t/specimens/register/", sent)
    assert again.status_code == 422
    assert "Every specimen" in text(again)


def test_one_specimen_is_registered_by_the_scanned_label_and_a_double_click_is_told(bench, manager) -> None:
    visit = bench.trial.visits.get(code="six_months")
    sent = {"participant": "T-001-F", "visit": visit.pk, "kind": "serum", "identifier": "TUBE-77"}
    assert manager.post("/trials/t/specimens/register/", sent).status_code == 302
    assert manager.post("/trials/t/specimens/register/", sent).status_code == 422
    assert Specimen.objects.filter(identifier="TUBE-77").count() == 1
    unknown = manager.post("/trials/t/specimens/register/", sent | {"participant": "T-999-X"})
    assert "is no participant at your sites" in text(unknown)


def test_a_scan_opens_the_page_or_records_the_receipt(bench, laboratory) -> None:
    opened = laboratory.post("/trials/t/specimens/scan/", {"identifier": "s-1", "action": "open"})
    assert opened.url == f"/trials/t/specimens/{serum(bench).pk}/"
    sent = {"identifier": "S-1", "action": "receive", "condition": "thawed", "place": "F2"}
    received = laboratory.post("/trials/t/specimens/scan/", sent)
    assert received.url == "/trials/t/specimens/scan/?action=receive&condition=thawed&place=F2"
    assert (serum(bench).state, serum(bench).condition, serum(bench).place) == ("received", "thawed", "F2")
    unknown = laboratory.post("/trials/t/specimens/scan/", sent | {"identifier": "NOPE"})
    assert unknown.status_code == 422
    assert "is no specimen that you may see" in text(unknown)


def test_the_list_is_narrowed_sorted_and_read_as_csv(bench, manager) -> None:
    assert "S-1" in text(manager.get("/trials/t/specimens/?site=leeds&state=expected&sort=-visit"))
    assert "S-2" not in text(manager.get("/trials/t/specimens/?site=leeds"))
    assert 'plain">Expected<' in text(manager.get("/trials/t/specimens/"))
    assert "No specimen matches" in text(manager.get("/trials/t/specimens/?state=received"))
    csv = b"".join(manager.get("/trials/t/specimens/?format=csv").streaming_content).decode().splitlines()
    assert csv[0].startswith("specimen,aliquot_of,specimen_type,participant")
    assert len(csv) == 3


def test_a_page_shows_what_happened_without_an_arm(bench, manager) -> None:
    draw(serum(bench))
    bench.post([IL6 | {"specimen": "S-1"}])
    page = f"/trials/t/specimens/{serum(bench).pk}/"
    moment = timezone.localtime().strftime("%Y-%m-%dT%H:%M")
    sent = {"step": "receive", "received_at": moment, "condition": "ok", "place": "Freezer 2", "note": ""}
    assert manager.post(page, sent).status_code == 302
    assert manager.post(page, {"step": "part", "count": "2", "volume_ul": "500"}).status_code == 302
    shown = text(manager.get(page))
    for told in ("Freezer 2", "S-1-A2", "1.83", "Received", "Put away"):
        assert told in shown
    assert "CBT" not in shown.split("<main")[1]
    bad = manager.post(page, {"step": "times", "drawn_at": moment, "received_at": "2026-01-01T10:00", "reason": "x"})
    assert bad.status_code == 422
    assert "before it was drawn" in text(bad)
    gone = manager.post(page, {"step": "destroy", "destroyed_at": moment, "note": ""})
    assert gone.status_code == 422


def test_other_sites_specimens_are_as_unknown_as_missing_ones(bench, signed_in) -> None:
    client = signed_in(make_member(bench.trial, "coordinator", "ghent"))
    foreign = client.get(f"/trials/t/specimens/{serum(bench).pk}/")
    missing = client.get("/trials/t/specimens/999999/")
    assert (foreign.status_code, missing.status_code) == (404, 404)


def test_the_worklist_leaves_out_what_is_lost_and_counts_what_was_parted_once(bench, laboratory) -> None:
    part_specimen(specimen=serum(bench), count=2, by=PLATFORM)
    api = {each["specimen"]: each for each in bench.get("specimens/?awaiting=results").json()["results"]}
    assert set(api) == {"S-1", "S-2"}
    assert api["S-1"]["awaiting"] == ["IL6", "CRP", "IL10", "CORT"]
    bench.post([IL6 | {"specimen": "S-1-A1"}])
    api = {each["specimen"]: each for each in bench.get("specimens/").json()["results"]}
    assert (api["S-1"]["awaiting"], api["S-1-A2"]["awaiting"]) == (["CRP", "IL10", "CORT"], [])
    assert api["S-1-A2"]["aliquot_of"] == "S-1"
    second = Specimen.objects.get(identifier="S-2")
    note_specimen(specimen=second, facts=Facts(condition="unusable"), by=PLATFORM)
    shown = text(laboratory.get("/trials/t/specimens/awaited/"))
    assert "S-1</code>" in shown
    assert "S-2</code>" not in shown
    assert bench.get("specimens/").json()["results"][-1]["condition"] in {"unusable", None}


def test_a_row_of_participant_and_visit_means_the_specimen_and_not_its_aliquots(bench) -> None:
    part_specimen(specimen=serum(bench), count=2, by=PLATFORM)
    row = {"participant": "T-001-F", "visit": "baseline", "biomarker": "IL6", "value": "2", "unit": "pg/mL"}
    assert bench.post([row]).json()["created"] == 1
    assert Result.objects.get().specimen.identifier == "S-1"


def test_labels_leave_out_ids_that_hold_a_participants_code(bench, manager) -> None:
    bench.post([{"participant": "T-001-F", "visit": "six_months", "biomarker": "IL6", "value": "2", "unit": "pg/mL"}])
    shown = text(manager.get("/trials/t/specimens/labels/?sheet=5x13&start=3"))
    assert shown.count('class="barcode"') == 2
    assert "1 specimen is left out" in shown
    assert shown.count('class="used"') == 2
    blank = text(manager.get("/trials/t/specimens/labels/?sheet=3x8&start=1&blank=30"))
    assert blank.count('class="barcode"') == 30
    assert blank.count('class="label-sheet sheet-3x8"') == 2


def test_a_shipment_is_sent_and_opened(bench, manager, laboratory) -> None:
    draw(serum(bench))
    site = bench.trial.sites.get(code="leeds")
    moment = timezone.localtime().strftime("%Y-%m-%dT%H:%M")
    sent = {"site": site.pk, "laboratory": bench.laboratory.pk, "sent_at": moment, "cooling": "dry_ice"}
    wrong = manager.post("/trials/t/shipments/send/", sent | {"identifiers": "S-1\nS-2\nS-1\nX"})
    assert wrong.status_code == 422
    for told in ("S-2 (no specimen of this site)", "X (no specimen of this site)", "S-1 (named twice)"):
        assert told in text(wrong)
    assert not Shipment.objects.exists()
    assert manager.post("/trials/t/shipments/send/", sent | {"identifiers": "S-1"}).status_code == 302
    assert serum(bench).state == "in_transit"
    twice = manager.post("/trials/t/shipments/send/", sent | {"identifiers": "S-1"})
    assert "on its way already" in text(twice)
    page = "/trials/t/shipments/1/"
    assert "T-001-F" not in text(laboratory.get(page)).split("<main")[1]
    opened = laboratory.post(page, {"received_at": moment, f"condition-{serum(bench).pk}": "leaked", "place": "F1"})
    assert opened.status_code == 302
    assert (serum(bench).state, serum(bench).condition, serum(bench).place) == ("received", "leaked", "F1")
    assert laboratory.post(page, {"received_at": moment}).status_code == 422
    csv = b"".join(manager.get(f"{page}?format=csv").streaming_content).decode()
    assert "S-1,serum,baseline" in csv
    assert "leaked" in csv
    assert "T-001" not in csv


def test_a_row_that_waits_is_assigned_released_or_dismissed(bench, manager) -> None:
    bench.post([IL6, IL6 | {"biomarker": "CRP", "unit": "mg/L"}], query="?unknown_specimen=hold")
    listed = text(manager.get("/trials/t/held-rows/"))
    assert "SERUM-l" in listed
    assert "is not a specimen of this trial" in listed
    first, second = [int(each) for each in re.findall(r"held-rows/(\d+)/", listed)]
    page = f"/trials/t/held-rows/{first}/"
    assert "Did you mean" in text(manager.post(page, {"step": "assign", "specimen": "S-11", "reason": "x"}))
    assert manager.post(page, {"step": "assign", "specimen": "S-1", "reason": "An l for a 1"}).status_code == 302
    assert Result.objects.get().specimen == serum(bench)
    assert "Joined the results of S-1" in text(manager.get(page))
    page = f"/trials/t/held-rows/{second}/"
    assert manager.post(page, {"step": "dismiss", "reason": ""}).status_code == 422
    assert manager.post(page, {"step": "dismiss", "reason": "No such tube"}).status_code == 302
    assert "No row waits" in text(manager.get("/trials/t/held-rows/"))
    assert HeldRowOutcome.objects.count() == 2
    assert AuditEvent.objects.filter(verb="held_row.dismissed", reason="No such tube").exists()


def test_rows_held_while_data_were_closed_are_released_from_the_list(bench, manager) -> None:
    change_data_state(trial=bench.trial, to="frozen", by=PLATFORM, reason="Interim")
    bench.post([IL6 | {"specimen": "S-1"}])
    closed = text(manager.get("/trials/t/held-rows/"))
    assert "it never happens by itself" in closed
    assert "Release the chosen" not in closed
    change_data_state(trial=bench.trial, to="open", by=PLATFORM, reason="Over")
    assert "Ready to join" in text(manager.get("/trials/t/held-rows/"))
    told = manager.post("/trials/t/held-rows/", {"all": "yes"}, follow=True)
    assert "1 row joined the results" in text(told)
    assert Result.objects.count() == 1


@pytest.mark.parametrize("role", ["monitor", "blinded_statistician", "export_staff"])
def test_who_may_not_settle_rows_does_not_see_them(bench, signed_in, role) -> None:
    client = signed_in(make_member(bench.trial, role))
    assert client.get("/trials/t/held-rows/").status_code == 403


@pytest.mark.parametrize(
    "address",
    [
        "specimens/?page=x&sort=%00&visit=%00", "specimens/labels/?start=0&sheet=x&id=99999999999999999999&id=a",
        "specimens/labels/?blank=-1", "held-rows/?laboratory=%00&code=x&page=9999", "shipments/?page=-1",
        "specimens/scan/?action=nothing&condition=x", "specimens/register/?participant=%F0%9F%98%80&kind=x",
    ],
)  # fmt: skip
def test_odd_addresses_are_answered(manager, address) -> None:
    assert manager.get(f"/trials/t/{address}").status_code in {200, 400}


def test_a_specimen_of_another_trial_is_refused_in_a_shipment(bench) -> None:
    from measurements.services.shipments import Parcel, send_shipment

    with pytest.raises(RuleBroken, match="Name 1 to"):
        send_shipment(
            site=bench.trial.sites.get(code="leeds"),
            laboratory=bench.laboratory,
            identifiers=[" "],
            parcel=Parcel(timezone.now()),
            by=PLATFORM,
        )


def test_rows_that_wait_are_counted_for_who_may_settle_them(bench, manager, signed_in) -> None:
    bench.post([IL6], query="?unknown_specimen=hold")
    assert "1 row of the trial waits" in text(manager.get("/trials/t/"))
    home = text(manager.get("/"))
    assert "1 row of a laboratory waits" in home
    assert 'href="/trials/t/held-rows/"' in home
    monitor = signed_in(make_member(bench.trial, "monitor"))
    assert "of the trial waits" not in text(monitor.get("/trials/t/"))
    assert "held row" not in text(monitor.get("/"))


def test_what_holds_a_questionnaires_answers_is_no_tube_in_the_list(bench, manager) -> None:
    known = serum(bench)
    sheet = Specimen(trial=known.trial, participant=known.participant, visit=known.visit, specimen_type="questionnaire")
    sheet.identifier = "Q-1"
    with audit.transaction(by=PLATFORM) as event:
        sheet.save()
        event.record("specimen.registered", trial=known.trial, target=sheet)
    assert "Q-1" not in text(manager.get("/trials/t/specimens/"))
    assert "Q-1" in text(manager.get("/trials/t/specimens/?type=questionnaire"))
    assert manager.get(f"/trials/t/specimens/{sheet.pk}/").status_code == 200


def test_the_navigation_leads_to_rows_that_wait_only_who_may_settle_them(bench, manager, signed_in) -> None:
    assert "/trials/t/held-rows/" in text(manager.get("/trials/t/specimens/"))
    bound = signed_in(make_member(bench.trial, "coordinator", "ghent"))
    assert "/trials/t/held-rows/" not in text(bound.get("/trials/t/specimens/"))
    assert bound.get("/trials/t/held-rows/").status_code == 403
