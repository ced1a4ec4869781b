"""Batch entry: choosing what to enter, the grid, the check of its cells, and saving it once."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from measurements.forms.grid import GridForm
from measurements.models import Biomarker
from measurements.selectors.grid import Grid, GridCell, GridRow, entry_sites, grid_of, people_due
from measurements.services.entries import shown_value
from measurements.services.grid import CellFinding, GridOutcome, check_cells, record_grid
from measurements.services.results import laboratory_of
from measurements.units.spelling import readable_unit
from trials.access import Actor, actor_of, has_permission
from trials.errors import RuleBroken
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.trials import visible_trial


@dataclass(frozen=True)
class Column:
    """A biomarker as the head of a column."""

    biomarker: Biomarker

    @property
    def unit(self) -> str:
        """Return the unit as people read it."""
        return readable_unit(self.biomarker.unit)


@dataclass(frozen=True)
class ShownCell:
    """A cell with what stands in it and what is said of it."""

    cell: GridCell
    value: str
    recorded: str
    state: str = ""
    sentence: str = ""
    is_typed: bool = False


@require_safe
def entry(request: HttpRequest, slug: str) -> HttpResponse:
    """Choose what to enter."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    form = GridForm(trial, entry_sites(by, trial))
    return choice_page(request, trial, form, by)


