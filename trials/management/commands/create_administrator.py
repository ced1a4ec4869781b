"""`manage.py create_administrator EMAIL`: the first account of an installation, and a way back in."""

import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from trials.access import Actor
from trials.management.password_links import password_link
from trials.models import User
from trials.services.people import create_account

RUNNER = Actor(process="create_administrator")


class Command(BaseCommand):
    """Make an administrator. A password is asked for at a terminal and never taken from the command line."""

    help = "Make an administrator's account, and print a single-use link that sets its password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the address, the name, --reset and --address."""
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="the person's name; the address without it")
        parser.add_argument("--reset", action="store_true", help="print a new link for an administrator who is here")
        parser.add_argument(
            "--address", default="", help="where the platform is reached, as https://trials.example.org"
        )

    def handle(self, *args: Any, email: str, name: str, reset: bool, address: str, **options: Any) -> None:
        """Make the account or say that it is there; CommandError where the address belongs to somebody else's."""
        email = _checked(email)
        person = User.objects.filter(email=email).first()
        if person is None:
            password = self._asked_password(email, name)
            person = create_account(email=email, name=name, password=password, by=RUNNER, is_administrator=True)
            self.stdout.write(f"{email} is an administrator now.")
            if password is None:
                self.stdout.write(password_link(person, address, by=RUNNER))
            return
        if not person.is_administrator:
            raise CommandError(f"{email} has an account in trials. Use another address for administration.")
        if reset:
            self.stdout.write(password_link(person, address, by=RUNNER))
        else:
            self.stdout.write(f"{email} is an administrator already. --reset prints a new link to set a password.")

    def _asked_password(self, email: str, name: str) -> str | None:
        """Ask for a password at a terminal; None elsewhere, or where nothing is typed."""
        if not sys.stdin.isatty():
            return None
        password = getpass("Password (nothing: a link is printed): ")
        if not password:
            return None
        try:
            validate_password(password, User(email=email, name=name))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if getpass("The same again: ") != password:
            raise CommandError("The two passwords differ. Nothing was made.")
        return password


def _checked(email: str) -> str:
    try:
        validate_email(email)
    except ValidationError as error:
        raise CommandError(f"“{email}” is no e-mail address.") from error
    return email.strip().lower()
