"""What is an arm's must not be seen by the blinded: every role, every page and address of this app."""

import io
import re
import zipfile
from collections.abc import Iterator

import pandas as pd
import pytest
from django.http import HttpResponse
from django.test import Client

from analytics.exports.building import run_export
from analytics.models import Export
from analytics.models.estimate import POOLED
from analytics.services.descriptions import describe_trial
from analytics.services.exports import path_of
from analytics.services.outcomes import Outcomes
from analytics.services.recompute import design_of, recompute_estimates
from measurements.selectors.frames import analysis_frame
from tests.analytics.filling import CANARIES, fill_trial
from tests.making import PLATFORM, make_member
from trials.models import Trial
from trials.permissions import Role
from trials.selectors.analysis import randomized_frame
from trials.services.enrollment import record_event
from trials.services.lifecycle import change_status

pytestmark = pytest.mark.django_db

PAGES = (
    "/",
    "/trials/{slug}/",
    "/trials/{slug}/effects/",
    "/trials/{slug}/effects/card/",
    "/trials/{slug}/participants/",
    "/trials/{slug}/participants/?sort=randomized",
    "/trials/{slug}/participants/{code}/",
    "/trials/{slug}/flow/",
    "/trials/{slug}/flow.svg",
    "/trials/{slug}/recruitment/",
    "/trials/{slug}/recruitment.svg",
    "/trials/{slug}/baseline-table/",
    "/trials/{slug}/baseline-table.csv",
    "/trials/{slug}/exports/",
    "/api/v1/trials/{slug}/consort/",
    "/api/v1/trials/{slug}/recruitment/",
    "/api/v1/trials/{slug}/recruitment.csv",
    "/api/v1/trials/{slug}/baseline-table/",
    "/api/v1/trials/{slug}/baseline-table.csv",
    "/api/v1/trials/{slug}/estimates/",
    "/api/v1/trials/{slug}/descriptives/",
    "/api/v1/trials/{slug}/participants.csv",
    "/api/v1/trials/{slug}/results.csv",
    "/api/v1/trials/{slug}/analysis.csv",
    "/api/v1/trials/{slug}/estimates.csv",
)
SEES_EFFECTS = {Role.UNBLINDED_STATISTICIAN, Role.MONITORING_BOARD}
BLINDED = [role for role in Role if role not in SEES_EFFECTS]


@pytest.fixture
def trial() -> Trial:
    """A trial that is not open-label, with results, estimates, and interventions begun."""
    trial = fill_trial(6, is_open_label=False)
    for participant in trial.participants.all():
        if participant.allocation.arm.kind == "intervention":
            day = participant.randomized_on
            record_event(participant=participant, kind="intervention_started", by=PLATFORM, on=day)
    recompute_estimates(trial=trial, by=PLATFORM)
    return trial


def answers(client: Client, trial: Trial, role: str) -> Iterator[tuple[str, int, str]]:
    """Yield the address, status and body of every page, as this role sees it."""
    client.force_login(make_member(trial, role).user)
    code = trial.participants.order_by("number").first().code
    for pattern in PAGES:
        path = pattern.format(slug=trial.slug, code=code)
        answer = client.get(path)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        yield path, answer.status_code, content.decode()


@pytest.mark.parametrize("role", BLINDED)
def test_no_page_names_an_arm_to_the_blinded(client: Client, trial: Trial, role: str) -> None:
    for path, status, body in answers(client, trial, role):
        assert status in {200, 403}, path
        assert [name for name in CANARIES if name in body] == [], path
        assert "Intervention started" not in body, path


@pytest.mark.parametrize("role", BLINDED)
def test_the_blinded_see_the_precision_in_place_of_the_effect(client: Client, trial: Trial, role: str) -> None:
    seen = {path: (status, body) for path, status, body in answers(client, trial, role)}
    status, body = seen[f"/trials/{trial.slug}/effects/"]
    assert status == 200
    assert "You are blinded in this trial" in body
    assert "d_ppc2" not in body


