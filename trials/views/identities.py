"""Who a participant is: the one page that shows it, to those who care for participants at that site."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from trials.access import Actor, actor_of, has_permission, require
from trials.errors import InConflict
from trials.forms.fields import accepted
from trials.forms.identities import EraseForm, IdentityForm
from trials.models import Participant
from trials.permissions import Permission
from trials.selectors.identities import identity_of
from trials.selectors.participants import visible_participant
from trials.selectors.trials import visible_trial
from trials.services.identities import FIELDS, Identity, erase_identity, read_identity, record_identity


@never_cache
@sensitive_post_parameters()
@sensitive_variables()
@require_http_methods(["GET", "POST"])
def participant_identity(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """Nothing is shown before it is asked for; asking is recorded. Recording and erasing are on the same page."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    person = visible_participant(code, by, trial)
    require(by, Permission.IDENTITY_VIEW, trial, site=person.site)
    step = request.POST.get("step", "")
    if step == "record":
        return _record(request, person, by)
    if step == "erase":
        return _erase(request, person, by)
    if step != "read":
        return _page(request, person, by)
    try:
        identity = read_identity(participant=person, by=by)
    except InConflict as refused:
        return _page(request, person, by, status=409, refusal=refused.sentence)
    shown = identity or Identity()
    form = IdentityForm(initial={name: getattr(shown, name) for name in FIELDS})
    return _page(request, person, by, shown=_lines(form, shown), form=form)


def _record(request: HttpRequest, person: Participant, by: Actor) -> HttpResponse:
    form = IdentityForm(request.POST)
    if form.is_valid() and accepted(form, lambda: record_identity(participant=person, identity=form.identity, by=by)):
        messages.success(request, _("It is sealed and stored."))
        return redirect("participant-identity", slug=person.trial.slug, code=person.code)
    return _page(request, person, by, status=422, form=form)


def _erase(request: HttpRequest, person: Participant, by: Actor) -> HttpResponse:
    form = EraseForm(person.code, request.POST)
    if form.is_valid() and accepted(
        form, lambda: erase_identity(participant=person, by=by, reason=form.cleaned_data["reason"])
    ):
        messages.success(request, _("It is erased."))
        return redirect("participant-identity", slug=person.trial.slug, code=person.code)
    return _page(request, person, by, status=422, erasing=form)


def _lines(form: IdentityForm, identity: Identity) -> list[tuple[str, str]]:
    """Return what is kept, each under its name."""
    return [(str(form.fields[name].label), getattr(identity, name)) for name in FIELDS if getattr(identity, name)]


def _page(request: HttpRequest, person: Participant, by: Actor, *, status: int = 200, **context: Any) -> HttpResponse:
    stored = identity_of(person)
    may_record = has_permission(by, Permission.IDENTITY_RECORD, person.trial, site=person.site)
    everything = {
        "trial": person.trial,
        "participant": person,
        "stored": stored,
        "is_kept": stored is not None and stored.erased_at is None,
        "may_record": may_record and person.site.keeps_identifiers,
        "form": IdentityForm(),
        "erasing": EraseForm(person.code),
        **context,
    }
    return render(request, "trials/identity_participant.html", everything, status=status)
