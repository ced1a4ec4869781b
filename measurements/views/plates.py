"""Plates: the list, one with its replicates and controls, control lots, and random layouts."""

from collections.abc import Callable
from itertools import groupby
from string import ascii_uppercase
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from measurements.forms.assays import laboratories_of
from measurements.forms.plates import (
    ControlsForm,
    LayoutForm,
    MaterialRevisionForm,
    NewMaterialForm,
    NewPlateForm,
    PlateForm,
)
from measurements.models import PlateLayout
from measurements.plates.layout import FORMS
from measurements.selectors.plates import (
    OUTCOMES,
    PlateLine,
    add_replicates,
    layouts_of,
    materials_of,
    plate_of,
    plates_of,
    visible_layout,
)
from measurements.services.plates import (
    add_control_material,
    draw_plate_layout,
    record_control_values,
    register_plate,
    revise_control_material,
)
from measurements.units.spelling import readable_unit
from trials import audit
from trials.access import Actor, actor_of, has_permission, require
from trials.errors import NotFound
from trials.forms.fields import accepted
from trials.models import Laboratory, Trial
from trials.permissions import Permission
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_LENGTH = 50
OUTCOME_WORDS = {
    "rejected": gettext_lazy("Rejected"),
    "warning": gettext_lazy("Warning"),
    "in_control": gettext_lazy("In control"),
    "no_controls": gettext_lazy("No controls"),
}
ORDERS: dict[str, Callable[[PlateLine], Any]] = {
    "plate": lambda line: line.code,
    "laboratory": lambda line: (line.laboratory.name, line.code),
    "performed": lambda line: (line.performed_on is not None, line.performed_on, line.code),
    "results": lambda line: (line.results, line.code),
}
COLUMNS = (
    "laboratory", "plate", "performed_on", "kit_lot", "results", "specimens", "biomarkers", "controls", "rules",
    "replicate_cv_percent", "specimens_whose_replicates_differ", "note",
)  # fmt: skip
LAYOUT_COLUMNS = ("plate", "well", "content", "name", "replicate")


