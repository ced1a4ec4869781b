"""The catalogue of biomarkers that a trial chooses from: the seven immune classes of the reference study, and the rest.

Pure: no database. Molar masses are given only where the molecule has one (proteins carry sugars, so that a mass in
pg/mL has no exact amount in pmol/L). Plausible ranges are wide enough for healthy and mildly ill adults; a value
outside is stored and queried, never refused. Each LOINC code says whether it was confirmed; where none could be, there
is none.
"""

from measurements.catalogue.definition import DIRECTIONS, Definition, Loinc
from measurements.catalogue.factors import FACTORS
from measurements.catalogue.immune import IMMUNE
from measurements.catalogue.words import render_markdown as _render_markdown

CATALOGUE = {definition.code: definition for definition in (*IMMUNE, *FACTORS)}


def render_markdown() -> str:
    """Return docs/catalogue.md."""
    return _render_markdown(tuple(CATALOGUE.values()))


__all__ = ["CATALOGUE", "DIRECTIONS", "Definition", "Loinc", "render_markdown"]
