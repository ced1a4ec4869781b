"""Moving a trial through its life; registration seals design and randomization."""

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import DATA_STATE_AFTER, NEEDS_REASON, moves_from
from trials.models import Trial
from trials.permissions import Permission
from trials.services.sealing import make_strata, seal_lists


def register_trial(*, trial: Trial, by: Actor) -> Trial:
    """Seal the design and, where the trial randomizes here, its allocation lists; return the registered trial."""
    with audit.transaction(by=by) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        trial = _moved(trial, Trial.Status.REGISTERED)
        strata = make_strata(trial)
        detail = {}
        if not trial.randomized_elsewhere:
            detail["commitment"] = seal_lists(trial, strata)
        event.record("trial.registered", trial=trial, target=trial, detail=detail)
    return trial


def change_status(*, trial: Trial, to: str, by: Actor, reason: str = "") -> Trial:
    """Move a trial one step on, as `trials.lifecycle` has it; registering seals the design, locking locks the data.

    Raises InConflict for a move that is not in the table from where the trial stands now, RuleBroken for locking or
    unblinding without a reason.
    """
    if to == Trial.Status.REGISTERED:
        return register_trial(trial=trial, by=by)
    with audit.transaction(by=by, reason=reason) as event:
        before = Trial.objects.select_for_update(no_key=True).values_list("status", flat=True).get(pk=trial.pk)
        require(by, moves_from(before).get(to, Permission.TRIAL_RUN), trial)
        trial = _moved(trial, to)
        if to in NEEDS_REASON and not reason.strip():
            raise RuleBroken("reason_missing", "Say why: this step cannot be taken back.", field="reason")
        event.record("trial.moved", trial=trial, target=trial, detail={"from": before, "to": to})
    return trial


def _moved(trial: Trial, to: str) -> Trial:
    """Lock the trial's row, check that the move is in the table, make it."""
    locked = Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
    if to not in moves_from(locked.status):
        raise InConflict(
            "move_not_possible", f"A trial that is {locked.get_status_display().lower()} cannot become {to}."
        )
    locked.status = to
    locked.data_state = DATA_STATE_AFTER.get(to, locked.data_state)
    locked.save(update_fields=["status", "data_state"])
    return locked