@require_http_methods(["GET", "POST"])
def plates(request: HttpRequest, slug: str) -> HttpResponse:
    """List plates, the newest first; `laboratory` and `controls` narrow it. A posted run is opened to be described."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    form = NewPlateForm(trial, request.POST or None)
    if request.method == "POST" and form.is_valid():
        require(by, Permission.LABORATORY_MANAGE, trial)
        return redirect(_address(slug, form.cleaned_data["laboratory"].pk, form.cleaned_data["code"].strip()))
    lines = _filtered(request, plates_of(by, trial))
    page = Paginator(lines, PAGE_LENGTH).get_page(request.GET.get("page"))
    add_replicates(list(page), by, trial)
    context = {
        "trial": trial,
        "page": page,
        "rows": [(line, _address(slug, line.laboratory.pk, line.code), OUTCOME_WORDS[line.outcome]) for line in page],
        "laboratories": laboratories_of(trial),
        "outcomes": OUTCOME_WORDS.items(),
        "form": form,
        "may_manage": has_permission(by, Permission.LABORATORY_MANAGE, trial),
        "is_filtered": any(request.GET.get(name) for name in ("laboratory", "controls")),
        **{name: request.GET.get(name, "") for name in ("laboratory", "controls")},
    }
    return render(request, "measurements/plates.html", context, status=422 if form.errors else 200)


@require_safe
def plates_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Every plate of the list as it is filtered and sorted."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    lines = _filtered(request, plates_of(by, trial))
    add_replicates(lines, by, trial)
    audit.record_read("plates.downloaded", by=by, trial=trial, target=trial)
    return csv_answer(f"{trial.slug}_plates", COLUMNS, map(_row, lines))


@require_http_methods(["GET", "POST"])
def plate(request: HttpRequest, slug: str, laboratory: int) -> HttpResponse:
    """One plate, named by `run`: what is known of it, its controls and replicates, and the forms for the first two."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    run = request.GET.get("run", "")
    may_manage = has_permission(by, Permission.LABORATORY_MANAGE, trial)
    known = laboratories_of(trial).filter(pk=laboratory).first()
    if known is None:
        raise NotFound("plate_unknown", "There is no plate of this name that you may see.")
    line = _line_of(by, trial, known, run, may_manage=may_manage)
    step = request.POST.get("step", "")
    materials = materials_of(by, trial).filter(assay__laboratory=known)
    told = PlateForm(known, trial, line.plate, request.POST if step == "plate" else None)
    controls = ControlsForm(materials, request.POST if step == "controls" else None)
    steps: dict[str, tuple[PlateForm | ControlsForm, Callable[[], object]]] = {
        "plate": (
            told,
            lambda: register_plate(trial=trial, laboratory=known, code=run, details=told.details, by=by),
        ),
        "controls": (
            controls,
            lambda: record_control_values(
                trial=trial,
                laboratory=known,
                code=run,
                readings=controls.readings,
                measured_at=controls.cleaned_data["measured_at"],
                by=by,
                reason=controls.cleaned_data["reason"],
            ),
        ),
    }
    if step in steps:
        form, act = steps[step]
        if form.is_valid() and accepted(form, act):
            messages.success(request, _("Saved."))
            return redirect(_address(slug, laboratory, run))
    context = {
        "trial": trial,
        "line": line,
        "outcome": OUTCOME_WORDS[line.outcome],
        "replicated": [(each, readable_unit(each.unit), _shown(each.values)) for each in _worst_first(line)],
        "form": told,
        "controls_form": controls,
        "may_manage": may_manage,
    }
    return render(request, "measurements/plate.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "POST"])
def control_materials(request: HttpRequest, slug: str) -> HttpResponse:
    """List the lots of control samples with their targets, and describe another one."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    form = NewMaterialForm(trial, request.POST or None)
    if form.is_valid() and accepted(form, lambda: add_control_material(by=by, **form.cleaned_data)):
        messages.success(request, _("The control is recorded. Its values can be entered on the plates’ pages."))
        return redirect("control-materials", slug=slug)
    page = Paginator(materials_of(by, trial), PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "trial": trial,
        "page": page,
        "rows": [(each, _plain(each.target_mean), _plain(each.target_sd)) for each in page],
        "form": form,
        "may_manage": has_permission(by, Permission.LABORATORY_MANAGE, trial),
    }
    return render(request, "measurements/control_materials.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def control_material(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Change what a lot is judged by."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.LABORATORY_MANAGE, trial)
    known = materials_of(by, trial).filter(pk=number).first()
    if known is None:
        raise NotFound("control_unknown", "There is no control of this number that you may see.")
    initial = {"mean": _plain(known.target_mean), "sd": _plain(known.target_sd), "source": known.source}
    form = MaterialRevisionForm(request.POST or None, initial=initial)
    if form.is_valid() and accepted(form, lambda: revise_control_material(material=known, by=by, **form.cleaned_data)):
        messages.success(request, _("Saved. All its values are judged by this target now."))
        return redirect("control-materials", slug=slug)
    context = {"trial": trial, "known": known, "form": form}
    return render(request, "measurements/control_material.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def plate_layouts(request: HttpRequest, slug: str) -> HttpResponse:
    """List the layouts that were drawn, and draw another one."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    form = LayoutForm(trial, request.POST or None)
    drawn: list[PlateLayout] = []
    if form.is_valid() and accepted(form, lambda: drawn.append(draw_plate_layout(by=by, **form.drawn))):
        return redirect("plate-layout", slug=slug, reference=drawn[0].reference)
    page = Paginator(layouts_of(by, trial), PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "trial": trial,
        "page": page,
        "rows": [(each, len(each.plates), _specimens_in(each)) for each in page],
        "form": form,
        "may_manage": has_permission(by, Permission.LABORATORY_MANAGE, trial),
    }
    return render(request, "measurements/plate_layouts.html", context, status=422 if form.errors else 200)


@require_safe
def plate_layout(request: HttpRequest, slug: str, reference: UUID) -> HttpResponse:
    """Show a layout as grids, to print."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    layout = visible_layout(by, trial, reference)
    context = {
        "trial": trial,
        "layout": layout,
        "grids": [_grid(wells, layout.specification["form"]["wells"]) for wells in layout.plates],
        "specimens": _specimens_in(layout),
    }
    return render(request, "measurements/plate_layout.html", context)


@require_safe
def plate_layout_csv(request: HttpRequest, slug: str, reference: UUID) -> HttpResponseBase:
    """The layout for a pipetting robot: well, what is in it, its replicate. No participant and no arm."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    layout = visible_layout(by, trial, reference)
    audit.record_read("plate_layout.downloaded", by=by, trial=trial, target=layout)
    rows = ((number, *well) for number, wells in enumerate(layout.plates, 1) for well in wells)
    return csv_answer(f"{trial.slug}_plate_layout", LAYOUT_COLUMNS, rows)


def _line_of(by: Actor, trial: Trial, laboratory: Laboratory, run: str, *, may_manage: bool) -> PlateLine:
    """The plate; for those who may describe one also a run that nothing is known of yet."""
    try:
        return plate_of(by, trial, laboratory.pk, run)
    except NotFound:
        if not (may_manage and run):
            raise
        return PlateLine(laboratory, run)


def _address(slug: str, laboratory: int, run: str) -> str:
    return f"{reverse('plate', kwargs={'slug': slug, 'laboratory': laboratory})}?{urlencode({'run': run})}"


def _filtered(request: HttpRequest, lines: list[PlateLine]) -> list[PlateLine]:
    laboratory, controls = request.GET.get("laboratory", ""), request.GET.get("controls", "")
    sort = request.GET.get("sort", "-performed")
    kept = [
        line
        for line in lines
        if (not laboratory or str(line.laboratory.pk) == laboratory)
        and (controls not in OUTCOMES or line.outcome == controls)
    ]
    order = ORDERS.get(sort.removeprefix("-"), ORDERS["performed"])
    return sorted(kept, key=lambda line: _comparable(order(line)), reverse=sort.startswith("-"))


def _comparable(key: Any) -> tuple[str, ...]:
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(f"{part:012d}" if isinstance(part, int) else str(part or "") for part in parts)


def _row(line: PlateLine) -> tuple[object, ...]:
    registered = line.plate
    return (
        line.laboratory.name,
        line.code,
        line.performed_on,
        registered.kit_lot if registered else None,
        line.results,
        line.specimens,
        " ".join(line.biomarkers),
        line.outcome,
        " ".join(line.rules),
        None if line.cv is None else round(line.cv, 3),
        line.differing,
        registered.note if registered else None,
    )


def _worst_first(line: PlateLine) -> list[Any]:
    return sorted(line.replicated, key=lambda each: -(each.spread.cv or 0.0))


def _shown(values: tuple[float, ...]) -> list[str]:
    return [f"{value:.6g}" for value in values]


def _plain(value: Any) -> str:
    return f"{value.normalize():f}"


def _specimens_in(layout: PlateLayout) -> int:
    return len({name for wells in layout.plates for _well, kind, name, _replicate in wells if kind == "specimen"})


def _grid(wells: list[list[Any]], size: int) -> dict[str, Any]:
    """A plate as a table: a head with the columns, and rows of cells (kind, name)."""
    rows, columns = FORMS[size]
    held = {well: (kind, name) for well, kind, name, _replicate in wells}
    words = {"standard": _("Standard"), "blank": _("Blank"), "control": _("Control")}
    lines = []
    for letter in ascii_uppercase[:rows]:
        cells = [held.get(f"{letter}{column}", ("", "")) for column in range(1, columns + 1)]
        # Wells side by side that hold the same are one cell.
        runs = ((kind, name, len(list(same))) for (kind, name), same in groupby(cells))
        named = [(kind, f"{words[kind]} {name}" if kind in words else name, span) for kind, name, span in runs]
        lines.append((letter, named))
    return {"columns": range(1, columns + 1), "rows": lines, "used": len(wells)}
