"""Webhooks: whom the platform tells of what happens, what it has to tell, and how each attempt went."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from trials.models.credentials import Laboratory
from trials.models.trial import Trial


class Webhook(models.Model):
    """An address that is told of events: of a trial, or of what one laboratory delivered to it."""

    class Event(models.TextChoices):
        SUBMISSION_COMPLETED = "submission.completed", _("A delivery was recorded (submission.completed)")
        QUERY_OPENED = "query.opened", _("A query was opened (query.opened)")
        ESTIMATES_UPDATED = "estimates.updated", _("The estimates were computed anew (estimates.updated)")

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        ENDED = "ended", _("Ended")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="webhooks")
    laboratory = models.ForeignKey(Laboratory, null=True, blank=True, on_delete=models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=500)
    events = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    state_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "laboratory", "url"],
                condition=~Q(state="ended"),
                nulls_distinct=False,
                name="an_address_is_told_once",
            )
        ]

    def __str__(self) -> str:
        return self.url


class WebhookSecret(models.Model):
    """What messages are signed with, sealed. Two while a secret is changed: the old one ends at `expires_at`."""

    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="secrets")
    ciphertext = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["webhook"], condition=Q(expires_at=None), name="a_webhook_has_one_present_secret"
            )
        ]

    def __str__(self) -> str:
        return f"secret {self.pk}"


class WebhookMessage(models.Model):
    """What one webhook is told of one event, stored with the event: the outbox. Every attempt sends these bytes."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")

    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="messages")
    reference = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    type = models.CharField(max_length=40)
    body = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    # Who attends to it does so until then; a worker that was killed leaves it to others.
    claimed_until = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["webhook", "due_at"], condition=Q(state="waiting"), name="webhook_message_that_waits"),
            models.Index(
                fields=["webhook"], condition=Q(claimed_until__isnull=False), name="webhook_message_that_is_posted"
            ),
            models.Index(fields=["webhook", "-id"], name="webhook_message_by_webhook"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.message_id}"

    @property
    def message_id(self) -> str:
        """Return the id that the receiver sees, the same at every attempt."""
        return f"msg_{self.reference.hex}"


class WebhookAttempt(models.Model):
    """One attempt to deliver a message: what was answered, or what failed, and how long it took."""

    message = models.ForeignKey(WebhookMessage, on_delete=models.PROTECT, related_name="attempts")
    at = models.DateTimeField(db_default=Now(), editable=False)
    status = models.PositiveSmallIntegerField(null=True)
    failure = models.CharField(max_length=30, blank=True)
    milliseconds = models.PositiveIntegerField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.status or self.failure)
