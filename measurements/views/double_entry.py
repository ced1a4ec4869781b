"""Double data entry: the batches, one person's pass, and the page on which differences are settled."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from measurements.forms.grid import GridForm
from measurements.models import EntryBatch, EntrySettlement
from measurements.selectors.double_entry import (
    Pair,
    batch_grid,
    batches_visible_to,
    pairs_to_resolve,
    progress_of,
    text_of,
    visible_batch,
)
from measurements.selectors.grid import entry_sites
from measurements.services.double_entry import (
    Choice,
    PassOutcome,
    begin_batch,
    check_pass,
    record_pass,
    settle_pairs,
)
from measurements.services.grid import CellFinding
from measurements.services.results import laboratory_of
from measurements.units.spelling import readable_unit
from measurements.views.grid import Column, accepted_at, choice_page, not_saved, refused, shown_rows, told, typed_in
from trials.access import Actor, actor_of, has_permission
from trials.errors import RuleBroken
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.trials import visible_trial

PAGE_LENGTH = 50
STATE_LABELS = {
    "begun": gettext_lazy("Begun"),
    "awaiting_second": gettext_lazy("Awaits the second entry"),
    "to_resolve": gettext_lazy("To settle"),
    "done": gettext_lazy("Done"),
}
STATE_BADGES = {"begun": "plain", "awaiting_second": "info", "to_resolve": "warn", "done": "ok"}


@require_http_methods(["GET", "POST"])
def entry_batches(request: HttpRequest, slug: str) -> HttpResponse:
    """List the batches; begin the one that the address describes."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    if request.method == "POST":
        return _begin(request, trial, by)
    page = Paginator(batches_visible_to(by, trial), PAGE_LENGTH).get_page(request.GET.get("page"))
    lines = [
        {"progress": each, "label": STATE_LABELS[each.state], "badge": STATE_BADGES[each.state]}
        for each in progress_of(page.object_list, by, trial)
    ]
    context = {
        "trial": trial,
        "page": page,
        "lines": lines,
        "may_settle": has_permission(by, Permission.RESULT_CORRECT, trial),
        "crumbs": [(_("Batch entry"), reverse("entry", kwargs={"slug": slug}))],
    }
    return render(request, "measurements/entry_batches.html", context)


def _begin(request: HttpRequest, trial: Trial, by: Actor) -> HttpResponse:
    form = GridForm(trial, entry_sites(by, trial), request.GET)
    if not form.is_valid():
        return choice_page(request, trial, form, by, status=422)
    try:
        key = request.POST.get("key", "") or uuid.uuid4().hex
        batch = begin_batch(trial=trial, wish=form.wish, key=key, by=by)
    except RuleBroken as error:
        if error.status == 403:
            raise
        messages.error(request, error.sentence)
        return choice_page(request, trial, form, by, status=error.status)
    return redirect("entry-batch", slug=trial.slug, number=batch.pk)


