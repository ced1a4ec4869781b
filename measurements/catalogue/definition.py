"""What the catalogue says of a biomarker."""

from dataclasses import dataclass
from decimal import Decimal

DIRECTIONS = {
    "proinflammatory": "harmful",
    "antiinflammatory": "beneficial",
    "antibody": "beneficial",
    "immune_cell_count": "beneficial",
    "nk_cytotoxicity": "beneficial",
    "viral_load": "harmful",
    "other_immune": "neutral",
    "hpa_axis": "neutral",
    "oxytocin": "neutral",
    "stress": "neutral",
    "non_specific": "neutral",
    "clinical": "harmful",
}
"""What more of it means, by outcome class; `other_immune` is declared with the biomarker."""


@dataclass(frozen=True)
class Loinc:
    """A LOINC code, where it was found, and whether code and name were confirmed."""

    code: str
    source: str = "LOINC table, code and name compared"
    is_verified: bool = True


@dataclass(frozen=True)
class Definition:
    """A biomarker as a trial takes it over; `unit` in UCUM, ranges in `unit`, `molar_mass` in g/mol.

    `formula` is that of a molecule with a molar mass. `is_awaited` says whether everybody is expected to have it,
    `tells_arm` whether only people with a therapy do; that is awaited of nobody.
    """

    code: str
    name: str
    outcome_class: str
    unit: str
    plausible: tuple[str, str] | None = None
    aliases: tuple[str, ...] = ()
    specimen_type: str = "serum"
    analysis_scale: str = "log"
    direction: str = ""
    molar_mass: str | None = None
    may_be_negative: bool = False
    loinc: Loinc | None = None
    formula: str = ""
    is_awaited: bool = True
    tells_arm: bool = False
    note: str = ""

    @property
    def effective_direction(self) -> str:
        """The declared direction, or that of its class."""
        return self.direction or DIRECTIONS[self.outcome_class]

    def range_in_numbers(self) -> tuple[Decimal | None, Decimal | None]:
        """Return the plausible range, or two Nones."""
        return (Decimal(self.plausible[0]), Decimal(self.plausible[1])) if self.plausible else (None, None)
