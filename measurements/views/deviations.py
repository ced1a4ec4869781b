"""Deviations from the protocol: the list, recording one, confirming what a rule found, amending."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from measurements.forms.deviations import DeviationForm, RevisionForm, ToldForm
from measurements.selectors.deviations import (
    DeviationLine,
    Deviations,
    Wish,
    deviations,
    found_deviation,
    visible_deviation,
)
from trials import audit
from trials.access import Actor, actor_of, has_permission, require, sites_where
from trials.errors import NotFound, RuleBroken
from trials.forms.fields import accepted
from trials.models import Deviation, Trial
from trials.models.deviation import rule_tells_arm
from trials.permissions import Permission
from trials.selectors.participants import visible_participant
from trials.selectors.trials import visible_trial
from trials.services.deviations import Place, may_record_at, record_deviation, revise_deviation
from trials.views.csv_answers import csv_answer

PAGE_LENGTH = 50
STANDINGS: Mapping[str, Any] = {
    "": gettext_lazy("All current"),
    "recorded": gettext_lazy("Recorded"),
    "found": gettext_lazy("Found by a rule, to be confirmed"),
    "void": gettext_lazy("Recorded in error"),
}
COLUMNS = (
    "deviation",
    "site",
    "participant",
    "visit",
    "category",
    "severity",
    "occurred_on",
    "description",
    "action",
    "found_by_rule",
    "confirmed",
    "recorded_in_error",
    "reported_by",
    "recorded_at",
)


@require_safe
def deviation_list(request: HttpRequest, slug: str) -> HttpResponse:
    """List deviations, the newest first; `site`, `category`, `severity`, `standing` narrow it, `sort` orders it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    number = int(asked) if (asked := request.GET.get("page", "1")).isdecimal() and len(asked) < 7 else 1
    found = deviations(trial, by, _wish(request, trial, start=PAGE_LENGTH * (max(number, 1) - 1), most=PAGE_LENGTH))
    page = Paginator(range(found.total), PAGE_LENGTH).get_page(number)
    if page.number != max(number, 1):
        found = deviations(trial, by, _wish(request, trial, start=page.start_index() - 1, most=PAGE_LENGTH))
    context = {
        "trial": trial,
        "page": page,
        "lines": found.lines,
        "figures": _figures(found),
        "sites": trial.sites.filter(pk__in=sites_where(by, Permission.SAFETY_VIEW, trial)),
        "categories": Deviation.Category.choices,
        "severities": Deviation.Severity.choices,
        "standings": STANDINGS.items(),
        "may_record": has_permission(by, Permission.SAFETY_RECORD, trial),
        **{name: request.GET.get(name, "") for name in ("site", "category", "severity", "standing")},
    }
    return render(request, "measurements/deviations.html", context)


@require_safe
def deviation_list_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Every line of the list as it is filtered and sorted."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = deviations(trial, by, _wish(request, trial))
    audit.record_read("deviations.downloaded", by=by, trial=trial, target=trial)
    return csv_answer(f"{trial.slug}_deviations", COLUMNS, (_row(line) for line in found.lines))


@require_http_methods(["GET", "POST"])
def deviation_record(request: HttpRequest, slug: str) -> HttpResponse:
    """Record a deviation that somebody saw."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SAFETY_RECORD, trial)
    form = DeviationForm(trial, sites_where(by, Permission.SAFETY_RECORD, trial), request.POST or None)
    if form.is_valid() and accepted(
        form,
        lambda: record_deviation(
            trial=trial, told=form.told, by=by, place=_place(form, trial, by), key=form.cleaned_data["key"]
        ),
    ):
        return _recorded(request, form, slug)
    return _form_page(request, trial, form, heading=_("Record a deviation"))


@require_http_methods(["GET", "POST"])
def deviation_confirm(request: HttpRequest, slug: str, code: str, visit: str, rule: str) -> HttpResponse:
    """Confirm what a rule found: say how grave it is and what was done."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SAFETY_RECORD, trial)
    found = found_deviation(trial, by, participant=code, visit=visit, rule=rule)
    form = ToldForm(request.POST or None, tells_arm=rule_tells_arm(rule, found.visit), initial=_found(found))
    place = Place(participant=visible_participant(code, by, trial), visit=found.visit)
    if form.is_valid() and accepted(
        form, lambda: record_deviation(trial=trial, told=form.told, by=by, place=place, rule=rule)
    ):
        return _recorded(request, form, slug)
    return _form_page(request, trial, form, heading=_("Confirm a deviation"), place=place)


