"""Uploading a file with results: choosing it, and saying what its columns mean."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from measurements.models import Upload
from measurements.units.errors import UnitUnknown
from measurements.units.parsing import parse_unit
from measurements.validation import Options
from measurements.validation.columns import BIOMARKER, CONSTANT_FIELDS, NOT_READ, UNKNOWN, report_block
from measurements.validation.decode import MOST_BYTES
from measurements.validation.nearness import Nearness
from measurements.validation.sent import FIELDS
from trials.models import Laboratory

SILENT = "-"
"""What a select holds for a column that is left out by choice."""
FIELD_NAMES: Mapping[str, Any] = {
    "specimen": _("Specimen id"),
    "participant": _("Participant code"),
    "visit": _("Visit"),
    "biomarker": _("Biomarker"),
    "value": _("Value"),
    "unit": _("Unit"),
    "assay": _("Assay"),
    "replicate": _("Replicate"),
    "collected_at": _("Collected at"),
    "status": _("Status"),
    "reason": _("Reason"),
    "corrects": _("Result that it corrects"),
    "run": _("Run or plate"),
    "performed_on": _("Run performed on"),
}


class FileForm(forms.Form):
    """A file, whose results it holds, and what becomes of rows that are wrong or unknown."""

    file = forms.FileField(
        label=_("File"),
        help_text=_("Excel (.xlsx) or CSV (UTF-8, UTF-16 or Windows-1252); up to 10 MB and 20,000 rows."),
        error_messages={"required": _("Choose a file with results. Nothing was checked yet.")},
        widget=forms.ClearableFileInput(attrs={"accept": ".xlsx,.csv,.tsv,.txt"}),
    )
    laboratory = forms.ModelChoiceField(Laboratory.objects.none(), label=_("Laboratory"), empty_label=None)
    sheet = forms.CharField(
        label=_("Sheet"), max_length=40, required=False, help_text=_("Of a workbook; empty for the first one.")
    )
    on_error = forms.ChoiceField(
        label=_("If some rows are wrong"),
        choices=[
            ("reject_all", _("Save nothing until every row is right")),
            ("reject_rows", _("Save the rows that are right")),
        ],
        widget=forms.RadioSelect,
        initial="reject_all",
    )
    unknown_specimen = forms.ChoiceField(
        label=_("If a specimen is not known"),
        choices=[
            ("reject", _("The row is wrong")),
            ("hold", _("Hold the row until the specimen is registered")),
        ],
        widget=forms.RadioSelect,
        initial="reject",
    )

    def __init__(self, laboratories: Sequence[Laboratory], data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        keys = [laboratory.pk for laboratory in laboratories]
        self.fields["laboratory"].queryset = Laboratory.objects.filter(pk__in=keys)  # type: ignore[attr-defined]
        self.initial["laboratory"] = keys[0] if keys else None

    def clean_file(self) -> Any:
        """Refuse what is too large before it is read."""
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError(_("The file is larger than 10 MB. Send it in parts. Nothing was saved."))
        return file

    @property
    def options(self) -> Options:
        """How wrong and unknown rows are treated."""
        return Options(self.cleaned_data["on_error"], self.cleaned_data["unknown_specimen"])


class ColumnsForm(forms.Form):
    """What every column of a sheet means, and what holds for all its rows."""

    def __init__(self, upload: Upload, biomarkers: Iterable[str], visits: Iterable[str], data: Any = None) -> None:
        super().__init__(data)
        codes = sorted(biomarkers)
        header: list[str | None] = upload.answer["header"]
        ours = report_block(header)
        near = Nearness(FIELDS)
        for at, means in enumerate(upload.columns["columns"]):
            name = header[at] if at < len(header) else None
            if not name or at in ours:
                continue
            self.fields[f"column-{at}"] = forms.ChoiceField(
                label=name, choices=_meanings(codes), initial=_first_choice(means, name, near)
            )
        for field in CONSTANT_FIELDS:
            self.fields[field] = _constant(field, codes, list(visits), upload.columns["constants"].get(field, ""))

    @property
    def columns(self) -> dict[int, str]:
        """What the columns mean, by place."""
        return {
            int(name.removeprefix("column-")): NOT_READ if means == SILENT else means
            for name, means in self.cleaned_data.items()
            if name.startswith("column-")
        }

    @property
    def constants(self) -> dict[str, str]:
        """What holds for all rows."""
        return {name: self.cleaned_data[name].strip() for name in CONSTANT_FIELDS if self.cleaned_data.get(name)}

    @property
    def column_fields(self) -> list[forms.BoundField]:
        """The fields of the columns, for the page."""
        return [self[name] for name in self.fields if name.startswith("column-")]

    @property
    def constant_fields(self) -> list[forms.BoundField]:
        """The fields of what holds for all rows, for the page."""
        return [self[name] for name in CONSTANT_FIELDS]

    def clean_unit(self) -> str:
        """Refuse a unit that nobody knows: it would be wrong in every row."""
        unit = str(self.cleaned_data["unit"]).strip()
        try:
            if unit:
                parse_unit(unit)
        except UnitUnknown as unknown:
            hint = f" Did you mean {unknown.did_you_mean}?" if unknown.did_you_mean else ""
            raise forms.ValidationError(f"“{unit}” is not a unit that is known here.{hint}") from unknown
        return unit


def _meanings(codes: Sequence[str]) -> list[Any]:
    return [
        (UNKNOWN, _("Not read")),
        (SILENT, _("Not read, and not mentioned")),
        (_("Fields"), [(field, FIELD_NAMES[field]) for field in FIELDS]),
        (_("One column for each biomarker"), [(f"{BIOMARKER}{code}", code) for code in codes]),
    ]


def _first_choice(means: str, name: str, near: Nearness) -> str:
    """What a select starts from: for a column that nobody knows, the field whose name is nearest."""
    return (near.nearest(name) or UNKNOWN) if means == UNKNOWN else means or SILENT


def _constant(field: str, codes: Sequence[str], visits: Sequence[str], value: str) -> forms.Field:
    known = {"biomarker": codes, "visit": visits}.get(field)
    if known is None:
        return forms.CharField(label=FIELD_NAMES[field], max_length=64, required=False, initial=value)
    choices = [("", _("From the file")), *((code, code) for code in known)]
    return forms.ChoiceField(label=FIELD_NAMES[field], choices=choices, required=False, initial=value)