@require_http_methods(["GET", "POST"])
def entry_grid(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the grid that the address describes; save what was typed, all of it or nothing."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    form = GridForm(trial, entry_sites(by, trial), request.GET)
    if not request.GET:
        return redirect("entry", slug=slug)
    if not form.is_valid():
        return choice_page(request, trial, form, by, status=422)
    if form.cleaned_data["twice"]:
        return begin_page(request, trial, form, by)
    grid = grid_of(trial, form.wish, laboratory_of(by, trial), by)
    if request.method == "GET":
        return _page(request, grid)
    try:
        outcome = record_grid(grid=grid, typed=typed_in(request.POST), by=by, **sent_beside(request.POST))
    except RuleBroken as error:
        if error.status == 403:
            raise
        return refused(request, error.sentence, {}, lambda: _page(request, grid, typed_in(request.POST)), error.status)
    if not outcome.is_saved:
        findings = outcome.findings
        sentence = not_saved(findings)
        return refused(request, sentence, findings, lambda: _page(request, grid, typed_in(request.POST), findings))
    messages.success(request, _saved(trial, outcome))
    return accepted_at(request, request.get_full_path())


@require_POST
def entry_check(request: HttpRequest, slug: str) -> HttpResponse:
    """Say what would be said of the cells that are sent; nothing is saved."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    form = GridForm(trial, entry_sites(by, trial), request.GET)
    if not form.is_valid():
        return JsonResponse({"sentence": _("Choose what to enter again."), "cells": {}}, status=422)
    grid = grid_of(trial, form.wish, laboratory_of(by, trial), by)
    reason = request.POST.get("reason", "")
    return JsonResponse({"cells": told(check_cells(grid=grid, typed=typed_in(request.POST), reason=reason, by=by))})


def choice_page(request: HttpRequest, trial: Trial, form: GridForm, by: Actor, *, status: int = 200) -> HttpResponse:
    """Answer with the page on which a grid is chosen."""
    context = {
        "trial": trial,
        "form": form,
        "may_change": has_permission(by, Permission.RESULT_CORRECT, trial),
        "is_open": trial.data_state == Trial.DataState.OPEN,
        "has_biomarkers": Biomarker.objects.filter(trial=trial).exists(),
    }
    return render(request, "measurements/entry.html", context, status=status)


def begin_page(request: HttpRequest, trial: Trial, form: GridForm, by: Actor) -> HttpResponse:
    """Answer with what a batch of double entry would hold, and the button that begins it."""
    wish = form.wish
    context = {
        "trial": trial,
        "wish": wish,
        "columns": [Column(biomarker) for biomarker in wish.biomarkers],
        "people": people_due(trial, wish, by).count(),
        "begin_url": f"{reverse('entry-batches', kwargs={'slug': trial.slug})}?{request.GET.urlencode()}",
        "key": uuid.uuid4().hex,
        "crumbs": [(_("Batch entry"), reverse("entry", kwargs={"slug": trial.slug}))],
    }
    return render(request, "measurements/entry_begin.html", context)


def typed_in(sent: QueryDict) -> dict[str, str]:
    """Return what stands in the cells of a sent grid, by their names."""
    return {name: sent.get(name, "") for name in sent if name.startswith("c") and "-" in name}


def sent_beside(sent: QueryDict) -> dict[str, str]:
    """Return what a grid sends beside its cells: the one reason for changes, and the form's key."""
    return {"reason": sent.get("reason", ""), "key": sent.get("key", "")}


def told(findings: Mapping[str, CellFinding]) -> dict[str, dict[str, str]]:
    """Return findings as the script reads them."""
    return {name: asdict(finding) for name, finding in findings.items()}


def not_saved(findings: Mapping[str, CellFinding]) -> str:
    """Return the sentence for a grid that was refused."""
    count = sum(finding.state == "error" for finding in findings.values())
    return ngettext(
        "Nothing was saved: %(count)s value needs a look. It is marked in the table.",
        "Nothing was saved: %(count)s values need a look. They are marked in the table.",
        count,
    ) % {"count": count}


def wants_json(request: HttpRequest) -> bool:
    """Whether the grid's script asks; without it, pages are answered."""
    return request.headers.get("Accept") == "application/json"


def refused(
    request: HttpRequest, sentence: str, findings: Mapping[str, CellFinding], page: Any, status: int = 422
) -> HttpResponse:
    """Answer a grid that was not saved: what is said of its cells, or the page with everything that was typed."""
    if wants_json(request):
        return JsonResponse({"sentence": sentence, "cells": told(findings)}, status=status)
    messages.error(request, sentence)
    response: HttpResponse = page()
    response.status_code = status
    return response


def accepted_at(request: HttpRequest, url: str) -> HttpResponse:
    """Answer a grid that was saved: go on to `url`."""
    return JsonResponse({"url": url}) if wants_json(request) else redirect(url)


def shown_rows(
    grid: Grid, typed: Mapping[str, str], findings: Mapping[str, CellFinding]
) -> list[tuple[GridRow, list[ShownCell]]]:
    """Return the rows as the template shows them, with what was typed and what is said of it."""
    return [(row, [_shown(cell, typed, findings) for cell in row.cells]) for row in grid.rows]


def _shown(cell: GridCell, typed: Mapping[str, str], findings: Mapping[str, CellFinding]) -> ShownCell:
    recorded = shown_value(cell.result)
    finding = findings.get(cell.name)
    value = typed.get(cell.name, recorded)
    # Recorded by somebody else since the page was opened: what was typed stays, to be compared.
    is_typed = cell.is_open or (finding is not None and bool(value))
    state, sentence = (finding.state, finding.sentence) if finding else ("", "")
    return ShownCell(cell, value, recorded, state, sentence, is_typed)


def _saved(trial: Trial, outcome: GridOutcome) -> Any:
    body = outcome.body
    if not body:
        return _("These values are saved: the form came twice.")
    count = body["created"] + body["corrected"]
    said = ngettext("%(count)s value is saved.", "%(count)s values are saved.", count) % {"count": count}
    if body["unchanged"]:
        said += " " + _("%(count)s were recorded already.") % {"count": body["unchanged"]}
    if body["held"]:
        said += " " + _("%(count)s are held: the data were closed meanwhile.") % {"count": body["held"]}
    asked = sum(finding["code"] == "value_implausible" for finding in body["warnings"])
    if asked:
        said += " " + ngettext("A query asks about %(n)s of them.", "Queries ask about %(n)s of them.", asked) % {
            "n": asked
        }
    url = reverse("submission", kwargs={"slug": trial.slug, "reference": body["submission"]})
    return format_html('{} <a href="{}">{}</a>', said, url, _("See the submission"))


def _page(
    request: HttpRequest,
    grid: Grid,
    typed: Mapping[str, str] | None = None,
    findings: Mapping[str, CellFinding] | None = None,
) -> HttpResponse:
    slug = grid.trial.slug
    query = request.GET.urlencode()
    context = {
        "trial": grid.trial,
        "grid": grid,
        "columns": [Column(biomarker) for biomarker in grid.wish.biomarkers],
        "rows": shown_rows(grid, typed or {}, findings or {}),
        "save_url": f"{reverse('entry-grid', kwargs={'slug': slug})}?{query}",
        "check_url": f"{reverse('entry-check', kwargs={'slug': slug})}?{query}",
        "again_url": reverse("entry", kwargs={"slug": slug}),
        "key": request.POST.get("key") or uuid.uuid4().hex,
        "reason": request.POST.get("reason", ""),
        "may_save": any(cell.is_open for row in grid.rows for cell in row.cells),
        "asks_reason": grid.wish.changes,
        "crumbs": [(_("Batch entry"), reverse("entry", kwargs={"slug": slug}))],
    }
    return render(request, "measurements/grid.html", context)
