"""Telling other systems what happened: messages that wait in PostgreSQL, for webhooks that members look after.

A message is written in the transaction of the event that it tells of, so there is none of what was undone, and none is
lost of what was done. It holds what everybody may know: counts, ids of deliveries and queries, addresses where those
who may can read on. Never an arm, an effect, a value, a participant or who they are.
"""

import hmac
import json
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from trials import audit
from trials.access import Actor, require, sites_where
from trials.allocation.sealing import seal, unseal
from trials.errors import InConflict, RuleBroken
from trials.models import Laboratory, Trial, Webhook, WebhookMessage, WebhookSecret
from trials.outbound.addresses import AddressRefusedError, target_of
from trials.outbound.signing import new_secret
from trials.permissions import Permission
from trials.selectors.people import laboratories_of
from trials.services.sealing import allocation_key

OLD_SECRET_LASTS = timedelta(hours=24)
TEST = "webhook.test"
KEY_PURPOSE = b"secrets of webhooks"
E = Webhook.Event
# What is computed over all laboratories concerns none of them.
OF_THE_TRIAL_ALONE = frozenset({E.ESTIMATES_UPDATED})


def announce(event_type: str, *, trial: Trial, laboratory: Laboratory | None = None, data: dict[str, Any]) -> None:
    """Write the message of an event for every webhook that asked for it; part of the caller's transaction.

    The trial's own webhooks are told of everything, a laboratory's of what concerns its own results. Without a webhook
    this is one look into an index.
    """
    concerned = Q(laboratory=None) if laboratory is None else Q(laboratory=None) | Q(laboratory=laboratory)
    told = Webhook.objects.filter(concerned, trial=trial, state=Webhook.State.ACTIVE, events__contains=[event_type])
    WebhookMessage.objects.bulk_create(_message(each, event_type, trial, data) for each in told)


def _message(webhook: Webhook, event_type: str, trial: Trial, data: dict[str, Any]) -> WebhookMessage:
    content = {"type": event_type, "timestamp": timezone.now().isoformat(), "data": {"trial": trial.slug, **data}}
    return WebhookMessage(webhook=webhook, type=event_type, body=json.dumps(content))


def add_webhook(
    *, trial: Trial, url: str, events: Collection[str], by: Actor, laboratory: Laboratory | None = None
) -> tuple[Webhook, str]:
    """Let an address be told of these events; return the webhook with the secret, which is shown this once.

    Raises RuleBroken for an address that is not https to a public host, or events that there are not; InConflict for an
    address that is told already.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        _check(trial, url, events, laboratory, by)
        try:
            with transaction.atomic():
                webhook = Webhook.objects.create(
                    trial=trial, laboratory=laboratory, url=url.strip(), events=_in_order(events)
                )
        except IntegrityError as error:
            raise InConflict(
                "webhook_known", f"{url.strip()} is told already. Change its events on its page.", field="url"
            ) from error
        secret = _add_secret(webhook)
        event.record("webhook.added", trial=trial, target=webhook, detail={"events": webhook.events})
    return webhook, secret


def change_events(*, webhook: Webhook, events: Collection[str], by: Actor) -> Webhook:
    """Choose anew what a webhook is told of. Raises InConflict once it was ended."""
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, webhook.trial)
        webhook = _held(webhook)
        _check_events(events, webhook.laboratory)
        webhook.events = _in_order(events)
        webhook.save(update_fields=["events"])
        event.record("webhook.changed", trial=webhook.trial, target=webhook, detail={"events": webhook.events})
    return webhook


def rotate_secret(*, webhook: Webhook, replaces: int, by: Actor) -> str:
    """Make a new secret and return it, this once. For a day messages carry a signature by the old one too.

    `replaces` is the secret that it takes the place of. Raises InConflict where that one was replaced meanwhile.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, webhook.trial)
        webhook = _held(webhook)
        now = timezone.now()
        present = WebhookSecret.objects.filter(webhook=webhook, pk=replaces, expires_at=None)
        if not present.update(expires_at=now + OLD_SECRET_LASTS):
            raise InConflict(
                "secret_replaced", "This secret was replaced already, and the new one was shown then. Look again."
            )
        secret = _add_secret(webhook)
        event.record("webhook.secret_rotated", trial=webhook.trial, target=webhook)
    return secret


def set_webhook_active(*, webhook: Webhook, active: bool, by: Actor) -> Webhook:
    """Pause a webhook or let it go on; what waits is kept meanwhile. Raises InConflict once it was ended."""
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, webhook.trial)
        webhook = _held(webhook)
        webhook.state, webhook.state_reason = Webhook.State.ACTIVE if active else Webhook.State.PAUSED, ""
        webhook.save(update_fields=["state", "state_reason"])
        if active:
            waiting = webhook.messages.filter(state=WebhookMessage.State.WAITING)
            waiting.update(due_at=timezone.now())
        event.record("webhook.resumed" if active else "webhook.paused", trial=webhook.trial, target=webhook)
    return webhook


