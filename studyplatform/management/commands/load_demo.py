"""`manage.py load_demo`: the demonstration trials and their people, once per installation."""

from typing import Any

from django.core.management.base import BaseCommand

from studyplatform.demonstration.load import load


class Command(BaseCommand):
    """Load OPT, Beat the Blues and CALM-Sleep into a running platform."""

    help = __doc__ or ""

    def handle(self, *args: Any, **options: Any) -> None:
        """Load what is missing; finished trials are left alone."""
        load(say=self.stdout.write)
