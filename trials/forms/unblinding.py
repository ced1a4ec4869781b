"""Opening a participant's arm in an emergency."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.access import actor_of
from trials.forms.fields import DayField
from trials.forms.signing import SignedForm, is_typed, typed_word
from trials.models import Participant, User
from trials.selectors.unblindings import people_to_notify


class UnblindForm(SignedForm):
    """Why, on which day, who is told; signed by typing the code and the password."""

    reason = forms.CharField(
        max_length=500,
        label=_("Why the arm must be known now"),
        help_text=_("Blinded people read this: name no arm."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    notify = forms.ModelChoiceField(
        User.objects.none(),
        label=_("Who is told"),
        help_text=_("They get a message that this was done, and why. It does not name the arm."),
    )
    on = DayField(label=_("Day"))
    field_order = ["reason", "notify", "on", "confirmation", "password"]

    def __init__(self, request: HttpRequest, participant: Participant, data: Any = None) -> None:
        super().__init__(request, data, initial={"on": timezone.localdate()})
        self._code = participant.code
        self.fields["notify"].queryset = people_to_notify(participant, actor_of(request))  # type: ignore[attr-defined]
        self.fields["confirmation"] = typed_word(participant.code)
        self.order_fields(self.field_order)

    def clean_confirmation(self) -> str:
        """Refuse another word than the code."""
        return is_typed(self, self._code)