def end_webhook(*, webhook: Webhook, by: Actor) -> Webhook:
    """Tell an address nothing any more, for good. Asked again, it stays ended."""
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, webhook.trial)
        webhook = Webhook.objects.select_for_update().get(pk=webhook.pk)
        webhook.state = Webhook.State.ENDED
        webhook.save(update_fields=["state"])
        event.record("webhook.ended", trial=webhook.trial, target=webhook)
    return webhook


def send_test(*, webhook: Webhook, by: Actor) -> WebhookMessage:
    """Send a message that tells of nothing, to see whether it arrives. Raises InConflict unless it is active."""
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, webhook.trial)
        webhook = _held(webhook)
        if webhook.state != Webhook.State.ACTIVE:
            raise InConflict("webhook_paused", "This webhook is paused. Let it go on first. Nothing was sent.")
        message = _message(webhook, TEST, webhook.trial, {})
        message.save()
        event.record("webhook.tested", trial=webhook.trial, target=webhook)
    return message


def resend_webhook_message(*, message: WebhookMessage, by: Actor) -> WebhookMessage:
    """Send a message again, delivered or given up, under the same id; InConflict unless its webhook is active."""
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, message.webhook.trial)
        webhook = _held(message.webhook)
        if webhook.state != Webhook.State.ACTIVE:
            raise InConflict("webhook_paused", "This webhook is paused. Let it go on first. Nothing was sent.")
        message = WebhookMessage.objects.select_for_update().get(pk=message.pk)
        message.state, message.tries, message.due_at, message.settled_at = "waiting", 0, timezone.now(), None
        message.save(update_fields=["state", "tries", "due_at", "settled_at"])
        event.record("webhook.sent_again", trial=webhook.trial, target=webhook, detail={"message": message.message_id})
    return message


def _check(trial: Trial, url: str, events: Collection[str], laboratory: Laboratory | None, by: Actor) -> None:
    try:
        target_of(url.strip(), allow_local=settings.LOCAL)
    except AddressRefusedError as error:
        sentence = f"“{url.strip()[:80]}” cannot be told: {error}. Nothing was saved."
        raise RuleBroken("url_refused", sentence, field="url") from error
    if laboratory is None and not _manages_every_site(trial, by):
        raise RuleBroken(
            "laboratory_missing",
            "The whole trial is told of every site, and your role is at one. Choose a laboratory. Nothing was saved.",
            field="laboratory",
        )
    if laboratory is not None and not laboratories_of(trial, by).filter(pk=laboratory.pk).exists():
        raise RuleBroken("laboratory_unknown", "Choose a laboratory that delivers to this trial.", field="laboratory")
    _check_events(events, laboratory)


def _manages_every_site(trial: Trial, by: Actor) -> bool:
    """Return whether nothing that a webhook of the trial is told of is beyond `by`, who may be bound to a site."""
    return sites_where(by, Permission.LABORATORY_MANAGE, trial) >= {site.pk for site in trial.sites.all()}


def _check_events(events: Collection[str], laboratory: Laboratory | None) -> None:
    if not events or set(events) - set(E.values):
        raise RuleBroken("events_missing", f"Choose at least one of {', '.join(E.values)}.", field="events")
    if laboratory is not None and set(events) & OF_THE_TRIAL_ALONE:
        raise RuleBroken(
            "event_of_the_trial",
            "estimates.updated tells of the whole trial. Leave it out, or leave the laboratory open.",
            field="events",
        )


def _in_order(events: Collection[str]) -> list[str]:
    return [each for each in E.values if each in events]


def _held(webhook: Webhook) -> Webhook:
    """Return the webhook, locked; InConflict once it was ended."""
    held = Webhook.objects.select_for_update(of=("self",)).select_related("trial", "laboratory").get(pk=webhook.pk)
    if held.state == Webhook.State.ENDED:
        raise InConflict("webhook_ended", "This webhook was ended. Add the address anew. Nothing was changed.")
    return held


def _add_secret(webhook: Webhook) -> str:
    secret = new_secret()
    WebhookSecret.objects.create(webhook=webhook, ciphertext=seal(_key(), secret.encode(), _place(webhook)))
    return secret


def signing_secrets(webhook: Webhook) -> Sequence[str]:
    """Return what a message is signed with now, the newest first."""
    valid = webhook.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    return [unseal(_key(), bytes(each.ciphertext), _place(webhook)).decode() for each in valid]


def _key() -> bytes:
    """Return a key of its own, derived from the one that every installation has: what one seals, no other opens."""
    return hmac.digest(allocation_key(), KEY_PURPOSE, "sha256")


def _place(webhook: Webhook) -> tuple[str | int, ...]:
    return ("webhook", webhook.trial_id, webhook.pk)
