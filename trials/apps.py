"""The app of trials, participants and randomization."""

from django.apps import AppConfig
from django.urls import register_converter

from trials.converters import ParticipantCode


class TrialsConfig(AppConfig):
    """Registers what addresses of every app are written with."""

    name = "trials"

    def ready(self) -> None:
        """Register the converter before any address is read."""
        register_converter(ParticipantCode, "participant_code")
