"""Members and invitations."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from trials.models import Site, Trial, User
from trials.permissions import UNBLINDED_ROLES, Role


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
