"""The history of a value: every revision with who, when and why, at the reader's sites, and never an arm."""

import pytest

from measurements.models import Query, Result
from tests.making import make_member

CRP = {"specimen": "S-1", "biomarker": "CRP", "value": "34", "unit": "mg/L"}


@pytest.fixture
def corrected(bench) -> str:
    """A value that was corrected once; the address of its history."""
    bench.post([CRP])
    bench.post([CRP | {"value": "3.4", "status": "corrected", "reason": "Decimal point misread"}])
    return f"/trials/t/values/{Result.objects.get(superseded_by=None).pk}/history/"


def test_every_revision_says_what_was_sent_used_and_why(bench, corrected, signed_in):
    page = signed_in(make_member(bench.trial, "data_manager")).get(corrected)
    text = page.content.decode()
    assert page.status_code == 200
    for said in ("Revision 1", "Revision 2", "<s>34 mg/L</s>", "3.4 mg/L", "Decimal point misread", "bench (lab_live"):
        assert said in text
    assert text.index("Revision 2") < text.index("Revision 1")
    assert "API, JSON" in text
    assert "The value was corrected." in text
    assert f"/queries/{Query.objects.get().pk}/" in text
    assert f"audit event {Result.objects.latest('pk').event_id}" in text


def test_a_replaced_revision_leads_to_the_same_history(bench, corrected, signed_in):
    browser = signed_in(make_member(bench.trial, "coordinator", "leeds"))
    first = Result.objects.earliest("pk").pk
    assert "Revision 2" in browser.get(f"/trials/t/values/{first}/history/").content.decode()


def test_the_drawer_gets_the_inside_only(bench, corrected, signed_in):
    browser = signed_in(make_member(bench.trial, "coordinator", "leeds"))
    part = browser.get(corrected, headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert 'id="drawer-title"' in part.content.decode()
    assert "HX-Request" in part["Vary"]


@pytest.mark.parametrize(
    ("role", "site", "status"),
    [
        ("coordinator", "leeds", 200),
        ("coordinator", "ghent", 404),
        ("lab_manager", None, 200),
        ("export_staff", None, 200),
        ("blinded_statistician", None, 200),
    ],
)
def test_it_is_for_those_who_see_results_there(bench, corrected, signed_in, role, site, status):
    browser = signed_in(make_member(bench.trial, role, site))
    answer = browser.get(corrected)
    assert answer.status_code == status
    if status == 404:
        missing = browser.get("/trials/t/values/999999/history/")
        assert missing.status_code == 404


def test_no_history_speaks_of_an_arm(bench, corrected, signed_in):
    text = signed_in(make_member(bench.trial, "coordinator", "leeds")).get(corrected).content.decode()
    assert "CBT" not in text
    assert "Waitlist" not in text


def test_the_visit_form_and_the_participants_page_lead_to_it(bench, corrected, signed_in):
    browser = signed_in(make_member(bench.trial, "coordinator", "leeds"))
    for page in ("/trials/t/participants/T-001-F/", "/trials/t/participants/T-001-F/visits/baseline/"):
        assert f'hx-get="{corrected}"' in browser.get(page).content.decode()


def test_the_submission_leads_to_the_history_of_its_values(bench, corrected, signed_in):
    delivery = bench.trial.submissions.latest("pk")
    page = signed_in(make_member(bench.trial, "data_manager")).get(f"/trials/t/submissions/{delivery.reference}/")
    assert f'hx-get="{corrected}"' in page.content.decode()
