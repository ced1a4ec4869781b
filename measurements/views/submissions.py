"""Deliveries of results: the list, one with its row report, its file, and the same file back."""

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_safe

from measurements.models import SubmissionFile
from measurements.selectors.held_rows import may_settle
from measurements.selectors.listings import submissions_visible_to, visible_submission
from measurements.selectors.uploads import may_open_files, visible_file
from measurements.selectors.value_history import values_of_submission
from measurements.services.uploads import returned_file
from measurements.validation.returned import REPORT_HEADER, report_lines
from measurements.views.row_reports import row_report
from measurements.views.uploads import file_answer
from trials import audit
from trials.access import actor_of, has_permission
from trials.permissions import Permission
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_LENGTH = 50
SHOWN_VALUES = 100


@require_GET
def submissions(request: HttpRequest, slug: str) -> HttpResponse:
    """List what laboratories delivered, the newest first; `held=yes` leaves those with rows that wait."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = submissions_visible_to(by, trial).order_by("-id")
    only_held = request.GET.get("held") == "yes"
    page = Paginator(found.filter(held__gt=0) if only_held else found, PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "trial": trial,
        "page": page,
        "only_held": only_held,
        "may_upload": has_permission(by, Permission.RESULT_RECORD, trial),
    }
    return render(request, "measurements/submissions.html", context)


@require_GET
def submission(request: HttpRequest, slug: str, reference: UUID) -> HttpResponse:
    """Show one delivery: its counts, its file, and what was said of its rows."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    delivery = visible_submission(by, trial, reference)
    file = SubmissionFile.objects.filter(submission=delivery).defer("content").first()
    context = {
        "trial": trial,
        "delivery": delivery,
        "file": file if may_open_files(by, trial) else None,
        "report": row_report(delivery.report, request.GET),
        "may_settle": may_settle(by, trial),
        "values": values_of_submission(delivery)[:SHOWN_VALUES],
    }
    return render(request, "measurements/submission.html", context)


@require_safe
def submission_report_csv(request: HttpRequest, slug: str, reference: UUID) -> HttpResponseBase:
    """Everything that was said of the rows."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    delivery = visible_submission(by, trial, reference)
    audit.record_read("submission.report_downloaded", by=by, trial=trial, target=delivery)
    return csv_answer(f"{trial.slug}_{delivery.reference}_report", REPORT_HEADER, report_lines(delivery.report))


@require_safe
def submission_file(request: HttpRequest, slug: str, reference: UUID) -> HttpResponse:
    """The file as it was sent, byte for byte."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    file = visible_file(by, trial, reference)
    audit.record_read("submission.file_downloaded", by=by, trial=trial, target=file.submission)
    return file_answer(bytes(file.content), file.name, file.format)


@require_safe
def submission_returned(request: HttpRequest, slug: str, reference: UUID) -> HttpResponse:
    """The same file with the columns `status, code, message, fix`."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    file = visible_file(by, trial, reference)
    delivery = file.submission
    audit.record_read("submission.file_returned", by=by, trial=trial, target=delivery)
    said = {**delivery.report, "received": delivery.received, "rejected": delivery.rejected}
    return file_answer(returned_file(file, said), f"checked-{file.name}", file.format)
