"""Recording that a waitlist participant crossed over. Its page is the same refusal to all who may not see the arm."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from measurements.forms.attendance import CrossOverForm
from measurements.services.cross_over import record_cross_over
from trials.access import actor_of, require
from trials.forms.fields import accepted
from trials.permissions import Permission
from trials.selectors.participants import visible_participant
from trials.selectors.planned_visits import last_controlled_visit
from trials.selectors.trials import visible_trial


@never_cache
@require_http_methods(["GET", "POST"])
def cross_over(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """Ask for the day, say what follows from it, and record it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    participant = visible_participant(code, by, trial)
    require(by, Permission.ALLOCATION_VIEW, trial, site=participant.site)
    require(by, Permission.SESSION_RECORD, trial, site=participant.site)
    form = CrossOverForm(request.POST or None)
    if form.is_valid() and accepted(
        form, lambda: record_cross_over(participant=participant, on=form.cleaned_data["on"], by=by)
    ):
        messages.success(
            request, _("%(code)s crossed over. What is measured from now on is not compared.") % {"code": code}
        )
        return redirect("visit-form", slug=slug, code=code, visit=last_controlled_visit(trial).code)
    context = {"trial": trial, "participant": participant, "form": form, "last": last_controlled_visit(trial)}
    return render(request, "measurements/cross_over.html", context, status=422 if form.errors else 200)
