"""What is due: stale estimates, queued exports, rehearsals, messages and webhooks that wait, in one query."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from analytics.models import EstimateRun, Export
from analytics.selectors.runs import METHOD_VERSION, RETRY_FAILED_AFTER
from trials.models import OutgoingMessage, Webhook

ESTIMATES, EXPORT, MESSAGE, REHEARSAL, WEBHOOK = "estimates", "export", "message", "rehearsal", "webhook"

# An export whose worker died is built again.
RETRY_EXPORT_AFTER = "10 minutes"

# Every EXISTS reads one entry of an index. Trials without data have version 0 and are never due, nor are sandboxes.
DUE = """
SELECT %(estimates)s, trial.id, trial.data_version, coalesce((
    SELECT max(run.id) FROM analytics_estimaterun run WHERE run.trial_id = trial.id), 0)
FROM trials_trial trial
WHERE trial.data_version > 0 AND trial.sandbox_of_id IS NULL AND NOT EXISTS (
    SELECT FROM analytics_estimaterun run
    WHERE run.trial_id = trial.id AND run.data_version >= trial.data_version AND run.method_version = %(method)s
      AND run.plan_id = (
          SELECT id FROM analytics_analysisplan plan WHERE plan.trial_id = trial.id ORDER BY version DESC LIMIT 1)
      AND (run.state = %(finished)s OR run.computed_at > now() - %(retry_failed)s::interval)
)
UNION ALL
SELECT %(export)s, export.id, 0, 0
FROM analytics_export export
WHERE export.state = %(queued)s
   OR (export.state = %(running)s AND export.started_at < now() - %(retry_export)s::interval)
UNION ALL
-- Done in slices: the next one is due as soon as nobody holds it.
SELECT %(rehearsal)s, rehearsal.id, 0, rehearsal.progress
FROM analytics_rehearsal rehearsal
WHERE rehearsal.state IN (%(queued)s, %(running)s)
  AND (rehearsal.claimed_until IS NULL OR rehearsal.claimed_until < now())
UNION ALL
-- One at a time: a mail server that does not answer then holds up nobody for long.
(SELECT %(message)s, message.id, 0, message.attempts
FROM trials_outgoingmessage message
WHERE %(has_mail_server)s AND message.state = %(waiting)s AND message.due_at <= statement_timestamp()
ORDER BY message.due_at LIMIT 1)
UNION ALL
-- One at a time for each receiver, so that a slow one holds up no other; a few receivers at once.
(SELECT %(webhook)s, next.id, 0, next.tries
FROM trials_webhook webhook CROSS JOIN LATERAL (
    SELECT message.id, message.tries, message.due_at FROM trials_webhookmessage message
    WHERE message.webhook_id = webhook.id AND message.state = %(waiting)s
      AND message.due_at <= statement_timestamp()
    ORDER BY message.due_at LIMIT 1
) next
WHERE webhook.state = %(active)s AND NOT EXISTS (
    SELECT FROM trials_webhookmessage message
    WHERE message.webhook_id = webhook.id AND message.claimed_until > statement_timestamp()
)
ORDER BY next.due_at LIMIT 8)
ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Work:
    """One thing that is due: the estimates of a trial at a data version, an export, a slice of a rehearsal, or
    a message.

    `run` is the newest run, finished or failed: where it changes, the work was attended to.
    """

    kind: str
    id: int
    version: int
    run: int

    @property
    def key(self) -> tuple[str, int]:
        """Return what at most one computation at a time is under way for."""
        return self.kind, self.id


def due_work() -> list[Work]:
    """Return everything that is due now."""
    parameters: dict[str, Any] = {
        "estimates": ESTIMATES,
        "export": EXPORT,
        "rehearsal": REHEARSAL,
        "method": METHOD_VERSION,
        "finished": EstimateRun.State.FINISHED,
        "queued": Export.State.QUEUED,
        "running": Export.State.RUNNING,
        "retry_failed": RETRY_FAILED_AFTER,
        "retry_export": RETRY_EXPORT_AFTER,
        "message": MESSAGE,
        "waiting": OutgoingMessage.State.WAITING,
        "webhook": WEBHOOK,
        "active": Webhook.State.ACTIVE,
        "has_mail_server": bool(settings.MAIL_SERVER_BACKEND),
    }
    with connection.cursor() as cursor:
        cursor.execute(DUE, parameters)
        return [Work(*row) for row in cursor.fetchall()]


# The first event after the newest run is the earliest that can have made it stale.
WAITING = """
SELECT coalesce(max(extract(epoch FROM statement_timestamp() - coalesce(
    (SELECT event.occurred_at FROM trials_auditevent event
     WHERE event.trial_id = trial.id AND event.id > run.event_id ORDER BY event.id LIMIT 1),
    run.computed_at, trial.created_at))), 0)::float8
FROM trials_trial trial
LEFT JOIN LATERAL (
    SELECT event_id, computed_at FROM analytics_estimaterun run
    WHERE run.trial_id = trial.id AND run.state = %(finished)s ORDER BY data_version DESC LIMIT 1
) run ON true
WHERE trial.id = ANY(%(trials)s)
"""


def oldest_stale_seconds() -> float:
    """Return for how many seconds, at most, the trial that waits longest has waited for its estimates; 0 if none."""
    stale = [work.id for work in due_work() if work.kind == ESTIMATES]
    with connection.cursor() as cursor:
        cursor.execute(WAITING, {"finished": EstimateRun.State.FINISHED, "trials": stale})
        return float(cursor.fetchone()[0])
