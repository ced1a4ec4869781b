"""Designing a trial, its protocol, and the next step of its life."""

from typing import TYPE_CHECKING, NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from trials.access import Actor, actor_of, has_permission, may_name_arms, require
from trials.errors import RuleBroken
from trials.forms.design import MoveForm, RegistrationForms
from trials.forms.fields import show_refusal
from trials.lifecycle import moves_from
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.design import next_arm_certainty, protocol_of
from trials.selectors.trials import visible_trial
from trials.services.design import create_trial
from trials.services.lifecycle import change_status

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class MoveWords(NamedTuple):
    """What a step is called on its button, and what it does."""

    button: "StrOrPromise"
    what_it_does: "StrOrPromise"


MOVE_WORDS = {
    Trial.Status.REGISTERED: MoveWords(
        gettext_lazy("Register"),
        gettext_lazy(
            "Seals the design and draws the concealed allocation lists. Arms, sites, visits and strata cannot be "
            "changed afterwards."
        ),
    ),
    Trial.Status.RECRUITING: MoveWords(
        gettext_lazy("Start recruiting"), gettext_lazy("From now on participants can be screened and randomized.")
    ),
    Trial.Status.FOLLOW_UP: MoveWords(
        gettext_lazy("Close recruitment"),
        gettext_lazy("Nobody can be screened or randomized any more. Visits and results go on."),
    ),
    Trial.Status.LOCKED: MoveWords(
        gettext_lazy("Lock the data"), gettext_lazy("No value can be entered or corrected any more.")
    ),
    Trial.Status.UNBLINDED: MoveWords(
        gettext_lazy("Unblind"),
        gettext_lazy("Every member except the laboratories’ sees arms and effects from now on."),
    ),
    Trial.Status.ARCHIVED: MoveWords(gettext_lazy("Archive"), gettext_lazy("The trial stays readable.")),
}


@require_http_methods(["GET", "POST"])
def trial_create(request: HttpRequest) -> HttpResponse:
    """The page on which a trial is designed; it is stored as a draft."""
    by = actor_of(request)
    require(by, Permission.TRIAL_CREATE, None)
    forms = RegistrationForms(request.POST if request.method == "POST" else None)
    if request.method == "POST" and forms.is_valid():
        try:
            trial = create_trial(by=by, **forms.design)
        except RuleBroken as error:
            show_refusal(forms, error)
        else:
            messages.success(request, _("The draft is saved. Look it over; registering seals it."))
            return redirect("protocol", slug=trial.slug)
    failed = request.method == "POST"
    context = {"forms": forms, "failed": failed}
    return render(request, "trials/trial_create.html", context, status=422 if failed else 200)


@require_GET
def protocol(request: HttpRequest, slug: str) -> HttpResponse:
    """The design as it stands, and what can be done next."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    moves = _moves(trial, by)
    return _protocol_page(request, trial, by, moves[0] if moves else None)


@require_POST
def trial_move(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the next step; a step that was taken already (a second click) leads back to the protocol."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    to = request.POST.get("to", "")
    if to == trial.status:
        return redirect("protocol", slug=slug)
    require(by, moves_from(trial.status).get(to, Permission.TRIAL_RUN), trial)
    form = MoveForm(trial, to, request.POST)
    if form.is_valid():
        try:
            trial = change_status(trial=trial, to=to, by=by, reason=form.cleaned_data.get("reason", ""))
        except RuleBroken as error:
            show_refusal(form, error)
        else:
            messages.success(
                request, _("%(trial)s: %(status)s.") % {"trial": trial, "status": trial.get_status_display()}
            )
            return redirect("protocol", slug=slug)
    return _protocol_page(request, trial, by, form, status=422)


def _moves(trial: Trial, by: Actor) -> list[MoveForm]:
    return [
        MoveForm(trial, to)
        for to, permission in moves_from(trial.status).items()
        if has_permission(by, permission, trial)
    ]


def _protocol_page(
    request: HttpRequest, trial: Trial, by: Actor, move: MoveForm | None, status: int = 200
) -> HttpResponse:
    to = str(move["to"].value()) if move else ""
    context = {
        "trial": trial,
        "protocol": protocol_of(trial, by),
        "arms_named": may_name_arms(by, trial),
        "certainty": None if (certainty := next_arm_certainty(trial)) is None else f"{certainty:.1%}",
        "move": move,
        "words": MOVE_WORDS.get(Trial.Status(to)) if to in Trial.Status.values else None,
        "may_manage_laboratories": has_permission(by, Permission.LABORATORY_MANAGE, trial),
    }
    return render(request, "trials/trial_protocol.html", context, status=status)
