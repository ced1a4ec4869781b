"""Specimens as people enter them: registered, scanned, received, noted, corrected, parted, packed, and printed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from measurements.labels import new_identifier, typed_identifier
from measurements.models import Shipment, Specimen
from measurements.selectors.specimens import types_of
from trials.models import Laboratory, Site, Trial, Visit

PLANNED = "planned"
SHEETS = {"3x8": _("24 a sheet, 70 × 37 mm"), "5x13": _("65 a sheet, 38 × 21 mm")}
PLACES = {"3x8": 24, "5x13": 65}
MOST_BLANK = 650


def _now() -> datetime:
    return timezone.now()


class MomentField(forms.DateTimeField):
    """A day and a time in the platform's zone, with the browser's own picker."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(widget=widget, **options)


class RegisterForm(forms.Form):
    """One specimen, or all that a visit needs."""

    participant = forms.CharField(max_length=40, label=_("Participant"), help_text=_("Study code."))
    visit = forms.ModelChoiceField(queryset=Visit.objects.none(), label=_("Visit"), empty_label=None)
    kind = forms.ChoiceField(label=_("Specimens"))
    identifier = forms.CharField(
        max_length=64,
        required=False,
        label=_("Specimen id"),
        help_text=_("Of one specimen: keep this new id, or scan the label that is on the tube already."),
    )
    drawn_at = MomentField(required=False, label=_("Drawn at"), help_text=_("Leave it empty if it comes later."))

    def __init__(self, trial: Trial, data: Any = None, *, initial: dict[str, Any]) -> None:
        super().__init__(data, initial={"identifier": new_identifier()} | initial)
        self.fields["visit"].queryset = trial.visits.all()  # type: ignore[attr-defined]
        each = [(kind, _("One: %(type)s") % {"type": kind}) for kind in types_of(trial) or ["serum"]]
        self.fields["kind"].choices = [(PLANNED, _("All that the visit needs")), *each]  # type: ignore[attr-defined]

    @property
    def is_planned(self) -> bool:
        """Whether the visit's whole set is asked for."""
        return bool(self.cleaned_data["kind"] == PLANNED)

    def clean_identifier(self) -> str:
        """The id as it is spelt; a new one where the field was emptied."""
        return typed_identifier(self.cleaned_data["identifier"]) or new_identifier()


class ScanForm(forms.Form):
    """What a scanner types: an id and Enter."""

    OPEN, RECEIVE = "open", "receive"
    identifier = forms.CharField(
        max_length=80,
        label=_("Specimen id"),
        error_messages={"required": _("Scan a label, or type the id that is on it. Nothing was recorded.")},
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "spellcheck": "false"}),
    )
    action = forms.ChoiceField(
        label=_("Then"), choices=[(OPEN, _("Open its page")), (RECEIVE, _("Record that it arrived now"))]
    )
    condition = forms.ChoiceField(label=_("In condition"), choices=Specimen.Condition.choices, required=False)
    place = forms.CharField(max_length=120, required=False, label=_("Put into"), help_text=_("Freezer, rack, box."))


class ReceiveForm(forms.Form):
    """One specimen arrived."""

    received_at = MomentField(label=_("Received at"), initial=_now)
    condition = forms.ChoiceField(label=_("Condition"), choices=Specimen.Condition.choices)
    place = forms.CharField(max_length=120, required=False, label=_("Put into"), help_text=_("Freezer, rack, box."))
    note = forms.CharField(max_length=500, required=False, label=_("Note"), help_text=_("Without names."))


class NoteForm(forms.Form):
    """In which condition a specimen is, and where."""

    condition = forms.ChoiceField(
        label=_("Condition"), choices=[("", _("As it was")), *Specimen.Condition.choices], required=False
    )
    place = forms.CharField(max_length=120, required=False, label=_("Put into"), help_text=_("Freezer, rack, box."))
    note = forms.CharField(max_length=500, required=False, label=_("Note"), help_text=_("Without names."))


class DestroyForm(forms.Form):
    """A specimen was destroyed, for a reason."""

    destroyed_at = MomentField(label=_("Destroyed at"), initial=_now)
    note = forms.CharField(max_length=500, label=_("Why"), help_text=_("Without names."))


class TimesForm(forms.Form):
    """When a specimen was drawn and received, put right."""

    drawn_at = MomentField(required=False, label=_("Drawn at"))
    received_at = MomentField(required=False, label=_("Received at"), help_text=_("Empty: not received."))
    reason = forms.CharField(max_length=500, label=_("Why the times change"))


class PartForm(forms.Form):
    """Aliquots of a specimen."""

    count = forms.IntegerField(min_value=1, max_value=50, label=_("How many"))
    volume_ul = forms.DecimalField(
        min_value=0, max_digits=10, decimal_places=1, required=False, label=_("Volume of each, µL")
    )
    place = forms.CharField(max_length=120, required=False, label=_("Put into"), help_text=_("Freezer, rack, box."))


class SendForm(forms.Form):
    """A parcel and what is in it."""

    site = forms.ModelChoiceField(queryset=Site.objects.none(), label=_("From"), empty_label=None)
    laboratory = forms.ModelChoiceField(queryset=Laboratory.objects.none(), label=_("To"), empty_label=None)
    sent_at = MomentField(label=_("Sent at"), initial=_now)
    cooling = forms.ChoiceField(label=_("Kept at"), choices=Shipment.Cooling.choices)
    carrier = forms.CharField(max_length=120, required=False, label=_("Carrier and tracking number"))
    identifiers = forms.CharField(
        label=_("Specimens"),
        help_text=_("One id a line: put the cursor here and scan one label after the other."),
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
    )
    note = forms.CharField(max_length=500, required=False, label=_("Note"), help_text=_("Without names."))

    def __init__(self, trial: Trial, sites: Iterable[int], data: Any = None, *, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self.fields["site"].queryset = trial.sites.filter(pk__in=sites)  # type: ignore[attr-defined]
        laboratories = Laboratory.objects.filter(deliveries__trial=trial, deliveries__ended_at=None, trial=None)
        self.fields["laboratory"].queryset = laboratories.order_by("name")  # type: ignore[attr-defined]


class ArrivalForm(forms.Form):
    """When a parcel was opened, and each specimen's condition as `condition-<key>` beside it."""

    received_at = MomentField(label=_("Received at"), initial=_now)
    place = forms.CharField(max_length=120, required=False, label=_("All put into"), help_text=_("Freezer, rack, box."))


class LabelsForm(forms.Form):
    """Which sheet is in the printer, and where its first free label is."""

    sheet = forms.ChoiceField(label=_("Sheet"), choices=list(SHEETS.items()))
    start = forms.IntegerField(min_value=1, max_value=65, label=_("First free label"))
    blank = forms.IntegerField(min_value=0, max_value=MOST_BLANK, required=False, label=_("Labels with new ids"))


class AssignForm(forms.Form):
    """Which specimen a row means."""

    specimen = forms.CharField(max_length=80, label=_("Specimen"), help_text=_("Type or scan its id."))
    reason = forms.CharField(max_length=500, label=_("Why it is this specimen"))


class DismissForm(forms.Form):
    """Why a row is set aside."""

    reason = forms.CharField(max_length=500, label=_("Why the row is dismissed"))
