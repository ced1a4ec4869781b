"""The pages and the API of a trial's registration: what they show, whom they tell of arms, and what they save."""

import csv
import io
import json
import re

import pytest
from django.urls import reverse

from measurements.services.catalogue import add_biomarkers
from tests.making import PLATFORM, make_member, make_trial
from trials.access import may_name_arms
from trials.models import AuditEvent, PlannedOutcome, ProtocolVersion, Registration, Trial
from trials.permissions import Role
from trials.services.design import ArmDesign
from trials.services.lifecycle import change_status
from trials.services.protocol_versions import record_protocol_version
from trials.services.registry import Amendment, OutcomeDesign, amend_protocol

pytestmark = pytest.mark.django_db
CANARY = re.compile(rb"canary", re.IGNORECASE)
ARMS = (
    ArmDesign("canary-one", "Canary one", "intervention", intervention_type="cbt", software="Canary-Bot",
              sessions_planned=8, weeks=40),
    ArmDesign("canary-two", "Canary two", "waitlist", is_reference=True, crosses_over_to="canary-one"),
)  # fmt: skip
PAGES = (
    "registration",
    "registration-edit",
    "protocol-interventions",
    "protocol-amend",
    "protocol-versions",
    "protocol-difference",
    "protocol",
    "spirit-schedule",
    "spirit-schedule-csv",
)
FILES = ("who.json", "who.csv", "ctgov.json")
READS = ("registration/who/", "registration/ctgov/", "")


def address(page: str, **more: str) -> str:
    return reverse(page, kwargs={"slug": "t", **more})


def amended(*, is_open_label: bool = False, arms=ARMS, status: str = "recruiting") -> Trial:
    """Return a recruiting trial whose protocol has two versions, which differ in what an arm receives as well."""
    trial = make_trial(arms=arms, is_open_label=is_open_label, status="draft")
    add_biomarkers(trial=trial, biomarkers=("IL6",), by=PLATFORM)
    trial = change_status(trial=trial, to="registered", by=PLATFORM)
    record_protocol_version(trial=trial, by=PLATFORM, reason="Registration")
    amendment = Amendment(
        texts={"planned_participants": 140},
        interventions={arms[0].code: {"name": "Canary name", "provider": "Canary providers", "session_minutes": 45}},
        outcomes=[OutcomeDesign("o1", "primary", "Sleep", visit="six_months")],
    )
    amend_protocol(trial=trial, by=PLATFORM, amendment=amendment, reason="Longer")
    return change_status(trial=trial, to=status, by=PLATFORM) if status != "registered" else trial


def answers(browser, client):
    """Yield (name, answer) of everything this part shows, reads and refusals alike."""
    for name in PAGES:
        yield name, browser.get(address(name))
    for name in FILES:
        yield name, browser.get(address("registration-file", name=name))
    for path in READS:
        yield f"api {path}", client.get(f"/api/v1/trials/t/{path}")


def content_of(answer) -> bytes:
    return b"".join(answer) if answer.streaming else answer.content


def naming(browser, client) -> set[str]:
    return {name for name, answer in answers(browser, client) if CANARY.search(content_of(answer))}


@pytest.mark.parametrize("is_open_label", [False, True])
@pytest.mark.parametrize("role", list(Role))
def test_arms_are_named_to_those_alone_who_may_name_them(role, is_open_label, signed_in, with_token) -> None:
    trial = amended(is_open_label=is_open_label)
    member = make_member(trial, role)
    named = naming(signed_in(member), with_token(member))
    assert bool(named) == may_name_arms(member, trial)
    if named:
        assert {"registration", "protocol", "protocol-difference", "spirit-schedule", "who.json"} <= named


@pytest.mark.parametrize("role", list(Role))
def test_records_are_taken_by_those_who_design_or_see_arms(role, signed_in, with_token) -> None:
    trial = amended()
    member = make_member(trial, role)
    may = role == Role.PRINCIPAL_INVESTIGATOR or may_name_arms(member, trial)
    for name in FILES:
        assert signed_in(member).get(address("registration-file", name=name)).status_code == (200 if may else 403)
    # A token has no scope that designs, so the investigator of a blinded trial takes the record from the page alone.
    expected = 200 if may_name_arms(member, trial) else 403
    assert with_token(member).get("/api/v1/trials/t/registration/who/").status_code == expected


