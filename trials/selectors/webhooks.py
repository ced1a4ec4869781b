"""Webhooks of a trial, what they were told, and how it went. For those who look after its laboratories."""

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery

from trials.access import Actor, at_every_site, require
from trials.errors import NotFound
from trials.models import Trial, User, Webhook, WebhookAttempt, WebhookMessage
from trials.permissions import ROLE_PERMISSIONS, Permission

KEEPERS = [role for role, held in ROLE_PERMISSIONS.items() if Permission.LABORATORY_MANAGE in held]
MESSAGE_ORDERS = {"written": "created_at", "event": "type", "state": "state", "attempts": "tries"}


def webhooks_of(trial: Trial, by: Actor) -> QuerySet[Webhook]:
    """Return the webhooks, those that ended last; each with `waiting`, `failed` and `last_delivered_at`.

    One of the whole trial is told of every site: who is bound to a site neither adds nor sees it, nor its secret.
    """
    require(by, Permission.LABORATORY_MANAGE, trial)
    state = WebhookMessage.State
    found = Webhook.objects.filter(trial=trial).select_related("laboratory")
    if not at_every_site(by, Permission.LABORATORY_MANAGE, trial):
        found = found.exclude(laboratory=None)
    return found.annotate(
        waiting=Count("messages", Q(messages__state=state.WAITING)),
        failed=Count("messages", Q(messages__state=state.FAILED)),
        last_delivered_at=Max("messages__settled_at", filter=Q(messages__state=state.DELIVERED)),
        is_ended=Q(state=Webhook.State.ENDED),
    ).order_by("is_ended", "url", "pk")


def webhook_of(number: int, by: Actor, trial: Trial) -> Webhook:
    """Return one webhook of this trial."""
    found = webhooks_of(trial, by).filter(pk=number).select_related("trial", "laboratory").first()
    if found is None:
        raise NotFound("webhook_unknown", "There is no such webhook in this trial.")
    return found


def webhook_messages(webhook: Webhook, by: Actor, *, state: str = "", sort: str = "") -> QuerySet[WebhookMessage]:
    """Return what a webhook was told, the newest first, each with `last_status`, `last_failure` and `last_at`."""
    require(by, Permission.LABORATORY_MANAGE, webhook.trial)
    last = WebhookAttempt.objects.filter(message=OuterRef("pk")).order_by("-id")
    found = webhook.messages.annotate(
        last_at=Subquery(last.values("at")[:1]),
        last_status=Subquery(last.values("status")[:1]),
        last_failure=Subquery(last.values("failure")[:1]),
        last_milliseconds=Subquery(last.values("milliseconds")[:1]),
    )
    if state:
        found = found.filter(state=state)
    column = MESSAGE_ORDERS.get(sort.removeprefix("-"))
    sign = "-" if sort.startswith("-") else ""
    return found.order_by(f"{sign}{column}", "-id") if column else found.order_by("-id")


def webhook_message_of(number: int, by: Actor, webhook: Webhook) -> WebhookMessage:
    """Return one message of a webhook."""
    require(by, Permission.LABORATORY_MANAGE, webhook.trial)
    found = webhook.messages.filter(pk=number).select_related("webhook__trial").first()
    if found is None:
        raise NotFound("message_unknown", "There is no such message.")
    return found


def keepers_of(trial: Trial) -> QuerySet[User]:
    """Return the members who look after the trial's laboratories and webhooks."""
    held = trial.memberships.filter(ended_at=None, role__in=KEEPERS)
    return User.objects.filter(is_active=True, pk__in=held.values("user_id")).order_by("email")
