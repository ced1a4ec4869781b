"""Did you mean: the known code that is nearest to an unknown one."""

import difflib
import unicodedata
from collections.abc import Collection

_GREEK = str.maketrans({"α": "alpha", "β": "beta", "γ": "gamma", "κ": "kappa", "ß": "beta"})
_LARGE = 500
LOOKUPS = 50
"""Comparing 20,000 misspelt ids with 20,000 known ones would take an hour."""


def squeezed(text: str) -> str:
    """Letters and digits only, lower case, Greek spelt out: `IL-1β`, `il1-beta` and `IL 1 Beta` are one."""
    plain = unicodedata.normalize("NFKC", text.translate(_GREEK)).translate(_GREEK).casefold()
    return "".join(character for character in plain.translate(_GREEK) if character.isalnum())


class Nearness:
    """Looks for near codes among `known`; the first 50 unknown texts of a batch are looked up, the others get None."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known
        self._by_squeezed: dict[str, str] | None = None
        self._found: dict[str, str | None] = {}

    def nearest(self, text: str) -> str | None:
        """The nearest known code, or None."""
        if text not in self._found:
            if len(self._found) >= LOOKUPS:
                return None
            self._found[text] = self._look_up(text[:64])
        return self._found[text]

    def _look_up(self, text: str) -> str | None:
        if self._by_squeezed is None:
            self._by_squeezed = {squeezed(code): code for code in self._known}
        plain = squeezed(text)
        if plain in self._by_squeezed:
            return self._by_squeezed[plain]
        matches = difflib.get_close_matches(plain, self._candidates(plain), n=1, cutoff=0.6)
        return self._by_squeezed[matches[0]] if matches else None

    def _candidates(self, plain: str) -> list[str]:
        """All codes; among many, those that begin or end alike."""
        known = list(self._by_squeezed or ())
        if len(known) <= _LARGE:
            return known
        alike = [code for code in known if code[:-2] == plain[:-2] or code[2:] == plain[2:] or code[:5] == plain[:5]]
        return alike[:_LARGE]
