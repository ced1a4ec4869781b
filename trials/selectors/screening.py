"""The screening log: everybody assessed for eligibility, and what became of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from django.db.models import Count, F, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from trials.access import Actor
from trials.models import Participant, ParticipantEvent, Trial
from trials.selectors.events import events_of_participant, events_that_count
from trials.selectors.participants import participants_visible_to

Kind, State, Reason = ParticipantEvent.Kind, Participant.State, ParticipantEvent.ExclusionReason

BEFORE_RANDOMIZATION = (State.SCREENED, State.CONSENTED, State.EXCLUDED)
OUTCOMES = {
    "screened": (_("In assessment"), Q(state=State.SCREENED)),
    "excluded": (_("Excluded"), Q(state=State.EXCLUDED)),
    "consented": (_("Consented, not randomized"), Q(state=State.CONSENTED)),
    "randomized": (_("Randomized"), ~Q(state__in=BEFORE_RANDOMIZATION)),
}
"""What can become of somebody assessed: its words, and its condition."""

ORDERS = {
    "code": ("screening_number",),
    "site": ("site__name", "screening_number"),
    "screened": ("screened_on", "screening_number"),
    "outcome": ("state", "screening_number"),
    "study_code": ("number", "screening_number"),
}


@dataclass(frozen=True)
class Assessment:
    """One line of the log. The study code is empty before consent; the rest only of somebody excluded."""

    participant: Participant
    outcome: str
    reason: str = ""
    note: str = ""
    unmet: tuple[str, ...] = ()

    @property
    def screening_code(self) -> str:
        """Return the code given at screening, which stays while the participant's own code changes."""
        return f"{self.participant.trial.code_prefix}-S{self.participant.screening_number:03d}"

    @property
    def study_code(self) -> str:
        """Return the code given at consent."""
        return self.participant.code if self.participant.number is not None else ""

    @property
    def outcome_in_words(self) -> str:
        """Return what became of them."""
        return str(OUTCOMES[self.outcome][0])

    @property
    def reason_in_words(self) -> str:
        """Return why they were excluded."""
        return str(Reason(self.reason).label) if self.reason else ""


@dataclass(frozen=True)
class Totals:
    """The enrolment box of the participant flow, over the sites that the caller sees."""

    assessed: int
    excluded: tuple[tuple[str, int], ...]
    consented: int
    randomized: int

    @property
    def excluded_in_all(self) -> int:
        """Return how many were excluded for whatever reason."""
        return sum(count for _, count in self.excluded)


def screening_log(
    trial: Trial,
    by: Actor,
    *,
    site: str = "",
    outcome: str = "",
    first: date | None = None,
    last: date | None = None,
    sort: str = "-code",
) -> QuerySet[Participant]:
    """Return who was assessed at the sites that `by` sees, narrowed and ordered; what is not known it leaves.

    `first` and `last` are days of screening, both included. Lines are made of it by `assessments`.
    """
    found = participants_visible_to(by, trial).filter(screening_number__isnull=False)
    if site:
        found = found.filter(site__code=site)
    if outcome in OUTCOMES:
        found = found.filter(OUTCOMES[outcome][1])
    if first:
        found = found.filter(screened_on__gte=first)
    if last:
        found = found.filter(screened_on__lte=last)
    descending = sort.startswith("-")
    order = [F(field) for field in ORDERS.get(sort.removeprefix("-"), ORDERS["code"])]
    return found.order_by(*(each.desc(nulls_last=True) if descending else each.asc(nulls_last=True) for each in order))


def assessments(trial: Trial, people: Iterable[Participant]) -> Iterator[Assessment]:
    """Yield the lines of these people, in their order, with two queries for all of them together."""
    people = list(people)
    criteria = dict(trial.criteria.values_list("code", "text"))
    excluded = {
        event.participant_id: event
        for event in events_that_count(trial).filter(kind=Kind.EXCLUDED, participant__in=[each.pk for each in people])
    }
    return (_assessment(each, excluded.get(each.pk), criteria) for each in people)


def _assessment(participant: Participant, excluded: ParticipantEvent | None, criteria: dict[str, str]) -> Assessment:
    outcome = participant.state if participant.state in BEFORE_RANDOMIZATION else "randomized"
    if excluded is None:
        return Assessment(participant, outcome)
    unmet = tuple(criteria.get(code, code) for code in excluded.detail.get("unmet", ()))
    return Assessment(participant, outcome, excluded.reason, excluded.detail.get("note", ""), unmet)


def exclusion_of(participant: Participant) -> Assessment | None:
    """Return why this participant was excluded; None for everybody else."""
    if participant.state != State.EXCLUDED:
        return None
    return next(assessments(participant.trial, [participant]))


def screening_totals(trial: Trial, by: Actor) -> Totals:
    """Return the enrolment box over everybody whom `by` sees, whatever the list is narrowed to."""
    people = participants_visible_to(by, trial).filter(screening_number__isnull=False)
    counts = people.aggregate(
        assessed=Count("pk"),
        consented=Count("pk", filter=Q(number__isnull=False)),
        randomized=Count("pk", filter=OUTCOMES["randomized"][1]),
    )
    reasons = dict(
        events_that_count(trial)
        .filter(kind=Kind.EXCLUDED, participant__in=people.values("pk"))
        .order_by()
        .values_list("reason")
        .annotate(count=Count("participant", distinct=True))
    )
    excluded = tuple((str(Reason(reason).label), reasons.get(reason, 0)) for reason in Reason.values)
    return Totals(excluded=excluded, **counts)


def answers_of(participant: Participant) -> list[tuple[str, bool, bool]]:
    """Return the criteria of the trial with the answer at screening and whether it leaves the person eligible."""
    screened = events_of_participant(participant).filter(kind=Kind.SCREENED).first()
    answers = screened.detail.get("eligibility", {}) if screened else {}
    return [
        (each.text, answers[each.code], each.is_met_by(answers[each.code]))
        for each in participant.trial.criteria.all()
        if each.code in answers
    ]
