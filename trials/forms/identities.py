"""Who a participant is: name and contacts, for sites that keep them."""

from django import forms
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.services.identities import Identity


class IdentityForm(forms.Form):
    """Name and contacts, each optional. Browsers are told to remember nothing of it."""

    name = forms.CharField(required=False, max_length=200, label=_("Name"))
    birth_date = DayField(required=False, label=_("Date of birth"))
    phone = forms.CharField(required=False, max_length=60, label=_("Telephone"))
    email = forms.EmailField(required=False, max_length=200, label=_("E-mail"))
    address = forms.CharField(
        required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3}), label=_("Address")
    )
    note = forms.CharField(
        required=False, max_length=500, label=_("Note"), help_text=_("Say, when and how to call. No results.")
    )

    def __init__(self, *given: object, **options: object) -> None:
        super().__init__(*given, **options)  # type: ignore[arg-type]
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"

    @property
    def identity(self) -> Identity:
        """What is to be sealed."""
        given = self.cleaned_data
        birth_date = given["birth_date"].isoformat() if given["birth_date"] else ""
        return Identity(**{**given, "birth_date": birth_date})


class EraseForm(forms.Form):
    """Why the identifiers are erased, and the study code as confirmation."""

    reason = forms.CharField(max_length=300, label=_("Why they are erased"), help_text=_("Without names."))
    confirmation = forms.CharField(max_length=40, label=_("Type the participant’s code to confirm"))

    def __init__(self, code: str, data: object = None) -> None:
        super().__init__(data, prefix="erase")  # type: ignore[arg-type]
        self._code = code

    def clean_confirmation(self) -> str:
        """Refuse any other text than the code."""
        typed = str(self.cleaned_data["confirmation"]).strip()
        if typed != self._code:
            raise forms.ValidationError(
                _("“%(typed)s” is not %(code)s. Nothing was erased."), params={"typed": typed, "code": self._code}
            )
        return typed
