"""Forms that are signed: with the password of the person who is signed in."""

from typing import Any

from allauth.core.internal import ratelimit
from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from trials.models import User


class SignedForm(forms.Form):
    """A form that asks for the signed-in person's password; wrong ones are limited as at signing in."""

    password = forms.CharField(
        strip=False,
        label=_("Your password"),
        help_text=_("It signs this step with your name."),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self._request = request

    def clean_password(self) -> str:
        """Refuse another password, and any after too many wrong ones."""
        user = self._request.user
        password: str = self.cleaned_data["password"]
        # Counted before the password is looked at: tries at the same moment do not see that the others are wrong.
        tried = ratelimit.consume(
            self._request, app="allauth.account", action="login_failed", key=f"signature {user.pk}"
        )
        if not tried:
            raise forms.ValidationError(_("Too many wrong passwords. Try again in 15 minutes. Nothing was changed."))
        if not isinstance(user, User) or not user.check_password(password):
            raise forms.ValidationError(_("This is not your password. Nothing was changed."))
        tried.rollback()
        return password


def typed_word(word: str) -> forms.CharField:
    """Return a field in which `word` is typed to confirm what cannot be taken back; `is_typed` checks it."""
    return forms.CharField(
        label=_("Type “%(word)s” to confirm") % {"word": word}, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


def is_typed(form: forms.Form, word: str) -> str:
    """Return what was typed; refuse another word."""
    typed: str = form.cleaned_data["confirmation"].strip()
    if typed != word:
        raise forms.ValidationError(_("Type “%(word)s” exactly. Nothing was changed."), params={"word": word})
    return typed
