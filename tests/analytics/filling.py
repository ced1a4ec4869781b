"""A small trial with participants and results, made through the services as people and laboratories would."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from django.utils import timezone

from measurements.services.catalogue import add_biomarkers
from measurements.services.results import Answer, laboratory_of, record_results
from measurements.validation import decode_json
from tests.making import PLATFORM, make_trial
from trials.models import Participant, Trial
from trials.services.design import ArmDesign
from trials.services.enrollment import record_consent, screen_participant
from trials.services.randomization import randomize_participant

# Names that would be noticed anywhere they do not belong.
INTERVENTION, WAITLIST = "canaryintervention", "canarywaitlist"
ARMS = (
    ArmDesign(INTERVENTION, "Canary Intervention", "intervention", intervention_type="cbt"),
    ArmDesign(WAITLIST, "Canary Waitlist", "waitlist", is_reference=True),
)
CANARIES = (INTERVENTION, WAITLIST, "Canary Intervention", "Canary Waitlist")


def today() -> date:
    """The day that the services mean by today."""
    return timezone.localdate()


def fill_trial(
    participants: int = 16, *, slug: str = "t", biomarkers: Sequence[str] = ("IL6", "CRP"), **design: object
) -> Trial:
    """Return a recruiting trial with randomized participants and, for each, a value at both visits."""
    trial = make_trial(slug, arms=ARMS, factors={}, sites=("leeds", "ghent"), **design)
    add_biomarkers(trial=trial, biomarkers=biomarkers, by=PLATFORM)
    for number in range(participants):
        randomize(trial, "leeds" if number % 2 else "ghent")
    post(trial, values_of(trial, "baseline", biomarkers))
    post(trial, values_of(trial, "six_months", biomarkers, factor=1.3))
    trial.refresh_from_db()
    return trial


def randomize(trial: Trial, site: str) -> Participant:
    """Take one person into the trial and randomize them."""
    day = today() - timedelta(days=200)
    screened = screen_participant(trial=trial, site=trial.sites.get(code=site), by=PLATFORM, screened_on=day)
    consented = record_consent(participant=screened, by=PLATFORM, on=day, version="1.0")
    return randomize_participant(participant=consented, by=PLATFORM, on=day).participant


def values_of(trial: Trial, visit: str, biomarkers: Iterable[str], *, factor: float = 1.0) -> list[dict[str, str]]:
    """Return rows with a value for every randomized participant, different for each and always the same."""
    codes = (
        Participant.objects.filter(trial=trial, state="randomized").order_by("number").values_list("code", flat=True)
    )
    units = dict(trial.biomarkers.values_list("code", "unit"))
    return [
        {
            "participant": code,
            "visit": visit,
            "biomarker": biomarker,
            "value": f"{factor * (1 + (7 * place + 3 * len(visit) + offset) % 11 / 4):.4f}",
            "unit": units[biomarker],
        }
        for offset, biomarker in enumerate(biomarkers)
        for place, code in enumerate(codes)
    ]


def post(trial: Trial, rows: Sequence[dict[str, str]]) -> Answer:
    """Record these results; fail where they are not taken."""
    payload = decode_json(json.dumps({"results": rows}).encode())
    answer = record_results(
        trial=trial, laboratory=laboratory_of(PLATFORM, trial), payload=payload, by=PLATFORM, channel="api_json"
    )
    assert answer.status == 201, answer.body
    return answer
