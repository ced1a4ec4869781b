"""What workers do. Each task calls one service; the services keep a repetition harmless.

The services are imported when a task runs: pandas and scipy take seconds to load, and this module is also imported
where tasks are only handed out.
"""

from celery import shared_task

from trials.access import Actor

WORKER = Actor(process="worker")


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def refresh_estimates(trial_id: int) -> None:
    """Recompute the estimates of a trial unless they are up to date."""
    from analytics.services.recompute import recompute_estimates
    from trials.models import Trial

    recompute_estimates(trial=Trial.objects.get(pk=trial_id), by=WORKER)


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def build_export(export_id: int) -> None:
    """Build a queued export unless somebody else builds it."""
    from analytics.exports.building import run_export
    from analytics.models import Export

    run_export(export=Export.objects.get(pk=export_id), by=WORKER)


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def continue_rehearsal(rehearsal_id: int) -> None:
    """Take the next simulated people through a rehearsal unless somebody else does."""
    from analytics.models import Rehearsal
    from analytics.services import rehearsal

    rehearsal.continue_rehearsal(rehearsal=Rehearsal.objects.get(pk=rehearsal_id), by=WORKER)


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def deliver_message(message_id: int) -> None:
    """Hand a message to the mail server unless it was sent."""
    from trials.models import OutgoingMessage
    from trials.services import messages

    messages.deliver_message(message=OutgoingMessage.objects.get(pk=message_id), by=WORKER)


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def deliver_webhook_message(message_id: int) -> None:
    """Post a message to its webhook unless it was delivered, or somebody else is at it."""
    from trials.models import WebhookMessage
    from trials.services import webhook_delivery

    webhook_delivery.deliver_webhook_message(message=WebhookMessage.objects.get(pk=message_id), by=WORKER)


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def note_alive() -> None:
    """Say that a worker takes what the broker carries, and is warm: the first computation need not load anything."""
    from analytics.services import heartbeats, recompute  # noqa: F401 - loaded ahead of the first computation

    heartbeats.note_heartbeat(heartbeats.WORKER)
