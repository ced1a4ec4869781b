"""A trial's record for registries, what its arms receive, amendments, and the versions of its protocol."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from trials import audit
from trials.access import actor_of, has_permission, may_name_arms, require
from trials.errors import NotAllowed, NotFound
from trials.forms.fields import accepted
from trials.forms.registry import AmendForms, InterventionForms, RegistrationForms
from trials.models import Trial
from trials.permissions import Permission
from trials.registry.who import Item, State, lines_of, who_document
from trials.selectors.protocol_versions import difference_between, version_of, versions_of
from trials.selectors.registry import ctgov_record_of, may_export_record, require_export, who_record
from trials.selectors.trials import visible_trial
from trials.services.registry import Amendment, amend_protocol
from trials.views.csv_answers import csv_answer

# Where the fields are that do not stand on the registration's own page under their own name.
ELSEWHERE = {"countries": "sites", "criteria": "criteria"}
ANCHORS = {
    "public_contact": "id_public_name",
    "scientific_contact": "id_scientific_name",
    "primary_outcomes": "outcomes",
    "secondary_outcomes": "outcomes",
    "ethics_reviews": "reviews",
}
FILES = ("who.json", "who.csv", "ctgov.json")


@dataclass(frozen=True)
class Row:
    """One of the 24 items on the page, with the address of its field for those who may fill it in."""

    item: Item
    lines: list[str]
    url: str


class Amending(Protocol):
    """A page of forms that amounts to an amendment."""

    reason: Any

    def is_valid(self) -> bool:
        """Whether every part is."""

    @property
    def amendment(self) -> Amendment:
        """What the service takes."""

    @property
    def fields(self) -> Any:
        """The fields at which a refusal can be shown."""

    def add_error(self, field: str | None, error: str) -> None:
        """Show a refusal."""


@require_GET
def registration(request: HttpRequest, slug: str) -> HttpResponse:
    """The record as registries want it: which of the 24 items are filled, what they say, and the downloads."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    items = who_record(trial, by)
    may_design = has_permission(by, Permission.TRIAL_DESIGN, trial)
    arms_named = may_name_arms(by, trial)
    rows = [
        Row(item, lines_of(item.value), _field_address(trial, item, arms_named=arms_named) if may_design else "")
        for item in items
    ]
    context = {
        "trial": trial,
        "rows": rows,
        "missing": [row for row in rows if row.item.state == State.MISSING],
        "not_due": [row for row in rows if row.item.state == State.NOT_DUE],
        "answered": sum(row.item.state in {State.FILLED, State.NONE} for row in rows),
        "may_design": may_design,
        "may_describe": may_design and arms_named,
        "may_export": may_export_record(by, trial),
        "arms_named": arms_named,
    }
    return render(request, "trials/registration.html", context)


@require_GET
def registration_file(request: HttpRequest, slug: str, name: str) -> HttpResponseBase:
    """One of the downloads; taking it is recorded."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require_export(trial, by)
    if name not in FILES:
        raise NotFound("file_unknown", f"There is no file “{name}”. There are {', '.join(FILES)}.")
    audit.record_read("registration.downloaded", by=by, trial=trial, target=trial, file=name)
    stem = f"{trial.slug}-{name.partition('.')[0]}"
    if name == "who.csv":
        cells = (
            (item.number, item.name, item.state, "\n".join(lines_of(item.value))) for item in who_record(trial, by)
        )
        return csv_answer(stem, ("item", "name", "state", "value"), cells)
    record = who_document(who_record(trial, by)) if name == "who.json" else ctgov_record_of(trial, by)
    text = json.dumps(record, ensure_ascii=False, indent=2)
    answer = HttpResponse(text, content_type="application/json; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{stem}.json"'
    return answer


@require_http_methods(["GET", "POST"])
def registration_edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The fields of the registries' record, ethics reviews and planned outcomes."""
    return _amend(request, slug, RegistrationForms, "trials/registration_edit.html")


@require_http_methods(["GET", "POST"])
def protocol_interventions(request: HttpRequest, slug: str) -> HttpResponse:
    """What every arm receives, after TIDieR; for those who may name arms."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.TRIAL_DESIGN, trial)
    if not may_name_arms(by, trial):
        raise NotAllowed("blinded", "You are blinded in this trial: interventions are described by those who are not.")
    return _amend(request, slug, InterventionForms, "trials/protocol_interventions.html")


@require_http_methods(["GET", "POST"])
def protocol_amend(request: HttpRequest, slug: str) -> HttpResponse:
    """What may still change of a sealed design; a draft's design is changed as a whole."""
    if visible_trial(slug, actor_of(request)).status == Trial.Status.DRAFT:
        return redirect("trial-revise", slug=slug)
    return _amend(request, slug, AmendForms, "trials/protocol_amend.html")


@require_GET
def protocol_versions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every version of the protocol: when, by whom, why, and its fingerprint."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    versions = list(versions_of(trial, by))
    return render(request, "trials/protocol_versions.html", {"trial": trial, "versions": versions})


@require_GET
def protocol_difference(request: HttpRequest, slug: str) -> HttpResponse:
    """What changed between two versions, the last two unless the address says which."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    numbers = [version.number for version in versions_of(trial, by)]
    if len(numbers) < 2:
        return redirect("protocol-versions", slug=slug)
    later = _number(request.GET.get("later"), numbers[0])
    earlier = _number(request.GET.get("earlier"), max(later - 1, 1))
    versions = version_of(trial, by, earlier), version_of(trial, by, later)
    context = {
        "trial": trial,
        "earlier": versions[0],
        "later": versions[1],
        "lines": difference_between(*versions),
        "numbers": numbers,
        "arms_named": may_name_arms(by, trial),
    }
    return render(request, "trials/protocol_difference.html", context)


def _amend(request: HttpRequest, slug: str, page: Callable[..., Amending], template: str) -> HttpResponse:
    """Show a page of an amendment; when sent, amend and go back to the registration."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.TRIAL_DESIGN, trial)
    failed = request.method == "POST"
    forms = page(trial, request.POST if failed else None)
    if failed and forms.is_valid() and accepted(forms, lambda: _amended(trial, request, forms)):
        draft = trial.status == Trial.Status.DRAFT
        messages.success(request, _("Saved.") if draft else _("Saved as a new version of the protocol."))
        return redirect("registration", slug=slug)
    context = {"trial": trial, "forms": forms, "failed": failed}
    return render(request, template, context, status=422 if failed else 200)


def _amended(trial: Trial, request: HttpRequest, forms: Amending) -> Trial:
    return amend_protocol(trial=trial, by=actor_of(request), amendment=forms.amendment, reason=forms.reason.given)


def _field_address(trial: Trial, item: Item, *, arms_named: bool) -> str:
    """Return where an item is filled in; empty for what follows from the trial's life or is not for the blinded."""
    if item.field == "status":
        return ""
    if item.field == "interventions":
        return reverse("protocol-interventions", kwargs={"slug": trial.slug}) if arms_named else ""
    if item.field in ELSEWHERE:
        return reverse("protocol-amend", kwargs={"slug": trial.slug}) + f"#{ELSEWHERE[item.field]}"
    anchor = ANCHORS.get(item.field, f"id_{item.field}")
    return reverse("registration-edit", kwargs={"slug": trial.slug}) + f"#{anchor}"


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else otherwise
