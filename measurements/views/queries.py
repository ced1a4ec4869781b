"""Data queries: the list, one with what was said about it, and asking a new one."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from measurements.forms.queries import OpenQueryForm, SaidForm
from measurements.models.query import RULES, Query
from measurements.selectors.queries import counts_by_state, notes_of, queries_visible_to, rights_over, visible_query
from measurements.services.queries import answer_query, close_query, open_query, reopen_query
from trials.access import actor_of, has_permission, require
from trials.forms.fields import accepted
from trials.permissions import Permission
from trials.selectors.participants import visible_participant
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_LENGTH = 50
ORDERS = {
    "opened": ("opened_at",),
    "participant": ("participant__code",),
    "visit": ("visit__position",),
    "state": ("state",),
}
WAITING = "waiting"
SAID = {
    "answer": gettext_lazy("The answer is saved."),
    "close": gettext_lazy("The query is closed."),
    "reopen": gettext_lazy("The query is open again."),
}


@require_safe
def queries(request: HttpRequest, slug: str) -> HttpResponse:
    """List queries: `state` (waiting: not closed), `site`, `visit` and `rule` narrow, `sort` orders."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = _chosen(queries_visible_to(by, trial), request)
    counts = counts_by_state(by, trial)
    context = {
        "trial": trial,
        "page": Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page")),
        "counts": [(label, counts[state]) for state, label in Query.State.choices],
        "states": [(WAITING, _("Not closed")), *Query.State.choices],
        "sites": trial.sites.all(),
        "visits": trial.visits.all(),
        "rules": RULES.items(),
        "chosen": {key: request.GET.get(key, "") for key in ("state", "site", "visit", "rule")},
        "may_open": has_permission(by, Permission.PARTICIPANT_VIEW, trial),
    }
    return render(request, "measurements/queries.html", context)


@require_safe
def queries_csv(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """The same list as CSV, every page of it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = _chosen(queries_visible_to(by, trial), request)
    header = ["query", "participant", "site", "visit", "biomarker", "rule", "question", "answer", "state"]
    return csv_answer(
        f"{slug}-queries",
        [*header, "opened_at", "closed_at"],
        (
            [
                query.pk, query.participant.code, query.participant.site.code, query.visit.code if query.visit else "",
                query.biomarker.code if query.biomarker else "", query.code, query.question, query.answer, query.state,
                query.opened_at, query.closed_at,
            ]
            for query in found.iterator(chunk_size=1000)
        ),
    )  # fmt: skip


def _chosen(found: QuerySet[Query], request: HttpRequest) -> QuerySet[Query]:
    """Narrow and order by what the address says; what it does not know it leaves."""
    state, site = request.GET.get("state", ""), request.GET.get("site", "")
    visit, rule = request.GET.get("visit", ""), request.GET.get("rule", "")
    if state == WAITING:
        found = found.exclude(state=Query.State.CLOSED)
    elif state in Query.State.values:
        found = found.filter(state=state)
    for name, value in (("participant__site__code", site), ("visit__code", visit), ("code", rule)):
        found = found.filter(**{name: value}) if value else found
    sort = request.GET.get("sort", "-opened")
    order = ORDERS.get(sort.removeprefix("-"), ORDERS["opened"])
    return found.order_by(*(f"-{field}" if sort.startswith("-") else field for field in order), "-pk")


@require_http_methods(["GET", "POST"])
def query(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One query: what it is about, what was said, and the next word."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    asked = visible_query(number, by, trial)
    form = SaidForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        said, action = form.cleaned_data["reason"], request.POST.get("action", "")
        services = {
            "answer": lambda: answer_query(query=asked, answer=said, by=by),
            "close": lambda: close_query(query=asked, by=by, reason=said),
            "reopen": lambda: reopen_query(query=asked, by=by, reason=said),
        }
        if action in services and accepted(form, services[action]):
            messages.success(request, SAID[action])
            return redirect("query", slug=slug, number=number)
    context = {
        "trial": trial,
        "query": asked,
        "notes": notes_of(asked),
        "form": form,
        "rights": rights_over(asked.participant, by),
        "may_open": has_permission(by, Permission.PARTICIPANT_VIEW, trial, site=asked.participant.site),
    }
    return render(request, "measurements/query.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def query_open(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """Ask about a participant; the address may name a visit and a biomarker."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    participant = visible_participant(code, by, trial)
    require(by, Permission.QUERY_MANAGE, trial, site=participant.site)
    about = {key: request.GET.get(key, "") for key in ("visit", "biomarker")}
    form = OpenQueryForm(trial, request.POST if request.method == "POST" else None, initial=about)
    if form.is_valid() and accepted(form, lambda: open_query(participant=participant, by=by, **form.cleaned_data)):
        messages.success(request, _("The query is open; the site sees it among its tasks."))
        return redirect("participant", slug=slug, code=code)
    context = {"trial": trial, "participant": participant, "form": form}
    return render(request, "measurements/query_open.html", context, status=422 if form.errors else 200)
