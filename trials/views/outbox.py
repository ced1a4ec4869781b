"""The outbox, for administrators: what waits for the mail server, was sent, or could not be."""

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from trials.access import actor_of
from trials.models import OutgoingMessage
from trials.selectors.messages import messages_of, one_message
from trials.services.messages import read_message, resend_message
from trials.views.csv_answers import csv_answer

PAGE_SIZE = 50


@never_cache
@require_GET
def outbox(request: HttpRequest) -> HttpResponse:
    """Every message without its text, the newest first."""
    state, to = request.GET.get("state", ""), request.GET.get("to", "").strip()
    found = messages_of(actor_of(request), state=state, to=to)
    context = {
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "states": OutgoingMessage.State.choices,
        "state": state,
        "to": to,
        "has_mail_server": bool(settings.MAIL_SERVER_BACKEND),
    }
    return render(request, "trials/outbox.html", context)


@require_GET
def outbox_csv(request: HttpRequest) -> HttpResponseBase:
    """The list as a file."""
    asked = request.GET
    found = messages_of(actor_of(request), state=asked.get("state", ""), to=asked.get("to", "").strip())
    header = ("number", "written", "to", "subject", "trial", "state", "attempts", "settled", "failure")
    rows = (
        (
            each.pk,
            each.created_at,
            each.to,
            each.subject,
            each.trial.slug if each.trial else "",
            each.state,
            each.attempts,
            each.settled_at,
            each.failure,
        )
        for each in found
    )
    return csv_answer("outbox", header, rows)


@never_cache
@require_GET
def outbox_message(request: HttpRequest, number: int) -> HttpResponse:
    """One message with its text; that it was read is recorded."""
    by = actor_of(request)
    message = one_message(number, by)
    context = {
        "message": message,
        "text": read_message(message=message, by=by),
        "has_mail_server": bool(settings.MAIL_SERVER_BACKEND),
    }
    return render(request, "trials/outbox_message.html", context)


@require_POST
def outbox_resend(request: HttpRequest, number: int) -> HttpResponse:
    """Try one message again now."""
    by = actor_of(request)
    resend_message(message=one_message(number, by), by=by)
    messages.success(request, _("The message is tried again within moments."))
    return redirect("outbox-message", number=number)
