"""The visit form: each field as it is left, and the whole form without JavaScript."""

import re
from datetime import UTC, date, datetime

import pytest
from django.test import Client
from django.utils import timezone

from measurements.models import Query, Result, Specimen
from measurements.services.results import laboratory_of, record_results
from measurements.validation import Payload, RowAsSent, RunAsSent
from tests.making import PLATFORM, make_member
from trials import audit
from trials.models import Attendance, AuditEvent, Trial

URL = "/trials/t/participants/T-001-F/visits/baseline/"


@pytest.fixture
def coordinator(bench):
    return signed_in(bench, "coordinator", "leeds")


def signed_in(bench, role, site=None):
    client = Client()
    client.force_login(
        make_member(bench.trial, role, site).user, backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    return client


@pytest.fixture
def leave(bench, coordinator):
    """Leave a field: what the browser sends then."""

    def left(code, value, reason=None, client=coordinator):
        key = bench.trial.biomarkers.get(code=code).pk
        sent = {f"b{key}": value} | ({} if reason is None else {f"b{key}-reason": reason})
        return client.post(f"{URL}values/{key}/", sent)

    return left


def test_the_form_shows_every_biomarker_with_unit_and_range(coordinator):
    page = coordinator.get(URL)
    text = page.content.decode()
    assert page.status_code == 200
    assert text.count('class="value"') == 5
    assert "0.05 to 100" in text
    assert "pg/mL" in text
    assert "S-1" in text


def test_a_value_that_came_in_another_unit_is_never_shown_without_it(bench, leave, coordinator):
    rows = [{"specimen": "S-1", "biomarker": "CRP", "value": "0.2", "unit": "mg/dL"}]
    assert bench.post(rows).status_code == 201
    by_site = RowAsSent(specimen="S-1", biomarker="IL6", value="0.0018", unit="ng/mL")
    record_results(
        trial=bench.trial,
        laboratory=laboratory_of(PLATFORM, bench.trial),
        payload=Payload(RunAsSent(), (by_site,)),
        by=PLATFORM,
        channel="upload",
    )
    for page in (URL, "/trials/t/entry/grid/?visit=baseline&biomarker=IL6&biomarker=CRP&with_all=on&changes=on"):
        text = coordinator.get(page).content.decode()
        assert "0.0018 ng/mL" in text
        assert "0.2 mg/dL" in text
    leave("IL6", "0.0018 ng/mL")
    assert Result.objects.count() == 2, "a field that is left as it was changes nothing"
    assert "is not a number" in leave("IL6", "0.0019 ng/mL", "Misread").content.decode()
    leave("IL6", "1.9", "Misread")
    assert Result.objects.latest("id").unit_as_sent == "pg/mL"


def test_a_field_is_saved_as_it_is_left(leave):
    answer = leave("IL6", "1.83")
    assert answer.status_code == 200
    assert 'class="saved"' in answer.content.decode()
    result = Result.objects.get()
    assert (result.value_as_sent, result.laboratory.code, result.submission.channel) == ("1.83", "site", "form")


def test_a_value_below_the_limit_says_how_it_is_stored(leave):
    answer = leave("IL6", "<0.4").content.decode()
    assert "Stored as below the limit of quantification (0.4 pg/mL)" in answer
    assert Result.objects.get().comparator == "<"


@pytest.mark.parametrize(
    ("typed", "words"), [("1,234", "can mean 1.234 or 1234"), ("abc", "is not a number"), ("-1", "below zero")]
)
def test_an_error_is_told_in_the_checkers_words_and_nothing_is_saved(leave, typed, words):
    answer = leave("IL6", typed)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert words in text
    assert "It was not saved." in text
    assert f'value="{typed}"' in text
    assert not Result.objects.exists()


def test_a_change_needs_a_reason_and_becomes_a_correction(leave):
    leave("IL6", "18.3")
    asked = leave("IL6", "1.83")
    assert "Reason for the change" in asked.content.decode()
    assert Result.objects.count() == 1
    assert "Saved" in leave("IL6", "1.83", "Decimal point misread").content.decode()
    old, new = Result.objects.order_by("id")
    assert (new.supersedes, new.revision, new.status, new.reason) == (old, 1, "corrected", "Decimal point misread")


def test_a_recorded_value_is_not_emptied(leave):
    leave("IL6", "1.83")
    assert leave("IL6", "").status_code == 422
    assert leave("CRP", "").status_code == 200
    assert Result.objects.count() == 1


def test_not_done_needs_a_reason(leave):
    assert "Reason" in leave("IL6", "not done").content.decode()
    assert "Not done: Tube broken" in leave("IL6", "not done", "Tube broken").content.decode()
    assert Result.objects.get().status == "not_done"


def test_not_done_replaces_a_value_with_a_reason(leave):
    leave("IL6", "1.83")
    leave("IL6", "not done", "Wrong tube")
    assert [result.status for result in Result.objects.order_by("id")] == ["final", "not_done"]


def test_an_implausible_value_is_saved_and_asks_to_be_confirmed(leave):
    answer = leave("CRP", "34").content.decode()
    assert "34 mg/L is outside the usual range (0.05 to 20 mg/L)" in answer
    assert "Reason why it is right" in answer
    assert "Saved and confirmed: Infection noted" in leave("CRP", "34", "Infection noted").content.decode()
    assert Query.objects.get().state == "answered"
    assert Result.objects.count() == 1


def test_a_correction_closes_the_question(leave):
    leave("CRP", "34")
    leave("CRP", "3.4", "Decimal point misread")
    assert Query.objects.get().state == "closed"


def test_the_whole_form_saves_what_is_right_and_shows_what_is_not(bench, coordinator):
    keys = dict(bench.trial.biomarkers.values_list("code", "pk"))
    answer = coordinator.post(URL, {f"b{keys['IL6']}": "1.83", f"b{keys['CRP']}": "1,234", f"b{keys['IL10']}": ""})
    assert answer.status_code == 422
    assert "can mean 1.234 or 1234" in answer.content.decode()
    assert [result.biomarker.code for result in Result.objects.all()] == ["IL6"]
    answer = coordinator.post(URL, {f"b{keys['IL6']}": "1.83", f"b{keys['CRP']}": "1.234"})
    assert answer.status_code == 302
    assert Result.objects.count() == 2


def test_the_whole_form_asks_why_a_value_changes(bench, coordinator, leave):
    leave("IL6", "18.3")
    name = f"b{bench.trial.biomarkers.get(code='IL6').pk}"
    asked = coordinator.post(URL, {name: "1.83"})
    assert asked.status_code == 422
    assert f'name="{name}-reason"' in asked.content.decode()
    assert Result.objects.count() == 1
    assert coordinator.post(URL, {name: "1.83", f"{name}-reason": "Decimal point misread"}).status_code == 302
    assert Result.objects.latest("id").reason == "Decimal point misread"


def test_sent_twice_is_saved_once(leave):
    leave("IL6", "1.83")
    leave("IL6", "1.83")
    assert Result.objects.count() == 1


def test_attendance_and_draw_make_the_specimens(bench, coordinator):
    url = URL.replace("baseline", "six_months")
    answer = coordinator.post(f"{url}attendance/", {"attended_on": "2026-08-31", "drawn_time": "08:10"})
    assert answer.status_code == 302
    assert Attendance.objects.get().attended_on == date(2026, 8, 31)
    [specimen] = Specimen.objects.filter(visit__code="six_months")
    assert (specimen.identifier, specimen.specimen_type) == ("T-001-F-six_months-1", "serum")
    assert "day 183, inside 168 to 196" in coordinator.get(url).content.decode()


def test_attendance_is_a_day_or_a_reason(coordinator):
    assert coordinator.post(f"{URL}attendance/", {}).status_code == 422
    assert coordinator.post(f"{URL}attendance/", {"attended_on": "2099-01-01"}).status_code == 422
    assert coordinator.post(f"{URL}attendance/", {"missed_reason": "Moved away"}).status_code == 302
    assert Attendance.objects.get().missed_reason == "Moved away"


@pytest.mark.parametrize("day", ["0001-01-01", "2026-02-20"])
def test_a_visit_does_not_precede_consent(coordinator, day):
    answer = coordinator.post(f"{URL}attendance/", {"attended_on": day})
    assert answer.status_code == 422
    assert "is too early: T-001-F can have attended from 2026-02-21 on, the day of consent" in answer.content.decode()
    assert not Attendance.objects.exists()


def test_a_recorded_day_changes_for_a_reason_only(coordinator):
    coordinator.post(f"{URL}attendance/", {"attended_on": "2026-03-01"})
    assert coordinator.post(f"{URL}attendance/", {"attended_on": "2026-03-01"}).status_code == 302
    for change in ({"attended_on": "2026-03-02"}, {"missed_reason": "Moved away"}):
        refused = coordinator.post(f"{URL}attendance/", change)
        assert refused.status_code == 422
        assert 'name="reason"' in refused.content.decode()
        assert "Say why what is recorded of the visit changes." in refused.content.decode()
    assert Attendance.objects.get().attended_on == date(2026, 3, 1)
    answer = coordinator.post(f"{URL}attendance/", {"attended_on": "2026-03-02", "reason": "Misread diary"})
    assert answer.status_code == 302
    assert Attendance.objects.get().attended_on == date(2026, 3, 2)
    assert AuditEvent.objects.filter(verb="visit.recorded").latest("id").reason == "Misread diary"


def test_a_recorded_draw_changes_for_a_reason_only(bench, coordinator):
    sent = {"attended_on": "2026-03-01", "drawn_time": "08:10"}
    coordinator.post(f"{URL}attendance/", sent)
    bench.trial.refresh_from_db()
    before = bench.trial.data_version
    assert coordinator.post(f"{URL}attendance/", sent).status_code == 302
    assert coordinator.post(f"{URL}attendance/", sent | {"drawn_time": "09:15"}).status_code == 422
    assert drawn("S-1") == "08:10"
    changed = sent | {"drawn_time": "09:15", "reason": "Clock was not set"}
    assert coordinator.post(f"{URL}attendance/", changed).status_code == 302
    assert drawn("S-1") == "09:15"
    bench.trial.refresh_from_db()
    assert bench.trial.data_version == before + 1


def drawn(identifier):
    return f"{timezone.localtime(Specimen.objects.get(identifier=identifier).drawn_at):%H:%M}"


def test_a_draw_is_not_after_the_receipt(bench, coordinator):
    with audit.transaction(by=PLATFORM) as event:
        Specimen.objects.filter(identifier="S-1").update(received_at=datetime(2026, 3, 1, 8, tzinfo=UTC))
        event.record("specimen.received", trial=bench.trial)
    answer = coordinator.post(f"{URL}attendance/", {"attended_on": "2026-03-01", "drawn_time": "20:00"})
    assert answer.status_code == 422
    assert "was received before this time" in answer.content.decode()
    assert not Attendance.objects.exists()


def test_complete_after_attendance(coordinator):
    assert coordinator.post(URL, {"action": "complete"}).status_code == 409
    coordinator.post(f"{URL}attendance/", {"attended_on": "2026-03-01"})
    assert coordinator.post(URL, {"action": "complete"}).status_code == 302
    assert Attendance.objects.get().completed_at is not None


def test_a_value_of_a_laboratory_is_shown_and_not_changed(bench, coordinator, leave):
    bench.post([{"specimen": "S-1", "biomarker": "IL6", "value": "2.5", "unit": "pg/mL"}])
    text = coordinator.get(URL).content.decode()
    assert "From Ghent Immunology" in text
    leave("IL6", "9")
    assert Result.objects.get().value_as_sent == "2.5"


def test_locked_data_are_read_only(bench, coordinator, leave):
    leave("IL6", "1.83")
    lock(bench)
    assert "disabled" in coordinator.get(URL).content.decode()
    leave("CRP", "1")
    assert Result.objects.count() == 1


def lock(bench):
    with audit.transaction(by=PLATFORM) as event:
        Trial.objects.filter(pk=bench.trial.pk).update(data_state="frozen")
        event.record("trial.frozen", trial=bench.trial)


def test_another_site_is_as_unknown_as_nobody(bench):
    client = signed_in(bench, "coordinator", "ghent")
    foreign = client.get(URL)
    missing = client.get(URL.replace("T-001-F", "T-009-0"))
    assert (foreign.status_code, missing.status_code) == (404, 404)
    token = re.compile(rb'"x-csrftoken": "[^"]+"')
    assert token.sub(b"", foreign.content) == token.sub(b"", missing.content)


@pytest.mark.parametrize(("code", "status"), [("%00", 400), ("T-001-F%00", 400), ("%E2%80%8B", 404)])
def test_a_code_that_cannot_exist_is_refused(coordinator, code, status):
    assert coordinator.get(URL.replace("T-001-F", code)).status_code == status


def test_an_answer_that_does_not_print_is_told(leave):
    leave("CRP", "34")
    assert leave("CRP", "34", "Infection\x00").status_code == 422
    assert Query.objects.get().state == "open"


def test_a_monitor_reads_and_does_not_write(bench, leave):
    client = signed_in(bench, "monitor")
    assert "disabled" in client.get(URL).content.decode()
    assert leave("IL6", "1.83", client=client).status_code == 403
    assert not Result.objects.exists()


def test_submissions_are_listed_and_one_is_shown(bench, coordinator):
    client = signed_in(bench, "data_manager")
    bench.post([{"specimen": "S-1", "biomarker": "IL-6", "value": "2500", "unit": "pg/mL"}])
    listed = client.get("/trials/t/submissions/").content.decode()
    assert "Ghent Immunology" in listed
    reference = bench.trial.submissions.get().reference
    shown = client.get(f"/trials/t/submissions/{reference}/").content.decode()
    assert "was read as IL6" in shown
    assert "plausible range" in shown


def test_a_site_does_not_see_deliveries_about_others(bench, coordinator):
    bench.post([{"specimen": "S-2", "biomarker": "IL6", "value": "2.5", "unit": "pg/mL"}])
    reference = bench.trial.submissions.get().reference
    assert coordinator.get(f"/trials/t/submissions/{reference}/").status_code == 404
