"""When a visit took place or why it was missed, its locks, and a cross-over after it."""

from datetime import date, datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from trials.models import Attendance


class AttendanceForm(forms.Form):
    """The day of a visit and the time of its draw, or the reason why it was missed; why it changes."""

    attended_on = forms.DateField(
        label=_("Attended on"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    drawn_time = forms.TimeField(
        label=_("Samples drawn at"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    missed_category = forms.ChoiceField(
        label=_("Or missed, because"),
        required=False,
        choices=[("", _("not missed")), *Attendance.Missed.choices],
    )
    missed_reason = forms.CharField(label=_("In words"), required=False, max_length=300)
    note = forms.CharField(
        label=_("Note"), required=False, max_length=300, help_text=_("Such as why it was outside of its window.")
    )
    reason = forms.CharField(label=_("Reason for the change"), required=False, max_length=300)

    @property
    def drawn_at(self) -> datetime | None:
        """Day and time of the draw, in the platform's zone."""
        given: dict[str, Any] = self.cleaned_data
        day: date | None = given.get("attended_on")
        if day is None or given.get("drawn_time") is None:
            return None
        return timezone.make_aware(datetime.combine(day, given["drawn_time"]))


class UnlockForm(forms.Form):
    """Why a locked visit is opened again."""

    reason = forms.CharField(label=_("Why it is unlocked"), max_length=300)


class CrossOverForm(forms.Form):
    """The day on which a participant crossed over from the waitlist; never taken back."""

    on = forms.DateField(label=_("Crossed over on"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    confirm = forms.BooleanField(label=_("I know that this cannot be undone"))
