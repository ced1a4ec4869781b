"""Choosing what a trial measures, and defining what the catalogue does not have."""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from measurements.catalogue import CATALOGUE, Definition, Loinc
from measurements.models import Biomarker

CLASS_NAMES = dict(Biomarker.OutcomeClass.choices)
OWN_SOURCE = "Given by the trial"


class CatalogueForm(forms.Form):
    """Biomarkers of the catalogue that the trial does not measure yet."""

    codes = forms.MultipleChoiceField(label="", widget=forms.CheckboxSelectMultiple)

    def __init__(self, measured: Iterable[str], data: Any = None) -> None:
        super().__init__(data)
        taken = set(measured)
        self.offered = [definition for definition in CATALOGUE.values() if definition.code not in taken]
        self.fields["codes"].choices = [(each.code, each.name) for each in self.offered]  # type: ignore[attr-defined]

    @property
    def chosen(self) -> set[str]:
        """The codes that were ticked, also where they were refused."""
        return set(self.data.getlist("codes")) if self.is_bound else set()  # type: ignore[attr-defined]

    def groups(self) -> list[tuple[Any, list[Definition]]]:
        """What is offered, by the name of the outcome class."""
        grouped = groupby(self.offered, key=lambda each: each.outcome_class)
        return [(CLASS_NAMES[outcome_class], list(group)) for outcome_class, group in grouped]


class BiomarkerForm(forms.Form):
    """Everything about a biomarker of the trial's own, or about one that is changed."""

    name = forms.CharField(max_length=120, label=_("Name"))
    code = forms.RegexField(r"^[A-Z][A-Z0-9_]{0,19}$", label=_("Code"), help_text=_("As IL6: capitals and digits."))
    outcome_class = forms.ChoiceField(choices=Biomarker.OutcomeClass.choices, label=_("Outcome class"))
    direction = forms.ChoiceField(choices=Biomarker.Direction.choices, label=_("More of it is"))
    unit = forms.CharField(max_length=30, label=_("Unit"), help_text=_("As pg/mL. Values are stored in this unit."))
    analysis_scale = forms.ChoiceField(choices=Biomarker.Scale.choices, label=_("Analysed as"))
    molar_mass = forms.DecimalField(
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=4,
        label=_("Molar mass, g/mol"),
        help_text=_("Only of a molecule that has an exact one; it lets pg/mL and pmol/L be converted."),
    )
    low = forms.DecimalField(required=False, max_digits=30, decimal_places=12, label=_("Plausible from"))
    high = forms.DecimalField(
        required=False,
        max_digits=30,
        decimal_places=12,
        label=_("Plausible to"),
        help_text=_("A value outside is stored, and a question is opened."),
    )
    may_be_negative = forms.BooleanField(required=False, label=_("Values below zero are accepted"))
    specimen_type = forms.RegexField(
        r"^[a-z][a-z_-]{0,19}$", label=_("Specimen"), initial="serum", help_text=_("As serum, plasma, saliva.")
    )
    aliases = forms.CharField(
        required=False,
        max_length=400,
        label=_("Other names"),
        help_text=_("What laboratories call it, with commas between."),
    )
    loinc = forms.RegexField(
        r"^[0-9]{1,7}-[0-9]$",
        required=False,
        label=_("LOINC code"),
        help_text=_("Leave it empty where none is certain."),
    )
    loinc_source = forms.CharField(required=False, max_length=200, label=_("Where the code was found"))
    is_awaited = forms.BooleanField(
        required=False,
        initial=True,
        label=_("Everybody is expected to have it"),
        help_text=_("Not for what only some arms can have: what is missing would tell the arm."),
    )

    tells_arm = forms.BooleanField(
        required=False,
        label=_("Only people with a therapy have it"),
        help_text=_("Then its values are shown and recorded only where the arm may be seen, and nobody is awaited."),
    )

    @property
    def definition(self) -> Definition:
        """The biomarker as the service takes it."""
        given = self.cleaned_data
        has_range = given["low"] is not None and given["high"] is not None
        return Definition(
            given["code"],
            given["name"],
            given["outcome_class"],
            given["unit"],
            plausible=(str(given["low"]), str(given["high"])) if has_range else None,
            aliases=tuple(alias for part in given["aliases"].split(",") if (alias := part.strip())),
            specimen_type=given["specimen_type"],
            analysis_scale=given["analysis_scale"],
            direction=given["direction"],
            molar_mass=str(given["molar_mass"]) if given["molar_mass"] is not None else None,
            may_be_negative=given["may_be_negative"],
            loinc=_loinc(given["loinc"], given["loinc_source"]),
            is_awaited=given["is_awaited"],
            tells_arm=given["tells_arm"],
        )

    def clean_loinc(self) -> str:
        """Refuse a code whose check digit is not that of its number."""
        code: str = self.cleaned_data["loinc"]
        if code and code[-1] != str(check_digit(code[:-2])):
            right = f"{code[:-1]}{check_digit(code[:-2])}"
            raise forms.ValidationError(
                _now("“%(code)s” is no LOINC code: its check digit does not fit. %(right)s would."),
                params={"code": code, "right": right},
            )
        return code

    def clean(self) -> dict[str, Any]:
        """Check the range, the scale and the molar mass against one another."""
        given: dict[str, Any] = super().clean() or {}
        low, high = given.get("low"), given.get("high")
        if (low is None) != (high is None):
            self.add_error("high", _now("Give both ends of the range, or neither."))
        elif low is not None and high is not None and low > high:
            self.add_error("high", _now("The range ends before it begins."))
        if given.get("may_be_negative") and given.get("analysis_scale") == Biomarker.Scale.LOG:
            self.add_error("analysis_scale", _now("A value below zero has no logarithm. Choose “As measured”."))
        if given.get("molar_mass") == 0:
            self.add_error("molar_mass", _now("A molecule weighs something. Leave it empty where it is not known."))
        return given


