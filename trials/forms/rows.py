"""Tables of rows in a form: some shown at once, the others on demand, blank ones left out; no script needed."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

CODE_LENGTH = 20
BLANK = [("", "")]


class Row(forms.Form):
    """One row of a table; a blank one is left out. What names it (`hidden`) does not fill it in."""

    # Fields that open on demand within the row.
    detail_fields: Sequence[str] = ()

    def has_changed(self) -> bool:
        """Whether something visible is filled in."""
        return any(not self.fields[name].widget.is_hidden for name in self.changed_data)

    @property
    def essentials(self) -> list[forms.BoundField]:
        """The fields shown at once."""
        return [field for field in self.visible_fields() if field.name not in self.detail_fields]

    @property
    def details(self) -> list[forms.BoundField]:
        """The fields that open on demand."""
        return [field for field in self.visible_fields() if field.name in self.detail_fields]

    @property
    def details_used(self) -> bool:
        """Whether one of the fields that open on demand is filled in, or wrong."""
        return any(field.value() not in (None, "") or field.errors for field in self.details)


class RowForm(Row):
    """A row with a name and a code; a missing code is made from the name."""

    name = forms.CharField(max_length=100, label=_("Name"))
    code = forms.SlugField(required=False, max_length=CODE_LENGTH, label=_("Code"))

    def clean(self) -> None:
        """Make the code where it is missing."""
        if not self.cleaned_data.get("code"):
            self.cleaned_data["code"] = slugify(self.cleaned_data.get("name", ""))[:CODE_LENGTH]
        if self.cleaned_data.get("name") and not self.cleaned_data["code"]:
            self.add_error("code", _("Give a code in Latin letters or digits."))


class RowSet(forms.BaseFormSet):
    """A table of rows: `shown` of them at once, and as many more as are filled in beforehand."""

    shown = 2

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.shown = max(self.shown, len(self.initial or ()))

    def initial_form_count(self) -> int:
        """Return 0: a row that was filled in beforehand may be emptied as well."""
        return 0

    @property
    def first_rows(self) -> Sequence[forms.Form]:
        """The rows shown at once."""
        return self.forms[: self.shown]

    @property
    def more_rows(self) -> Sequence[forms.Form]:
        """The rows that open on demand."""
        return self.forms[self.shown :]

    @property
    def more_used(self) -> bool:
        """Whether a row beyond the first ones is filled in."""
        return self.is_bound and any(row.has_changed() for row in self.more_rows)

    def clean(self) -> None:
        """Refuse a code given twice."""
        codes = [row.cleaned_data["code"] for row in self.forms if row.has_changed() and "code" in row.cleaned_data]
        repeated = {code for code in codes if codes.count(code) > 1}
        if repeated:
            raise forms.ValidationError(_("The code “%(code)s” stands in two rows."), params={"code": repeated.pop()})

    @property
    def designs(self) -> list[Any]:
        """The filled-in rows as the service takes them; only when valid."""
        return [row.design for row in self.forms if row.has_changed()]


def rows_of(form: type[Row], *, shown: int, most: int) -> type[RowSet]:
    """Return a table of such rows."""
    made = forms.formset_factory(form, formset=RowSet, extra=most, max_num=most, absolute_max=most)
    return type(f"{form.__name__}Rows", (made,), {"shown": shown})
