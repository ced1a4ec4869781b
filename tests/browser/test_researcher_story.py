"""A researcher designs a trial, enrols, types a value, and sees the estimate move."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from measurements.services.visits import record_attendance
from tests.making import PASSWORD, PLATFORM
from trials.models import Participant, Trial
from trials.permissions import Role
from trials.services.credentials import create_laboratory_credential
from trials.services.enrollment import record_consent, screen_participant
from trials.services.people import add_laboratory, create_account, grant_role
from trials.services.randomization import randomize_participant

pytestmark = pytest.mark.browser

EMAIL = "paula@example.org"
FRESH_MILLISECONDS = 20_000


def design(page: Page) -> None:
    """Fill the design of a small trial, and seal it."""
    page.goto("/new-trial/")
    page.get_by_label("Title").fill("Calm nights")
    page.get_by_label("Short name").fill("calm-nights")
    page.get_by_label("Prefix of study codes").fill("CN")
    arms = [page.get_by_role("group", name=f"Arm {number}", exact=True) for number in (1, 2)]
    arms[0].get_by_label(re.compile("^Name")).fill("CBT")
    arms[0].get_by_label("Intervention type").select_option("cbt")
    arms[1].get_by_label(re.compile("^Name")).fill("Waitlist")
    page.get_by_role("group", name="Site 1", exact=True).get_by_label("Name").fill("Leeds")
    page.get_by_label("Open label").check()
    page.get_by_label("Planned number of participants").fill("40")
    page.get_by_label("Inclusion criteria").fill("Sleeps badly")
    page.get_by_role("button", name="Save the draft").click()
    page.goto("/trials/calm-nights/biomarkers/")
    page.get_by_label("Interleukin-6, pg/mL").check()
    page.get_by_role("button", name="Add the chosen").click()
    page.goto("/trials/calm-nights/life/")
    page.get_by_label("to confirm").fill("calm-nights")
    page.get_by_role("button", name="Register").click()
    page.get_by_role("button", name="Start recruiting").click()
    expect(page.locator("main")).to_contain_text("Recruiting")


def recruit(trial: Trial, count: int) -> list[Participant]:
    """Randomize people half a year ago, without the pages: one more on the page shows the same."""
    day = timezone.localdate() - timedelta(days=190)
    people = []
    for _ in range(count):
        participant = screen_participant(trial=trial, site=trial.sites.get(), by=PLATFORM, screened_on=day)
        participant = record_consent(participant=participant, by=PLATFORM, on=day, version="1.0")
        participant = randomize_participant(participant=participant, by=PLATFORM, on=day).participant
        for visit, on in (("baseline", day), ("six_months", day + timedelta(days=183))):
            record_attendance(participant=participant, visit=trial.visits.get(code=visit), by=PLATFORM, attended_on=on)
        people.append(participant)
    return people


def deliver(page: Page, trial: Trial, people: list[Participant]) -> None:
    """Post everybody's values as a laboratory, except the last one's of six months."""
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent Immunology", by=PLATFORM)
    _, token = create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name="t", scopes=("results:write",), by=PLATFORM
    )
    rows = [
        {"participant": each.code, "visit": visit, "biomarker": "IL6", "value": value, "unit": "pg/mL"}
        for number, each in enumerate(people)
        for visit, value in (
            ("baseline", f"{2 + 0.3 * number:.2f}"),
            ("six_months", f"{1.5 + 0.37 * (number % 4):.2f}"),
        )
    ]
    answer = page.request.post(
        f"/api/v1/trials/{trial.slug}/results/",
        data={"results": rows[:-1]},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status == 201, answer.text()


def enrol(page: Page) -> None:
    """Take one person through the wizard until their arm is drawn."""
    page.goto("/trials/calm-nights/enrol/")
    page.get_by_role("radio", name="Yes").check()
    page.get_by_role("button", name="Record the screening").click()
    page.get_by_role("button", name="Record consent").click()
    expect(page.locator("main")).to_contain_text("cannot be undone")
    page.get_by_role("button", name="Randomize").click()
    expect(page.locator("main")).to_contain_text(re.compile("Arm"))


def effect(page: Page, *, results: int) -> str:
    """Return the forest plot's text once it rests on this many results: the page brings itself up to date."""
    page.goto("/trials/calm-nights/effects/")
    expect(page.locator("main")).to_contain_text(f"from {results} results", timeout=FRESH_MILLISECONDS)
    text = page.get_by_role("img", name="Standardized pre-post-control difference").first.text_content() or ""
    assert "Interleukin-6" in text
    return text


def test_from_design_to_a_moving_estimate(platform: str, sign_in: Callable[..., Page]) -> None:
    user = create_account(email=EMAIL, name="Paula Prior", password=PASSWORD, by=PLATFORM)
    page = sign_in(EMAIL)
    design(page)
    trial = Trial.objects.get(slug="calm-nights")
    grant_role(trial=trial, user=user, role=Role.UNBLINDED_STATISTICIAN, by=PLATFORM)
    people = recruit(trial, 12)
    deliver(page, trial, people)

    before = effect(page, results=23)

    enrol(page)
    assert Participant.objects.filter(trial=trial, state="randomized").count() == 13

    page.goto(f"/trials/calm-nights/participants/{people[-1].code}/visits/six_months/")
    field = page.get_by_label("Interleukin-6")
    field.fill("1,5")
    field.press("Tab")
    expect(page.locator("main")).to_contain_text("can mean")
    field.fill("9.75")
    field.press("Tab")
    expect(page.locator("main")).to_contain_text("Saved")

    assert effect(page, results=24) != before
