"""Recording that somebody was randomized in error."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.forms.signing import SignedForm
from trials.models import Participant
from trials.selectors.randomization import Error

LEVEL = "level_"


class InErrorForm(SignedForm):
    """What was wrong, since when it is known, and why; signed with the password, as it stays for ever."""

    kind = forms.ChoiceField(choices=Error.choices, label=_("What was wrong"), widget=forms.RadioSelect)
    first = forms.CharField(
        required=False,
        max_length=40,
        label=_("The code they were randomized under first"),
        help_text=_("Only where the same person was randomized twice. Both codes stay."),
    )
    reason = forms.CharField(
        max_length=300,
        label=_("What happened"),
        help_text=_("Blinded people read this: name no arm, and nobody."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    on = DayField(label=_("Found on"))

    def __init__(self, request: HttpRequest, participant: Participant, data: Any = None) -> None:
        super().__init__(request, data, initial={"on": timezone.localdate()})
        for factor in participant.trial.factors.filter(is_site=False):
            self.fields[LEVEL + factor.code] = forms.ChoiceField(
                required=False,
                choices=[(level["code"], level["name"]) for level in factor.levels],
                initial=participant.strata.get(factor.code),
                label=_("True level: %(factor)s") % {"factor": factor.name},
                help_text=_("Only where the stratum was wrong. The analysis keeps the stratum as randomized."),
            )
        levels = [name for name in self.fields if name.startswith(LEVEL)]
        self.order_fields(["kind", *levels, "first", "reason", "on", "password"])

    @property
    def given(self) -> dict[str, Any]:
        """What `record_randomized_in_error` takes; levels and first code only where the error is of that kind."""
        cleaned = self.cleaned_data
        levels = {
            name.removeprefix(LEVEL): level for name, level in cleaned.items() if name.startswith(LEVEL) and level
        }
        is_stratum, is_twice = cleaned["kind"] == Error.WRONG_STRATUM, cleaned["kind"] == Error.RANDOMIZED_TWICE
        return {
            "kind": cleaned["kind"],
            "reason": cleaned["reason"],
            "on": cleaned["on"],
            "true_levels": levels if is_stratum else {},
            "first": cleaned["first"] if is_twice else "",
        }
