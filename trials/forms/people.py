"""Members, laboratories, credentials and tokens."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import Laboratory, Site, Trial, User
from trials.permissions import UNBLINDED_ROLES, Role

TOKEN_LIFE = timedelta(days=365)

SCOPE_WORDS = {
    "results:write": _("Send results (results:write)"),
    "results:read": _("Read results (results:read)"),
    "sessions:write": _("Report sessions of a coach-bot or app (sessions:write)"),
    "specimens:read": _("Read awaited specimens (specimens:read)"),
    "specimens:write": _("Record which specimens arrived (specimens:write)"),
    "read": _("Read what I may see (read)"),
    "estimates:read": _("Read estimates, if I may see effects (estimates:read)"),
    "export": _("Make and download exports (export)"),
    "participants:write": _("Enrol and randomize (participants:write)"),
}


class InvitationForm(forms.Form):
    """Open an account for somebody, by invitation."""

    email = forms.EmailField(max_length=254, label=_("E-mail address"))
    name = forms.CharField(max_length=200, required=False, label=_("Name"))


class MemberForm(InvitationForm):
    """Give a person a role: at once where they have an account, else by invitation.

    Roles that see arms or effects are offered only to those who may give them.
    """

    role = forms.ChoiceField(choices=Role.choices, label=_("Role"))
    site = forms.ModelChoiceField(
        queryset=Site.objects.none(), required=False, label=_("Only at"), empty_label=_("All sites")
    )

    def __init__(self, trial: Trial, *, may_unblind: bool, data: Any = None) -> None:
        super().__init__(data)
        self.fields["site"].queryset = trial.sites.all()  # type: ignore[attr-defined]
        if not may_unblind:
            offered = [(role, label) for role, label in Role.choices if role not in UNBLINDED_ROLES]
            self.fields["role"].choices = offered  # type: ignore[attr-defined]


class MemberFilterForm(forms.Form):
    """Narrow the list of members down."""

    q = forms.CharField(required=False, label=_("Name or address"))
    role = forms.ChoiceField(choices=[("", _("All roles")), *Role.choices], required=False, label=_("Role"))
    site = forms.ChoiceField(required=False, label=_("Site"))

    def __init__(self, trial: Trial, data: Any) -> None:
        super().__init__(data)
        sites = [(site.code, site.name) for site in trial.sites.all()]
        self.fields["site"].choices = [("", _("All sites")), *sites]  # type: ignore[attr-defined]


class ReasonForm(forms.Form):
    """Why something is ended."""

    reason = forms.CharField(max_length=500, label=_("Reason"), help_text=_("It stands in the delegation log."))


class AcceptanceForm(forms.Form):
    """Name and password of a new account. The password's rules are those of every other page that sets one."""

    name = forms.CharField(max_length=200, label=_("Your name"), widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        strip=False,
        label=_("Password"),
        help_text=_("At least 15 characters; a sentence is easy to remember. A password manager helps."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, email: str, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self._email = email

    def clean(self) -> dict[str, Any]:
        """Hold the password against the rules, also against name and address."""
        given = super().clean() or {}
        if given.get("password"):
            try:
                validate_password(given["password"], User(email=self._email, name=given.get("name", "")))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return given


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
