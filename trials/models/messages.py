"""Messages to people by e-mail, and invitations. PostgreSQL is their queue."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.models.people import User
from trials.permissions import Role


class OutgoingMessage(models.Model):
    """A message that waits for the mail server, was sent, or could not be.

    The text may hold a link that lets its reader in: it is emptied once the message is sent.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    class Kind(models.TextChoices):
        NOTICE = "notice", _("Notice")
        ACCOUNT = "account", _("About an account")  # shown to nobody: its link would hand the account over

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.NOTICE)
    to = models.EmailField()
    subject = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    trial = models.ForeignKey("trials.Trial", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    failure = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["due_at"], condition=Q(state="waiting"), name="message_that_waits")]

    def __str__(self) -> str:
        return f"message {self.pk}"


class Invitation(models.Model):
    """An address to which an account, and a role in a trial where one is named, is offered for a while.

    Only the SHA-256 of the link's token is kept. The link works once.
    """

    email = models.EmailField()
    name = models.CharField(max_length=200, blank=True)
    trial = models.ForeignKey("trials.Trial", null=True, on_delete=models.PROTECT, related_name="invitations")
    role = models.CharField(max_length=40, choices=Role.choices, blank=True)
    site = models.ForeignKey("trials.Site", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "email", "role", "site"],
                condition=Q(accepted_at=None, revoked_at=None),
                nulls_distinct=False,
                name="an_address_is_invited_once_to_a_role",
            ),
            models.CheckConstraint(
                condition=Q(trial=None, role="", site=None) | (Q(trial__isnull=False) & ~Q(role="")),
                name="an_invitation_to_a_trial_names_a_role",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_expired(self) -> bool:
        """Return whether its time is over."""
        return self.expires_at <= timezone.now()
