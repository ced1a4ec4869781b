"""What the forms of this app share: a day field, and a service's refusal shown at the field it is about."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from django import forms

from trials.errors import RuleBroken

SHOWN_IN_THE_FORM = {409, 422}


class DayField(forms.DateField):
    """A calendar date, with the browser's own picker."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **options)


class ShowsRefusals(Protocol):
    """A form, or a page of several that speaks as one."""

    @property
    def fields(self) -> Mapping[str, forms.Field]:
        """The fields at which a refusal can be shown."""

    def add_error(self, field: str | None, error: str) -> None:
        """Show it."""


def show_refusal(form: ShowsRefusals, error: RuleBroken) -> None:
    """Put a service's sentence at its field, or above the form; raise it again where it is about rights."""
    if error.status not in SHOWN_IN_THE_FORM:
        raise error
    form.add_error(error.field if error.field in form.fields else None, error.sentence)


def accepted(form: ShowsRefusals, service: Callable[[], object]) -> bool:
    """Call a service; whether it did it, or showed its refusal in the form."""
    try:
        service()
    except RuleBroken as error:
        show_refusal(form, error)
        return False
    return True
