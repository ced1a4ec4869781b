"""Shipments: the list, packing one, its manifest, and opening it."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from measurements.forms.specimens import ArrivalForm, SendForm
from measurements.models import Shipment, Specimen
from measurements.selectors.specimens import manifest, shipments_visible_to, visible_shipment
from measurements.services.shipments import Parcel, receive_shipment, send_shipment
from trials.access import actor_of, has_permission, require, sites_where
from trials.forms.fields import accepted
from trials.permissions import Permission
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_LENGTH = 50
COLUMNS = ("shipment", "specimen", "specimen_type", "visit", "drawn_at", "sent_at", "received_at", "condition")


@require_safe
def shipments(request: HttpRequest, slug: str) -> HttpResponse:
    """List parcels, the newest first; `state=under_way` leaves those that did not arrive yet."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SPECIMEN_VIEW, trial)
    found = shipments_visible_to(by, trial)
    under_way = request.GET.get("state") == "under_way"
    page = Paginator(found.filter(received_at=None) if under_way else found, PAGE_LENGTH)
    context = {
        "trial": trial,
        "page": page.get_page(request.GET.get("page")),
        "under_way": under_way,
        "may_send": has_permission(by, Permission.SPECIMEN_MANAGE, trial),
    }
    return render(request, "measurements/shipments.html", context)


@require_http_methods(["GET", "POST"])
def shipment_send(request: HttpRequest, slug: str) -> HttpResponse:
    """Pack specimens of a site into a parcel and send it off."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SPECIMEN_MANAGE, trial)
    form = SendForm(trial, sites_where(by, Permission.SPECIMEN_MANAGE, trial), request.POST or None)
    made: list[Shipment] = []

    def send() -> None:
        given = form.cleaned_data
        parcel = Parcel(given["sent_at"], given["cooling"], given["carrier"], given["note"])
        ids = given["identifiers"].splitlines()
        place = {"site": given["site"], "laboratory": given["laboratory"]}
        made.append(send_shipment(**place, identifiers=ids, parcel=parcel, by=by))

    if form.is_valid() and accepted(form, send):
        messages.success(request, _("Shipment %(number)d is on its way.") % {"number": made[0].number})
        return redirect("shipment", slug=slug, number=made[0].number)
    context = {"trial": trial, "form": form}
    return render(request, "measurements/shipment_send.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def shipment(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """Show what is in a parcel; record that it arrived, with the condition of each piece."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SPECIMEN_VIEW, trial)
    known = visible_shipment(number, by, trial)
    if request.GET.get("format") == "csv":
        return csv_answer(f"{slug}_shipment_{number}", COLUMNS, (_row(known, line) for line in manifest(known)))
    form = ArrivalForm(request.POST or None)
    if form.is_valid() and accepted(
        form, lambda: receive_shipment(shipment=known, conditions=_conditions(request), **form.cleaned_data, by=by)
    ):
        messages.success(request, _("The shipment is received."))
        return redirect("shipment", slug=slug, number=number)
    may_receive = has_permission(by, Permission.SPECIMEN_RECEIVE, trial, site=known.site)
    context = {
        "trial": trial,
        "shipment": known,
        "lines": manifest(known),
        "form": form,
        "conditions": Specimen.Condition.choices,
        "may_receive": may_receive and known.received_at is None,
    }
    return render(request, "measurements/shipment.html", context, status=422 if form.errors else 200)


def _conditions(request: HttpRequest) -> dict[int, str]:
    """The condition of each specimen, from the fields beside them."""
    sent = {name.removeprefix("condition-"): str(value) for name, value in request.POST.items()}
    return {int(key): value for key, value in sent.items() if key.isdecimal() and len(key) < 16}


def _row(known: Shipment, line: Any) -> tuple[object, ...]:
    each = line.specimen
    told = (each.identifier, each.specimen_type, each.visit.code, each.drawn_at)
    return (known.number, *told, known.sent_at, line.received_at, line.condition)
