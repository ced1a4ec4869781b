"""May this be written now? One question for every service, answered by `trials.lifecycle.GATES`."""

from django.db import connection

from trials.errors import InConflict
from trials.lifecycle import GATES, Writing
from trials.models import Trial

STATE_LOCK = 715_002
"""First key of the advisory locks between those who write in a trial (shared) and who moves its state (alone)."""


def require_writable(trial: Trial, writing: Writing) -> None:
    """Raise InConflict where the trial's state forbids this; else hold the state until the transaction ends.

    A lock of the data so comes before a service or after it, never in between. Called before any row of the trial is
    locked, and inside of a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [STATE_LOCK, trial.pk])
    status, data_state = Trial.objects.values_list("status", "data_state").get(pk=trial.pk)
    gate = GATES[writing]
    if status not in gate.statuses:
        raise InConflict(gate.code, _status_sentence(trial, writing, status))
    if data_state not in gate.data_states:
        raise InConflict("trial_locked", f"The data of {trial.title} are {data_state}. Nothing was saved.")


def hold_state_alone(trial: Trial) -> None:
    """Wait until everybody who writes in the trial has finished; keep others waiting until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [STATE_LOCK, trial.pk])


def _status_sentence(trial: Trial, writing: Writing, status: str) -> str:
    if writing is Writing.ENROLMENT:
        return f"{trial.title} is not recruiting."
    return f"{trial.title} takes no more entries: it is {Trial.Status(status).label.lower()}. Nothing was saved."