@pytest.mark.parametrize("role", [role for role in Role if role != Role.PRINCIPAL_INVESTIGATOR])
def test_only_who_designs_edits(role, signed_in) -> None:
    browser = signed_in(make_member(amended(), role))
    for name in ("registration-edit", "protocol-interventions", "protocol-amend"):
        assert browser.get(address(name)).status_code == 403
        assert browser.post(address(name), {"reason": "x"}).status_code == 403
    assert b"Edit the record" not in browser.get(address("registration")).content


def test_the_flow_is_there_for_those_who_see_all_allocations(with_token) -> None:
    trial = amended(is_open_label=True)
    for member, sees in (
        (make_member(trial, Role.MONITORING_BOARD), True),
        (make_member(trial, Role.COORDINATOR, "leeds"), False),
    ):
        record = with_token(member).get("/api/v1/trials/t/registration/ctgov/").json()
        assert ("resultsSection" in record) == sees


def test_a_download_is_recorded_and_numbers_every_item_once(signed_in) -> None:
    browser = signed_in(make_member(amended(), Role.PRINCIPAL_INVESTIGATOR))
    listed = list(
        csv.DictReader(io.StringIO(content_of(browser.get(address("registration-file", name="who.csv"))).decode()))
    )
    assert [int(each["item"]) for each in listed] == list(range(1, 25))
    record = json.loads(browser.get(address("registration-file", name="ctgov.json")).content)
    labels = [arm["label"] for arm in record["protocolSection"]["armsInterventionsModule"]["armGroups"]]
    assert labels == ["Arm 1", "Arm 2"]
    assert browser.get(address("registration-file", name="all.zip")).status_code == 404
    files = AuditEvent.objects.filter(verb="registration.downloaded").values_list("detail__file", flat=True)
    assert sorted(files) == ["ctgov.json", "who.csv"]


def test_the_checklist_leads_to_the_missing_fields(signed_in) -> None:
    browser = signed_in(make_member(amended(is_open_label=True), Role.PRINCIPAL_INVESTIGATOR))
    page = browser.get(address("registration")).content.decode()
    assert re.search(r"\d+ of 24 items answered", page)
    for target in re.findall(r'href="(/trials/t/[^"]*)#([^"]+)"', page):
        assert f'id="{target[1]}"' in browser.get(target[0]).content.decode(), target


def rows(prefix: str, total: int = 1, **values: str) -> dict[str, str]:
    return {f"{prefix}-TOTAL_FORMS": str(total), f"{prefix}-INITIAL_FORMS": "0"} | {
        f"{prefix}-{name.replace('__', '-')}": value for name, value in values.items()
    }


def record(**changed: str) -> dict[str, str]:
    """Return what the page of the record sends."""
    return {
        "title": "T",
        "assignment_model": "parallel",
        "sex": "all",
        "primary_sponsor": "University",
        "conditions": "Insomnia\n\nInflammation\nInsomnia",
        "secondary_ids": "X-1, Funder\nX-2",
        "public_name": "Office",
        "public_email": "office@example.org",
        "none_secondary_sponsors": "on",
        "masked": "outcomes_assessor",
        **rows("outcomes", 2, **{"0__code": "o1", "0__title": "Sleep better", "0__rank": "primary",
                                 "0__visit": "six_months", "1__title": "Mood", "1__rank": "secondary"}),
        **rows("reviews", 1, **{"0__committee": "REC", "0__status": "approved", "0__date": "2025-10-01"}),
        **changed,
    }  # fmt: skip


