"""`manage.py verify_allocation <trial>`: after unblinding, rebuild the lists from the sealed seed and compare."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trials.access import Actor
from trials.errors import RuleBroken
from trials.selectors.trials import visible_trial
from trials.services.verification import verify_allocation

RUNNER = Actor(process="verify_allocation")


class Command(BaseCommand):
    """Print the verdict; exit with 1 at any difference."""

    help = "Rebuild a trial's allocation lists from its sealed seed and compare them with the register."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One argument: the trial's short name."""
        parser.add_argument("slug", help="short name of the trial, as in its address")

    def handle(self, *args: Any, slug: str, **options: Any) -> None:
        """Compare, print, and fail with what differs."""
        try:
            verdict = verify_allocation(trial=visible_trial(slug, RUNNER), by=RUNNER)
        except RuleBroken as error:
            raise CommandError(error.sentence) from error
        self.stdout.write(f"commitment  {verdict.commitment}")
        self.stdout.write(f"compared    {verdict.compared} allocations")
        if not verdict.is_confirmed:
            raise CommandError("DIFFERENT\n" + "\n".join(verdict.differences))
        self.stdout.write(self.style.SUCCESS("CONFIRMED: seed, scheme and register agree."))
