"""Taking simulated people through a rehearsal, one after the other, by the services of real ones. Workers only."""

from datetime import date, timedelta

from django.utils import timezone

from analytics.models import Rehearsal
from analytics.services import simulation
from analytics.services.simulation import Person, PlannedVisit, Quantity
from measurements.models import Biomarker, Submission
from measurements.services.results import laboratory_of, record_results
from measurements.services.visits import record_attendance
from measurements.validation import Payload
from measurements.validation.decode import RunAsSent
from measurements.validation.sent import RowAsSent
from trials.access import Actor
from trials.models import Arm, ConsentForm, Participant, ParticipantEvent, Site, Trial, Visit
from trials.schedule import days_from_anchor
from trials.services.enrollment import enroll_participant, exclude_participant, record_consent, record_event
from trials.services.randomization import randomize_participant

Kind = ParticipantEvent.Kind
BETTER = {"beneficial": 1, "harmful": -1, "neutral": 0}
MISSED = "Simulated: did not come"
LOST = "Simulated: no answer"


def starts_on(rehearsal: Rehearsal) -> date:
    """Return the first day of the rehearsal's recruitment: when it was requested, everything was over already."""
    visits = [_planned(visit) for visit in rehearsal.trial.visits.all()]
    return simulation.first_day(rehearsal.participants, visits, timezone.localdate(rehearsal.requested_at))