def test_a_record_is_filled_in_by_a_form_without_a_script(signed_in) -> None:
    trial = amended(is_open_label=True)
    browser = signed_in(make_member(trial, Role.PRINCIPAL_INVESTIGATOR))
    assert browser.post(address("registration-edit"), record()).status_code == 422
    assert Registration.objects.filter(trial=trial).count() == 0
    sent = record(reason="Complete")
    assert browser.post(address("registration-edit"), sent).headers["Location"] == address("registration")
    stored = Registration.objects.get(trial=trial)
    assert stored.conditions == ["Insomnia", "Inflammation"]
    assert stored.secondary_ids == [{"id": "X-1", "issuer": "Funder"}, {"id": "X-2", "issuer": ""}]
    assert stored.public_contact == {"name": "Office", "email": "office@example.org"}
    assert stored.none_of == ["secondary_sponsors"]
    assert stored.ethics_reviews[0]["date"] == "2025-10-01"
    outcomes = PlannedOutcome.objects.filter(trial=trial)
    assert [(each.code, each.title) for each in outcomes] == [("o1", "Sleep better"), ("o2", "Mood")]
    browser.post(address("registration-edit"), sent)
    assert ProtocolVersion.objects.filter(trial=trial).count() == 3
    page = browser.get(address("registration-edit")).content.decode()
    assert "X-1, Funder" in page
    assert 'value="Sleep better"' in page


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"title": ""}, "This field is required."),
        ({"minimum_age": "30", "maximum_age": "20"}, "Nobody is at least 30"),
        ({"completion_on": "2020-01-01"}, "before recruitment starts"),
        ({"recruitment_starts": "2026-01-01", "recruitment_ends": "2025-01-01"}, "Recruitment ends after it starts"),
        ({"public_email": "nobody"}, "valid email address"),
        ({"outcomes-0-visit": "never"}, "Select a valid choice"),
        ({"results_link": "javascript:alert(1)"}, "Enter a valid URL"),
        ({"conditions": "x" * 6000}, "at most 5000"),
    ],
)
def test_a_wrong_record_comes_back_with_what_to_mend(signed_in, changed, sentence) -> None:
    browser = signed_in(make_member(amended(is_open_label=True), Role.PRINCIPAL_INVESTIGATOR))
    answer = browser.post(address("registration-edit"), record(reason="x", recruitment_starts="2026-01-01") | changed)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Registration.objects.exists()


def test_interventions_are_described_on_their_page(signed_in) -> None:
    trial = amended(is_open_label=True)
    browser = signed_in(make_member(trial, Role.PRINCIPAL_INVESTIGATOR))
    sent = {"arm-canary-one-provider": "Nurses", "arm-canary-one-cost_per_participant": "12.5", "reason": "Costs"}
    failed = browser.post(address("protocol-interventions"), sent | {"arm-canary-one-currency": "euro"})
    assert failed.status_code == 422
    assert browser.post(address("protocol-interventions"), sent).status_code == 422
    assert browser.post(address("protocol-interventions"), sent | {"arm-canary-one-currency": "eur"}).status_code == 302
    received = trial.arms.get(code="canary-one").intervention
    assert (received.provider, received.currency) == ("Nurses", "EUR")


def test_words_and_sites_are_amended_on_their_page(signed_in) -> None:
    trial = amended(is_open_label=True)
    browser = signed_in(make_member(trial, Role.PRINCIPAL_INVESTIGATOR))
    sites = {"0__code": "ghent", "0__name": "Ghent", "0__country": "BE", "1__code": "leeds", "1__name": "Leeds"}
    sent = {"visit_baseline": "Start", "visit_six_months": "Six months", "reason": "Words", **rows("sites", 2, **sites)}
    assert browser.post(address("protocol-amend"), sent).status_code == 302
    assert trial.visits.get(code="baseline").name == "Start"
    assert trial.sites.get(code="ghent").country == "BE"


