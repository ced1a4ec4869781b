"""The audit trail: one transaction, its actor known to the database, one event.

    with audit.transaction(by=by) as event:
        require(by, Permission.PARTICIPANT_ENROLL, trial)
        ...
        event.record("participant.enrolled", trial=trial, target=participant)

Row triggers and the default of every append-only row read the event's number from the transaction's settings, so that
bulk writes and raw SQL carry it too, and a write outside of such a transaction is refused by the database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models
from django.db import transaction as database_transaction

from trials.access import Actor
from trials.models import AuditEvent, Trial

# The number of the event around this one, if any, and a new one that takes its place.
NEXT_EVENT = """
WITH around AS MATERIALIZED (SELECT coalesce(current_setting('studyplatform.event_id', true), '') AS event)
SELECT event, set_config('studyplatform.event_id', nextval('audit_event_number')::text, true)::bigint FROM around"""


class Event:
    """The event of the running transaction; `record` writes it."""

    def __init__(self, number: int, by: Actor, reason: str) -> None:
        self.number = number
        self._by = by
        self._reason = reason
        self.is_recorded = False

    def record(
        self,
        verb: str,
        *,
        trial: Trial | None,
        target: models.Model | None = None,
        detail: dict[str, Any] | None = None,
        row_count: int | None = None,
        sha256: str = "",
    ) -> None:
        """Write the event, last in its transaction. `detail` never holds an arm or an identifier."""
        AuditEvent.objects.create(
            id=self.number,
            trial_id=trial.pk if trial else None,
            actor_kind=self._by.kind,
            actor_id=self._by.id,
            actor_name=self._by.name,
            verb=verb,
            target_kind=target._meta.model_name or "" if target else "",
            target_id=target.pk if target else None,
            target_name=str(target)[:200] if target else "",
            reason=self._reason,
            detail=detail or {},
            row_count=row_count,
            sha256=sha256,
        )
        self.is_recorded = True


@contextmanager
def transaction(*, by: Actor, reason: str = "") -> Iterator[Event]:
    """Open a transaction in which `by` acts; raise if the block ends without recording its event."""
    with database_transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(NEXT_EVENT)
            outer, number = cursor.fetchone()
        event = Event(number, by, reason)
        yield event
        if not event.is_recorded:
            raise RuntimeError("a service ended without recording its audit event")
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('studyplatform.event_id', %s, true)", [outer])


def record_read(
    verb: str, *, by: Actor, trial: Trial | None, target: models.Model | None = None, **detail: Any
) -> None:
    """Record something that changed nothing and is kept all the same: a download, a sign-in, a refusal."""
    with transaction(by=by) as event:
        event.record(verb, trial=trial, target=target, detail=detail)
