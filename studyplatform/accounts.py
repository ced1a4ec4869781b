"""Sign-in rules that django-allauth asks us for."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class InvitationOnlyAdapter(DefaultAccountAdapter):
    """People are invited into trials; nobody opens an account by themselves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: the sign-up page is closed."""
        return False
