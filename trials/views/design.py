"""Designing a trial, and its protocol."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from trials.access import actor_of, has_permission, may_name_arms, require
from trials.errors import RuleBroken
from trials.forms.design import DesignForms
from trials.forms.fields import accepted, show_refusal
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.design import next_arm_certainty, protocol_of
from trials.selectors.trials import visible_trial
from trials.services.design import create_trial, require_draft, revise_design


@require_http_methods(["GET", "POST"])
def trial_create(request: HttpRequest) -> HttpResponse:
    """The page on which a trial is designed; it is stored as a draft."""
    by = actor_of(request)
    require(by, Permission.TRIAL_CREATE, None)
    forms = DesignForms(request.POST if request.method == "POST" else None)
    if request.method == "POST" and forms.is_valid():
        try:
            trial = create_trial(by=by, **forms.design)
        except RuleBroken as error:
            show_refusal(forms, error)
        else:
            messages.success(request, _("The draft is saved. Look it over; registering seals it."))
            return redirect("protocol", slug=trial.slug)
    return _design_page(request, forms, None)


@require_http_methods(["GET", "POST"])
def trial_revise(request: HttpRequest, slug: str) -> HttpResponse:
    """The same page filled in, while the trial is a draft."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.TRIAL_DESIGN, trial)
    require_draft(trial)
    forms = DesignForms(request.POST if request.method == "POST" else None, trial)
    sent = request.method == "POST" and forms.is_valid()
    if sent and accepted(forms, lambda: revise_design(trial=trial, by=by, **forms.design)):
        messages.success(request, _("The design is changed."))
        return redirect("protocol", slug=slug)
    return _design_page(request, forms, trial)


def _design_page(request: HttpRequest, forms: DesignForms, trial: Trial | None) -> HttpResponse:
    failed = request.method == "POST"
    context = {"forms": forms, "failed": failed, "trial": trial}
    return render(request, "trials/trial_create.html", context, status=422 if failed else 200)


@require_GET
def protocol(request: HttpRequest, slug: str) -> HttpResponse:
    """The design as it stands, and what can be done next."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    context = {
        "trial": trial,
        "protocol": protocol_of(trial, by),
        "arms_named": may_name_arms(by, trial),
        "certainty": None if (certainty := next_arm_certainty(trial)) is None else f"{certainty:.1%}",
        "may_design": has_permission(by, Permission.TRIAL_DESIGN, trial),
        "may_manage_laboratories": has_permission(by, Permission.LABORATORY_MANAGE, trial),
    }
    return render(request, "trials/trial_protocol.html", context)