@require_http_methods(["GET", "POST"])
def entry_batch(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show one person's pass of a batch; keep what was typed, all of it or nothing."""
    by = actor_of(request)
    batch = visible_batch(number, by, visible_trial(slug, by))
    if request.method == "GET":
        return _pass_page(request, batch, by)
    typed = typed_in(request.POST)
    try:
        outcome = record_pass(batch=batch, typed=typed, by=by, page=_page_number(request))
    except RuleBroken as error:
        if error.status == 403:
            raise
        return refused(request, error.sentence, {}, lambda: _pass_page(request, batch, by, typed), error.status)
    if not outcome.is_saved:
        findings = outcome.findings
        page = lambda: _pass_page(request, batch, by, typed, findings)  # noqa: E731 - made where its arguments are
        return refused(request, not_saved(findings), findings, page)
    messages.success(request, _kept(outcome))
    return accepted_at(request, request.get_full_path())


@require_POST
def entry_batch_check(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Say what the row checker says of the cells that are sent; nothing is kept."""
    by = actor_of(request)
    batch = visible_batch(number, by, visible_trial(slug, by))
    findings = check_pass(batch=batch, typed=typed_in(request.POST), by=by, page=_page_number(request))
    return JsonResponse({"cells": told(findings)})


@require_http_methods(["GET", "POST"])
def entry_compare(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show the cells that differ, and settle those for which something is chosen."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    batch = visible_batch(number, by, trial)
    if request.method == "GET":
        return _compare_page(request, batch, by, {}, {})
    choices = _choices(request)
    try:
        outcome = settle_pairs(batch=batch, choices=choices, by=by)
    except RuleBroken as error:
        if error.status == 403:
            raise
        messages.error(request, error.sentence)
        return _compare_page(request, batch, by, choices, {}, status=error.status)
    if not outcome.is_saved:
        messages.error(request, not_saved(outcome.findings))
        return _compare_page(request, batch, by, choices, outcome.findings, status=422)
    said = ngettext(
        "%(n)s difference is settled and recorded.", "%(n)s differences are settled and recorded.", outcome.typed
    )
    messages.success(request, said % {"n": outcome.typed})
    return redirect("entry-compare", slug=slug, number=number)


def _choices(request: HttpRequest) -> dict[str, Choice]:
    """What was chosen, by cell; cells without a choice are left for later."""
    sent = request.POST
    cells = [name.removesuffix("-choice") for name in sent if name.startswith("c") and name.endswith("-choice")]
    return {
        cell: Choice(chosen, sent.get(f"{cell}-reason", ""), sent.get(f"{cell}-text", ""))
        for cell in cells
        if (chosen := sent.get(f"{cell}-choice", ""))
    }


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:7]) <= 100_000 else 1


def _kept(outcome: PassOutcome) -> str:
    said = ngettext("%(n)s value is kept.", "%(n)s values are kept.", outcome.typed) % {"n": outcome.typed}
    if outcome.agreed:
        said += " " + ngettext(
            "%(n)s agrees with the other entry and is recorded.",
            "%(n)s agree with the other entry and are recorded.",
            outcome.agreed,
        ) % {"n": outcome.agreed}
    if outcome.differing:
        said += " " + ngettext(
            "%(n)s differs and is to be settled.", "%(n)s differ and are to be settled.", outcome.differing
        ) % {"n": outcome.differing}
    if outcome.typed and not (outcome.agreed or outcome.differing):
        said += " " + _("Somebody else types them a second time; then they are recorded.")
    return said


def _pass_page(
    request: HttpRequest,
    batch: EntryBatch,
    by: Actor,
    typed: dict[str, str] | None = None,
    findings: Any = None,
) -> HttpResponse:
    slug, number = batch.trial.slug, batch.pk
    grid, shown = batch_grid(batch, laboratory_of(by, batch.trial), by, page=_page_number(request))
    address = {"slug": slug, "number": number}
    (progress,) = progress_of([batch], by, batch.trial)
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    context = {
        "trial": batch.trial,
        "batch": batch,
        "grid": grid,
        "progress": progress,
        "columns": [Column(biomarker) for biomarker in grid.wish.biomarkers],
        "rows": shown_rows(grid, shown | (typed or {}), findings or {}),
        "save_url": reverse("entry-batch", kwargs=address) + query,
        "check_url": reverse("entry-batch-check", kwargs=address) + query,
        "may_save": any(cell.is_open for row in grid.rows for cell in row.cells),
        "may_settle": progress.to_resolve and has_permission(by, Permission.RESULT_CORRECT, batch.trial),
        "crumbs": _crumbs(slug),
    }
    return render(request, "measurements/entry_batch.html", context)


def _crumbs(slug: str) -> list[tuple[str, str]]:
    return [
        (_("Batch entry"), reverse("entry", kwargs={"slug": slug})),
        (_("Double entry"), reverse("entry-batches", kwargs={"slug": slug})),
    ]


def _compare_page(
    request: HttpRequest,
    batch: EntryBatch,
    by: Actor,
    choices: dict[str, Choice],
    findings: Any,
    *,
    status: int = 200,
) -> HttpResponse:
    pairs = pairs_to_resolve(batch, laboratory_of(by, batch.trial), by)
    (progress,) = progress_of([batch], by, batch.trial)
    context = {
        "trial": batch.trial,
        "batch": batch,
        "progress": progress,
        "lines": [_compared(pair, choices.get(pair.name), findings.get(pair.name)) for pair in pairs],
        "may_settle": has_permission(by, Permission.RESULT_CORRECT, batch.trial),
        "crumbs": _crumbs(batch.trial.slug),
    }
    return render(request, "measurements/entry_compare.html", context, status=status)


def _compared(pair: Pair, choice: Choice | None, finding: CellFinding | None) -> dict[str, Any]:
    """One difference, with what was chosen and what is wrong with it."""
    options = [
        (EntrySettlement.Choice.FIRST, text_of(pair.first), pair.first.by),
        (EntrySettlement.Choice.SECOND, text_of(pair.second), pair.second.by),
    ]
    return {
        "pair": pair,
        "unit": readable_unit(pair.cell.biomarker.unit),
        "options": options,
        "choice": choice,
        "finding": finding,
    }
