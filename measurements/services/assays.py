"""The laboratories' methods: added in versions, and changed only with a reason once results used them."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction

from measurements.models import Assay, Biomarker
from measurements.models.assay import DEFAULT_CV_LIMIT
from measurements.units import UnitNotConvertible, UnitUnknown, parse_unit
from measurements.units.conversion import conversion_ratio
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.models import Laboratory, Trial
from trials.permissions import Permission

HIGHEST_CV = Decimal(100)


@dataclass(frozen=True)
class Limits:
    """An assay's limits in its own unit: of detection, of quantification below and above."""

    detection: Decimal | None = None
    quantification: Decimal | None = None
    upper: Decimal | None = None


@dataclass(frozen=True)
class Precision:
    """An assay's precision in per cent: within and between runs, and the CV above which replicates differ."""

    intra: Decimal | None = None
    inter: Decimal | None = None
    limit: Decimal = Decimal(DEFAULT_CV_LIMIT)


NO_LIMITS, NO_PRECISION = Limits(), Precision()


def add_assay(
    *,
    trial: Trial,
    laboratory: Laboratory,
    biomarker: Biomarker,
    code: str,
    unit: str,
    by: Actor,
    limits: Limits | None = None,
    precision: Precision | None = None,
    method: str = "",
    version: str = "1",
    valid_from: date | None = None,
    valid_to: date | None = None,
) -> Assay:
    """Record a laboratory's method for a biomarker of the trial, or a new version of one; return it.

    A version that begins while an open one of the same code is valid ends it the day before.

    Raises RuleBroken where the unit does not convert to the biomarker's, the limits are not in order, the days overlap
    with those of another version, or this version is there already.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        if biomarker.trial_id != trial.pk or not laboratory.deliveries.filter(trial=trial, ended_at=None).exists():
            raise RuleBroken("assay_foreign", "Choose a biomarker and a laboratory of this trial.", field="biomarker")
        assay = Assay(
            trial=trial, laboratory=laboratory, biomarker=biomarker, code=code, version=version, valid_from=valid_from
        )
        _describe(assay, unit, limits or NO_LIMITS, precision or NO_PRECISION, method, valid_to)
        _require_place(assay)
        try:
            with transaction.atomic():
                assay.save()
        except IntegrityError as error:
            sentence = f"{laboratory} has version {version} of “{code}” already. Name another version."
            raise RuleBroken("assay_taken", sentence, field="version") from error
        event.record("assay.added", trial=trial, target=assay)
    return assay


def revise_assay(
    *,
    assay: Assay,
    unit: str,
    by: Actor,
    limits: Limits,
    precision: Precision,
    method: str = "",
    valid_to: date | None = None,
    reason: str = "",
) -> Assay:
    """Put right what is recorded of a version. Results keep the limits that they were recorded with.

    Raises RuleBroken as `add_assay` does, and where unit, limits or the CV limit change without a reason although
    results used them; InConflict where its last day would come before days of results.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        require(by, Permission.LABORATORY_MANAGE, assay.trial)
        stored = Assay.objects.select_for_update(of=("self",)).select_related("biomarker").get(pk=assay.pk)
        before = _judged_by(stored)
        _describe(stored, unit, limits, precision, method, valid_to)
        used = stored.results.count() if _judged_by(stored) != before else 0
        if used and not reason.strip():
            sentence = (
                f"{used:,} results were judged by these limits. Say why they change, or add a new version from the day"
                " on which the new ones hold. Nothing was saved."
            )
            raise RuleBroken("assay_in_use", sentence, field="reason")
        _require_place(stored)
        _require_no_later_result(stored)
        stored.save()
        event.record("assay.changed", trial=assay.trial, target=stored)
    return stored


def _judged_by(assay: Assay) -> tuple[object, ...]:
    return (
        assay.unit,
        assay.lower_limit_of_detection,
        assay.lower_limit_of_quantification,
        assay.upper_limit_of_quantification,
        assay.replicate_cv_limit,
    )


def _describe(
    assay: Assay, unit: str, limits: Limits, precision: Precision, method: str, valid_to: date | None
) -> None:
    """Set what is said of an assay, once it holds together."""
    _require_in_order(limits)
    _require_percentages(precision)
    if assay.valid_from and valid_to and valid_to < assay.valid_from:
        raise RuleBroken("days_reversed", "The last day lies before the first. Nothing was saved.", field="valid_to")
    assay.unit = convertible_unit(unit, assay.biomarker)
    assay.method = method.strip()
    assay.lower_limit_of_detection = limits.detection
    assay.lower_limit_of_quantification = limits.quantification
    assay.upper_limit_of_quantification = limits.upper
    assay.intra_assay_cv, assay.inter_assay_cv = precision.intra, precision.inter
    assay.replicate_cv_limit = precision.limit
    assay.valid_to = valid_to


