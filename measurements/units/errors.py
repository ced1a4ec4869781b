"""Why a unit cannot be used."""

import difflib

from measurements.units.tables import CAPITAL_SPELLINGS, COMMON_UNITS


class UnitUnknown(ValueError):  # noqa: N818 - it names what is wrong, as people say it
    """The text is no unit that we know."""

    def __init__(self, text: str, spelling: str) -> None:
        super().__init__(f"{text!r} is not a unit in the table")
        self.text = text
        self._spelling = spelling

    @property
    def did_you_mean(self) -> str | None:
        """The nearest common unit, or None. Looked up when asked for: it takes longer than reading a thousand units."""
        matches = difflib.get_close_matches(self._spelling, COMMON_UNITS, n=1, cutoff=0.6)
        if not matches:
            capitals = difflib.get_close_matches(self._spelling.upper(), CAPITAL_SPELLINGS, n=1, cutoff=0.6)
            matches = [CAPITAL_SPELLINGS[found] for found in capitals]
        return matches[0] if matches else None


class UnitNotConvertible(ValueError):  # noqa: N818 - as above
    """Both units are known and there is no factor between them."""

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"{source} cannot be converted to {target}")
        self.source = source
        self.target = target