@pytest.mark.parametrize("role", sorted(SEES_EFFECTS))
def test_those_entitled_see_arms_and_effects(client: Client, trial: Trial, role: str) -> None:
    seen = {path: body for path, _, body in answers(client, trial, role)}
    assert "Canary Intervention" in seen[f"/trials/{trial.slug}/effects/"]
    assert "d_ppc2" in seen[f"/trials/{trial.slug}/"]
    assert any("Canary Waitlist" in seen[path] for path in seen if path.endswith("/participants/"))


@pytest.mark.parametrize("role", ["coordinator", "principal_investigator"])
def test_open_label_staff_see_arms_of_their_site_and_no_outcome_by_arm(client: Client, role: str) -> None:
    trial = fill_trial(6)
    recompute_estimates(trial=trial, by=PLATFORM)
    client.force_login(make_member(trial, role, "leeds").user)
    listed = client.get(f"/trials/{trial.slug}/participants/").content.decode()
    assert "Canary" in listed
    assert {each.code for each in trial.participants.all() if each.code in listed} == {
        each.code for each in trial.participants.filter(site__code="leeds")
    }
    effects = client.get(f"/trials/{trial.slug}/effects/").content.decode()
    assert [name for name in CANARIES if name in effects] == []


def test_what_the_blinded_are_shown_is_computed_without_arms(client: Client, trial: Trial) -> None:
    """The same values in swapped arms give the blinded the same card, byte for byte."""
    user = make_member(trial, "monitor").user
    client.force_login(user)
    before = card(client, trial)
    outcomes = outcomes_of(trial)
    swapped = Outcomes(*swap(trial), outcomes.design)
    assert [each for each in describe_trial(swapped) if each.arm == POOLED] == [
        each for each in describe_trial(outcomes) if each.arm == POOLED
    ]
    assert card(client, trial) == before


def outcomes_of(trial: Trial) -> Outcomes:
    return Outcomes(randomized_frame(trial), analysis_frame(trial), design_of(trial))


def swap(trial: Trial) -> tuple[pd.DataFrame, pd.DataFrame]:
    randomized = randomized_frame(trial)
    first, second = CANARIES[:2]
    randomized["arm"] = randomized["arm"].map({first: second, second: first})
    return randomized, analysis_frame(trial)


def card(client: Client, trial: Trial) -> str:
    return client.get(f"/trials/{trial.slug}/effects/card/").content.decode()


def test_after_unblinding_every_member_but_the_laboratorys_sees_effects(client: Client, trial: Trial) -> None:
    for status in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=status, by=PLATFORM, reason="planned")
    for role in (Role.MONITOR, Role.EXPORT_STAFF):
        seen = {path: body for path, _, body in answers(client, trial, role)}
        assert "d_ppc2" in seen[f"/trials/{trial.slug}/effects/"]
    seen = {path: body for path, _, body in answers(client, trial, Role.LAB_MANAGER)}
    assert "d_ppc2" not in seen[f"/trials/{trial.slug}/effects/"]


@pytest.mark.parametrize("role", ["data_manager", "blinded_statistician", "export_staff"])
def test_no_blinded_zip_names_an_arm_in_any_byte(client: Client, trial: Trial, role: str) -> None:
    client.force_login(make_member(trial, role).user)
    client.post(f"/trials/{trial.slug}/exports/")
    export = Export.objects.get()
    run_export(export=export, by=PLATFORM)
    with zipfile.ZipFile(io.BytesIO(path_of(export).read_bytes())) as archive:
        everything = "".join(name + archive.read(name).decode() for name in archive.namelist())
    assert [name for name in CANARIES if name in everything] == []


def test_strangers_and_the_signed_out_see_nothing(client: Client, trial: Trial) -> None:
    assert client.get(f"/trials/{trial.slug}/").status_code == 302
    stranger = make_member(fill_trial(2, slug="other"), "principal_investigator").user
    client.force_login(stranger)
    foreign = client.get(f"/trials/{trial.slug}/effects/")
    missing = client.get("/trials/nowhere/effects/")
    assert foreign.status_code == missing.status_code == 404
    assert without_token(foreign, trial.slug) == without_token(missing, "nowhere")


def without_token(answer: HttpResponse, slug: str) -> str:
    """The page without what is new in every answer, and without the name that was asked for."""
    return re.sub(r'"x-csrftoken": "\w+"', "", answer.content.decode()).replace(f"“{slug}”", "")