class BiomarkerChangeForm(BiomarkerForm):
    """The same of a biomarker that is there: its code stays, and a change is explained."""

    reason = forms.CharField(required=False, max_length=300, label=_("Reason for the change"))

    def __init__(self, biomarker: Biomarker, data: Any = None) -> None:
        super().__init__(data, initial=_as_it_is(biomarker))
        self.fields["code"].disabled = True


def check_digit(number: str) -> int:
    """The check digit of a LOINC number, by Luhn's rule (LOINC Users' Guide, “Check digit”)."""
    doubled = "".join(str(int(digit) * 2) if place % 2 == 0 else digit for place, digit in enumerate(reversed(number)))
    return -sum(map(int, doubled)) % 10


def _loinc(code: str, source: str) -> Loinc | None:
    """A code that the catalogue holds keeps what is known of it; any other is not verified."""
    if not code:
        return None
    known = {each.loinc.code: each.loinc for each in CATALOGUE.values() if each.loinc}
    found = known.get(code)
    return found if found and source in ("", found.source) else Loinc(code, source or OWN_SOURCE, is_verified=False)


def _as_it_is(biomarker: Biomarker) -> dict[str, Any]:
    same = ("name", "code", "outcome_class", "direction", "unit", "analysis_scale", "may_be_negative", "specimen_type")
    more = ("loinc", "loinc_source", "is_awaited", "tells_arm")
    numbers = {"molar_mass": biomarker.molar_mass, "low": biomarker.plausible_low, "high": biomarker.plausible_high}
    plain = {
        name: re.sub(r"\.?0+$", "", f"{value:f}") if "." in f"{value:f}" else f"{value:f}"
        for name, value in numbers.items()
        if value is not None
    }
    return (
        {name: getattr(biomarker, name) for name in (*same, *more)} | plain | {"aliases": ", ".join(biomarker.aliases)}
    )
