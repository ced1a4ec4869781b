"""Plates, controls and layouts: what laboratories say of them."""

import re
import uuid
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from measurements.forms.assays import laboratories_of
from measurements.models import Assay, ControlMaterial, Plate
from measurements.plates.layout import FORMS, MOST_REPLICATES, Form
from measurements.services.plates import ControlReading, PlateDetails
from trials.errors import RuleBroken
from trials.forms.fields import DayField
from trials.models import Laboratory, Trial

NUMBER: dict[str, Any] = {"max_digits": 30, "decimal_places": 12}
SEPARATORS = re.compile(r"[\t;]")


class PlateForm(forms.Form):
    """What is known of a run."""

    performed_on = DayField(label=_("Performed on"), required=False)
    kit_lot = forms.CharField(label=_("Kit lot"), max_length=80, required=False)
    assays = forms.ModelMultipleChoiceField(
        Assay.objects.none(), label=_("Assays on it"), required=False, widget=forms.CheckboxSelectMultiple
    )
    note = forms.CharField(label=_("Note"), max_length=500, required=False, help_text=_("No name of a person."))

    def __init__(self, laboratory: Laboratory, trial: Trial, plate: Plate | None, data: Any = None) -> None:
        initial = {name: getattr(plate, name) for name in ("performed_on", "kit_lot", "note")} if plate else {}
        initial |= {"assays": plate.assays.all()} if plate else {}
        super().__init__(data, initial=initial)
        self.fields["assays"].queryset = Assay.objects.filter(trial=trial, laboratory=laboratory)  # type: ignore[attr-defined]

    @property
    def details(self) -> PlateDetails:
        """What is said, as the service takes it."""
        return PlateDetails(**self.cleaned_data)


class NewPlateForm(forms.Form):
    """A run that no result names yet."""

    laboratory = forms.ModelChoiceField(Laboratory.objects.none(), label=_("Laboratory"))
    code = forms.CharField(label=_("Run"), max_length=80, help_text=_("The id that its results name, as plate-7."))

    def __init__(self, trial: Trial, data: Any = None) -> None:
        super().__init__(data)
        self.fields["laboratory"].queryset = laboratories_of(trial)  # type: ignore[attr-defined]


class MaterialForm(forms.Form):
    """What the values of a control lot are judged by."""

    mean = forms.DecimalField(label=_("Target mean"), help_text=_("In the assay’s unit."), **NUMBER)
    sd = forms.DecimalField(label=_("Target SD"), **NUMBER)
    source = forms.ChoiceField(
        label=_("Target from"), choices=ControlMaterial.Source.choices, help_text=_("Own: 20 runs or more.")
    )


class NewMaterialForm(MaterialForm):
    """A lot of a control sample."""

    assay = forms.ModelChoiceField(Assay.objects.none(), label=_("Assay"))
    level = forms.CharField(label=_("Level"), max_length=20, help_text=_("As low, medium, high."))
    lot = forms.CharField(label=_("Lot"), max_length=80)
    field_order = ("assay", "level", "lot")

    def __init__(self, trial: Trial, data: Any = None) -> None:
        super().__init__(data)
        self.fields["assay"].queryset = trial.assays.select_related("laboratory")  # type: ignore[attr-defined]


class MaterialRevisionForm(MaterialForm):
    """Another target for a lot."""

    reason = forms.CharField(
        label=_("Reason for the change"), max_length=300, required=False, help_text=_("Needed once it has values.")
    )


