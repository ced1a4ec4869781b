"""Building a queued export, and handing a finished one out. Workers build; the web server hands out."""

import logging
from pathlib import Path

from django.db import connection, transaction
from django.utils import timezone

from analytics.errors import is_database_away
from analytics.exports.archive import Archive, rights_in, write_archive
from analytics.exports.rights import rights_of, scope_of
from analytics.models import Export
from analytics.services.exports import claim_export, fail_export, finish_export, note_progress, path_of
from trials import audit
from trials.access import Actor, sees_effects
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import Trial

log = logging.getLogger(__name__)


def run_export(*, export: Export, by: Actor) -> None:
    """Build the export with the rights its requester has now; harmless where it is built already or by another.

    A fault of ours or a right that ended is written down as the reason why there is none. A lost database raises.
    """
    if not claim_export(export=export, by=by):
        return
    try:
        version, archive = _build(export, by)
    except RuleBroken as refused:
        fail_export(export=export, failure=refused.sentence, by=by)
    except Exception as error:
        if is_database_away(error):
            raise
        log.exception("export %s could not be built", export.reference)
        fail_export(export=export, failure=f"{type(error).__name__}: {error}", by=by)
    else:
        finish_export(
            export=export,
            data_version=version,
            sha256=archive.sha256,
            data_sha256=archive.data_sha256,
            size=archive.size,
            by=by,
        )


def requester_of(export: Export) -> Actor:
    """Return for whom the export is, with the scopes of the token that asked for it."""
    scopes = None if export.scopes is None else frozenset(export.scopes)
    return Actor(user=export.requested_by, scopes=scopes)


def _build(export: Export, by: Actor) -> tuple[int, Archive]:
    """Write the file from one view of the database; return the data version that it holds."""
    requester, trial = requester_of(export), export.trial
    if sees_effects(requester, trial):
        _refresh(trial, by)
    path = path_of(export)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    note_progress(export=export, percent=50, by=by)
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        trial = Trial.objects.get(pk=trial.pk)
        scope = scope_of(requester, trial)
        archive = write_archive(path, scope, data_version=trial.data_version, on=timezone.localdate())
    return trial.data_version, archive


def _refresh(trial: Trial, by: Actor) -> None:
    """Bring the estimates up to date first, so that a zip's estimates belong to its data."""
    from analytics.services.recompute import recompute_estimates

    recompute_estimates(trial=trial, by=by)


def file_name(export: Export) -> str:
    """Return a name for the finished file that tells which data are in it."""
    return f"{export.trial.slug}_v{export.data_version}_{export.data_sha256[:6]}.zip"


def hand_out(*, export: Export, by: Actor) -> Path:
    """Return the finished file for its requester and record the download.

    Raises:
        InConflict: it is not finished.
        NotAllowed: the right to what is in it has ended since.
    """
    if export.state != Export.State.FINISHED:
        raise InConflict(
            "export_not_finished", "This export is not finished yet. Ask again in a moment.", retry_after=2
        )
    path = path_of(export)
    if not path.exists():
        raise InConflict("export_gone", "The file of this export is no longer kept. Request a new one.")
    if not rights_of(by, export.trial).cover(rights_in(path)):
        raise NotAllowed("blinded", "This export holds more than you may see now. Request a new one.")
    audit.record_read("export.downloaded", by=by, trial=export.trial, target=export, sha256=export.sha256)
    return path
