"""Opening an arm in an emergency, and the list of those that were."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from trials.access import actor_of, require
from trials.errors import InConflict, RuleBroken
from trials.forms.fields import show_refusal
from trials.forms.unblinding import UnblindForm
from trials.models import Participant
from trials.permissions import Permission
from trials.selectors.participants import visible_participant
from trials.selectors.trials import visible_trial
from trials.selectors.unblindings import unblindings_by_person, unblindings_of
from trials.services.unblinding import unblind_participant

PER_PAGE = 50


@never_cache
@require_http_methods(["GET", "POST"])
def unblind(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """Ask for everything that an emergency unblinding needs; the answer to it is the only page that shows the arm."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    participant = visible_participant(code, by, trial)
    require(by, Permission.ALLOCATION_UNBLIND, trial, site=participant.site)
    _require_randomized(participant)
    form = UnblindForm(request, participant, request.POST if request.method == "POST" else None)
    context = {"trial": trial, "participant": participant, "form": form}
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            arm = unblind_participant(
                participant=participant, reason=given["reason"], notify=given["notify"], by=by, on=given["on"]
            )
        except RuleBroken as error:
            show_refusal(form, error)
        else:
            return render(request, "trials/unblind_done.html", context | {"arm": arm, "notified": given["notify"]})
    return render(request, "trials/unblind.html", context, status=422 if form.is_bound else 200)


def _require_randomized(participant: Participant) -> None:
    """The page is there for everybody randomized, so that no arm and no state of the trial changes it."""
    if not hasattr(participant, "allocation"):
        raise InConflict("not_randomized", f"{participant.code} is not randomized: there is no arm to open.")


@require_safe
def unblindings(request: HttpRequest, slug: str) -> HttpResponse:
    """List the emergency unblindings, without arms."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    page = Paginator(unblindings_of(trial, by), PER_PAGE).get_page(request.GET.get("page"))
    context = {"trial": trial, "page": page, "people": unblindings_by_person(trial, by)}
    return render(request, "trials/unblindings.html", context)
