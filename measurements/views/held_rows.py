"""Rows that wait: the list, and one of them to be released, assigned to a specimen, or dismissed."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from measurements.forms.specimens import AssignForm, DismissForm
from measurements.models import HeldRowOutcome
from measurements.selectors.held_rows import HeldLine, held_lines, held_rows_of, waiting_row
from measurements.selectors.specimens import specimen_of_id
from measurements.services.held_rows import Released, assign_held_row, dismiss_held_row, release_held_rows
from trials.access import actor_of
from trials.errors import NotFound, RuleBroken
from trials.forms.fields import SHOWN_IN_THE_FORM, accepted
from trials.models import Laboratory, Trial
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_LENGTH = 50
COLUMNS = (
    "held_row", "laboratory", "submission", "row", "held_at", "why", "specimen", "did_you_mean", "biomarker", "value",
    "unit", "said_now",
)  # fmt: skip


@require_http_methods(["GET", "POST"])
def held_rows(request: HttpRequest, slug: str) -> HttpResponseBase:
    """List rows that wait; `code` and `laboratory` narrow it. Posting releases the chosen ones, or all that can."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    asked = {name: request.GET.get(name, "") for name in ("code", "laboratory")}
    codes = {"specimen_held", "trial_locked"}
    laboratory = asked["laboratory"] if asked["laboratory"].isascii() and asked["laboratory"].isprintable() else ""
    found = held_rows_of(by, trial, code=asked["code"] if asked["code"] in codes else "", laboratory=laboratory)
    if request.GET.get("format") == "csv":
        return csv_answer(f"{slug}_rows_that_wait", COLUMNS, _rows(trial, found))
    if request.method == "POST":
        return _release(request, trial, _chosen(request))
    page = Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page"))
    lines = held_lines(trial, list(page.object_list))
    context = {
        "trial": trial,
        "page": page,
        "lines": lines,
        "has_ready": any(line.is_ready for line in lines),
        "asked": asked,
        "laboratories": Laboratory.objects.filter(deliveries__trial=trial).distinct().order_by("name"),
        "is_open": trial.data_state == Trial.DataState.OPEN,
    }
    return render(request, "measurements/held_rows.html", context)


def _chosen(request: HttpRequest) -> list[int] | None:
    """The rows that were ticked; None for all."""
    ticked = [int(each) for each in request.POST.getlist("row") if each.isdecimal() and len(each) < 16]
    return None if request.POST.get("all") else ticked


def _release(request: HttpRequest, trial: Trial, numbers: list[int] | None) -> HttpResponse:
    """Release; what came of it is a message on the list."""
    try:
        _tell(request, release_held_rows(trial=trial, by=actor_of(request), numbers=numbers))
    except RuleBroken as error:
        if error.status not in SHOWN_IN_THE_FORM:
            raise
        messages.error(request, error.sentence)
    return redirect("held-rows", slug=trial.slug)


def _tell(request: HttpRequest, released: Released) -> None:
    if released.joined:
        told = ngettext("%(n)d row joined the results.", "%(n)d rows joined the results.", released.joined)
        messages.success(request, told % {"n": released.joined})
    if released.waiting:
        told = ngettext("%(n)d row goes on waiting:", "%(n)d rows go on waiting:", released.waiting)
        messages.warning(request, f"{told % {'n': released.waiting}} {' '.join(released.reasons[:3])}")
    if not released.joined and not released.waiting:
        messages.info(request, _("Choose rows first. Nothing was released."))


def _rows(trial: Trial, found: Any) -> Iterator[tuple[object, ...]]:
    listed = list(found)
    for start in range(0, len(listed), PAGE_LENGTH):
        yield from (_row(line) for line in held_lines(trial, listed[start : start + PAGE_LENGTH]))


def _row(line: HeldLine) -> tuple[object, ...]:
    held = line.held
    known = (held.pk, held.laboratory.code, str(held.submission.reference), held.row_number, held.held_at, held.code)
    return (*known, line.specimen, line.near, line.biomarker, line.value, line.unit, line.reason)


@require_http_methods(["GET", "POST"])
def held_row(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show a row that waits; `step` is `release`, `assign` or `dismiss`."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    held = waiting_row(by, trial, number)
    [line] = held_lines(trial, [held])
    step = request.POST.get("step", "")
    assign = AssignForm(
        request.POST if step == "assign" else None, initial={"specimen": line.near}, auto_id="assign_%s"
    )
    dismiss = DismissForm(request.POST if step == "dismiss" else None, auto_id="dismiss_%s")

    def assigned() -> None:
        try:
            specimen = specimen_of_id(assign.cleaned_data["specimen"], by, trial)
        except NotFound as error:
            raise RuleBroken(error.code, error.sentence, field="specimen") from error
        assign_held_row(held_row=held, specimen=specimen, reason=assign.cleaned_data["reason"], by=by)

    if step == "release":
        return _release(request, trial, [number])
    if step == "assign" and assign.is_valid() and accepted(assign, assigned):
        messages.success(request, _("The row joined the results."))
        return redirect("held-rows", slug=slug)
    if (
        step == "dismiss"
        and dismiss.is_valid()
        and accepted(dismiss, lambda: dismiss_held_row(held_row=held, reason=dismiss.cleaned_data["reason"], by=by))
    ):
        messages.success(request, _("The row is dismissed; it is kept with your reason."))
        return redirect("held-rows", slug=slug)
    settled = HeldRowOutcome.objects.filter(held_row=held).select_related("submission", "result__specimen", "event")
    context = {
        "trial": trial,
        "line": line,
        "settled": settled.first(),
        "assign": assign,
        "dismiss": dismiss,
        "is_open": trial.data_state == Trial.DataState.OPEN,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "measurements/held_row.html", context, status=status)
