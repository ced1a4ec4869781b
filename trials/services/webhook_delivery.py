"""Delivering what webhooks wait for: claimed, posted, and written down, each in a moment of its own.

No transaction is open while the other side takes its time. A worker that is killed leaves its message to others.
"""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from trials import audit
from trials.access import Actor
from trials.allocation.sealing import SealBrokenError
from trials.models import Webhook, WebhookAttempt, WebhookMessage
from trials.outbound.posting import Posted, post
from trials.outbound.signing import signed_headers
from trials.selectors.webhooks import keepers_of
from trials.services.messages import send_message
from trials.services.webhooks import signing_secrets

# The schedule that the Standard Webhooks specification advises. After the last, about three days on, it is given up.
RETRY_AFTER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
# Longer than an attempt takes: a worker that is gone for so long does not come back.
LEASE = timedelta(seconds=60)
GONE = 410


def deliver_webhook_message(*, message: WebhookMessage, by: Actor) -> None:
    """Post a message that is due, and write down how that went; harmless when repeated, and when others are at it.

    A receiver may get it twice, under the same id: whoever posted it may have been killed before writing that down.
    """
    claimed = _claim(message)
    if claimed is not None:
        _settle(claimed, _post(claimed), by)


def _claim(message: WebhookMessage) -> WebhookMessage | None:
    """Take a due message for a while; None where somebody else has it, it is done, or its webhook rests."""
    now = timezone.now()
    with transaction.atomic():
        due = WebhookMessage.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            Q(claimed_until=None) | Q(claimed_until__lt=now),
            pk=message.pk,
            state=WebhookMessage.State.WAITING,
            due_at__lte=now,
            webhook__state=Webhook.State.ACTIVE,
        )
        held = due.select_related("webhook__trial").first()
        if held is not None:
            held.claimed_until = now + LEASE
            held.save(update_fields=["claimed_until"])
    return held


def _post(message: WebhookMessage) -> Posted:
    try:
        given = signing_secrets(message.webhook)
    except SealBrokenError:
        return Posted(None, "secret_unreadable", 0)
    headers = signed_headers(given, message.message_id, int(time.time()), message.body)
    headers |= {"Content-Type": "application/json", "User-Agent": f"studyplatform/{settings.VERSION}"}
    return post(message.webhook.url, message.body, headers, allow_local=settings.LOCAL)


def _settle(message: WebhookMessage, posted: Posted, by: Actor) -> None:
    """Write down an attempt and what follows from it, unless the claim ran out and another attempt decides."""
    is_delivered = posted.status is not None and 200 <= posted.status < 300
    now = timezone.now()
    with transaction.atomic():
        WebhookAttempt.objects.create(
            message=message, status=posted.status, failure=posted.failure, milliseconds=posted.milliseconds
        )
        mine = WebhookMessage.objects.filter(pk=message.pk, claimed_until=message.claimed_until)
        left = _left_to_try(message)
        if is_delivered:
            mine.update(state="delivered", settled_at=now, claimed_until=None, tries=F("tries") + 1)
        elif left is None:
            given_up = mine.update(state="failed", settled_at=now, claimed_until=None, tries=F("tries") + 1)
            if given_up and not _delivered_since(message.webhook, message.created_at):
                _stop(message.webhook, Webhook.State.PAUSED, _("Nothing arrived for days."), by)
        elif mine.update(due_at=now + left, claimed_until=None, tries=F("tries") + 1):
            _let_others_wait(message.webhook, now + left)
        if posted.status == GONE:
            _stop(message.webhook, Webhook.State.ENDED, _("The receiver answered 410: it is gone for good."), by)


def _left_to_try(message: WebhookMessage) -> timedelta | None:
    return RETRY_AFTER[message.tries] if message.tries < len(RETRY_AFTER) else None


def _let_others_wait(webhook: Webhook, until: datetime) -> None:
    """Leave a receiver that fails in peace: what else waits for it is not tried before the next attempt."""
    waiting = webhook.messages.filter(state=WebhookMessage.State.WAITING, due_at__lt=until, claimed_until=None)
    waiting.update(due_at=until)


def _delivered_since(webhook: Webhook, moment: datetime) -> bool:
    return webhook.messages.filter(state=WebhookMessage.State.DELIVERED, settled_at__gte=moment).exists()


def _stop(webhook: Webhook, state: str, why: str, by: Actor) -> None:
    """Pause or end a webhook whose receiver does not answer, and tell those who look after it."""
    with audit.transaction(by=by) as event:
        held = Webhook.objects.select_for_update(of=("self",)).select_related("trial").get(pk=webhook.pk)
        if held.state == Webhook.State.ACTIVE:
            held.state, held.state_reason = state, why
            held.save(update_fields=["state", "state_reason"])
            _tell_keepers(held, why, by)
        verb = "webhook.ended" if state == Webhook.State.ENDED else "webhook.paused"
        event.record(verb, trial=held.trial, target=held)


def _tell_keepers(webhook: Webhook, why: str, by: Actor) -> None:
    told = {"trial": webhook.trial.title, "url": webhook.url, "why": why}
    text = _(
        "%(url)s is not told of %(trial)s any more. %(why)s\n\nThe page “Webhooks” of the trial shows what was tried. "
        "What waited is kept there and can be sent again."
    )
    for person in keepers_of(webhook.trial):
        send_message(
            to=person.email,
            subject=_("A webhook of %(trial)s stopped") % told,
            text=text % told,
            by=by,
            trial=webhook.trial,
        )
