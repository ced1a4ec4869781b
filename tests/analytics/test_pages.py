"""The pages of this app: what they say, and that they follow the data without being reloaded."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from analytics.exports.building import run_export
from analytics.models import Export
from analytics.services.recompute import recompute_estimates
from analytics.views.charts import behind_plan
from tests.analytics.filling import fill_trial, post, today, values_of
from tests.making import PLATFORM, make_member, make_trial
from trials.models import Trial
from trials.selectors.recruitment import RecruitmentCounts
from trials.services.people import create_account

pytestmark = pytest.mark.django_db


def page(client: Client, trial: Trial, path: str = "", role: str = "unblinded_statistician") -> str:
    client.force_login(make_member(trial, role).user)
    answer = client.get(f"/trials/{trial.slug}/{path}")
    assert answer.status_code == 200, path
    return " ".join(answer.content.decode().split())


def correct(trial: Trial) -> None:
    row = values_of(trial, "six_months", ["IL6"])[0]
    post(trial, [row | {"value": "9.5", "status": "corrected", "reason": "Dilution"}])


def test_home_shows_ones_own_trials_alone(client: Client) -> None:
    mine, other = fill_trial(4), make_trial("other")
    make_member(other, "monitor")
    client.force_login(make_member(mine, "coordinator").user)
    body = client.get("/").content.decode()
    assert f"/trials/{mine.slug}/" in body
    assert "Coordinator" in body
    assert "/trials/other/" not in body


def test_a_person_without_trials_is_told_the_next_step(client: Client) -> None:
    client.force_login(create_account(email="new@example.org", name="New", password="a long enough one", by=PLATFORM))
    assert "No trial yet" in client.get("/").content.decode()


def test_the_overview_counts_people_values_and_deliveries(client: Client) -> None:
    trial = fill_trial(8)
    recompute_estimates(trial=trial, by=PLATFORM)
    body = page(client, trial)
    strip = re.findall(r'<div class="value">(.*?)</div>', body)
    assert strip[:3] == ["8", "8", "0"]
    assert "of 40 planned" in body
    assert "Computed" in body
    assert "Baseline-adjusted" not in body
    assert "from 32 results" in body
    assert "<svg" in body


def test_a_draft_has_an_overview_too(client: Client) -> None:
    body = page(client, make_trial(status="draft"), role="principal_investigator")
    assert "Nothing is computed yet" in body
    assert "Nobody is enrolled yet" in body


@pytest.mark.parametrize("role", ["administrator", "lab_manager"])
def test_those_without_participants_still_see_the_overview(client: Client, role: str) -> None:
    trial = fill_trial(2)
    if role == "administrator":
        user = create_account(
            email="a@example.org", name="A", password="a long enough one", by=PLATFORM, is_administrator=True
        )
    else:
        user = make_member(trial, role).user
    client.force_login(user)
    body = client.get(f"/trials/{trial.slug}/").content.decode()
    assert "Participant flow" in body
    assert trial.participants.first().code not in body


def test_effects_are_shown_with_interval_p_and_counts(client: Client) -> None:
    trial = fill_trial()
    run = recompute_estimates(trial=trial, by=PLATFORM)
    assert run is not None
    body = page(client, trial, "effects/")
    ratio = run.estimates.get(biomarker__code="CRP", method="ancova_hc3", measure="ratio_of_geometric_means")
    assert f"{ratio.estimate:.3f} ({ratio.ci_low:.3f} to {ratio.ci_high:.3f})" in body
    assert "As randomized, 16 of 16 with both values" in body
    assert f"{ratio.n[ratio.arm]} / {ratio.n[ratio.reference_arm]}" in body
    assert run.inputs_sha256[:12] in body


def test_what_cannot_be_estimated_is_shown_with_its_reason(client: Client) -> None:
    trial = fill_trial(2)
    run = recompute_estimates(trial=trial, by=PLATFORM)
    assert run is not None
    reason = run.estimates.filter(method="ancova_hc3").first().not_estimable
    assert f"Not estimable: {reason}" in page(client, trial, "effects/")


def test_newer_data_are_shown_as_recomputing(client: Client) -> None:
    trial = fill_trial(8)
    recompute_estimates(trial=trial, by=PLATFORM)
    assert "Recomputing" not in page(client, trial, "effects/")
    correct(trial)
    assert "Recomputing: the data are newer" in page(client, trial, "effects/")
    recompute_estimates(trial=trial, by=PLATFORM)
    assert "Recomputing" not in page(client, trial, "effects/")


@pytest.mark.parametrize("role", ["unblinded_statistician", "monitor"])
def test_the_card_answers_204_until_something_changes(client: Client, role: str) -> None:
    trial = fill_trial(8)
    recompute_estimates(trial=trial, by=PLATFORM)

    def asked(body: str) -> str:
        found = re.search(r'hx-get="([^"]+)"', body)
        assert found
        return found[1].replace("&amp;", "&")

    path = asked(page(client, trial, "effects/", role))
    assert client.get(path).status_code == 204
    correct(trial)
    changed = client.get(path)
    assert changed.status_code == 200
    path = asked(changed.content.decode())
    assert client.get(path).status_code == 204
    recompute_estimates(trial=trial, by=PLATFORM)
    assert client.get(path).status_code == 200


def test_participants_are_narrowed_and_ordered_by_the_address(client: Client) -> None:
    trial = fill_trial(6)
    codes = list(trial.participants.order_by("number").values_list("code", flat=True))

    def listed(query: str) -> list[str]:
        found = re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', page(client, trial, f"participants/{query}"))
        return [code for code in found if code in codes]

    assert listed("") == codes
    assert listed("?sort=-code") == codes[::-1]
    assert set(listed("?site=leeds")) == {each.code for each in trial.participants.filter(site__code="leeds")}
    assert listed("?state=withdrawn") == []
    assert listed("?state=nonsense&site=nowhere&sort=arm&page=-3") == codes


def test_a_participants_page_shows_visits_values_and_course(client: Client) -> None:
    trial = fill_trial(4)
    correct(trial)
    code = trial.participants.order_by("number").first().code
    body = page(client, trial, f"participants/{code}/")
    assert "9.5" in body
    assert "corrected" in body
    assert "Randomized" in body
    assert f"/trials/{trial.slug}/participants/{code}/visits/six_months/" in body
    assert client.get(f"/trials/{trial.slug}/participants/nobody/").status_code == 404


def test_an_export_is_requested_and_appears_without_reloading(client: Client) -> None:
    trial = fill_trial(4)
    page(client, trial, "exports/")
    client.post(f"/trials/{trial.slug}/exports/")
    body = page(client, trial, "exports/")
    path = re.search(r'hx-get="([^"]+)"', body)
    assert path
    assert client.get(path[1]).status_code == 204
    run_export(export=Export.objects.get(), by=PLATFORM)
    changed = client.get(path[1])
    assert changed.status_code == 200
    link = re.search(r'href="(/exports/[^"]+)"', changed.content.decode())
    assert link
    assert "hx-get" not in changed.content.decode()
    fetched = client.get(link[1])
    assert fetched["Content-Type"] == "application/zip"
    assert b"".join(fetched.streaming_content)[:2] == b"PK"


def test_who_may_not_export_is_told_who_may(client: Client) -> None:
    trial = fill_trial(2)
    assert "Your roles do not include exports" in page(client, trial, "exports/", "monitor")
    assert client.post(f"/trials/{trial.slug}/exports/").status_code == 403


def test_the_plan_is_compared_with_the_number_randomized() -> None:
    start, end = today() - timedelta(days=50), today() + timedelta(days=50)
    counts = RecruitmentCounts(((today(), 30),), 0, start, end, 100)
    assert behind_plan(counts) == 20
    assert behind_plan(counts, start) == 0
