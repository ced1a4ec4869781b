"""The life of an export: requested by a person, claimed by a worker, finished or failed."""

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from analytics.models import Export
from trials import audit
from trials.access import Actor, require
from trials.errors import NotAllowed
from trials.models import Trial
from trials.permissions import Permission

State = Export.State
GIVEN_UP_AFTER = timedelta(minutes=10)
"""After this long without an end a claimed export counts as abandoned and may be claimed again."""


def request_export(*, trial: Trial, by: Actor) -> Export:
    """Queue an export of the trial as `by` may see it; return the one that is still being made where there is one."""
    require(by, Permission.EXPORT, trial)
    if by.user is None:
        raise NotAllowed("person_needed", "Exports are made for people; a laboratory reads its results over the API.")
    scopes = None if by.scopes is None else sorted(by.scopes)
    under_way = Export.objects.filter(trial=trial, requested_by=by.user, state__in=[State.QUEUED, State.RUNNING])
    for export in under_way:
        if export.scopes == scopes:
            return export
    with audit.transaction(by=by) as event:
        export = Export.objects.create(trial=trial, requested_by=by.user, scopes=scopes)
        event.record("export.requested", trial=trial, target=export)
    return export


def claim_export(*, export: Export, by: Actor) -> bool:
    """Return whether the export is now this caller's to build; False where another builds it or it is done."""
    require(by, Permission.EXPORT, export.trial)
    abandoned = Q(state=State.RUNNING, started_at__lt=timezone.now() - GIVEN_UP_AFTER)
    claimed = Export.objects.filter(Q(state=State.QUEUED) | abandoned, pk=export.pk)
    return bool(claimed.update(state=State.RUNNING, started_at=timezone.now(), progress=0, failure=""))


def note_progress(*, export: Export, percent: int, by: Actor) -> None:
    """Write how far the building is, for the page that waits."""
    require(by, Permission.EXPORT, export.trial)
    Export.objects.filter(pk=export.pk).update(progress=percent)


def finish_export(*, export: Export, data_version: int, sha256: str, data_sha256: str, size: int, by: Actor) -> None:
    """Write that the file is there, with its hashes."""
    with audit.transaction(by=by) as event:
        require(by, Permission.EXPORT, export.trial)
        Export.objects.filter(pk=export.pk).update(
            state=State.FINISHED,
            progress=100,
            finished_at=timezone.now(),
            data_version=data_version,
            sha256=sha256,
            data_sha256=data_sha256,
            size=size,
        )
        event.record("export.finished", trial=export.trial, target=export, sha256=sha256)


def fail_export(*, export: Export, failure: str, by: Actor) -> None:
    """Write why the export could not be made."""
    with audit.transaction(by=by, reason=failure) as event:
        require(by, Permission.EXPORT, export.trial)
        Export.objects.filter(pk=export.pk).update(state=State.FAILED, finished_at=timezone.now(), failure=failure)
        event.record("export.failed", trial=export.trial, target=export)


def path_of(export: Export) -> Path:
    """Return where the export's file lies."""
    return Path(settings.DATA_DIR) / "exports" / f"{export.reference}.zip"
