"""What was measured, how and in which unit: resolved once for all rows that name the same.

A batch of 20,000 rows has perhaps 30 different biomarkers, assays and units, so that aliases, conversion factors and
limits cost nothing per row.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from msgspec import Struct

from measurements.units import Unit, UnitNotConvertible, UnitUnknown, parse_unit
from measurements.units.conversion import conversion_factor, conversion_ratio, scaled
from measurements.validation.fields import cleaned, given
from measurements.validation.findings import Note, NotedError
from measurements.validation.nearness import LOOKUPS, Nearness, squeezed
from measurements.validation.reference import AssayRef, BiomarkerRef

_ONE = Decimal(1)


class Measurand(Struct, frozen=True):
    """A biomarker by an assay in a unit, with the exact factor to the canonical unit."""

    biomarker: BiomarkerRef
    assay: AssayRef | None
    unit: Unit | None
    multiplier: Decimal = _ONE
    divisor: Decimal = _ONE
    factor: Decimal = _ONE
    lower_limits: tuple[Decimal, ...] = ()
    """The assay's limits below, in the canonical unit, the limit of quantification first."""
    upper_limits: tuple[Decimal, ...] = ()
    remarks: tuple[Note, ...] = ()

    def canonical(self, number: Decimal) -> Decimal:
        """`number`, given in the row's unit, in the biomarker's."""
        return scaled(number, self.multiplier, self.divisor)


class Resolved(Struct, frozen=True):
    """The measurand of a row, as far as it was found, and the notes that say why it was not."""

    measurand: Measurand | None
    biomarker: BiomarkerRef | None
    problems: tuple[Note, ...] = ()
    unit_problem: Note | None = None
    """Apart from the others, because a row without a measured number needs no unit."""


