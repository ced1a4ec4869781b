"""What a trial measures: the list, choices from the catalogue, biomarkers of the trial's own, and changes of them."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from measurements.forms.biomarkers import BiomarkerChangeForm, BiomarkerForm, CatalogueForm
from measurements.models import Biomarker
from measurements.selectors.listings import assays_of, biomarkers_of
from measurements.services.catalogue import OPEN_TO_CHANGE, add_biomarkers, is_recorded, revise_biomarker
from measurements.units.spelling import readable_unit
from measurements.views.entries import plain_number, usual_range
from trials.access import Actor, actor_of, has_permission
from trials.errors import NotAllowed, NotFound
from trials.forms.fields import accepted
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

COLUMNS = (
    "code",
    "name",
    "outcome_class",
    "direction",
    "analysis_scale",
    "unit",
    "molar_mass",
    "plausible_low",
    "plausible_high",
    "may_be_negative",
    "specimen_type",
    "is_awaited",
    "tells_arm",
    "loinc",
    "loinc_source",
    "loinc_verified",
    "aliases",
)
SORTS: dict[str, Callable[[Biomarker], Any]] = {
    "name": lambda each: each.name.casefold(),
    "code": lambda each: each.code,
    "class": lambda each: Biomarker.OutcomeClass.values.index(each.outcome_class),
}


@require_http_methods(["GET", "POST"])
def biomarkers(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what is measured, and the catalogue to choose from; a refused choice comes back as 422."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    measured = list(biomarkers_of(by, trial))
    form = CatalogueForm((each.code for each in measured), request.POST if request.method == "POST" else None)
    if form.is_valid() and accepted(
        form, lambda: add_biomarkers(trial=trial, biomarkers=form.cleaned_data["codes"], by=by)
    ):
        count = len(form.cleaned_data["codes"])
        told = ngettext("%(count)d biomarker added.", "%(count)d biomarkers added.", count)
        messages.success(request, told % {"count": count})
        return redirect("biomarkers", slug=slug)
    methods = assays_of(by, trial)
    context = {
        "trial": trial,
        "rows": [
            (each, readable_unit(each.unit), usual_range(each), plain_number(each.molar_mass), methods.get(each.pk, []))
            for each in _listed(request, measured)
        ],
        "has_any": bool(measured),
        "classes": [choice for choice in Biomarker.OutcomeClass.choices if choice[0] in _classes(measured)],
        "class": request.GET.get("class", ""),
        "form": form,
        "groups": [(name, [(each, readable_unit(each.unit)) for each in group]) for name, group in form.groups()],
        "is_open": not measured or form.is_bound,
        "may_choose": _may_choose(by, trial),
        "may_add_assays": has_permission(by, Permission.LABORATORY_MANAGE, trial),
    }
    return render(request, "measurements/biomarkers.html", context, status=422 if form.is_bound else 200)


@require_safe
def biomarkers_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Everything about each biomarker of the list as it is narrowed and sorted."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    rows = (_csv_row(each) for each in _listed(request, list(biomarkers_of(by, trial))))
    return csv_answer(f"{trial.slug}_biomarkers", COLUMNS, rows)


@require_http_methods(["GET", "POST"])
def biomarker_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Define a biomarker of the trial's own."""
    by = actor_of(request)
    trial = _designable(slug, by)
    form = BiomarkerForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and accepted(form, lambda: add_biomarkers(trial=trial, biomarkers=[form.definition], by=by)):
        messages.success(request, _("%(name)s is added.") % {"name": form.cleaned_data["name"]})
        return redirect("biomarkers", slug=slug)
    return _form_page(request, trial, form, heading=_("Define a biomarker"), action=_("Add this biomarker"))


@require_http_methods(["GET", "POST"])
def biomarker_change(request: HttpRequest, slug: str, biomarker: str) -> HttpResponse:
    """Change what is said of a biomarker; what its recorded numbers mean is refused."""
    by = actor_of(request)
    trial = _designable(slug, by)
    found = biomarkers_of(by, trial).filter(code=biomarker).first()
    if found is None:
        raise NotFound("biomarker_unknown", "There is no such biomarker in this trial.")
    form = BiomarkerChangeForm(found, request.POST if request.method == "POST" else None)
    if form.is_valid() and accepted(
        form,
        lambda: revise_biomarker(
            biomarker=found, definition=form.definition, by=by, reason=form.cleaned_data["reason"]
        ),
    ):
        messages.success(request, _("%(name)s is saved.") % {"name": form.cleaned_data["name"]})
        return redirect("biomarkers", slug=slug)
    more = {"is_recorded": is_recorded(found), "is_change": True}
    form.fields["reason"].required = more["is_recorded"] or trial.status != Trial.Status.DRAFT  # shown so
    return _form_page(request, trial, form, heading=found.name, action=_("Save the changes"), **more)


def _may_choose(by: Actor, trial: Trial) -> bool:
    """Whether buttons are shown; the service asks again."""
    may = any(has_permission(by, each, trial) for each in (Permission.TRIAL_DESIGN, Permission.TRIAL_RUN))
    return may and trial.status in OPEN_TO_CHANGE


def _designable(slug: str, by: Actor) -> Trial:
    trial = visible_trial(slug, by)
    if not any(has_permission(by, each, trial) for each in (Permission.TRIAL_DESIGN, Permission.TRIAL_RUN)):
        raise NotAllowed("not_allowed", "Your role in this trial does not include choosing what it measures.")
    return trial


def _form_page(
    request: HttpRequest, trial: Trial, form: BiomarkerForm, *, heading: str, action: str, **more: Any
) -> HttpResponse:
    context = {"trial": trial, "form": form, "heading": heading, "action": action, **more}
    return render(request, "measurements/biomarker.html", context, status=422 if form.is_bound else 200)


def _classes(measured: Sequence[Biomarker]) -> set[str]:
    return {each.outcome_class for each in measured}


def _listed(request: HttpRequest, measured: list[Biomarker]) -> list[Biomarker]:
    """The biomarkers of the wished class in the wished order; else in that of the protocol."""
    wished, sort = request.GET.get("class", ""), request.GET.get("sort", "")
    found = [each for each in measured if wished in ("", each.outcome_class)]
    key = SORTS.get(sort.removeprefix("-"))
    return sorted(found, key=key, reverse=sort.startswith("-")) if key else found


def _csv_row(each: Biomarker) -> list[object]:
    """Cells in the order of `COLUMNS`, numbers without needless zeros."""
    cells = [getattr(each, name) for name in COLUMNS[:-1]]
    plain = [plain_number(cell).replace("\N{MINUS SIGN}", "-") if hasattr(cell, "as_tuple") else cell for cell in cells]
    return [*plain, "; ".join(each.aliases)]
