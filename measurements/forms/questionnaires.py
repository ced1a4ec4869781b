"""Items as people enter them: a field for each, and why recorded ones change."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from measurements.questionnaires import Instrument
from trials.errors import RuleBroken


class ItemsForm(forms.Form):
    """The fields of one instrument, `q1`, `q2`, …; what an answer may be is the service's to say."""

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=300,
        required=False,
        label=_("Reason for the change"),
        help_text=_("Kept beside the old and the new score."),
    )

    def __init__(self, instrument: Instrument, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        keyboard = "text" if instrument.has_not_applicable else "numeric"
        for item in instrument.items:
            self.fields[f"q{item.number}"] = forms.CharField(
                required=False,
                max_length=80,
                label=item.label,
                widget=forms.TextInput(attrs={"inputmode": keyboard, "autocomplete": "off"}),
            )
        self._instrument = instrument

    @property
    def entered(self) -> dict[int, str]:
        """What was entered, by the number of the item."""
        return {item.number: self.cleaned_data.get(f"q{item.number}", "") for item in self._instrument.items}

    def show_misread(self, error: RuleBroken) -> None:
        """Put what the service says of single items at their fields."""
        for row in error.rows:
            self.add_error(f"q{row['number']}", row["message"])

    def rows(self) -> Sequence[tuple[Any, Any]]:
        """Every item with its field."""
        return [(item, self[f"q{item.number}"]) for item in self._instrument.items]
