"""Moving a trial, and its data, through its life; registration seals design and randomization."""

from django.utils import timezone

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.lifecycle import UNLOCKS, Move, data_moves_from, data_state_after, moves_from
from trials.models import Trial, TwoPersonMove, User
from trials.permissions import Permission
from trials.selectors.moves import asker_still_may, waiting_move
from trials.services.sealing import make_strata, seal_lists
from trials.services.writing import hold_state_alone


def register_trial(*, trial: Trial, by: Actor) -> Trial:
    """Seal the design and, where the trial randomizes here, its allocation lists; return the registered trial.

    A real trial is registered by `analytics.services.registration`, which seals its analysis plan as well.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        trial, _before = _moved(trial, Trial.Status.REGISTERED)
        strata = make_strata(trial)
        detail = {}
        if not trial.randomized_elsewhere:
            detail["commitment"] = seal_lists(trial, strata)
        event.record("trial.registered", trial=trial, target=trial, detail=detail)
    return trial


def change_status(*, trial: Trial, to: str, by: Actor, reason: str = "") -> Trial:
    """Move a trial one step on or back, as `trials.lifecycle` has it.

    Raises InConflict for a move that is not in the table from where the trial stands now, or that two people sign;
    RuleBroken where the table asks for a reason and there is none.
    """
    if to == Trial.Status.REGISTERED:
        return register_trial(trial=trial, by=by)
    with audit.transaction(by=by, reason=reason.strip()) as event:
        hold_state_alone(trial)
        move = _move_to(trial, to, by)
        if move.signatures > 1:
            raise InConflict(
                "second_signature_missing", "Two people sign this step: ask for it, and somebody else signs it."
            )
        _require_reason(move, reason)
        trial, before = _moved(trial, to)
        event.record("trial.moved", trial=trial, target=trial, detail={"from": before, "to": to})
    return trial


def change_data_state(*, trial: Trial, to: str, by: Actor, reason: str) -> Trial:
    """Freeze the values of a trial, or open them again; locking goes with the status.

    Raises InConflict for a step that is not in the table, RuleBroken without a reason.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        hold_state_alone(trial)
        trial = Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
        move = data_moves_from(trial.status, trial.data_state).get(to)
        require(by, move.permission if move else Permission.TRIAL_RUN, trial)
        if move is None:
            raise InConflict(
                "move_not_possible",
                f"The data of a trial that is {trial.get_status_display().lower()} do not go from {trial.data_state} "
                f"to {to}. Nothing was changed.",
            )
        _require_reason(move, reason)
        before, trial.data_state = trial.data_state, to
        trial.save(update_fields=["data_state"])
        event.record("trial.data_moved", trial=trial, target=trial, detail={"from": before, "to": to})
    return trial