class ControlsForm(forms.Form):
    """The control values of a run: a field for each control, or a block pasted from a sheet."""

    measured_at = forms.DateTimeField(
        label=_("Measured at"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    )
    pasted = forms.CharField(
        label=_("Or paste from a sheet"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("One control a line: assay code, level, lot, value, and the replicate where there are several."),
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=300, required=False, help_text=_("Only where a recorded value changes.")
    )

    def __init__(self, materials: Iterable[ControlMaterial], data: Any = None) -> None:
        super().__init__(data, initial={"measured_at": timezone.localtime()})
        self.materials = list(materials)
        for each in self.materials:
            label = f"{each.assay.code}, {each}"
            goal = f"{each.target_mean.normalize():f} ± {each.target_sd.normalize():f} {each.assay.unit}"
            self.fields[f"value_{each.pk}"] = forms.DecimalField(label=label, required=False, help_text=goal, **NUMBER)
        self.order_fields(["measured_at", *(f"value_{each.pk}" for each in self.materials), "pasted", "reason"])

    @property
    def readings(self) -> list[ControlReading]:
        """What was entered and pasted. Raises RuleBroken for a line that cannot be read, with its number."""
        entered = [
            ControlReading(each, value)
            for each in self.materials
            if (value := self.cleaned_data.get(f"value_{each.pk}")) is not None
        ]
        return entered + pasted_readings(self.cleaned_data["pasted"], self.materials)


def pasted_readings(text: str, materials: Sequence[ControlMaterial]) -> list[ControlReading]:
    """Read lines of assay code, level, lot, value and perhaps replicate, between tabs or semicolons.

    Raises RuleBroken that names the line.
    """
    by_name = {(each.assay.code, each.level.casefold(), each.lot.casefold()): each for each in materials}
    readings = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in SEPARATORS.split(line)]
        if not any(cells):
            continue
        if not 4 <= len(cells) <= 5:
            raise _unread(
                number, _now("has %(count)d cells. Send assay, level, lot and value.") % {"count": len(cells)}
            )
        material = by_name.get((cells[0], cells[1].casefold(), cells[2].casefold()))
        if material is None:
            named = " ".join(cells[:3])
            raise _unread(number, _now("names “%(name)s”, which is no control here. Add it first.") % {"name": named})
        readings.append(ControlReading(material, _number(number, cells[3]), _replicate(number, cells[4:])))
    return readings


def _number(line: int, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise _unread(line, _now("has the value “%(text)s”. Send a number with a decimal point.") % {"text": text})
    return value


def _replicate(line: int, cells: Sequence[str]) -> int:
    text = cells[0] if cells and cells[0] else "1"
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 999):
        raise _unread(line, _now("has the replicate “%(text)s”. Send a number from 1.") % {"text": text})
    return int(text[:4])


def _unread(line: int, what: str) -> RuleBroken:
    said = _now("Line %(line)d %(what)s Nothing was saved.") % {"line": line, "what": what}
    return RuleBroken("controls_unread", said, field="pasted")


class LayoutForm(forms.Form):
    """A layout to be drawn."""

    key = forms.CharField(max_length=40, widget=forms.HiddenInput, required=False)
    assay = forms.ModelChoiceField(Assay.objects.none(), label=_("Assay"))
    name = forms.CharField(label=_("Name"), max_length=60, initial=_("Plate layout"))
    wells = forms.TypedChoiceField(
        label=_("Wells"), choices=[(each, str(each)) for each in FORMS], coerce=int, initial=96
    )
    replicates = forms.IntegerField(
        label=_("Wells a specimen"), min_value=1, max_value=MOST_REPLICATES, initial=2, help_text=_("Side by side.")
    )
    standards = forms.IntegerField(label=_("Standards"), min_value=0, max_value=48, initial=8)
    blanks = forms.IntegerField(label=_("Blanks"), min_value=0, max_value=48, initial=1)
    controls = forms.IntegerField(label=_("Controls"), min_value=0, max_value=48, initial=3)
    only_received = forms.BooleanField(label=_("Only specimens that were received"), required=False)

    def __init__(self, trial: Trial, data: Any = None) -> None:
        super().__init__(data, initial={"key": uuid.uuid4().hex})
        today = timezone.localdate()
        in_use = trial.assays.exclude(valid_to__lt=today).select_related("biomarker", "laboratory")
        self.fields["assay"].queryset = in_use  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Check that the plate has room for a specimen."""
        given: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                self.plate = Form(*(given[name] for name in ("wells", "replicates", "standards", "blanks", "controls")))
            except ValueError as error:
                self.add_error("standards", str(error))
        return given

    @property
    def drawn(self) -> dict[str, Any]:
        """The arguments of the service."""
        return {name: self.cleaned_data[name] for name in ("assay", "name", "only_received", "key")} | {
            "form": self.plate
        }
