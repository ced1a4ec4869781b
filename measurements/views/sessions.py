"""Sessions: the dose by participant, recording one or a group's, and retracting what was wrong."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from measurements.forms.sessions import GroupSessionForm, RetractForm, SessionForm
from measurements.selectors.sessions import doses_visible_to, session_sites, visible_session
from measurements.services.sessions import record_group_session, record_session, retract_session
from trials.access import actor_of, allocation_sites, has_permission, require, sites_where
from trials.errors import NotFound
from trials.forms.fields import accepted
from trials.permissions import Permission
from trials.selectors.participants import visible_participant
from trials.selectors.therapy import present_members, visible_group
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_SIZE = 50
ORDERS = {
    "participant": "number",
    "site": "site__name",
    "arm": "allocation__arm__position",
    "planned": "planned",
    "attended": "attended",
    "missed": "missed",
    "minutes": "minutes",
    "last": "last_at",
    "version": "version",
}
COLUMNS = (
    "participant", "site", "arm", "planned", "attended", "missed", "minutes", "last_session", "software_version",
    "contamination",
)  # fmt: skip


@require_safe
def sessions(request: HttpRequest, slug: str) -> HttpResponseBase:
    """What each randomized participant received, where arms may be seen; filters, sort and page in the address."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    sites = session_sites(by, trial)
    found = _chosen(doses_visible_to(by, trial), request)
    if request.GET.get("format") == "csv":
        return csv_answer(f"{slug}_sessions", COLUMNS, _rows(found))
    context = {
        "trial": trial,
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "sites": trial.sites.filter(pk__in=sites),
        "arms": trial.arms.all(),
        "asked": {name: request.GET.get(name, "") for name in ("site", "arm", "show")},
        "may_record": has_permission(by, Permission.SESSION_RECORD, trial),
    }
    return render(request, "measurements/sessions.html", context)


def _chosen(found: Any, request: HttpRequest) -> Any:
    """Narrow and order by what the address says; what it does not know it leaves."""
    asked = request.GET
    if asked.get("site"):
        found = found.filter(site__code=_plain(asked["site"]))
    if asked.get("arm"):
        found = found.filter(allocation__arm__code=_plain(asked["arm"]))
    if asked.get("show") == "below_plan":
        found = found.filter(is_below_plan=True)
    if asked.get("show") == "contamination":
        found = found.filter(contaminated__gt=0)
    sort = asked.get("sort", "")
    field = F(ORDERS.get(sort.removeprefix("-"), "number"))
    order = field.desc(nulls_last=True) if sort.startswith("-") else field.asc(nulls_last=True)
    return found.order_by(order, "pk")


def _plain(text: str) -> str:
    """A code as the database can hold it."""
    return text if text.isascii() and text.isprintable() else ""


def _rows(found: Any) -> Iterator[list[object]]:
    for each in found.iterator(chunk_size=500):
        yield [
            each.code,
            each.site.code,
            each.allocation.arm.code,
            each.planned,
            each.attended,
            each.missed,
            each.minutes,
            each.last_at,
            each.version,
            each.contaminated,
        ]


@require_http_methods(["GET", "POST"])
def session_record(request: HttpRequest, slug: str) -> HttpResponse:
    """Record one session of one participant; `participant` in the address is filled in. It tells nothing in return."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SESSION_RECORD, trial)
    sites = sites_where(by, Permission.SESSION_RECORD, trial)
    form = SessionForm(trial, sites, request.POST or None, initial={"participant": request.GET.get("participant", "")})

    def record() -> None:
        participant = visible_participant(form.cleaned_data["participant"].strip(), by, trial)
        record_session(participant=participant, contact=form.contact, by=by, key=form.cleaned_data["key"])

    sees = bool(allocation_sites(by, trial))
    if form.is_valid() and _recorded(form, record):
        messages.success(request, _("The session of %(participant)s is saved.") % form.cleaned_data)
        return redirect("sessions" if sees else "session-record", slug=slug)
    context = {"trial": trial, "form": form, "sees_sessions": sees}
    return render(request, "measurements/session_record.html", context, status=_status(request))


def _recorded(form: SessionForm, record: Any) -> bool:
    """Whether it was recorded; a code that is unknown is said at its field."""
    try:
        return accepted(form, record)
    except NotFound as error:
        form.add_error("participant", error.sentence)
        return False


@require_http_methods(["GET", "POST"])
def session_group(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """One session of a group: everybody on one page, there or not."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    group = visible_group(code, by, trial)
    require(by, Permission.SESSION_RECORD, trial, site=group.site)
    require(by, Permission.ALLOCATION_VIEW, trial, site=group.site)
    form = GroupSessionForm(group, present_members(group), request.POST or None)
    if form.is_valid() and accepted(
        form,
        lambda: record_group_session(
            group=group, contact=form.contact, missed=form.missed, by=by, key=form.cleaned_data["key"]
        ),
    ):
        messages.success(request, _("The session of group %(code)s is saved.") % {"code": code})
        return redirect("therapy-group", slug=slug, code=code)
    context = {"trial": trial, "group": group, "form": form}
    return render(request, "measurements/session_group.html", context, status=_status(request))


@require_http_methods(["GET", "POST"])
def session_retract(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Retract a session that was recorded wrongly; it stays readable and counts no more."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    session = visible_session(number, by, trial)
    require(by, Permission.SESSION_RECORD, trial, site=session.participant.site)
    form = RetractForm(request.POST or None)
    if form.is_valid() and accepted(
        form, lambda: retract_session(session=session, reason=form.cleaned_data["reason"], by=by)
    ):
        messages.success(request, _("The session is retracted."))
        return redirect("sessions", slug=slug)
    context = {"trial": trial, "session": session, "form": form}
    return render(request, "measurements/session_retract.html", context, status=_status(request))


def _status(request: HttpRequest) -> int:
    return 422 if request.method == "POST" else 200
