"""Sessions as people enter them: one of a participant, or one of a whole group."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from measurements.models import Session
from measurements.services.sessions import Contact
from trials.forms.fields import DayField
from trials.models import Participant, Therapist, TherapyGroup, Trial


def _one_time_key() -> str:
    return secrets.token_urlsafe(16)


class _ContactForm(forms.Form):
    """What one contact is, whoever took part in it."""

    key = forms.CharField(max_length=40, widget=forms.HiddenInput, initial=_one_time_key)
    on = DayField(label=_("Day"), initial=timezone.localdate)
    at = forms.TimeField(label=_("Begins at"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    minutes = forms.DecimalField(min_value=0, max_value=1440, decimal_places=2, required=False, label=_("Minutes"))
    number = forms.IntegerField(min_value=1, max_value=999, required=False, label=_("Session number"))
    therapist = forms.ModelChoiceField(
        queryset=Therapist.objects.none(), required=False, label=_("Therapist"), empty_label=_("Nobody")
    )

    @property
    def occurred_at(self) -> datetime:
        """Day and time in the platform's zone."""
        return timezone.make_aware(datetime.combine(self.cleaned_data["on"], self.cleaned_data["at"]))


class SessionForm(_ContactForm):
    """One session of one participant."""

    participant = forms.CharField(max_length=40, label=_("Participant"), help_text=_("Study code."))
    kind = forms.ChoiceField(choices=Session.Kind.choices, label=_("Kind"))
    missed = forms.BooleanField(required=False, label=_("Missed"))
    reason = forms.CharField(max_length=500, required=False, label=_("Why it was missed"))
    software = forms.CharField(
        max_length=100, required=False, label=_("Software"), help_text=_("Of an app or coach-bot.")
    )
    software_version = forms.CharField(max_length=40, required=False, label=_("Its version"))
    note = forms.CharField(max_length=500, required=False, label=_("Note"), help_text=_("Without names."))
    field_order = ("key", "participant", "kind", "on", "at", "minutes", "missed", "reason", "number", "therapist")

    def __init__(self, trial: Trial, sites: Iterable[int], data: Any = None, *, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        active = trial.therapists.filter(site__in=sites, is_active=True)
        self.fields["therapist"].queryset = active  # type: ignore[attr-defined]

    @property
    def contact(self) -> Contact:
        """What was entered, for the service."""
        given = self.cleaned_data
        return Contact(
            occurred_at=self.occurred_at,
            attended=not given["missed"],
            reason=given["reason"].strip() if given["missed"] else "",
            minutes=given["minutes"],
            kind=given["kind"],
            number=given["number"],
            therapist=given["therapist"],
            software=given["software"],
            software_version=given["software_version"],
            note=given["note"],
        )


class GroupSessionForm(_ContactForm):
    """One session of a group: who of its members was not there, and why."""

    def __init__(self, group: TherapyGroup, members: Sequence[Participant], data: Any = None) -> None:
        super().__init__(data, initial={"therapist": group.therapist_id})
        active = group.trial.therapists.filter(site=group.site_id, is_active=True)
        self.fields["therapist"].queryset = active  # type: ignore[attr-defined]
        self.members = list(members)
        for member in members:
            self.fields[f"attended_{member.pk}"] = forms.BooleanField(
                required=False, initial=True, label=_("%(code)s attended") % {"code": member.code}
            )
            self.fields[f"reason_{member.pk}"] = forms.CharField(
                max_length=500, required=False, label=_("Why %(code)s missed it") % {"code": member.code}
            )

    @property
    def contact_fields(self) -> list[forms.BoundField]:
        """The fields of the session itself."""
        return [self[name] for name in ("on", "at", "minutes", "number", "therapist")]

    @property
    def lines(self) -> list[tuple[Participant, forms.BoundField, forms.BoundField]]:
        """One line for each member: whether they were there, and why not."""
        return [(each, self[f"attended_{each.pk}"], self[f"reason_{each.pk}"]) for each in self.members]

    @property
    def contact(self) -> Contact:
        """What those who were there took part in."""
        given = self.cleaned_data
        return Contact(
            occurred_at=self.occurred_at,
            minutes=given["minutes"],
            kind=Session.Kind.GROUP,
            number=given["number"],
            therapist=given["therapist"],
        )

    @property
    def missed(self) -> dict[int, str]:
        """The reasons of those who were not there, by id."""
        given = self.cleaned_data
        return {each.pk: given[f"reason_{each.pk}"] for each in self.members if not given[f"attended_{each.pk}"]}


class RetractForm(forms.Form):
    """Why a recorded session was wrong."""

    reason = forms.CharField(max_length=300, label=_("What was wrong with it"))