class PeopleOf:
    """The people of one rehearsal; `take_next` takes the next one who was not taken through yet."""

    def __init__(self, rehearsal: Rehearsal, copy: Trial, by: Actor) -> None:
        self._rehearsal, self._trial, self._by = rehearsal, copy, by
        self._sites = list(copy.sites.all())
        self._criteria = list(copy.criteria.all())
        self._visits = sorted(
            copy.visits.all(), key=lambda visit: (visit.kind != Visit.Kind.BASELINE, visit.target_day)
        )
        self._planned = [_planned(visit) for visit in self._visits]
        self._biomarkers = list(copy.biomarkers.all())
        self._quantities = [_quantity(each) for each in self._biomarkers]
        self._form = ConsentForm.objects.filter(trial=copy).last()
        taken = [person for person in copy.participants.order_by("screening_number") if _is_through(person)]
        self.randomized = sum(person.randomized_on is not None for person in taken)
        self._next = len(taken) + 1

    @property
    def are_complete(self) -> bool:
        """Return whether as many are randomized, and followed up, as were asked for."""
        return self.randomized >= self._rehearsal.participants

    def take_next(self) -> None:
        """Screen the next person, and take them through to their end; found half-way, they go on from there."""
        person = simulation.person(
            self._rehearsal.seed,
            self._next,
            participants=self._rehearsal.participants,
            visits=len(self._visits),
            attrition=self._rehearsal.attrition,
            starts=starts_on(self._rehearsal),
        )
        participant = self._screened(person)
        if not person.exclusion:
            self._followed(person, participant)
            self.randomized += 1
        self._next += 1

    def _screened(self, person: Person) -> Participant:
        unmet = self._criteria[int(person.choices[1] * len(self._criteria))] if self._criteria else None
        is_ineligible = person.exclusion == ParticipantEvent.ExclusionReason.INELIGIBLE and unmet is not None
        participant = enroll_participant(
            trial=self._trial,
            site=self._site(person),
            by=self._by,
            screened_on=person.screened_on,
            eligibility={
                each.code: (each.kind == "inclusion") is not (is_ineligible and each == unmet)
                for each in self._criteria
            },
            key=f"simulated {person.number}",
        )
        if person.exclusion and participant.state == Participant.State.SCREENED:
            reason = person.exclusion if self._criteria or person.exclusion != "ineligible" else "other"
            participant = exclude_participant(
                participant=participant, reason=reason, by=self._by, on=person.screened_on, note="Simulated"
            )
        return participant

    def _site(self, person: Person) -> Site:
        return self._sites[int(person.choices[0] * len(self._sites))]

    def _followed(self, person: Person, participant: Participant) -> None:
        if participant.state == Participant.State.SCREENED:
            participant = record_consent(
                participant=participant,
                by=self._by,
                on=person.screened_on,
                version=self._form.version if self._form else "1.0",
                scope=[each["code"] for each in self._form.scopes] if self._form and self._form.scopes else ("trial",),
            )
        self._visit(person, participant, 0, anchor=person.screened_on, arm=None)
        allocation = randomize_participant(
            participant=participant, by=self._by, levels=self._levels(person), on=person.screened_on
        )
        participant, arm = allocation.participant, allocation.arm
        self._begin(person, participant, arm)
        for index in range(1, len(self._visits)):
            if person.lost_after is None or index < person.lost_after:
                self._visit(person, participant, index, anchor=person.screened_on, arm=arm)
        self._end(person, participant)

    def _levels(self, person: Person) -> dict[str, str]:
        factors = self._trial.factors.filter(is_site=False)
        return {
            factor.code: factor.levels[int(person.choices[2 + number % 14] * len(factor.levels))]["code"]
            for number, factor in enumerate(factors)
        }

    def _begin(self, person: Person, participant: Participant, arm: Arm) -> None:
        if arm.kind != Arm.Kind.INTERVENTION:
            return
        kind = Kind.INTERVENTION_STARTED if person.starts else Kind.INTERVENTION_NOT_STARTED
        self._happens(participant, kind, person.screened_on, "" if person.starts else MISSED)

    def _end(self, person: Person, participant: Participant) -> None:
        if person.lost_after is None:
            last = self._day(person, len(self._visits) - 1, person.screened_on)
            self._happens(participant, Kind.COMPLETED, last)
        else:
            last = self._day(person, person.lost_after, person.screened_on)
            self._happens(participant, Kind.LOST_TO_FOLLOW_UP, last, LOST)

    def _happens(self, participant: Participant, kind: str, on: date, reason: str = "") -> None:
        if not participant.events.filter(kind=kind).exists():
            record_event(participant=participant, kind=kind, by=self._by, on=on, reason=reason)

    def _day(self, person: Person, index: int, anchor: date) -> date:
        day = simulation.visit_day(self._planned[index], person.visit_shifts[index])
        return anchor + timedelta(days=max(0, days_from_anchor(day)))

    def _visit(self, person: Person, participant: Participant, index: int, *, anchor: date, arm: Arm | None) -> None:
        visit = self._visits[index]
        if participant.attendances.filter(visit=visit).exists() and not person.attends[index]:
            return
        if not person.attends[index]:
            record_attendance(participant=participant, visit=visit, by=self._by, missed_reason=MISSED)
            return
        on = self._day(person, index, anchor)
        record_attendance(participant=participant, visit=visit, by=self._by, attended_on=on)
        effect = self._rehearsal.effect if arm is not None and not arm.is_reference else 0.0
        rows = tuple(
            RowAsSent(
                participant=participant.code,
                visit=visit.code,
                biomarker=biomarker.code,
                value=simulation.value(self._rehearsal.seed, person.number, number, index, quantity, effect),
                unit=biomarker.unit,
            )
            for number, (biomarker, quantity) in enumerate(zip(self._biomarkers, self._quantities, strict=True))
        )
        if rows:
            record_results(
                trial=self._trial,
                laboratory=laboratory_of(self._by, self._trial),
                payload=Payload(RunAsSent(), rows),
                by=self._by,
                channel=Submission.Channel.FORM,
            )


def _is_through(participant: Participant) -> bool:
    """Whether somebody's way through the rehearsal is over."""
    return participant.state in {
        Participant.State.EXCLUDED,
        Participant.State.COMPLETED,
        Participant.State.LOST_TO_FOLLOW_UP,
    }


def _planned(visit: Visit) -> PlannedVisit:
    """Return a visit in study days; those that count from the end of the intervention are taken from randomization."""
    is_baseline = visit.kind == Visit.Kind.BASELINE
    return PlannedVisit(visit.code, is_baseline, visit.target_day, visit.window_from, visit.window_to)


def _quantity(biomarker: Biomarker) -> Quantity:
    low, high = biomarker.plausible_low, biomarker.plausible_high
    return Quantity(
        biomarker.code,
        biomarker.analysis_scale == Biomarker.Scale.LOG,
        None if low is None else float(low),
        None if high is None else float(high),
        BETTER[biomarker.direction],
        biomarker.unit == "{score}",
    )