def ask_for_move(*, trial: Trial, to: str, reason: str, by: Actor) -> TwoPersonMove:
    """Ask for a step that two people sign; asked again for the same, return what is waiting already.

    The caller has checked the person's password. Raises InConflict for a step that one person takes, or none.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        asked_by = _person(by)
        hold_state_alone(trial)
        trial = Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
        move = _move_to(trial, to, by)
        if move.signatures < 2:
            raise InConflict("one_signature_enough", "One person takes this step alone. Nothing was changed.")
        _require_reason(move, reason)
        waiting = waiting_move(trial)
        if waiting is None or waiting.to != to:
            waiting = TwoPersonMove.objects.create(
                trial=trial, before=trial.status, to=to, reason=reason.strip(), asked_by=asked_by
            )
        event.record("trial.move_asked", trial=trial, target=trial, detail={"from": trial.status, "to": to})
    return waiting


def sign_move(*, move: TwoPersonMove, by: Actor) -> Trial:
    """Sign the step that somebody else asked for, and take it; signed by the same person again, nothing changes.

    The caller has checked the person's password. Raises NotAllowed for the one who asked, InConflict for a step that
    was signed, refused, overtaken, waited longer than a week, or was asked for by somebody who may no longer take it.
    """
    with audit.transaction(by=by, reason=move.reason) as event:
        person = _person(by)
        hold_state_alone(move.trial)
        move = TwoPersonMove.objects.select_for_update(of=("self",)).select_related("trial").get(pk=move.pk)
        if move.signed_by == person:
            event.record("trial.move_repeated", trial=move.trial, target=move.trial)
            return move.trial
        _move_to(move.trial, move.to, by)
        if move.asked_by == person:
            raise NotAllowed("same_person", "You asked for this step: a second person signs it. Nothing was changed.")
        _require_waiting(move)
        _require_asker(move)
        move.signed_by, move.signed_at = person, timezone.now()
        move.save(update_fields=["signed_by", "signed_at"])
        trial, before = _moved(move.trial, move.to)
        event.record(
            "trial.moved",
            trial=trial,
            target=trial,
            detail={"from": before, "to": move.to, "asked_by": move.asked_by.name, "signed_by": person.name},
        )
    return trial


def refuse_move(*, move: TwoPersonMove, by: Actor, reason: str) -> None:
    """Refuse a step that waits for a second signature, or take one's own question back; for a reason."""
    with audit.transaction(by=by, reason=reason.strip()) as event:
        person = _person(by)
        move = TwoPersonMove.objects.select_for_update(of=("self",)).select_related("trial").get(pk=move.pk)
        step = moves_from(move.before)[move.to]
        require(by, step.permission, move.trial)
        _require_reason(step, reason)
        if move.refused_at is None:
            _require_waiting(move)
            move.refused_by, move.refused_at = person, timezone.now()
            move.save(update_fields=["refused_by", "refused_at"])
        event.record("trial.move_refused", trial=move.trial, target=move.trial, detail={"to": move.to})


def _move_to(trial: Trial, to: str, by: Actor) -> Move:
    """Return what the step needs, asked of the trial as it stands; NotAllowed comes before InConflict."""
    status = Trial.objects.values_list("status", flat=True).get(pk=trial.pk)
    move = moves_from(status).get(to)
    require(by, move.permission if move else Permission.TRIAL_RUN, trial)
    if move is None:
        raise InConflict(
            "move_not_possible", f"A trial that is {Trial.Status(status).label.lower()} cannot become {to}."
        )
    return move


def _moved(trial: Trial, to: str) -> tuple[Trial, str]:
    """Lock the trial's row, check that the move is in the table, make it; return the trial and where it was."""
    locked = Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
    before = locked.status
    if to not in moves_from(before):
        raise InConflict(
            "move_not_possible", f"A trial that is {locked.get_status_display().lower()} cannot become {to}."
        )
    locked.status = to
    locked.data_state = data_state_after(before, to, locked.data_state)
    if (before, to) in UNLOCKS:
        locked.unlocked_at = timezone.now()
    locked.save(update_fields=["status", "data_state", "unlocked_at"])
    return locked, before


def _require_reason(move: Move, reason: str) -> None:
    if move.needs_reason and not reason.strip():
        raise RuleBroken("reason_missing", "Say why: the reason stays in the audit trail.", field="reason")


def _require_waiting(move: TwoPersonMove) -> None:
    if move.signed_at or move.refused_at or move.trial.status != move.before:
        raise InConflict("move_settled", "This step was settled already. Nothing was changed.")
    if move.is_expired:
        raise InConflict("move_expired", "This step waited for more than a week. Ask for it again.")


def _require_asker(move: TwoPersonMove) -> None:
    if not asker_still_may(move):
        raise InConflict(
            "asker_may_no_longer",
            f"{move.asked_by.name} asked for this step and may no longer take it. Ask for it again. "
            "Nothing was changed.",
        )


def _person(by: Actor) -> User:
    if by.user is None or by.scopes is not None:
        raise NotAllowed("person_needed", "People sign this step themselves, signed in.")
    return by.user
