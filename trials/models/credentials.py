"""Laboratories and the tokens by which machines come in. Tokens are stored as SHA-256 with a visible prefix."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.models.people import User
from trials.models.trial import Trial

EXPIRES_SOON = timedelta(days=30)
"""So long before its end a token's pages, and the tasks of those who look after it, say so."""


class Standing(models.TextChoices):
    """What stands with a token at this moment."""

    CURRENT = "current", _("In use")
    EXPIRES_SOON = "expires_soon", _("Expires soon")
    REPLACED = "replaced", _("Replaced, ends soon")
    EXPIRED = "expired", _("Expired")
    REVOKED = "revoked", _("Revoked")


def standing_of(expires_at: datetime, revoked_at: datetime | None, is_replaced: bool) -> Standing:
    """Return what stands with a token that ends, was revoked, and has a successor or not."""
    now = timezone.now()
    if revoked_at is not None:
        return Standing.REVOKED
    if expires_at <= now:
        return Standing.EXPIRED
    if is_replaced:
        return Standing.REPLACED
    return Standing.EXPIRES_SOON if expires_at <= now + EXPIRES_SOON else Standing.CURRENT


class Laboratory(models.Model):
    """Who measures. Every trial has a built-in one, `site`, for what is entered by web form."""

    code = models.SlugField(max_length=40)
    name = models.CharField(max_length=200)
    trial = models.ForeignKey(Trial, null=True, blank=True, on_delete=models.PROTECT, related_name="own_laboratories")

    class Meta:
        verbose_name_plural = "laboratories"
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "code"], nulls_distinct=False, name="a_laboratory_code_is_unique_where_it_belongs"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class LaboratoryTrial(models.Model):
    """A laboratory delivers results to a trial."""

    laboratory = models.ForeignKey(Laboratory, on_delete=models.PROTECT, related_name="deliveries")
    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="laboratories")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["laboratory", "trial"], condition=Q(ended_at=None), name="a_laboratory_joins_a_trial_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.laboratory} for {self.trial}"


class LaboratoryCredential(models.Model):
    """A token of one laboratory: its trials, scopes, expiry, and whether it is for the sandbox."""

    laboratory = models.ForeignKey(Laboratory, on_delete=models.PROTECT, related_name="credentials")
    trials = models.ManyToManyField(Trial, related_name="laboratory_credentials")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=20)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    is_sandbox = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    # Rotated: both are good until this one expires, at the end of the overlap.
    replaced_by = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaces", editable=False
    )
    # Of the form that asked for it, so that one sent twice makes one token.
    key = models.CharField(max_length=40, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="a_form_makes_one_credential")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def standing(self) -> Standing:
        """Whether it is in use, and if not why."""
        return standing_of(self.expires_at, self.revoked_at, self.replaced_by_id is not None)


class PersonalToken(models.Model):
    """A person's token: never more than the person's own rights, less what its scopes leave out."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=20)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    key = models.CharField(max_length=40, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="a_form_makes_one_personal_token")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def standing(self) -> Standing:
        """Whether it is in use, and if not why."""
        return standing_of(self.expires_at, self.revoked_at, is_replaced=False)


class Allowance(models.Model):
    """What is left of the requests or rows that a token may send, and when that was counted.

    Bookkeeping in an unlogged table: writing it waits for no disk, and a crash leaves every token with all it may.
    """

    name = models.CharField(max_length=60, primary_key=True)
    remaining = models.FloatField()
    is_granted = models.BooleanField()
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.remaining}"