@require_http_methods(["GET", "POST"])
def deviation(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show a deviation, and amend it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    known = visible_deviation(trial, by, number)
    may_record = may_record_at(by, trial, known.site)
    form = RevisionForm(
        request.POST or None,
        tells_arm=rule_tells_arm(known.rule, known.visit),
        initial={name: getattr(known, name) for name in (*ToldForm.base_fields, "is_void")},
    )
    if form.is_valid() and accepted(
        form,
        lambda: revise_deviation(
            deviation=known,
            told=form.told,
            by=by,
            reason=form.cleaned_data["reason"],
            is_void=form.cleaned_data["is_void"],
        ),
    ):
        return _recorded(request, form, slug)
    place = Place(known.site, known.participant, known.visit)
    return _form_page(request, trial, form, heading=_("Deviation"), place=place, known=known, may_record=may_record)


def _place(form: DeviationForm, trial: Trial, by: Actor) -> Place:
    """The place that the form names; the sentence about an unknown participant stands at its field."""
    given = form.cleaned_data
    code = given["participant"].strip()
    try:
        participant = visible_participant(code, by, trial) if code else None
    except NotFound as error:
        raise RuleBroken(error.code, error.sentence, field="participant") from error
    return Place(given["site"], participant, given["visit"])


def _recorded(request: HttpRequest, form: ToldForm, slug: str) -> HttpResponse:
    telling = form.cleaned_data["tells_arm"]
    said = (
        _("The deviation is recorded. Only those who may see arms will see it.")
        if telling
        else _("The deviation is recorded.")
    )
    messages.success(request, said)
    return redirect("deviations", slug=slug)


def _form_page(request: HttpRequest, trial: Trial, form: ToldForm, **context: Any) -> HttpResponse:
    context = {"trial": trial, "form": form, "may_record": True, **context}
    return render(request, "measurements/deviation.html", context, status=422 if form.errors else 200)


def _found(line: DeviationLine) -> dict[str, Any]:
    """What the form of a found deviation starts from."""
    return {
        "category": line.category,
        "severity": line.severity,
        "occurred_on": line.occurred_on,
        "description": line.description,
    }


def _wish(request: HttpRequest, trial: Trial, *, start: int = 0, most: int | None = None) -> Wish:
    asked = request.GET
    return Wish(
        site=trial.sites.filter(code=asked.get("site", "")).values_list("pk", flat=True).first(),
        category=asked.get("category", "") if asked.get("category") in Deviation.Category.values else "",
        severity=asked.get("severity", "") if asked.get("severity") in Deviation.Severity.values else "",
        standing=asked.get("standing", "") if asked.get("standing") in STANDINGS else "",
        sort=asked.get("sort", "-date"),
        start=start,
        most=most,
    )


def _figures(found: Deviations) -> list[dict[str, Any]]:
    counts = found.counts
    return [
        {"label": _("Recorded"), "value": counts.get("recorded", 0), "meaning": _("by people, or confirmed")},
        {"label": _("To be confirmed"), "value": counts.get("found", 0), "meaning": _("found by a rule")},
        {"label": _("Major"), "value": counts.get("major", 0), "meaning": _("recorded or found")},
        {"label": _("In error"), "value": counts.get("void", 0), "meaning": _("recorded by mistake, kept")},
    ]


def _row(line: DeviationLine) -> tuple[object, ...]:
    return (
        line.number,
        line.site.code if line.site else None,
        line.participant,
        line.visit.code if line.visit else None,
        line.category.value,
        line.severity.value,
        line.occurred_on,
        line.description,
        line.action,
        line.rule,
        int(line.number is not None),
        int(line.is_void),
        line.reported_by,
        line.recorded_at,
    )
