"""What waits for somebody: counted anew each time, over all trials that they take part in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from django.utils import timezone

from measurements.models import Query
from measurements.selectors.double_entry import resolutions, second_passes
from measurements.selectors.held_rows import may_settle, waiting_for
from measurements.selectors.queries import queries_visible_to
from measurements.selectors.schedule import Wish, schedule
from trials.access import Actor, has_permission
from trials.models import EmergencyUnblinding, Trial
from trials.permissions import Permission
from trials.schedule import State
from trials.selectors.consent import reconsent_due
from trials.selectors.credentials import expiring_credentials
from trials.selectors.moves import waiting_move
from trials.selectors.safety import adverse_events_visible_to, overdue_reports
from trials.selectors.trials import trials_visible_to

# For so long the one who was told of an emergency unblinding is reminded.
REMINDED_FOR = timedelta(days=14)

OVER = {Trial.Status.LOCKED, Trial.Status.UNBLINDED, Trial.Status.ARCHIVED}


@dataclass(frozen=True)
class Task:
    """How many things of one kind wait in a trial; `kind` is a key of KINDS."""

    trial: Trial
    kind: str
    count: int


class Kind(NamedTuple):
    """A kind of task: who has it, how it is counted, and whether it goes on when a trial is over."""

    permission: Permission
    counted: Callable[[Trial, Actor], int]
    outlasts_trial: bool = False


def _unreported(trial: Trial, by: Actor) -> int:
    return overdue_reports(adverse_events_visible_to(by, trial)).count()


def _overdue_visits(trial: Trial, by: Actor) -> int:
    return schedule(trial, by, Wish(states=(State.OVERDUE,), most=1)).counts.get(State.OVERDUE, 0)


def _queries_to_answer(trial: Trial, by: Actor) -> int:
    return queries_visible_to(by, trial).filter(state=Query.State.OPEN).count()


def _queries_to_close(trial: Trial, by: Actor) -> int:
    return queries_visible_to(by, trial).filter(state=Query.State.ANSWERED).count()


def _held_rows(trial: Trial, by: Actor) -> int:
    return waiting_for(by, trial).count() if may_settle(by, trial) else 0


def _expiring(trial: Trial, by: Actor) -> int:
    return expiring_credentials(trial, by).count()


def _reconsents(trial: Trial, by: Actor) -> int:
    return len(reconsent_due(trial, by))


def _unblindings(trial: Trial, by: Actor) -> int:
    told = EmergencyUnblinding.objects.filter(trial=trial, notified=by.user)
    return told.filter(recorded_at__gt=timezone.now() - REMINDED_FOR).count()


def _signatures(trial: Trial, by: Actor) -> int:
    waiting = waiting_move(trial)
    return int(waiting is not None and waiting.asked_by != by.user)


KINDS: dict[str, Kind] = {
    "unreported_events": Kind(Permission.SAFETY_RECORD, _unreported),
    "emergency_unblindings": Kind(Permission.TRIAL_VIEW, _unblindings, outlasts_trial=True),
    "signature": Kind(Permission.TRIAL_UNLOCK, _signatures, outlasts_trial=True),
    "overdue_visits": Kind(Permission.VISIT_RECORD, _overdue_visits),
    "reconsents": Kind(Permission.PARTICIPANT_ENROLL, _reconsents),
    "second_entries": Kind(Permission.RESULT_RECORD, second_passes),
    "entries_to_settle": Kind(Permission.RESULT_CORRECT, resolutions),
    "queries_to_answer": Kind(Permission.QUERY_ANSWER, _queries_to_answer),
    "queries_to_close": Kind(Permission.QUERY_MANAGE, _queries_to_close),
    "held_rows": Kind(Permission.SPECIMEN_MANAGE, _held_rows, outlasts_trial=True),
    "expiring_credentials": Kind(Permission.LABORATORY_MANAGE, _expiring),
}
"""In the order of urgency."""


def tasks_of(by: Actor) -> list[Task]:
    """Return what waits for this person, by kind in the order of urgency, then by trial. Rehearsals ask for nothing."""
    trials = [trial for trial in trials_visible_to(by) if trial.rehearsal_of_id is None]
    found = [task for trial in trials for task in tasks_in(trial, by)]
    order = list(KINDS)
    return sorted(found, key=lambda task: (order.index(task.kind), task.trial.title))


def tasks_in(trial: Trial, by: Actor) -> Iterator[Task]:
    """Yield what waits for this person in one trial."""
    for name, kind in KINDS.items():
        if (trial.status in OVER and not kind.outlasts_trial) or not has_permission(by, kind.permission, trial):
            continue
        if count := kind.counted(trial, by):
            yield Task(trial, name, count)