def test_a_draft_is_designed_again_and_a_registered_trial_is_not(signed_in) -> None:
    trial = make_trial(status="draft")
    browser = signed_in(make_member(trial, Role.PRINCIPAL_INVESTIGATOR))
    page = browser.get(address("trial-revise"))
    assert page.status_code == 200
    assert b'value="Ghent"' in page.content
    assert browser.get(address("protocol-amend")).headers["Location"] == address("trial-revise")
    sent = {
        "title": "T", "code_prefix": "T", "planned_participants": "60", "stratify_by_site": "on", "inclusion": "Adult",
        "exclusion": "Infection", "randomization_method": "simple",
        **rows("arms", 3, **{
            "0__code": "bot", "0__name": "Bot", "0__kind": "intervention", "0__intervention_type": "cbt",
            "0__delivery": "coach_bot", "0__software": "Calm", "0__software_version": "1", "0__ratio": "2",
            "1__code": "waitlist", "1__name": "Waitlist", "1__kind": "waitlist", "1__is_reference": "on",
            "1__crosses_over_to": "bot", "2__name": ""}),
        **rows("sites", 1, **{"0__code": "leeds", "0__name": "Leeds", "0__country": "gb"}),
        **rows("visits", 2, **{
            "0__code": "baseline", "0__name": "Baseline", "0__kind": "baseline", "0__target_day": "1",
            "0__window_from": "-28", "0__window_to": "1", "1__name": "Late", "1__kind": "other",
            "1__target_day": "30", "1__window_from": "20", "1__window_to": "40", "1__anchor": "intervention_end"}),
        **rows("factors", 1),
    }  # fmt: skip
    assert browser.post(address("trial-revise"), sent | {"arms-0-software": ""}).status_code == 422
    assert browser.post(address("trial-revise"), sent).headers["Location"] == address("protocol")
    trial = Trial.objects.get(slug="t")
    assert [(arm.code, arm.ratio) for arm in trial.arms.all()] == [("bot", 2), ("waitlist", 1)]
    assert trial.arms.get(code="waitlist").crosses_over_to.code == "bot"
    assert [(each.kind, each.text) for each in trial.criteria.all()] == [
        ("inclusion", "Adult"),
        ("exclusion", "Infection"),
    ]
    assert (trial.randomization_method, trial.sites.get().country) == ("simple", "GB")
    assert trial.visits.get(code="late").anchor == "intervention_end"
    change_status(trial=trial, to="registered", by=PLATFORM)
    for answer in (browser.get(address("trial-revise")), browser.post(address("trial-revise"), sent)):
        assert answer.status_code == 409


def test_versions_are_compared_by_the_address(signed_in) -> None:
    browser = signed_in(make_member(amended(is_open_label=True), Role.PRINCIPAL_INVESTIGATOR))
    page = browser.get(address("protocol-difference")).content.decode()
    assert "Planned participants" in page
    assert "<del>40</del>" in page
    assert "<ins>140</ins>" in page
    back = browser.get(address("protocol-difference"), {"earlier": "2", "later": "1"}).content.decode()
    assert "<del>140</del>" in back
    assert browser.get(address("protocol-difference"), {"earlier": "9"}).status_code == 404
    assert browser.get(address("protocol-difference"), {"earlier": "x", "later": "²"}).status_code == 200


def test_a_draft_has_no_versions_and_says_when_there_will_be_one(signed_in) -> None:
    browser = signed_in(make_member(make_trial(status="draft"), Role.PRINCIPAL_INVESTIGATOR))
    assert b"There is no version yet" in browser.get(address("protocol-versions")).content
    assert browser.get(address("protocol-difference")).status_code == 302


def test_the_schedule_has_a_mark_for_what_is_done_when(signed_in) -> None:
    trial = amended(is_open_label=True)
    browser = signed_in(make_member(trial, Role.UNBLINDED_STATISTICIAN))
    text = content_of(browser.get(address("spirit-schedule-csv"))).decode()
    table = {row[1]: row[2:] for row in csv.reader(io.StringIO(text))}
    assert [head.partition(",")[0] for head in table["What"]] == [
        "Enrolment",
        "Baseline",
        "Allocation",
        "Six months",
        "Afterwards",
    ]
    assert table["Informed consent"] == ["X", "", "", "", ""]
    assert table["Allocation"] == ["", "", "X", "", ""]
    assert table["Canary one"] == ["", "", "–", "–", ""]
    assert table["Canary two"] == ["", "", "", "", "–"]
    assert table["Interleukin-6 (IL6)"] == ["", "X", "", "X", ""]
    assert table["Sleep"] == ["", "", "", "X", ""]


@pytest.mark.parametrize("name", [*PAGES, "trial-revise"])
def test_a_stranger_finds_no_trial(name, signed_in) -> None:
    amended()
    stranger = make_member(make_trial("other"), Role.PRINCIPAL_INVESTIGATOR)
    assert signed_in(stranger).get(address(name)).status_code == 404
