"""A single-use link that sets a password, for those who run the server."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from trials import audit
from trials.access import Actor
from trials.models import User

LINK_DAYS = settings.PASSWORD_RESET_TIMEOUT // 86400


def password_link(person: User, address: str, *, by: Actor) -> str:
    """Return the sentence with the link, under this address of the platform; that it was made is recorded."""
    audit.record_read("account.link_made", by=by, trial=None, target=person)
    place = (address or next(iter(settings.CSRF_TRUSTED_ORIGINS), "http://127.0.0.1:8000")).rstrip("/")
    link = reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(person), "key": default_token_generator.make_token(person)},
    )
    return f"Set the password here, once, within {LINK_DAYS} days:\n{place}{link}"
