"""`manage.py account_link EMAIL`: the way back in where no mail server is set."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trials.access import Actor
from trials.management.password_links import password_link
from trials.models import User

RUNNER = Actor(process="account_link")


class Command(BaseCommand):
    """Print a link that sets a new password. Only who runs the server can: no page shows such links."""

    help = "Print a single-use link that sets a new password for an account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the account's address, and --address."""
        parser.add_argument("email")
        parser.add_argument(
            "--address", default="", help="where the platform is reached, as https://trials.example.org"
        )

    def handle(self, *args: Any, email: str, address: str, **options: Any) -> None:
        """Print the link; CommandError where the address has no open account."""
        person = User.objects.filter(email=email.strip().lower(), is_active=True).first()
        if person is None:
            raise CommandError(f"{email} has no open account. No link was made.")
        self.stdout.write(password_link(person, address, by=RUNNER))
