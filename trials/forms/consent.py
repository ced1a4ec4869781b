"""Consent after the first one, its versions, and the optional parts that are answered one by one."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import ConsentForm
from trials.selectors.consent import THE_TRIAL, ConsentInForce, Scope, scopes_of

OPTIONAL = "scope_"
AGREED = [("yes", _("Agrees")), ("no", _("Does not agree"))]


def add_optional_scopes(form: forms.Form, versions: Sequence[ConsentForm], asked: ConsentForm | None) -> None:
    """Add a question for every optional scope of any version; those of the version asked about must be answered."""
    wanted = {each.code for each in scopes_of(asked)} if asked else set()
    for version in versions:
        for scope in scopes_of(version):
            if not scope.required:
                form.fields[f"{OPTIONAL}{scope.code}"] = forms.ChoiceField(
                    required=scope.code in wanted, choices=AGREED, widget=forms.RadioSelect, label=scope.name
                )


def agreed_scopes(form: forms.Form) -> list[str]:
    """Return the codes agreed to, taking part first."""
    given = form.cleaned_data
    agreed = [name.removeprefix(OPTIONAL) for name in form.fields if name.startswith(OPTIONAL) and given[name] == "yes"]
    return [THE_TRIAL, *agreed]


class VersionForm(forms.Form):
    """The next version of the information sheet and consent form."""

    version = forms.CharField(max_length=40, label=_("Version"), help_text=_("As it is printed on the sheet, say 2.0."))
    valid_from = DayField(label=_("Valid from"), initial=timezone.localdate)
    scopes = forms.CharField(
        required=False,
        max_length=5000,
        widget=forms.Textarea,
        label=_("Optional parts"),
        help_text=_(
            "One a line, its code first: “biobank: Samples may be kept for later research”. Taking part in the trial "
            "itself always comes first and is not written here."
        ),
    )
    asks_again = forms.BooleanField(
        required=False,
        label=_("Ask again"),
        help_text=_("Participants in follow-up who consented to an earlier version are listed until they are asked."),
    )

    def clean_scopes(self) -> list[Scope]:
        """Return the optional scopes, one a line."""
        lines = [line.strip() for line in self.cleaned_data["scopes"].splitlines() if line.strip()]
        scopes = []
        for line in lines:
            code, colon, name = (part.strip() for part in line.partition(":"))
            if not (code and colon and name):
                raise forms.ValidationError(
                    _("“%(line)s” has no code and name. Write it as “biobank: Samples may be kept”."),
                    params={"line": line},
                )
            scopes.append(Scope(code, name))
        return scopes


class ReconsentForm(forms.Form):
    """The answer of somebody who is asked about a newer version."""

    answer = forms.ChoiceField(
        choices=[("agrees", _("Consents to this version")), ("declines", _("Declines; the earlier consent stands"))],
        widget=forms.RadioSelect,
        label=_("Answer"),
    )
    on = DayField(label=_("Answered on"), initial=timezone.localdate)
    reason = forms.CharField(required=False, max_length=300, label=_("In a few words, where they decline"))

    def __init__(self, version: ConsentForm, data: Any = None) -> None:
        super().__init__(data, prefix="again")
        self.version = version
        add_optional_scopes(self, [version], None)

    @property
    def scopes(self) -> list[BoundField]:
        """The optional parts, answered where they consent."""
        return [self[name] for name in self.fields if name.startswith(OPTIONAL)]

    @property
    def agreed(self) -> list[str]:
        """The codes of the scopes agreed to."""
        return agreed_scopes(self)

    def clean(self) -> dict[str, Any]:
        """Who consents answers every optional part."""
        given = super().clean() or self.cleaned_data
        if given.get("answer") == "agrees":
            for name in self.fields:
                if name.startswith(OPTIONAL) and not given.get(name):
                    self.add_error(name, _("Choose whether they agree."))
        return given


class ScopeWithdrawalForm(forms.Form):
    """One optional part of the consent that is taken back."""

    scope = forms.ChoiceField(label=_("Part that is withdrawn"))
    on = DayField(label=_("Withdrawn on"), initial=timezone.localdate)
    reason = forms.CharField(required=False, max_length=300, label=_("In a few words"))

    def __init__(self, consent: ConsentInForce, data: Any = None) -> None:
        super().__init__(data, prefix="part")
        choices = [(each.code, each.name) for each in consent.optional_in_force]
        self.fields["scope"].choices = choices  # type: ignore[attr-defined]
