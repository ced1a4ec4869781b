"""A blinded trial in which everything has happened that services record, with arms that would be noticed anywhere."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.utils import timezone

from analytics.services.exports import request_export
from analytics.services.recompute import recompute_estimates
from measurements.selectors.grid import GridWish
from measurements.services.catalogue import add_biomarkers
from measurements.services.cross_over import record_cross_over
from measurements.services.double_entry import begin_batch
from measurements.services.queries import open_query
from measurements.services.sessions import Contact, record_session
from measurements.services.visits import record_attendance
from tests.analytics.filling import post, randomize, today, values_of
from tests.making import PASSWORD, PLATFORM, make_member, make_trial
from trials.access import Actor
from trials.models import Participant, Trial, Webhook
from trials.services.credentials import create_laboratory_credential
from trials.services.design import ArmDesign
from trials.services.deviations import Place, Told, record_deviation
from trials.services.enrollment import record_consent, record_event, screen_participant
from trials.services.invitations import invite_person
from trials.services.messages import send_message
from trials.services.people import add_laboratory, create_account
from trials.services.safety import Particulars, record_adverse_event
from trials.services.therapy import add_therapist, form_group, join_group
from trials.services.unblinding import unblind_participant
from trials.services.webhooks import add_webhook

INTERVENTION, WAITLIST = "canaryintervention", "canarywaitlist"
ARMS = (
    ArmDesign(INTERVENTION, "Canary Intervention", "intervention", intervention_type="cbt"),
    ArmDesign(WAITLIST, "Canary Waitlist", "waitlist", is_reference=True, crosses_over_to=INTERVENTION),
)


@dataclass(frozen=True)
class Canaries:
    """The trial, and somebody of each arm."""

    trial: Trial
    treated: Participant
    waiting: Participant


def release(participants: int = 8, telling_event: str = "canary") -> Canaries:
    """Return the trial, filled through the services.

    `telling_event` is in the words of adverse events, which those who record safety at a site read as written.
    """
    trial = make_trial(arms=ARMS, factors={}, is_open_label=False)
    add_biomarkers(trial=trial, biomarkers=("IL6", "CRP"), by=PLATFORM)
    people = [randomize(trial, "leeds" if number % 2 else "ghent") for number in range(participants)]
    post(trial, values_of(trial, "baseline", ("IL6", "CRP")))
    post(trial, values_of(trial, "six_months", ("IL6", "CRP"), factor=1.3))
    treated, waiting = (
        [each for each in people if each.allocation.arm.kind == kind] for kind in ("intervention", "waitlist")
    )
    for person in treated:
        _treat(person)
    _cross_over(waiting[0])
    _enrol_more(trial)
    _care(treated[0], waiting[0], telling_event)
    _deliver(trial)
    recompute_estimates(trial=trial, by=PLATFORM)
    request_export(trial=trial, by=make_member(trial, "export_staff"))
    trial.refresh_from_db()
    return Canaries(trial, treated[0], waiting[0])


def _treat(person: Participant) -> None:
    record_event(participant=person, kind="intervention_started", by=PLATFORM, on=person.randomized_on)
    moment = datetime.combine(
        person.randomized_on + timedelta(days=7), time(12), tzinfo=timezone.get_current_timezone()
    )
    contact = Contact(moment, kind="coach_bot", software="canarybot", software_version="1", note="canary note")
    record_session(participant=person, contact=contact, by=PLATFORM, key=person.code)


def _cross_over(person: Participant) -> None:
    last = person.trial.visits.get(code="six_months")
    record_attendance(
        participant=person, visit=last, by=PLATFORM, attended_on=person.randomized_on + timedelta(days=183)
    )
    record_cross_over(participant=person, on=today(), by=PLATFORM)


def _enrol_more(trial: Trial) -> None:
    """One person is screened and one has consented: no arm may show before there is one, either."""
    site = trial.sites.get(code="leeds")
    screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=today())
    person = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=today())
    record_consent(participant=person, by=PLATFORM, on=today(), version="1.0")


def _care(treated: Participant, waiting: Participant, telling_event: str) -> None:
    """Groups, adverse events, deviations and an emergency unblinding, each in words that would tell."""
    trial, day = treated.trial, treated.randomized_on
    therapist = add_therapist(trial=trial, site=treated.site, code="TH1", by=PLATFORM)
    group = form_group(trial=trial, site=treated.site, code="G1", by=PLATFORM, therapist=therapist)
    join_group(group=group, participant=treated, by=PLATFORM, on=day)
    for person in (treated, waiting):
        told = Particulars(
            term=f"{telling_event} reaction to the sessions",
            blinded_term="Reaction",
            started_on=day + timedelta(days=8),
            aware_on=day + timedelta(days=9),
            severity="mild",
            relatedness="probable",
            outcome="recovered",
            ended_on=day + timedelta(days=9),
            narrative=f"{telling_event} narrative",
        )
        record_adverse_event(participant=person, particulars=told, by=PLATFORM, key=person.code)
        deviation = Told("other", "minor", day, "canary deviation", tells_arm=True)
        record_deviation(trial=trial, told=deviation, by=PLATFORM, place=Place(participant=person), key=person.code)
        open_query(participant=person, question="Is that right?", by=PLATFORM)
    # By somebody whom no test signs in: who unblinded somebody sees their arm from then on.
    investigator = make_member(trial, "principal_investigator", treated.site.code)
    second = make_member(trial, "coordinator")
    unblind_participant(participant=treated, reason="Emergency", notify=second.user, by=investigator, on=today())
    wish = GridWish(trial.visits.get(code="six_months"), tuple(trial.biomarkers.all()))
    begin_batch(trial=trial, wish=wish, key="canary", by=second)


def _deliver(trial: Trial) -> None:
    """What people, laboratories and the outbox have."""
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
    create_laboratory_credential(laboratory=laboratory, trials=[trial], name="A", scopes=["results:write"], by=PLATFORM)
    add_webhook(trial=trial, url="https://example.org/hook", events=Webhook.Event.values, by=PLATFORM)
    invite_person(trial=trial, email="i@example.org", role="monitor", by=PLATFORM, link=str)
    invite_person(email="i@example.org", by=PLATFORM, link=str)
    send_message(to="i@example.org", subject="S", text="T", by=PLATFORM)


def administrator() -> Actor:
    """Return an administrator."""
    return Actor(
        user=create_account(email="a@example.org", name="A", password=PASSWORD, by=PLATFORM, is_administrator=True)
    )
