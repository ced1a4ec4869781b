"""Assays: the laboratories' methods in their versions, with limits and precision."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from measurements.forms.assays import NewAssayForm, RevisionForm, initial_of, laboratories_of
from measurements.models import Assay
from measurements.selectors.plates import assays_listed, visible_assay
from measurements.services.assays import add_assay, revise_assay
from trials import audit
from trials.access import actor_of, has_permission, require
from trials.forms.fields import accepted
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_LENGTH = 50
ORDERS = {
    "biomarker": ("biomarker__position", "laboratory__name", "code", "valid_from"),
    "laboratory": ("laboratory__name", "biomarker__position", "code", "valid_from"),
    "code": ("code", "valid_from"),
    "from": ("valid_from", "code"),
}
COLUMNS = (
    "laboratory", "biomarker", "assay", "version", "method", "unit", "llod", "lloq", "uloq", "intra_assay_cv",
    "inter_assay_cv", "replicate_cv_limit", "valid_from", "valid_to",
)  # fmt: skip


@require_safe
def assays(request: HttpRequest, slug: str) -> HttpResponse:
    """List every version; `biomarker`, `laboratory` and `in_use` narrow it, `sort` orders it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = _filtered(request, assays_listed(by, trial))
    page = Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "trial": trial,
        "page": page,
        "rows": [(each, _limits(each)) for each in page],
        "biomarkers": trial.biomarkers.all(),
        "laboratories": laboratories_of(trial),
        "may_manage": has_permission(by, Permission.LABORATORY_MANAGE, trial),
        "is_filtered": any(request.GET.get(name) for name in ("biomarker", "laboratory", "in_use")),
        **{name: request.GET.get(name, "") for name in ("biomarker", "laboratory", "in_use")},
    }
    return render(request, "measurements/assays.html", context)


@require_safe
def assays_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Every version of the list as it is filtered and sorted."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = _filtered(request, assays_listed(by, trial))
    audit.record_read("assays.downloaded", by=by, trial=trial, target=trial)
    return csv_answer(f"{trial.slug}_assays", COLUMNS, map(_row, found))


@require_http_methods(["GET", "POST"])
def assay_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Add an assay; `version_of` starts from what is recorded of another version."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.LABORATORY_MANAGE, trial)
    form = NewAssayForm(trial, request.POST or None, initial=_initial(request, trial))
    if form.is_valid() and accepted(form, lambda: add_assay(trial=trial, by=by, **form.assay)):
        messages.success(request, _("The assay is recorded. Rows of its days are judged by it from now on."))
        return redirect("assays", slug=slug)
    return _form_page(request, trial, form)


@require_http_methods(["GET", "POST"])
def assay(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show a version, and put it right."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    known = visible_assay(by, trial, number)
    form = RevisionForm(request.POST or None, initial=initial_of(known))
    if form.is_valid() and accepted(
        form, lambda: revise_assay(assay=known, by=by, reason=form.cleaned_data["reason"], **form.described)
    ):
        messages.success(request, _("Saved. Results keep the limits that they were recorded with."))
        return redirect("assays", slug=slug)
    may_manage = has_permission(by, Permission.LABORATORY_MANAGE, trial)
    return _form_page(request, trial, form, known=known, used=known.results.count(), may_manage=may_manage)


def _form_page(request: HttpRequest, trial: Trial, form: Any, **context: Any) -> HttpResponse:
    context = {"trial": trial, "form": form, "may_manage": True, **context}
    return render(request, "measurements/assay.html", context, status=422 if form.errors else 200)


def _initial(request: HttpRequest, trial: Trial) -> dict[str, Any]:
    number = request.GET.get("version_of", "")
    known = Assay.objects.filter(trial=trial, pk=int(number)).first() if _is_number(number) else None
    if known is None:
        return {}
    same = {"biomarker": known.biomarker_id, "laboratory": known.laboratory_id, "code": known.code, "version": ""}
    return initial_of(known) | same | {"valid_to": None}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _filtered(request: HttpRequest, found: QuerySet[Assay]) -> QuerySet[Assay]:
    asked = request.GET
    if _is_number(asked.get("laboratory", "")):
        found = found.filter(laboratory_id=int(asked["laboratory"]))
    if asked.get("biomarker"):
        found = found.filter(biomarker__code=asked["biomarker"])
    if asked.get("in_use") == "yes":
        found = found.exclude(valid_to__lt=timezone.localdate())
    sort = asked.get("sort", "")
    names = ORDERS.get(sort.removeprefix("-"), ORDERS["biomarker"])
    return found.order_by(*(f"-{name}" if sort.startswith("-") else name for name in names), "pk")


def _limits(assay: Assay) -> list[str | None]:
    """Limits and precision as people write them, without exponent and needless zeros."""
    limits = (assay.lower_limit_of_detection, assay.lower_limit_of_quantification, assay.upper_limit_of_quantification)
    precision = (assay.intra_assay_cv, assay.inter_assay_cv, assay.replicate_cv_limit)
    return [None if each is None else f"{each.normalize():f}" for each in (*limits, *precision)]


def _row(assay: Assay) -> tuple[object, ...]:
    return (
        assay.laboratory.name,
        assay.biomarker.code,
        assay.code,
        assay.version,
        assay.method,
        assay.unit,
        *_limits(assay),
        assay.valid_from,
        assay.valid_to,
    )
