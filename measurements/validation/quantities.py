"""From a value and its measurand to the number that is analysed, with what is remarkable about it."""

from decimal import Context, Decimal

from msgspec import Struct

from measurements.validation.findings import Note, NotedError
from measurements.validation.measurands import Measurand
from measurements.validation.values import ParsedValue, parse_value


class Quantity(Struct, frozen=True):
    """A value in the canonical unit; for a censored one, `number` is the limit it is censored at."""

    number: Decimal | None
    parsed: ParsedValue
    implausible: bool = False
    remarks: tuple[Note, ...] = ()


SMALLEST, LARGEST = -18, 21
"""Powers of ten that the column of the canonical value, 22 digits before the point and 18 after it, keeps."""

_KEPT = Context(prec=LARGEST - SMALLEST + 2)
_LAST_DIGIT = Decimal(1).scaleb(SMALLEST)

_NOT_DONE = Quantity(None, ParsedValue(None))


def as_kept(number: Decimal | None) -> Decimal | None:
    """A canonical value as the column keeps it: one converted by a molar mass has more digits before it is stored."""
    return None if number is None else _KEPT.quantize(number, _LAST_DIGIT)


def not_done(text: str) -> Quantity:
    """The quantity of a row that says that nothing was measured; a number beside it is not used, and that is said."""
    try:
        has_number = parse_value(text).number is not None
    except NotedError:
        return _NOT_DONE
    meaning = "nothing measured, because the status is not_done"
    return Quantity(None, ParsedValue(None), remarks=(_read_as(text, meaning),)) if has_number else _NOT_DONE


def quantity_of(text: str, parsed: ParsedValue, measurand: Measurand) -> Quantity:
    """The quantity that `text`, read as `parsed`, is. Raises `NotedError` (`value_negative`, `value_out_of_reach`)."""
    if parsed.number is None:
        return _flagged(text, parsed, measurand)
    biomarker = measurand.biomarker
    if parsed.number < 0 and not biomarker.allows_negative:
        raise NotedError(Note("value_negative", "value", text, details={"biomarker": biomarker.code}))
    number = measurand.canonical(parsed.number)
    if number and not SMALLEST <= number.adjusted() <= LARGEST:
        raise NotedError(Note("value_out_of_reach", "value", text, details={"unit": biomarker.unit}))
    if parsed.comparator is not None:
        return Quantity(number, parsed, remarks=_other_limit(text, number, parsed, measurand))
    remarks = () if parsed.flag is None else (_extrapolated(text),)
    low, high = biomarker.plausible_low, biomarker.plausible_high
    if (low is not None and number < low) or (high is not None and number > high):
        return Quantity(number, parsed, True, (*remarks, _implausible(text, measurand)))
    return Quantity(number, parsed, False, remarks)


def _flagged(text: str, parsed: ParsedValue, measurand: Measurand) -> Quantity:
    """A mark without a number: the assay's limit is taken where the mark says on which side it lies."""
    if parsed.comparator is None:
        return Quantity(None, parsed, remarks=(_read_as(text, "not measured"),))
    below = parsed.comparator == "<"
    limits = measurand.lower_limits if below else measurand.upper_limits
    side = "below" if below else "above"
    if not limits:
        return Quantity(None, parsed, remarks=(_read_as(text, f"{side} a limit that is not known for this assay"),))
    meaning = f"{side} the assay's limit of {_plain(limits[0])} {measurand.biomarker.unit}"
    return Quantity(limits[0], parsed, remarks=(_read_as(text, meaning),))


def _other_limit(text: str, number: Decimal, parsed: ParsedValue, measurand: Measurand) -> tuple[Note, ...]:
    limits = measurand.lower_limits if parsed.comparator == "<" else measurand.upper_limits
    if not limits or number in limits or measurand.assay is None:
        return ()
    details = {
        "limit": _plain(limits[0]),
        "unit": measurand.biomarker.unit,
        "assay": measurand.assay.code,
    }
    return (Note("limit_mismatch", "value", text, details=details),)


def _implausible(text: str, measurand: Measurand) -> Note:
    biomarker = measurand.biomarker
    details = {
        "sent_unit": measurand.unit.code if measurand.unit else "",
        "low": "any" if biomarker.plausible_low is None else _plain(biomarker.plausible_low),
        "high": "any" if biomarker.plausible_high is None else _plain(biomarker.plausible_high),
        "unit": biomarker.unit,
        "biomarker": biomarker.code,
    }
    return Note("value_implausible", "value", text, details=details)


def _extrapolated(text: str) -> Note:
    return _read_as(text, "extrapolated beyond the assay's range")


def _read_as(text: str, meaning: str) -> Note:
    return Note("value_flag", "value", text, details={"meaning": meaning})


def _plain(number: Decimal) -> str:
    """Without exponent and needless zeros: 1E+2 is 100."""
    return f"{number.normalize():f}" if abs(number.adjusted()) < 20 else str(number)
