"""A waitlist trial with visits after its controlled comparison, made through the services."""

from datetime import date, timedelta

from django.utils import timezone

from measurements.services.catalogue import add_biomarkers
from tests.making import PLATFORM, make_trial
from trials import audit
from trials.models import Participant, Trial, Visit
from trials.services.design import ArmDesign
from trials.services.enrollment import record_consent, screen_participant
from trials.services.lifecycle import change_status, register_trial
from trials.services.randomization import randomize_participant

ARMS = (
    ArmDesign("canary-cbt", "Canary CBT", "intervention", intervention_type="cbt"),
    ArmDesign("canary-wait", "Canary waitlist", "waitlist", is_reference=True, crosses_over_to="canary-cbt"),
)
RANDOMIZED_AGO = 240


def make_waitlist_trial(participants: int = 8, *, is_open_label: bool = True, after_at: int = 3) -> Trial:
    """Return a trial whose waitlist crosses over after six months; then a visit at nine months, and one after therapy.

    Everybody was randomized 240 days ago, in turn at two sites. With `after_at` 0 the visit after therapy comes before
    the one at six months, in the controlled comparison.
    """
    trial = make_trial(status="draft", arms=ARMS, factors={}, is_open_label=is_open_label)
    with audit.transaction(by=PLATFORM) as event:
        for position, code, anchor, days in (
            (2, "nine_months", "randomization", (250, 274, 300)),
            (after_at, "after", "intervention_end", (1, 7, 21)),
        ):
            Visit.objects.create(
                trial=trial,
                code=code,
                name=code.replace("_", " ").capitalize(),
                kind="other",
                anchor=anchor,
                position=position,
                window_from=days[0],
                target_day=days[1],
                window_to=days[2],
            )
        event.record("trial.revised", trial=trial)
    add_biomarkers(trial=trial, biomarkers=["IL6", "CRP"], by=PLATFORM)
    trial = register_trial(trial=trial, by=PLATFORM)
    trial = change_status(trial=trial, to="recruiting", by=PLATFORM)
    for number in range(participants):
        randomized(trial, "leeds" if number % 2 else "ghent")
    return trial


def randomized(trial: Trial, site: str, ago: int = RANDOMIZED_AGO) -> Participant:
    """Take one person into the trial and randomize them, so many days ago."""
    screened = screen_participant(
        trial=trial, site=trial.sites.get(code=site), by=PLATFORM, screened_on=days_ago(ago + 10)
    )
    consented = record_consent(participant=screened, by=PLATFORM, on=days_ago(ago + 9), version="1.0")
    return randomize_participant(participant=consented, by=PLATFORM, on=days_ago(ago)).participant


def days_ago(days: int) -> date:
    """The day that the services mean by so many days ago."""
    return timezone.localdate() - timedelta(days=days)


def in_arm(trial: Trial, arm: str) -> list[Participant]:
    """Return the participants of an arm, in the order of their numbers."""
    found = Participant.objects.filter(trial=trial, allocation__arm__code=arm).select_related("trial", "site")
    return list(found.order_by("number"))
