"""What happened to a participant after randomization, one form for each thing, and striking a mistake."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import ParticipantEvent

Kind = ParticipantEvent.Kind


@dataclass(frozen=True)
class Happening:
    """One thing that can be recorded: what is asked, and what follows from it in plain words."""

    kind: str
    consequence: Any
    asks_reason: bool = False
    needs_confirmation: bool = False

    @property
    def label(self) -> str:
        """Return its name."""
        return str(Kind(self.kind).label)


STAYS = _("They stay in follow-up and in the analysis, in the arm they were randomized to.")
INTERVENTION = (
    Happening(Kind.INTERVENTION_STARTED, STAYS),
    Happening(Kind.INTERVENTION_NOT_STARTED, STAYS, asks_reason=True),
    Happening(Kind.INTERVENTION_DISCONTINUED, STAYS, asks_reason=True),
    Happening(
        Kind.INTERVENTION_ENDED,
        _("Visits that count from the end of the intervention get their windows from this day."),
    ),
)
FOLLOW_UP = (
    Happening(Kind.COMPLETED, _("Follow-up is over as planned. Every value stays.")),
    Happening(
        Kind.FOLLOW_UP_WITHDRAWN,
        _("No more visits. Every value until now stays in the analysis."),
        asks_reason=True,
    ),
    Happening(
        Kind.LOST_TO_FOLLOW_UP,
        _("They cannot be reached any more. Every value until now stays in the analysis."),
        asks_reason=True,
    ),
    Happening(
        Kind.DIED,
        _("No more visits. Every value until now stays in the analysis. A death is mostly an adverse event too."),
        needs_confirmation=True,
    ),
    Happening(
        Kind.DATA_USE_WITHDRAWN,
        _("Only this takes values out of the analysis and the exports, all of them."),
        asks_reason=True,
        needs_confirmation=True,
    ),
)
HAPPENINGS: Mapping[str, Happening] = {each.kind: each for each in (*INTERVENTION, *FOLLOW_UP)}

DATA_SCOPES = [
    ("data", _("No data are used any more")),
    ("data_and_specimens", _("No data are used any more, and stored specimens are to be destroyed")),
]


class HappeningForm(forms.Form):
    """The day, the reason where one is asked for, and the code as confirmation where there is no way back."""

    on = DayField(label=_("On"), initial=timezone.localdate)

    def __init__(self, happening: Happening, code: str, data: Any = None) -> None:
        super().__init__(data)
        self._code = code
        if happening.kind == Kind.DATA_USE_WITHDRAWN:
            self.fields["scope"] = forms.ChoiceField(
                choices=DATA_SCOPES, widget=forms.RadioSelect, initial="data", label=_("What the person asks for")
            )
        if happening.asks_reason:
            self.fields["reason"] = forms.CharField(
                max_length=300,
                required=happening.kind != Kind.DATA_USE_WITHDRAWN,
                label=_("Reason, in a few words and without names"),
            )
        if happening.needs_confirmation:
            self.fields["confirmation"] = forms.CharField(
                max_length=40,
                label=_("Type the participant’s code to confirm"),
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )

    def clean_confirmation(self) -> str:
        """Refuse any other text than the code."""
        typed = str(self.cleaned_data["confirmation"]).strip()
        if typed != self._code:
            raise forms.ValidationError(
                _("“%(typed)s” is not %(code)s. Nothing was saved."), params={"typed": typed, "code": self._code}
            )
        return typed

    @property
    def given(self) -> dict[str, Any]:
        """What the service takes."""
        return {name: value for name, value in self.cleaned_data.items() if name != "confirmation"}


class RetractForm(forms.Form):
    """Why something recorded was a mistake."""

    reason = forms.CharField(max_length=300, label=_("What was wrong"))
