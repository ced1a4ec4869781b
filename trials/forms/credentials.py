"""Laboratories, their credentials, and people's own tokens."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import LaboratoryCredential
from trials.services.credentials import OVERLAP, TOKEN_LIFE

SCOPE_WORDS = {
    "results:write": _("Send results and corrections of them (results:write)"),
    "results:read": _("Read the results that it sent itself, and its submissions (results:read)"),
    "specimens:read": _("See which specimens await results (specimens:read)"),
    "specimens:write": _("Record which specimens arrived, and in which condition (specimens:write)"),
    "sessions:write": _("Report sessions of a coach-bot or app (sessions:write)"),
    "read": _("Read what I may see (read)"),
    "estimates:read": _("Read estimates, if I may see effects (estimates:read)"),
    "export": _("Make and download exports (export)"),
    "participants:write": _("Enrol and randomize (participants:write)"),
}
OVERLAPS = [
    (7, _("For 7 days more")),
    (1, _("For one day more")),
    (14, _("For 14 days more")),
    (30, _("For 30 days more")),
    (0, _("It ends at once")),
]
LIVE, SANDBOX = "live", "sandbox"


def _one_time_key() -> str:
    return secrets.token_urlsafe(16)


class LaboratoryForm(forms.Form):
    """Let a laboratory deliver results."""

    name = forms.CharField(max_length=200, label=_("Name of the laboratory"))
    code = forms.SlugField(max_length=40, label=_("Code"), help_text=_("As ghent-immunology: the same in every trial."))


class EndDeliveryForm(forms.Form):
    """Why a laboratory delivers no more."""

    reason = forms.CharField(max_length=500, label=_("Reason"), help_text=_("It stands in the audit trail."))


class ExpiryForm(forms.Form):
    """Until when a token is good."""

    expires_on = DayField(label=_("Valid through"))

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.fields["expires_on"].initial = timezone.localdate() + TOKEN_LIFE

    @property
    def expires_at(self) -> datetime:
        """The end of the last valid day."""
        return datetime.combine(self.cleaned_data["expires_on"], time.max, tzinfo=UTC)


class TokenForm(ExpiryForm):
    """A token: its name, what it lets through, and until when. A form makes one token, however often it is sent."""

    key = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput, initial=_one_time_key)
    name = forms.CharField(max_length=100, label=_("Name"), help_text=_("Where it will be used."))
    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, label=_("It may"))
    field_order = ["key", "name", "scopes", "expires_on"]

    def __init__(self, scopes: Iterable[str], data: Any = None) -> None:
        super().__init__(data)
        self.fields["scopes"].choices = [(scope, SCOPE_WORDS[scope]) for scope in scopes]  # type: ignore[attr-defined]


class CredentialForm(TokenForm):
    """A laboratory's token."""

    kind = forms.ChoiceField(
        widget=forms.RadioSelect,
        initial=LIVE,
        choices=[
            (LIVE, _("Live: what it sends is the trial's data")),
            (SANDBOX, _("Sandbox: for trying out, in a copy of the trial with made-up participants")),
        ],
        label=_("For"),
    )
    field_order = ["key", "name", "kind", "scopes", "expires_on"]


class RotationForm(ExpiryForm):
    """How long the old token stays good beside its successor."""

    overlap = forms.TypedChoiceField(
        coerce=int,
        choices=OVERLAPS,
        initial=OVERLAP.days,
        label=_("The old token"),
        help_text=_("Time for the laboratory to put the new one in place. Both work meanwhile."),
    )
    field_order = ["overlap", "expires_on"]

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.fields["expires_on"].label = _("The new token is valid through")

    @property
    def overlapping(self) -> timedelta:
        """The chosen time."""
        return timedelta(days=self.cleaned_data["overlap"])


class RevocationForm(forms.Form):
    """Revoking: the beginning of the token typed again, and why."""

    typed = forms.CharField(max_length=40, label=_("Type the beginning of the token"))
    reason = forms.CharField(max_length=500, required=False, label=_("Reason"), help_text=_("For the audit trail."))

    def __init__(self, credential: LaboratoryCredential, data: Any = None) -> None:
        super().__init__(data)
        self._prefix = credential.prefix
        self.fields["typed"].help_text = _("As it stands in the list: %(prefix)s") % {"prefix": credential.prefix}

    def clean_typed(self) -> str:
        """Compare with the token that is meant."""
        typed: str = self.cleaned_data["typed"].strip().rstrip("…")
        if typed != self._prefix:
            raise forms.ValidationError(
                _("“%(typed)s” is not how this token begins. Nothing was revoked."), params={"typed": typed}
            )
        return typed


class ConfirmationForm(forms.Form):
    """Emptying the sandbox: the word typed."""

    typed = forms.CharField(max_length=40, label=_("Type EMPTY"))

    def clean_typed(self) -> str:
        """Look at the word."""
        typed: str = self.cleaned_data["typed"].strip()
        if typed.upper() != "EMPTY":
            raise forms.ValidationError(
                _("“%(typed)s” is not EMPTY. The sandbox was left as it is."), params={"typed": typed}
            )
        return typed
