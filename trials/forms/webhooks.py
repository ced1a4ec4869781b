"""Forms of webhooks."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from trials.models import Laboratory, Webhook


class EventsForm(forms.Form):
    """What a webhook is told of."""

    events = forms.MultipleChoiceField(
        choices=Webhook.Event.choices,
        widget=forms.CheckboxSelectMultiple,
        label=_("Tell it when"),
        error_messages={"required": _("Choose at least one event.")},
    )


class WebhookForm(EventsForm):
    """Add an address."""

    url = forms.CharField(
        max_length=500,
        label=_("Address"),
        help_text=_("https://, on a server that the internet reaches."),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
    laboratory = forms.ModelChoiceField(
        queryset=Laboratory.objects.none(),
        required=False,
        empty_label=_("The whole trial"),
        label=_("About"),
        help_text=_("A laboratory is told of its own deliveries, and of queries about its own results."),
    )
    field_order = ["url", "laboratory", "events"]

    def __init__(self, laboratories: QuerySet[Laboratory], data: Any = None) -> None:
        super().__init__(data)
        self.fields["laboratory"].queryset = laboratories.filter(trial=None)  # type: ignore[attr-defined]
