"""What a trial's first page counts: people, values, questions, deliveries; by arm only for those who see arms."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from measurements.models import Query, Result, Submission
from measurements.selectors.places import closed_sites
from measurements.selectors.queries import about_seen
from trials.access import Actor, has_permission, require
from trials.models import Allocation, Attendance, Membership, Participant, Trial, Visit
from trials.permissions import Permission, Role
from trials.schedule import days_from_anchor
from trials.selectors.trials import trials_visible_to


@dataclass(frozen=True)
class TrialCard:
    """A trial on the first page: how far it is, and what the person is in it."""

    trial: Trial
    randomized: int
    open_queries: int
    roles: tuple[str, ...]


def trial_cards(by: Actor) -> list[TrialCard]:
    """Return the person's trials, those that go on first."""
    told = Q(queries__biomarker=None) | Q(queries__biomarker__tells_arm=False)
    trials: QuerySet[Trial] = trials_visible_to(by).annotate(
        randomized=Count("allocations", distinct=True),
        open_queries=Count("queries", filter=~Q(queries__state=Query.State.CLOSED) & told, distinct=True),
    )
    held = Membership.objects.filter(user=by.user, ended_at=None).values_list("trial_id", "role").order_by("role")
    roles: dict[int, list[str]] = {}
    for trial_id, role in held:
        names = roles.setdefault(trial_id, [])
        if (name := str(Role(role).label)) not in names:
            names.append(name)
    cards = [
        TrialCard(trial, trial.randomized, trial.open_queries, tuple(roles.get(trial.pk, ())))  # type: ignore[attr-defined]
        for trial in trials
    ]
    return sorted(cards, key=lambda card: (card.trial.status in {"archived", "unblinded"}, card.trial.title))


def chosen_follow_up(trial: Trial, code: str | None = None) -> Visit | None:
    """Return the follow-up visit of this code; else the six-month visit, else the first after baseline."""
    follow_ups = follow_up_visits(trial)
    named = [visit for visit in follow_ups if visit.code == code]
    six_months = [visit for visit in follow_ups if visit.kind == Visit.Kind.SIX_MONTHS]
    return next(iter([*named, *six_months, *follow_ups]), None)


def follow_up_visits(trial: Trial) -> list[Visit]:
    """Return the visits after baseline."""
    return [visit for visit in trial.visits.all() if visit.kind != Visit.Kind.BASELINE]


@dataclass(frozen=True)
class Progress:
    """Of the randomized: how many have a value at a visit that is analysed, and why others have none.

    Everybody is counted once; who is in none of these was due and has no value. What tells an arm is no value here.
    """

    randomized: int = 0
    measured: int = 0
    withdrawn: int = 0
    missed: int = 0
    not_yet_due: int = 0

    @property
    def due(self) -> int:
        """How many were due so far."""
        return self.randomized - self.not_yet_due


def visit_progress(trial: Trial, visit: Visit, by: Actor, *, by_arm: bool) -> dict[str, Progress]:
    """Return the progress of a visit by arm code, or of all together under the empty code.

    By arm only for those who see allocations of the whole trial.
    """
    require(by, Permission.TRIAL_VIEW, trial)
    if by_arm:
        require(by, Permission.ALLOCATION_VIEW, trial)
    measured, missed = _measured(trial, visit), _missed(visit)
    counts: dict[str, Counter[str]] = {}
    rows = Allocation.objects.filter(trial=trial).values_list(
        "participant_id",
        "arm__code",
        "participant__randomized_on",
        "participant__state",
        "participant__data_use_withdrawn",
    )
    today = timezone.localdate()
    for participant, arm, randomized_on, state, withdrawn in rows:
        count = counts.setdefault(arm if by_arm else "", Counter())
        count["randomized"] += 1
        goes_on = state == Participant.State.RANDOMIZED
        if withdrawn:
            count["withdrawn"] += 1
        elif participant in measured:
            count["measured"] += 1
        elif goes_on and participant in missed:
            count["missed"] += 1
        elif goes_on and not _is_past(visit, randomized_on, today):
            count["not_yet_due"] += 1
    return {arm: Progress(**count) for arm, count in counts.items()}


def _measured(trial: Trial, visit: Visit) -> set[int]:
    """Return who has a value that the analysis takes: final, current, and not withdrawn."""
    current = Result.objects.filter(
        trial=trial,
        specimen__visit=visit,
        superseded_by=None,
        biomarker__tells_arm=False,
        value__isnull=False,
        status__in=[Result.Status.FINAL, Result.Status.CORRECTED],
        specimen__participant__data_use_withdrawn=False,
    )
    return set(current.values_list("specimen__participant_id", flat=True).distinct())


def _missed(visit: Visit) -> set[int]:
    return set(
        Attendance.objects.filter(visit=visit).exclude(missed_reason="").values_list("participant_id", flat=True)
    )


def _is_past(visit: Visit, randomized_on: date | None, today: date) -> bool:
    """Return whether the visit's window is over; where no date is known, nothing is still to come."""
    return randomized_on is None or randomized_on + timedelta(days=days_from_anchor(visit.window_to)) < today


@dataclass(frozen=True)
class OpenQueries:
    """Questions that wait for an answer, and since when the oldest does."""

    count: int
    oldest: datetime | None


def open_queries(trial: Trial, by: Actor) -> OpenQueries:
    """Return how many queries of the trial are not closed."""
    require(by, Permission.TRIAL_VIEW, trial)
    waiting = Query.objects.filter(about_seen(by, trial), trial=trial).exclude(state=Query.State.CLOSED)
    found = waiting.aggregate(count=Count("pk"), oldest=Min("opened_at"))
    return OpenQueries(found["count"], found["oldest"])


def last_submission(trial: Trial, by: Actor) -> Submission | None:
    """Return the newest delivery; None where there is none or the caller sees no results."""
    if not has_permission(by, Permission.RESULT_VIEW, trial):
        return None
    newest = Submission.objects.filter(trial=trial).select_related("laboratory")
    return (newest.filter(tells_arm=False) if closed_sites(by, trial) else newest).first()
