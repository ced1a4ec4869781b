"""A whole trial through its pages in a day: design, seal, 42 assessed, 40 randomized, follow-up, lock, replay."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.making import PASSWORD, PLATFORM
from trials.models import Trial
from trials.permissions import Role
from trials.services.people import create_account, grant_role

pytestmark = pytest.mark.browser

PRINCIPAL, MANAGER, MANAGER_NAME = "paula@example.org", "dora@example.org", "Dora Data"
TRIAL = "/trials/whole/"
PLANNED = 40
CBT, WAITLIST = "CBT for insomnia", "Waitlist"


@dataclass
class Register:
    """What the person at the pages wrote down: codes by arm in the order of randomization."""

    arms: dict[str, str] = field(default_factory=dict)

    def of(self, arm: str) -> Iterator[str]:
        """Yield the codes of an arm."""
        return (code for code, given in self.arms.items() if given == arm)


def row(page: Page, name: str, **values: str) -> None:
    """Fill one row of the design's tables; a list is chosen from, everything else is typed."""
    group = page.get_by_role("group", name=name, exact=True)
    for label, value in values.items():
        box = group.get_by_label(re.compile(rf"^{label.replace('_', ' ')}\b")).first
        if box.evaluate("each => each.tagName") == "SELECT":
            box.select_option(value)
        else:
            box.fill(value)


def design(page: Page) -> None:
    """Design a waitlist trial with two sites and two strata, whose follow-up may take place on any day."""
    page.goto("/new-trial/")
    page.get_by_label("Title").fill("The whole trial")
    page.get_by_label("Short name").fill("whole")
    page.get_by_label("Prefix of study codes").fill("WT")
    row(page, "Arm 1", Name=CBT, Kind="intervention", Intervention_type="cbt")
    row(page, "Arm 2", Name=WAITLIST, Kind="waitlist")
    arm = page.get_by_role("group", name="Arm 2", exact=True)
    arm.get_by_text("Details: Arm 2").click()
    arm.get_by_label("Crosses over to").fill(CBT)
    row(page, "Site 1", Name="Leeds")
    row(page, "Site 2", Name="Ghent")
    row(page, "Stratification factor 1", Name="Sex", Levels="Female, Male")
    row(page, "Visit 2", Name="Six months", Kind="six_months", Target_day="183", Earliest_day="1", Latest_day="196")
    page.get_by_label("Open label").check()
    page.get_by_label("Planned number of participants").fill(str(PLANNED))
    page.get_by_label("Inclusion criteria").fill("Sleeps badly")
    page.get_by_label("Exclusion criteria").fill("Shift work")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Protocol")
    page.goto(f"{TRIAL}biomarkers/")
    page.get_by_label("Interleukin-6, pg/mL").check()
    page.get_by_role("button", name="Add the chosen").click()


def register(page: Page) -> str:
    """Seal the design; return the commitment that is published before the first participant."""
    page.goto(f"{TRIAL}randomization/")
    expect(page.locator("main")).to_contain_text("made at registration")
    page.goto(f"{TRIAL}life/")
    page.get_by_label("to confirm").fill("whole")
    page.get_by_role("button", name="Register", exact=True).click()
    # What is sealed is offered for change no more.
    assert page.request.get(f"{TRIAL}design/").status == 409
    page.goto(f"{TRIAL}randomization/")
    return page.locator("section", has=page.get_by_role("heading", name="Commitment")).locator("code").inner_text()


def screen(page: Page, site: str, *, sleeps_badly: bool = True) -> None:
    page.goto(f"{TRIAL}enrol/")
    page.get_by_label("Site").select_option(label=site)
    page.get_by_role("group", name="Sleeps badly").get_by_label("Yes" if sleeps_badly else "No").check()
    page.get_by_role("group", name="Shift work").get_by_label("No").check()
    page.get_by_role("button", name="Record the screening").click()


def enrol(page: Page, register: Register, site: str, sex: str) -> None:
    """Take one person through the wizard until their arm is drawn, and write it down."""
    screen(page, site)
    page.get_by_role("button", name="Record consent").click()
    page.get_by_label("Sex").select_option(label=sex)
    page.get_by_role("button", name="Go on to the last look").click()
    page.get_by_role("button", name="Randomize").click()
    code = page.locator("#result").inner_text().split(":")[0]
    register.arms[code] = page.locator("main .arm").inner_text()


