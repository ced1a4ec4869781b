"""An adverse event as it is recorded and changed."""

import secrets
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import AdverseEvent
from trials.services.safety import Particulars

CHOOSE = ("", _("Choose"))


def _one_time_key() -> str:
    return secrets.token_urlsafe(16)


class AdverseEventForm(forms.Form):
    """Everything that is known of an adverse event."""

    key = forms.CharField(max_length=40, widget=forms.HiddenInput, initial=_one_time_key)
    participant = forms.CharField(max_length=40, label=_("Participant"), help_text=_("Study code."))
    term = forms.CharField(max_length=200, label=_("What happened"), help_text=_("In a few words, without names."))
    blinded_term = forms.CharField(
        max_length=200,
        required=False,
        label=_("Words for those who may not know the arm"),
        help_text=_("Only where the words above would tell it: “Anxiety” for “Panic during exposure exercise”."),
    )
    started_on = DayField(label=_("Began on"))
    ended_on = DayField(label=_("Ended on"), required=False, help_text=_("Empty while it goes on."))
    severity = forms.ChoiceField(choices=[CHOOSE, *AdverseEvent.Severity.choices], label=_("Severity"))
    outcome = forms.ChoiceField(choices=[CHOOSE, *AdverseEvent.Outcome.choices], label=_("Outcome"))
    is_serious = forms.BooleanField(required=False, label=_("Serious"))
    criteria = forms.MultipleChoiceField(
        choices=AdverseEvent.Criterion.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Serious because of"),
    )
    aware_on = DayField(label=_("The site learnt of it on"), initial=timezone.localdate)
    reported_on = DayField(
        required=False, label=_("Reported on"), help_text=_("Serious events: within 24 hours of learning of them.")
    )
    relatedness = forms.ChoiceField(
        choices=[CHOOSE, *AdverseEvent.Relatedness.choices], label=_("Related to what the trial does")
    )
    is_expected = forms.BooleanField(required=False, label=_("Expected, by the protocol’s list"))
    action_taken = forms.CharField(max_length=300, required=False, label=_("Action taken"))
    dictionary = forms.CharField(
        max_length=60, required=False, label=_("Dictionary"), help_text=_("Such as MedDRA 28.0.")
    )
    dictionary_code = forms.CharField(max_length=40, required=False, label=_("Code in it"))
    narrative = forms.CharField(
        max_length=10_000, required=False, widget=forms.Textarea(attrs={"rows": 5}), label=_("Narrative")
    )

    @property
    def particulars(self) -> Particulars:
        """What was entered, for the service."""
        left_out = {"key", "participant", "reason"}
        return Particulars(**{name: value for name, value in self.cleaned_data.items() if name not in left_out})


class AdverseEventChangeForm(AdverseEventForm):
    """The same of an event that is recorded already, with the reason for the change."""

    reason = forms.CharField(max_length=300, required=False, label=_("Reason for the change"))

    def __init__(self, event: AdverseEvent, data: Any = None) -> None:
        known = {name: getattr(event, name) for name in Particulars.__dataclass_fields__}
        super().__init__(data, initial=known)
        del self.fields["key"], self.fields["participant"]
