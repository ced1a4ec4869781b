"""`manage.py print_roles`: docs/roles.md, made from the table of roles."""

from typing import Any

from django.core.management.base import BaseCommand

from trials.selectors.rights import render_markdown


class Command(BaseCommand):
    """Print the page; `manage.py print_roles > docs/roles.md` brings it up to date."""

    help = "Print docs/roles.md from the table of roles and permissions."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print."""
        self.stdout.write(render_markdown(), ending="")