def recruit(page: Page) -> Register:
    """Assess 42 people: one does not meet the criteria, one declines, 40 are randomized over sites and strata."""
    screen(page, "Leeds", sleeps_badly=False)
    expect(page.locator("main")).to_contain_text("excluded")
    screen(page, "Ghent")
    page.get_by_text("This person does not take part").click()
    page.get_by_label("Reason").select_option(label="Declined")
    page.get_by_role("button", name="Record the exclusion").click()
    register = Register()
    places = cycle([("Leeds", "Female"), ("Ghent", "Male"), ("Leeds", "Male"), ("Ghent", "Female")])
    for site, sex in islice(places, PLANNED):
        enrol(page, register, site, sex)
    assert len(register.arms) == PLANNED
    return register


def happened(page: Page, code: str, kind: str, reason: str = "") -> None:
    """Record something that happened to a randomized participant."""
    page.goto(f"{TRIAL}participants/{code}/course/{kind}/")
    if reason:
        page.get_by_label("Reason").fill(reason)
    if page.get_by_label("to confirm").count():
        page.get_by_label("to confirm").fill(code)
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(code)


def visit(page: Page, code: str, name: str, *, missed: str = "") -> None:
    """Record that a visit took place today, or why it did not."""
    page.goto(f"{TRIAL}participants/{code}/visits/{name}/")
    if missed:
        page.get_by_label("Or missed, because").select_option(label="Away or moved")
        page.get_by_label("In words").fill(missed)
        page.get_by_label("Attended on").fill("")
    else:
        page.get_by_label("Attended on").fill(today(page))
    page.get_by_role("button", name="Record visit").click()


def unblind_one(page: Page, code: str) -> str:
    """Open one arm in an emergency; return what was shown."""
    page.goto(f"{TRIAL}participants/{code}/unblind/")
    page.get_by_label("Why the arm must be known now").fill("Admitted to hospital")
    page.get_by_label("Who is told").select_option(label=MANAGER_NAME)
    page.get_by_label("to confirm").fill(code)
    page.get_by_label("password").fill(PASSWORD)
    page.get_by_role("button", name="Show me the arm").click()
    return page.locator("main .arm").inner_text()


def follow(page: Page, treated: list[str], waiting: list[str]) -> None:
    """Let happen what happens: interventions start or not, visits are missed, people leave, one crosses over."""
    for code in treated[1:]:
        happened(page, code, "intervention_started")
    happened(page, treated[0], "intervention_not_started", "Moved away")
    for code in (treated[1], waiting[1]):
        visit(page, code, "six_months", missed="On holiday")
    for code in (*treated[4:6], waiting[0], waiting[2], waiting[4]):
        visit(page, code, "six_months")
        for at, value in (("baseline", "2.4"), ("six_months", "1.9")):
            measured(page, code, at, value)
    cross_over(page, waiting[0])
    happened(page, treated[2], "follow_up_withdrawn", "No time")
    happened(page, waiting[2], "data_use_withdrawn", "Changed their mind")
    happened(page, waiting[3], "lost_to_follow_up", "Does not answer")


def measured(page: Page, code: str, visit: str, value: str) -> None:
    """Type a value into a visit's form."""
    page.goto(f"{TRIAL}participants/{code}/visits/{visit}/")
    page.get_by_label("Interleukin-6").fill(value)
    page.get_by_label("Interleukin-6").press("Tab")
    expect(page.locator("main")).to_contain_text("Saved")


def cross_over(page: Page, code: str) -> None:
    """Let a waitlist participant, whose last controlled visit is over, receive the intervention from today on."""
    page.goto(f"{TRIAL}participants/{code}/cross-over/")
    page.get_by_label("Crossed over on").fill(today(page))
    page.get_by_label("cannot be undone").check()
    page.get_by_role("button", name="Record the cross-over").click()
    expect(page.locator("main")).to_contain_text("crossed over")


def today(page: Page) -> str:
    """Return the browser's day as a date field takes it."""
    return page.evaluate("new Date().toLocaleDateString('sv')")


def move(page: Page, button: str, *, reason: str = "") -> None:
    """Take the next step of the trial's life."""
    page.goto(f"{TRIAL}life/")
    form = page.locator("form", has=page.get_by_role("button", name=button, exact=True))
    if reason:
        form.get_by_label("Reason").fill(reason)
    if form.get_by_label("to confirm").count():
        form.get_by_label("to confirm").fill("whole")
    form.get_by_role("button", name=button, exact=True).click()


