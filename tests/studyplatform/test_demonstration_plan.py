"""The demonstration's registered primary outcome is the primary estimate of its sealed plan."""

from datetime import date, timedelta

import pytest
from django.urls import reverse

from analytics.models import AnalysisPlan
from analytics.services.recompute import recompute_estimates
from demo import calm_sleep as simulation
from measurements.models import Submission
from measurements.services.results import laboratory_of, record_results
from measurements.validation import Payload
from measurements.validation.decode import RunAsSent
from measurements.validation.sent import RowAsSent
from studyplatform.demonstration.calm_sleep import make_calm_sleep
from tests.making import PLATFORM, make_member
from trials.models import Trial
from trials.services.enrollment import enroll_participant, record_consent
from trials.services.randomization import randomize_participant

pytestmark = pytest.mark.django_db
TODAY = date(2026, 9, 1)
PEOPLE = 16


def add_people(trial: Trial) -> None:
    """Randomize some people, and give each a value of two biomarkers at both visits."""
    site = trial.sites.first()
    on = simulation.recruitment_starts(TODAY) + timedelta(days=1)
    rows = []
    for number in range(PEOPLE):
        participant = enroll_participant(
            trial=trial,
            site=site,
            by=PLATFORM,
            screened_on=on,
            eligibility={each.code: each.kind == "inclusion" for each in trial.criteria.all()},
        )
        participant = record_consent(participant=participant, by=PLATFORM, on=on, version="1.0", scope=("trial",))
        allocation = randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"}, on=on)
        rows += [
            RowAsSent(
                participant=allocation.participant.code,
                visit=visit,
                biomarker=code,
                value=f"{1 + (7 * number + 3 * place) % 11 / 4:.2f}",
                unit=unit,
            )
            for code, unit in (("IL6", "pg/mL"), ("CRP", "mg/L"))
            for place, visit in enumerate(("baseline", "six_months"))
        ]
    record_results(
        trial=trial,
        laboratory=laboratory_of(PLATFORM, trial),
        payload=Payload(RunAsSent(), tuple(rows)),
        by=PLATFORM,
        channel=Submission.Channel.FORM,
    )


def test_the_demonstration_has_its_primary_outcome_from_the_plan_to_the_page(signed_in) -> None:
    trial = make_calm_sleep(TODAY)
    plan = AnalysisPlan.objects.get(trial=trial)
    assert plan.specification["primary"] == [["IL6", "six_months"]]
    assert set(plan.specification["biomarkers"]) == set(trial.biomarkers.values_list("code", flat=True))
    add_people(trial)
    run = recompute_estimates(trial=trial, by=PLATFORM)
    primary = run.estimates.filter(role="primary", measure="log_difference").exclude(p_value=None)
    assert [(each.biomarker.code, each.method, each.p_holm == each.p_value) for each in primary] == [
        ("IL6", "ancova_hc3", True)
    ]
    assert not run.estimates.filter(biomarker__code="CRP").exclude(p_holm=None).exists()
    page = signed_in(make_member(trial, "unblinded_statistician")).get(reverse("effects", args=[trial.slug]))
    assert page.content.decode().count("Primary outcome") == 1