class Measurands:
    """Finds the measurand of a row among the biomarkers of a trial."""

    def __init__(self, biomarkers: Iterable[BiomarkerRef]) -> None:
        self._biomarkers = {biomarker.code: biomarker for biomarker in biomarkers}
        self._by_alias = _aliases(self._biomarkers.values())
        self._nearness = Nearness(self._biomarkers)
        self._assays = {code: Nearness(biomarker.assays) for code, biomarker in self._biomarkers.items()}
        self._found: dict[tuple[str | None, str | None, str | None, date | None], Resolved] = {}
        self._refused_units: set[str] = set()

    def find(self, biomarker: str | None, assay: str | None, unit: str | None, day: date | None = None) -> Resolved:
        """What the three texts of a row name together, by the assays valid on the day of its run (None: today).

        The day is needed only where the biomarker `has_dated_assays`.
        """
        key = (biomarker, assay, unit, day)
        resolved = self._found.get(key)
        if resolved is None:
            resolved = self._found[key] = self._resolve(*key)
        return resolved

    def _resolve(
        self, biomarker_text: str | None, assay_text: str | None, unit_text: str | None, day: date | None
    ) -> Resolved:
        try:
            biomarker, remarks = self._biomarker(biomarker_text)
        except NotedError as noted:
            return Resolved(None, None, (noted.note,))
        try:
            assay = self._assay(biomarker, assay_text, day)
        except NotedError as noted:
            return Resolved(None, biomarker, (noted.note,))
        lower, upper = _limits(biomarker, assay)
        unitless = Measurand(biomarker, assay, None, lower_limits=lower, upper_limits=upper, remarks=remarks)
        try:
            return Resolved(self._in_unit(unitless, unit_text), biomarker)
        except NotedError as noted:
            return Resolved(unitless, biomarker, unit_problem=noted.note)

    def _biomarker(self, text: str | None) -> tuple[BiomarkerRef, tuple[Note, ...]]:
        code = given(text, "biomarker")
        if code is None:
            raise NotedError(Note("field_missing", "biomarker", details={"needed_by": "every row"}))
        if code in self._biomarkers:
            return self._biomarkers[code], ()
        biomarker = self._by_alias.get(squeezed(code))
        if biomarker is not None:
            return biomarker, (Note("biomarker_alias", "biomarker", code, details={"biomarker": biomarker.code}),)
        near = self._nearness.nearest(code)
        raise NotedError(Note("biomarker_unknown", "biomarker", code, near, {"known": _listed(self._biomarkers)}))

    def _assay(self, biomarker: BiomarkerRef, text: str | None, day: date | None) -> AssayRef | None:
        code = given(text, "assay") or (biomarker.usual_assay if day is None else biomarker.usual_assay_on(day))
        if code is None:
            return None
        if code in biomarker.assays:
            return biomarker.assays[code] if day is None else biomarker.assays[code].on(day)
        near = self._assays[biomarker.code].nearest(code)
        details = {"biomarker": biomarker.code, "known": _listed(biomarker.assays)}
        raise NotedError(Note("assay_unknown", "assay", code, near, details))

    def _in_unit(self, measurand: Measurand, text: str | None) -> Measurand:
        """The measurand with the unit that was sent. Raises `NotedError`: `unit_missing`, `unit_not_convertible`."""
        biomarker = measurand.biomarker
        expected = measurand.assay.unit if measurand.assay else biomarker.unit
        if not given(text, "unit"):
            raise NotedError(Note("unit_missing", "unit", None, expected, {"biomarker": biomarker.code}))
        sent = cleaned(text or "", "unit")
        try:
            unit, canonical = parse_unit(sent), parse_unit(biomarker.unit)
            multiplier, divisor = conversion_ratio(unit, canonical, biomarker.molar_mass)
            factor = conversion_factor(unit, canonical, biomarker.molar_mass)
        except (UnitUnknown, UnitNotConvertible) as refused:
            near = self._near_unit(refused, sent, biomarker) or expected
            details = {"unit": biomarker.unit, "biomarker": biomarker.code}
            raise NotedError(Note("unit_not_convertible", "unit", sent, near, details)) from None
        remarks = measurand.remarks
        if factor != 1:
            details = {"unit": canonical.code, "factor": f"{factor.normalize():f}"}
            remarks += (Note("unit_converted", "unit", sent, details=details),)
        return Measurand(
            biomarker,
            measurand.assay,
            unit,
            multiplier,
            divisor,
            factor,
            measurand.lower_limits,
            measurand.upper_limits,
            remarks,
        )

    def _near_unit(self, refused: Exception, sent: str, biomarker: BiomarkerRef) -> str | None:
        """A unit like the one that was sent and that would do; looked for only for the first few of a batch."""
        self._refused_units.add(sent)
        if not isinstance(refused, UnitUnknown) or len(self._refused_units) > LOOKUPS:
            return None
        near = refused.did_you_mean
        return near if near and _is_convertible(near, biomarker) else None


def _aliases(biomarkers: Iterable[BiomarkerRef]) -> dict[str, BiomarkerRef]:
    """Every name of every biomarker, without those that two of them share."""
    owners: dict[str, set[str]] = {}
    by_alias = {}
    for biomarker in biomarkers:
        for name in (biomarker.code, biomarker.name, *biomarker.aliases):
            by_alias[squeezed(name)] = biomarker
            owners.setdefault(squeezed(name), set()).add(biomarker.code)
    return {name: biomarker for name, biomarker in by_alias.items() if name and len(owners[name]) == 1}


def _is_convertible(unit: str, biomarker: BiomarkerRef) -> bool:
    try:
        conversion_ratio(parse_unit(unit), parse_unit(biomarker.unit), biomarker.molar_mass)
    except (UnitUnknown, UnitNotConvertible):
        return False
    return True


def _limits(biomarker: BiomarkerRef, assay: AssayRef | None) -> tuple[tuple[Decimal, ...], tuple[Decimal, ...]]:
    """The assay's limits in the biomarker's unit; none where its unit does not convert."""
    if assay is None:
        return (), ()
    try:
        ratio = conversion_ratio(parse_unit(assay.unit), parse_unit(biomarker.unit), biomarker.molar_mass)
    except (UnitUnknown, UnitNotConvertible):
        return (), ()
    lower = tuple(scaled(limit, *ratio) for limit in (assay.lloq, assay.llod) if limit is not None)
    upper = () if assay.uloq is None else (scaled(assay.uloq, *ratio),)
    return lower, upper


def _listed(codes: Iterable[str], most: int = 12) -> str:
    listed = sorted(codes)
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")
