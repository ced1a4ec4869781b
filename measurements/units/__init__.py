"""Units of measurement as laboratories send them: parsed, compared and converted exactly, without floats.

`parse_unit` reads a UCUM code or one of the spellings that laboratories use; `convert` multiplies by an exact factor
or refuses. No Django and no other package is needed, so the table can be read and tested alone.
"""

from measurements.units.conversion import conversion_factor, convert
from measurements.units.errors import UnitNotConvertible, UnitUnknown
from measurements.units.parsing import Unit, parse_unit
from measurements.units.words import render_markdown

__all__ = ["Unit", "UnitNotConvertible", "UnitUnknown", "conversion_factor", "convert", "parse_unit", "render_markdown"]
