"""Steps of a trial's life: those taken, by whom, and the one that waits for a second signature."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from trials.access import Actor, has_permission
from trials.lifecycle import MOVES
from trials.models import AuditEvent, Trial, TwoPersonMove
from trials.models.moves import SIGNED_WITHIN

STATUS_MOVES = frozenset({"trial.registered", "trial.moved"})
VERBS = frozenset({"trial.created", "trial.data_moved", *STATUS_MOVES})


@dataclass(frozen=True)
class Step:
    """A step that was taken: where it led, who took it, when and why."""

    to: str
    is_of_data: bool
    by: str
    at: datetime
    reason: str


def steps_of(trial: Trial) -> list[Step]:
    """Return every step of the trial's life, the first one first. They tell of nobody but those who took them."""
    events = AuditEvent.objects.filter(trial_id=trial.pk, target_kind="trial", verb__in=VERBS).order_by("id")
    return [_step(event) for event in events]


def _step(event: AuditEvent) -> Step:
    led_to = {"trial.created": Trial.Status.DRAFT, "trial.registered": Trial.Status.REGISTERED}
    to = event.detail.get("to") or led_to.get(event.verb, "")
    people = [event.detail[key] for key in ("asked_by", "signed_by") if key in event.detail]
    by = " and ".join(people) or event.actor_name
    return Step(to, event.verb == "trial.data_moved", by, event.occurred_at, event.reason)


def waiting_move(trial: Trial) -> TwoPersonMove | None:
    """Return the step that waits for a second signature and can still be taken."""
    waiting = TwoPersonMove.objects.filter(
        trial=trial,
        before=trial.status,
        signed_at=None,
        refused_at=None,
        asked_at__gt=timezone.now() - SIGNED_WITHIN,
    )
    return next((move for move in waiting.select_related("asked_by", "trial") if asker_still_may(move)), None)


def asker_still_may(move: TwoPersonMove) -> bool:
    """Return whether the one who asked for a step may still take it: the first signature stands only as long."""
    return has_permission(Actor(user=move.asked_by), MOVES[move.before, move.to].permission, move.trial)