def flow_lines(page: Page) -> list[tuple[str, ...]]:
    """Return the flow's table, line by line: what is counted, and the count by arm."""
    page.goto(f"{TRIAL}flow/")
    page.get_by_text("Show these numbers as a table").first.click()
    lines = page.locator("details table").first.locator("tbody tr").all()
    return [tuple(text.strip() for text in line.locator("th, td").all_inner_texts()) for line in lines]


def replay(page: Page, folder: Path) -> dict:
    """Replay the list on the page, and with the downloaded script on the downloaded file; return that file."""
    page.goto(f"{TRIAL}randomization/replay/")
    expect(page.locator("main")).to_contain_text("confirmed", ignore_case=True)
    paths = {}
    for name in ("allocation-replay.json", "verify_allocation.py"):
        with page.expect_download() as download:
            page.locator(f"a[href*='{name.split('.')[0].replace('_', '-')}'], a[href*='{name}']").first.click()
        paths[name] = folder / name
        download.value.save_as(paths[name])
    ran = subprocess.run(
        [sys.executable, "-I", *map(str, reversed(paths.values()))], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(paths["allocation-replay.json"].read_text())


def test_a_whole_trial_from_design_to_replay(platform: str, sign_in: Callable[..., Page], tmp_path: Path) -> None:
    create_account(email=PRINCIPAL, name="Paula Prior", password=PASSWORD, by=PLATFORM)
    manager = create_account(email=MANAGER, name=MANAGER_NAME, password=PASSWORD, by=PLATFORM)
    page = sign_in(PRINCIPAL)

    design(page)
    commitment = register(page)
    assert re.fullmatch(r"[0-9a-f]{64}", commitment)
    grant_role(trial=Trial.objects.get(slug="whole"), user=manager, role=Role.DATA_MANAGER, by=PLATFORM)
    move(page, "Start recruiting")
    people = recruit(page)

    treated, waiting = list(people.of(CBT)), list(people.of(WAITLIST))
    follow(page, treated, waiting)
    assert unblind_one(page, treated[3]) == CBT

    told = sign_in(MANAGER)
    told.goto("/")
    expect(told.locator("main")).to_contain_text("1 emergency unblinding")
    told.goto(f"{TRIAL}flow/")
    assert CBT not in told.content()

    move(page, "Close recruitment")
    move(page, "Lock the data", reason="All visits are over")
    move(page, "Unblind", reason="The analysis plan is followed")
    assert flow_lines(page) == flow_of(len(treated), len(waiting))
    assert replay(page, tmp_path)["commitment"] == commitment


def flow_of(treated: int, waiting: int) -> list[tuple[str, ...]]:
    """Return what the flow must say after what was done above, given how many were drawn for each arm."""
    lines: list[tuple[str, int | str, int | str]] = [
        ("Assessed for eligibility", PLANNED + 2, ""),
        ("Excluded", 2, ""),
        ("Not meeting criteria", 1, ""),
        ("Sleeps badly", 1, ""),
        ("Declined", 1, ""),
        ("Other reasons", 0, ""),
        ("Randomized", PLANNED, ""),
        ("Allocated", treated, waiting),
        ("Received as allocated", treated - 1, waiting),
        ("Did not receive", 1, 0),
        ("Moved away", 1, 0),
        ("Follow-up", "", ""),
        ("Six months: attended", 2, 3),
        ("Missed", 1, 1),
        ("Away or moved", 1, 1),
        ("Not yet due", treated - 4, waiting - 5),
        ("Lost to follow-up", 0, 1),
        ("Does not answer", 0, 1),
        ("Withdrew from follow-up", 1, 0),
        ("No time", 1, 0),
        ("Use of data withdrawn", 0, 1),
        ("Died", 0, 0),
        ("Completed", 0, 0),
        ("Outcome not recorded", treated - 1, waiting - 2),
        ("Discontinued intervention", 0, 0),
        ("Crossed over after the controlled comparison", 0, 1),
        ("With values of any outcome: Six months", 2, 2),
        ("Not analysed", treated - 2, waiting - 2),
        ("Withdrew from follow-up", 1, 0),
        ("Missed the visit", 1, 1),
        ("Not yet due", treated - 4, waiting - 5),
        ("Use of data withdrawn", 0, 1),
        ("Lost to follow-up", 0, 1),
    ]
    return [tuple(map(str, line)) for line in lines]
