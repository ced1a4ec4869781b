"""Exports, each visible to who asked for it alone."""

from uuid import UUID

from django.db.models import QuerySet

from analytics.models import Export
from trials.access import Actor, require
from trials.errors import NotFound
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.trials import trials_visible_to


def exports_of(by: Actor, trial: Trial) -> QuerySet[Export]:
    """Return the exports of this trial that `by` asked for, newest first."""
    require(by, Permission.EXPORT, trial)
    return Export.objects.filter(trial=trial, requested_by=by.user)


def visible_export(reference: UUID, by: Actor) -> Export:
    """Return one export; NotFound in the same words for a missing one and one of somebody else."""
    found = Export.objects.select_related("trial", "requested_by").filter(
        reference=reference, requested_by=by.user, trial__in=trials_visible_to(by)
    )
    export = found.first() if by.user is not None else None
    if export is None:
        raise NotFound("export_unknown", "There is no export of this number that you asked for.")
    return export
