"""Webhooks: which addresses are told of what, with which secret, and how each delivery went."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from trials.access import Actor, actor_of
from trials.errors import RuleBroken
from trials.forms.fields import SHOWN_IN_THE_FORM, accepted
from trials.forms.webhooks import EventsForm, WebhookForm
from trials.models import Trial, Webhook, WebhookMessage
from trials.selectors.people import laboratories_of
from trials.selectors.trials import visible_trial
from trials.selectors.webhooks import webhook_message_of, webhook_messages, webhook_of, webhooks_of
from trials.services import webhooks as services
from trials.views.csv_answers import csv_answer

PAGE_SIZE = 50


@never_cache
@require_http_methods(["GET", "POST"])
def webhooks(request: HttpRequest, slug: str) -> HttpResponse:
    """The addresses that are told; posting adds one and shows its secret this once."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    known = laboratories_of(trial, by)
    form = WebhookForm(known, request.POST or None)
    context: dict[str, Any] = {"trial": trial, "form": form}
    status = 422 if request.method == "POST" else 200
    if form.is_valid() and accepted(
        form, lambda: context.update(made=services.add_webhook(trial=trial, by=by, **form.cleaned_data))
    ):
        context["form"], status = WebhookForm(known), 201
    page = Paginator(webhooks_of(trial, by), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "trials/webhooks.html", context | {"page": page}, status=status)


@never_cache
@require_http_methods(["GET", "POST"])
def webhook(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One webhook with its delivery log; posting chooses its events anew."""
    trial, held, by = _webhook(request, slug, number)
    form = EventsForm(request.POST or None, initial={"events": held.events})
    if form.is_valid() and accepted(
        form, lambda: services.change_events(webhook=held, events=form.cleaned_data["events"], by=by)
    ):
        messages.success(request, _("It is told of these events from now on."))
        return redirect("webhook", slug=slug, number=number)
    return _page(request, trial, held, by, form, status=422 if request.method == "POST" else 200)


def _page(
    request: HttpRequest, trial: Trial, held: Webhook, by: Actor, form: EventsForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    state = request.GET.get("state", "")
    log = webhook_messages(held, by, state=state, sort=request.GET.get("sort", "")).prefetch_related("attempts")
    context = {
        "trial": trial,
        "webhook": held,
        "form": form,
        "page": Paginator(log, PAGE_SIZE).get_page(request.GET.get("page")),
        "states": WebhookMessage.State.choices,
        "state": state,
        "present_secret": held.secrets.filter(expires_at=None).first(),
        "old_secret": held.secrets.exclude(expires_at=None).first(),
    }
    return render(request, "trials/webhook.html", context | more, status=status)


@require_GET
def deliveries_csv(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """The delivery log that the page shows, as a file."""
    _trial, held, by = _webhook(request, slug, number)
    found = webhook_messages(held, by, state=request.GET.get("state", ""), sort=request.GET.get("sort", ""))
    header = ("id", "event", "written", "state", "attempts", "last_attempt", "status", "failure", "milliseconds")
    rows = (
        (
            each.message_id,
            each.type,
            each.created_at,
            each.state,
            each.tries,
            each.last_at,  # type: ignore[attr-defined]  # annotated by the selector
            each.last_status,  # type: ignore[attr-defined]
            each.last_failure,  # type: ignore[attr-defined]
            each.last_milliseconds,  # type: ignore[attr-defined]
        )
        for each in found
    )
    return csv_answer(f"{slug}-webhook-{number}", header, rows)


@never_cache
@require_POST
def webhook_rotate(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Make a new secret and show it this once."""
    trial, held, by = _webhook(request, slug, number)
    replaces = request.POST.get("replaces", "")
    if not replaces.isascii() or not replaces.isdigit() or len(replaces) > 18:
        return redirect("webhook", slug=slug, number=number)
    try:
        secret = services.rotate_secret(webhook=held, replaces=int(replaces), by=by)
    except RuleBroken as error:
        return _refused(request, error, slug, number)
    return _page(request, trial, held, by, EventsForm(initial={"events": held.events}), status=201, secret=secret)


@require_POST
def webhook_test(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Send a message that tells of nothing."""
    _trial, held, by = _webhook(request, slug, number)
    return _done(
        request, slug, number, lambda: services.send_test(webhook=held, by=by), _("A test message is on its way.")
    )


@require_POST
def webhook_pause(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Pause an active webhook."""
    _trial, held, by = _webhook(request, slug, number)
    return _done(
        request,
        slug,
        number,
        lambda: services.set_webhook_active(webhook=held, active=False, by=by),
        _("It is paused. What waits for it is kept."),
    )


@require_POST
def webhook_resume(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Let a paused webhook go on."""
    _trial, held, by = _webhook(request, slug, number)
    return _done(
        request,
        slug,
        number,
        lambda: services.set_webhook_active(webhook=held, active=True, by=by),
        _("It goes on, with what waited for it."),
    )


@require_POST
def webhook_end(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """End a webhook for good."""
    _trial, held, by = _webhook(request, slug, number)
    return _done(
        request, slug, number, lambda: services.end_webhook(webhook=held, by=by), _("It is told nothing any more.")
    )


@require_POST
def webhook_resend(request: HttpRequest, slug: str, number: int, message: int) -> HttpResponse:
    """Send one message again."""
    _trial, held, by = _webhook(request, slug, number)
    found = webhook_message_of(message, by, held)
    return _done(
        request,
        slug,
        number,
        lambda: services.resend_webhook_message(message=found, by=by),
        _("The message is sent again within moments, under the same id."),
    )


def _webhook(request: HttpRequest, slug: str, number: int) -> tuple[Trial, Webhook, Actor]:
    by = actor_of(request)
    trial = visible_trial(slug, by)
    return trial, webhook_of(number, by, trial), by


def _done(request: HttpRequest, slug: str, number: int, service: Callable[[], object], sentence: str) -> HttpResponse:
    """Call a service that has no form, and say how it went on the webhook's page."""
    try:
        service()
    except RuleBroken as error:
        return _refused(request, error, slug, number)
    messages.success(request, sentence)
    return redirect("webhook", slug=slug, number=number)


def _refused(request: HttpRequest, error: RuleBroken, slug: str, number: int) -> HttpResponse:
    if error.status not in SHOWN_IN_THE_FORM:
        raise error
    messages.error(request, error.sentence)
    return redirect("webhook", slug=slug, number=number)
