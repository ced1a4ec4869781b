"""The steps of a trial's life as forms: a reason, a typed confirmation or a password, as the tables ask."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from trials.forms.signing import SignedForm, is_typed, typed_word
from trials.lifecycle import DATA_MOVES, MOVES
from trials.models import Trial

# What cannot be taken back is confirmed by typing the trial's short name.
TYPED = frozenset({"registered", "follow_up", "locked", "unblinded", "archived"})


def _reason() -> forms.CharField:
    return forms.CharField(max_length=500, label=_("Reason"), help_text=_("It stays in the audit trail."))


class MoveForm(forms.Form):
    """One step of the status that one person takes."""

    to = forms.ChoiceField(choices=Trial.Status.choices, widget=forms.HiddenInput)

    def __init__(self, trial: Trial, to: str, data: Any = None) -> None:
        super().__init__(data, initial={"to": to}, auto_id=f"to_{to}_%s")
        self._slug = trial.slug
        move = MOVES.get((trial.status, to))
        if move is not None and move.needs_reason:
            self.fields["reason"] = _reason()
        if to in TYPED:
            self.fields["confirmation"] = typed_word(trial.slug)

    def clean_confirmation(self) -> str:
        """Refuse another word than the short name."""
        return is_typed(self, self._slug)


class AskForm(SignedForm):
    """A step that two people sign, asked for by the first."""

    to = forms.ChoiceField(choices=Trial.Status.choices, widget=forms.HiddenInput)
    reason = _reason()
    field_order = ["to", "reason", "password"]

    def __init__(self, request: HttpRequest, to: str, data: Any = None) -> None:
        super().__init__(request, data, initial={"to": to}, auto_id=f"ask_{to}_%s")


class SignForm(SignedForm):
    """The second signature."""

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(request, data, auto_id="sign_%s")


class RefuseForm(forms.Form):
    """A step that is not signed, or a question taken back."""

    reason = _reason()

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="refuse_%s")


class DataMoveForm(forms.Form):
    """Freezing values, or opening them again."""

    to = forms.ChoiceField(choices=Trial.DataState.choices, widget=forms.HiddenInput)

    def __init__(self, trial: Trial, to: str, data: Any = None) -> None:
        super().__init__(data, initial={"to": to}, auto_id=f"data_{to}_%s")
        move = DATA_MOVES.get((trial.data_state, to))
        if move is None or move.needs_reason:
            self.fields["reason"] = _reason()
