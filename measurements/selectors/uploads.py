"""Files with results: for which laboratories somebody may send them, those that wait, and those that were kept."""

from uuid import UUID

from django.utils import timezone

from measurements.models import Biomarker, ColumnMapping, SubmissionFile, Upload
from measurements.models.upload import KEPT_FOR
from measurements.selectors.listings import visible_submission
from measurements.validation.columns import names_of
from trials.access import Actor, has_permission, require
from trials.errors import NotAllowed, NotFound
from trials.models import Laboratory, Trial
from trials.permissions import Permission


def laboratories_open_to(by: Actor, trial: Trial) -> list[Laboratory]:
    """Return for whom a person may send files: the trial's own laboratory; managers, for all of them."""
    require(by, Permission.RESULT_RECORD, trial)
    own = list(Laboratory.objects.filter(trial=trial).order_by("name"))
    if not has_permission(by, Permission.LABORATORY_MANAGE, trial):
        return own
    delivering = Laboratory.objects.filter(deliveries__trial=trial, deliveries__ended_at=None, trial=None)
    return [*delivering.distinct().order_by("name"), *own]


def visible_upload(by: Actor, trial: Trial, reference: UUID) -> Upload:
    """Return a file that waits, without its content; NotFound for those of others and those that are gone."""
    require(by, Permission.RESULT_RECORD, trial)
    waiting = Upload.objects.filter(trial=trial, uploader=by.user, uploaded_at__gt=timezone.now() - KEPT_FOR)
    upload = waiting.filter(reference=reference).select_related("laboratory", "trial").defer("content").first()
    if upload is None:
        raise NotFound(
            "upload_gone",
            "This file is not here: a file waits for 24 hours, for the person who uploaded it. Upload it again.",
        )
    return upload


def may_open_files(by: Actor, trial: Trial) -> bool:
    """Return whether files as they were sent may be opened: by who records results, and by who audits them."""
    return has_permission(by, Permission.RESULT_RECORD, trial) or has_permission(by, Permission.AUDIT_VIEW, trial)


def visible_file(by: Actor, trial: Trial, reference: UUID) -> SubmissionFile:
    """Return the file of a submission, as it was sent."""
    submission = visible_submission(by, trial, reference)
    if not may_open_files(by, trial):
        raise NotAllowed("file_closed", "Files are opened by those who record results or audit the trial.")
    file = SubmissionFile.objects.filter(submission=submission).select_related("submission").first()
    if file is None:
        raise NotFound("file_unknown", "This submission did not come as a file.")
    return file


def biomarker_names(trial: Trial) -> dict[str, str]:
    """Return the codes of the trial's biomarkers by every name that a header may have."""
    listed = Biomarker.objects.filter(trial=trial).values_list("code", "name", "aliases")
    return names_of((code, (name, *aliases)) for code, name, aliases in listed)


def remembered_columns(trial: Trial, laboratory: Laboratory, signature: str) -> ColumnMapping | None:
    """Return what the columns of this header meant the last time that somebody said so."""
    return ColumnMapping.objects.filter(trial=trial, laboratory=laboratory, signature=signature).first()