def _require_in_order(limits: Limits) -> None:
    """LLOD <= LLOQ < ULOQ, as far as they are known, and none below zero."""
    detection, quantification, upper = limits.detection, limits.quantification, limits.upper
    if any(limit is not None and limit < 0 for limit in (detection, quantification, upper)):
        raise RuleBroken("limits_negative", "A limit cannot be below zero. Nothing was saved.", field="detection")
    if detection is not None and quantification is not None and detection > quantification:
        sentence = f"The limit of detection, {detection}, is above the limit of quantification, {quantification}."
        raise RuleBroken("limits_reversed", f"{sentence} Swap them. Nothing was saved.", field="detection")
    below = quantification if quantification is not None else detection
    if below is not None and upper is not None and below >= upper:
        sentence = f"The upper limit of quantification, {upper}, is not above the lower one, {below}."
        raise RuleBroken("limits_reversed", f"{sentence} Raise it. Nothing was saved.", field="upper")


def _require_percentages(precision: Precision) -> None:
    for field, value in (("intra", precision.intra), ("inter", precision.inter), ("limit", precision.limit)):
        if value is not None and not (0 < value <= HIGHEST_CV):
            sentence = f"{value}% is no coefficient of variation. Send one above 0 and up to {HIGHEST_CV}."
            raise RuleBroken("cv_out_of_range", f"{sentence} Nothing was saved.", field=field)


def _require_place(assay: Assay) -> None:
    """Versions of a code are of one biomarker and follow one another; an open one ends before the next begins."""
    # Two people who add versions at once do it one after the other.
    Biomarker.objects.select_for_update(no_key=True).get(pk=assay.biomarker_id)
    versions = Assay.objects.filter(trial=assay.trial, laboratory=assay.laboratory, code=assay.code)
    for other in versions.exclude(pk=assay.pk).exclude(version=assay.version):
        if other.biomarker_id != assay.biomarker_id:
            sentence = f"“{assay.code}” is the laboratory's assay of {other.biomarker}. Choose another code."
            raise RuleBroken("assay_of_another", f"{sentence} Nothing was saved.", field="code")
        if assay._state.adding and assay.valid_from and _follows(assay, other):
            other.valid_to = assay.valid_from - timedelta(days=1)
            other.save(update_fields=["valid_to"])
        elif _overlap(assay, other):
            raise _overlapping(assay, other)


def _follows(assay: Assay, other: Assay) -> bool:
    """Whether an open version begins while another open one is valid."""
    is_open = assay.valid_to is None and other.valid_to is None
    return is_open and assay.valid_from is not None and (other.valid_from or date.min) < assay.valid_from


def _overlap(one: Assay, other: Assay) -> bool:
    latest_start = max(one.valid_from or date.min, other.valid_from or date.min)
    return latest_start <= min(one.valid_to or date.max, other.valid_to or date.max)


def _overlapping(assay: Assay, other: Assay) -> RuleBroken:
    first = f"from {other.valid_from:%-d %b %Y}" if other.valid_from else "from the beginning"
    last = f"to {other.valid_to:%-d %b %Y}" if other.valid_to else "on"
    sentence = f"Version {other.version} of “{assay.code}” is valid {first} {last}, and these days overlap with it."
    field = "valid_from" if assay._state.adding else "valid_to"
    return RuleBroken("assay_overlaps", f"{sentence} Choose other days. Nothing was saved.", field=field)


def _require_no_later_result(assay: Assay) -> None:
    if assay.valid_to is None:
        return
    last = assay.results.filter(performed_on__gt=assay.valid_to).order_by("-performed_on").first()
    if last is not None:
        sentence = f"It was used in a run of {last.performed_on:%-d %b %Y}, after the last day. Choose a later one."
        raise InConflict("assay_used_later", f"{sentence} Nothing was saved.", field="valid_to")


def convertible_unit(unit: str, biomarker: Biomarker) -> str:
    """Return the UCUM code of a unit. Raises RuleBroken where it does not convert to the biomarker's."""
    try:
        parsed = parse_unit(unit)
        conversion_ratio(parsed, parse_unit(biomarker.unit), biomarker.molar_mass)
    except UnitUnknown as unknown:
        raise RuleBroken("unit_unknown", f"“{unit}” is not a unit that is known here.", field="unit") from unknown
    except UnitNotConvertible as refused:
        sentence = f"“{unit}” does not convert to {biomarker.unit}, the unit of {biomarker.name}."
        raise RuleBroken("unit_not_convertible", sentence, field="unit") from refused
    return parsed.code
