"""Members, laboratories, credentials and tokens."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import Laboratory, Site, Trial, User
from trials.permissions import Role
from trials.selectors.people import person_by_email

TOKEN_LIFE = timedelta(days=365)

SCOPE_WORDS = {
    "results:write": _("Send results (results:write)"),
    "results:read": _("Read results (results:read)"),
    "sessions:write": _("Report sessions of a coach-bot or app (sessions:write)"),
    "specimens:read": _("Read awaited specimens (specimens:read)"),
    "read": _("Read what I may see (read)"),
    "estimates:read": _("Read estimates, if I may see effects (estimates:read)"),
    "export": _("Make and download exports (export)"),
    "participants:write": _("Enrol and randomize (participants:write)"),
}


class MemberForm(forms.Form):
    """Give a person a role."""

    email = forms.EmailField(label=_("E-mail address of their account"))
    role = forms.ChoiceField(choices=Role.choices, label=_("Role"))
    site = forms.ModelChoiceField(
        queryset=Site.objects.none(), required=False, label=_("Only at"), empty_label=_("All sites")
    )

    def __init__(self, trial: Trial, data: Any = None) -> None:
        super().__init__(data)
        self.fields["site"].queryset = trial.sites.all()  # type: ignore[attr-defined]

    def clean_email(self) -> User:
        """Return the person; an address without an account is an error here."""
        person = person_by_email(self.cleaned_data["email"])
        if person is None:
            raise forms.ValidationError(_("Nobody has an account with this address. An administrator can open one."))
        return person


class LaboratoryForm(forms.Form):
    """Let a laboratory deliver results."""

    name = forms.CharField(max_length=200, label=_("Name of the laboratory"))
    code = forms.SlugField(max_length=40, label=_("Code"), help_text=_("As ghent-immunology: the same in every trial."))


class TokenForm(forms.Form):
    """A token: its name, what it lets through, and until when."""

    name = forms.CharField(max_length=100, label=_("Name"), help_text=_("Where it will be used."))
    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, label=_("It may"))
    expires_on = DayField(label=_("Valid through"))

    def __init__(self, scopes: Iterable[str], data: Any = None) -> None:
        super().__init__(data)
        self.fields["scopes"].choices = [(scope, SCOPE_WORDS[scope]) for scope in scopes]  # type: ignore[attr-defined]
        self.fields["expires_on"].initial = timezone.localdate() + TOKEN_LIFE

    @property
    def expires_at(self) -> datetime:
        """The end of the last valid day."""
        return datetime.combine(self.cleaned_data["expires_on"], time.max, tzinfo=UTC)


class CredentialForm(TokenForm):
    """A laboratory's token."""

    laboratory = forms.ModelChoiceField(queryset=Laboratory.objects.none(), label=_("Laboratory"), empty_label=None)
    is_sandbox = forms.BooleanField(
        required=False, label=_("For trying out"), help_text=_("Everything is checked and answered, nothing is stored.")
    )
    field_order = ["laboratory", "name", "scopes", "is_sandbox", "expires_on"]

    def __init__(self, laboratories: Any, scopes: Iterable[str], data: Any = None) -> None:
        super().__init__(scopes, data)
        self.fields["laboratory"].queryset = laboratories  # type: ignore[attr-defined]
