"""Therapists and therapy groups: the lists, and one group with its members and its next step."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from trials.access import actor_of, has_permission, require, sites_where
from trials.errors import NotFound
from trials.forms.fields import accepted
from trials.forms.therapy import CloseForm, GroupForm, GroupStrataForm, JoinForm, LeaveForm, TherapistForm
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.participants import visible_participant
from trials.selectors.therapy import (
    group_sites,
    groups_visible_to,
    may_form_groups_at,
    may_randomize_group,
    members_in,
    therapists_visible_to,
    visible_group,
    visible_member,
    visible_therapist,
)
from trials.selectors.trials import visible_trial
from trials.services.groups import randomize_group
from trials.services.therapy import (
    add_therapist,
    close_group,
    form_group,
    join_group,
    leave_group,
    set_therapist_active,
)
from trials.views.csv_answers import csv_answer

PAGE_SIZE = 50
ORDERS = {
    "code": "code",
    "site": "site__name",
    "therapist": "therapist__code",
    "members": "size",
    "closed": "closed_on",
}


@require_http_methods(["GET", "POST"])
def groups(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The groups and therapists that this person may know of; posting adds one of either."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.PARTICIPANT_VIEW, trial)
    step = request.POST.get("step", "")
    recording = sites_where(by, Permission.SESSION_RECORD, trial)
    forming = may_form_groups_at(by, trial)
    if request.method == "POST":
        require(by, Permission.SESSION_RECORD, trial)
    therapist = TherapistForm(trial, recording, request.POST if step == "therapist" else None)
    group = GroupForm(trial, forming, request.POST if step == "group" else None)
    if therapist.is_valid() and accepted(
        therapist, lambda: add_therapist(trial=trial, by=by, **therapist.cleaned_data)
    ):
        messages.success(request, _("Therapist %(code)s is added.") % therapist.cleaned_data)
        return redirect("therapy-groups", slug=slug)
    if group.is_valid() and accepted(group, lambda: form_group(trial=trial, by=by, **group.cleaned_data)):
        messages.success(request, _("Group %(code)s is formed; add its members.") % group.cleaned_data)
        return redirect("therapy-group", slug=slug, code=group.cleaned_data["code"])
    found = _ordered(groups_visible_to(by, trial), request)
    if request.GET.get("format") == "csv":
        rows = (
            (each.code, each.site.code, each.therapist and each.therapist.code, each.size, each.closed_on)
            for each in found.iterator(500)
        )
        return csv_answer(f"{slug}_therapy_groups", ("group", "site", "therapist", "members", "closed_on"), rows)
    context = {
        "trial": trial,
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "therapists": therapists_visible_to(by, trial),
        "therapist_form": therapist if recording else None,
        "group_form": group if forming else None,
        "recording": recording,
        "sees_groups": bool(group_sites(by, trial)),
        "randomizes_groups": trial.randomization_unit == Trial.RandomizationUnit.GROUP,
    }
    return render(request, "trials/therapy_groups.html", context, status=422 if request.method == "POST" else 200)


def _ordered(found: Any, request: HttpRequest) -> Any:
    sort = request.GET.get("sort", "")
    field = ORDERS.get(sort.removeprefix("-"), "code")
    return found.order_by(f"-{field}" if sort.startswith("-") else field, "pk")


@require_POST
def therapist_active(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """End a therapist's work in the trial, or take it up again."""
    by = actor_of(request)
    therapist = visible_therapist(code, by, visible_trial(slug, by))
    is_active = request.POST.get("active") == "yes"
    set_therapist_active(therapist=therapist, is_active=is_active, by=by)
    said = _("%(code)s treats again.") if is_active else _("%(code)s treats no more.")
    messages.success(request, said % {"code": therapist.code})
    return redirect("therapy-groups", slug=slug)


@require_http_methods(["GET", "POST"])
def group(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """One group: who is and was in it. Posting adds a member, or closes the group."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    shown = visible_group(code, by, trial)
    step = request.POST.get("step", "")
    join = JoinForm(request.POST if step == "join" else None)
    closing = CloseForm(request.POST if step == "close" else None)

    def joined() -> None:
        participant = visible_participant(join.cleaned_data["participant"].strip(), by, trial)
        join_group(group=shown, participant=participant, by=by, on=join.cleaned_data["on"])

    if join.is_valid() and _joined(join, joined):
        messages.success(request, _("%(participant)s is in the group.") % join.cleaned_data)
        return redirect("therapy-group", slug=slug, code=code)
    if closing.is_valid() and accepted(closing, lambda: close_group(group=shown, by=by)):
        messages.success(request, _("The group is closed: nobody joins it now."))
        return redirect("therapy-group", slug=slug, code=code)
    context = {
        "trial": trial,
        "group": shown,
        "members": members_in(shown),
        "form": join,
        "closing_errors": closing.non_field_errors(),
        "may_change": shown.site_id in may_form_groups_at(by, trial),
        "randomizes_groups": trial.randomization_unit == Trial.RandomizationUnit.GROUP,
        "may_randomize": may_randomize_group(shown, by),
        "sees_arm": has_permission(by, Permission.ALLOCATION_VIEW, trial, site=shown.site),
    }
    return render(request, "trials/therapy_group.html", context, status=422 if request.method == "POST" else 200)


def _joined(form: JoinForm, join: Any) -> bool:
    """Whether somebody joined; a code that is unknown is said at its field, as any other refusal is."""
    try:
        return accepted(form, join)
    except NotFound as error:
        form.add_error("participant", error.sentence)
        return False


@require_http_methods(["GET", "POST"])
def member_leave(request: HttpRequest, slug: str, code: str, number: int) -> HttpResponse:
    """Record that a member left the group, and why."""
    by = actor_of(request)
    shown = visible_group(code, by, visible_trial(slug, by))
    member = visible_member(shown, number)
    form = LeaveForm(request.POST or None)
    if form.is_valid() and accepted(form, lambda: leave_group(member=member, by=by, **form.cleaned_data)):
        messages.success(request, _("%(code)s left the group.") % {"code": member.participant.code})
        return redirect("therapy-group", slug=slug, code=code)
    context = {"trial": shown.trial, "group": shown, "member": member, "form": form}
    return render(request, "trials/therapy_leave.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "POST"])
def group_randomize(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """The group's strata and a last look, then the one randomization; a second click gives the same arm."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    shown = visible_group(code, by, trial)
    require(by, Permission.PARTICIPANT_RANDOMIZE, trial, site=shown.site)
    form = GroupStrataForm(trial, request.POST if request.method == "POST" else None)
    if form.is_valid() and accepted(form, lambda: randomize_group(group=shown, by=by, levels=form.cleaned_data)):
        messages.success(request, _("Group %(code)s is randomized.") % {"code": code})
        return redirect("therapy-group", slug=slug, code=code)
    context = {"trial": trial, "group": shown, "form": form}
    return render(request, "trials/therapy_randomize.html", context, status=422 if request.method == "POST" else 200)
