"""What a trial measures, and by which methods of which laboratory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import IntegrityError
from django.db.models import Max

from measurements.catalogue import CATALOGUE, Definition
from measurements.models import Assay, Biomarker
from measurements.units import UnitNotConvertible, UnitUnknown, parse_unit
from measurements.units.conversion import conversion_ratio
from trials import audit
from trials.access import Actor, has_permission, require
from trials.errors import InConflict, RuleBroken
from trials.models import Laboratory, Trial
from trials.permissions import Permission
from trials.services.design import mark_data_changed

OPEN_TO_CHANGE = {Trial.Status.DRAFT, Trial.Status.REGISTERED, Trial.Status.RECRUITING}


@dataclass(frozen=True)
class Limits:
    """An assay's limits in its own unit: of detection, of quantification below and above."""

    detection: Decimal | None = None
    quantification: Decimal | None = None
    upper: Decimal | None = None


def add_biomarkers(*, trial: Trial, biomarkers: Sequence[str | Definition], by: Actor) -> list[Biomarker]:
    """Let a trial measure biomarkers of the catalogue (by code) or its own; return them.

    Raises InConflict once recruitment has ended, RuleBroken for an unknown code or unit or one that is there already.
    """
    with audit.transaction(by=by) as event:
        _require_design(by, trial)
        last = Biomarker.objects.filter(trial=trial).aggregate(last=Max("position"))["last"]
        first = 0 if last is None else last + 1
        made = [
            _biomarker(trial, _definition(named), position) for position, named in enumerate(biomarkers, start=first)
        ]
        try:
            stored = Biomarker.objects.bulk_create(made)
        except IntegrityError as error:
            raise RuleBroken(
                "biomarker_taken", f"{trial.title} measures one of these already.", field="code"
            ) from error
        if trial.status != Trial.Status.DRAFT:
            mark_data_changed(trial)  # there are estimates already; the new biomarkers belong among them
        event.record("biomarkers.added", trial=trial, detail={"codes": [each.code for each in stored]})
    return stored


def add_assay(
    *,
    trial: Trial,
    laboratory: Laboratory,
    biomarker: Biomarker,
    code: str,
    unit: str,
    by: Actor,
    limits: Limits | None = None,
    method: str = "",
    version: str = "1",
    valid_from: date | None = None,
) -> Assay:
    """Record a laboratory's method for a biomarker of the trial; return it.

    Raises RuleBroken where the unit does not convert to the biomarker's or the assay is there already.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        if biomarker.trial_id != trial.pk or not laboratory.deliveries.filter(trial=trial, ended_at=None).exists():
            raise RuleBroken("assay_foreign", "Choose a biomarker and a laboratory of this trial.", field="biomarker")
        stands = limits or Limits()
        try:
            assay = Assay.objects.create(
                trial=trial,
                laboratory=laboratory,
                biomarker=biomarker,
                code=code,
                method=method,
                version=version,
                unit=_convertible(unit, biomarker),
                lower_limit_of_detection=stands.detection,
                lower_limit_of_quantification=stands.quantification,
                upper_limit_of_quantification=stands.upper,
                valid_from=valid_from,
            )
        except IntegrityError as error:
            raise RuleBroken("assay_taken", f"{laboratory} has an assay “{code}” already.", field="code") from error
        event.record("assay.added", trial=trial, target=assay)
    return assay


def _require_design(by: Actor, trial: Trial) -> None:
    """Biomarkers are chosen at design, and added while the trial recruits by those who run it."""
    if not has_permission(by, Permission.TRIAL_DESIGN, trial):
        require(by, Permission.TRIAL_RUN, trial)
    status = Trial.objects.values_list("status", flat=True).get(pk=trial.pk)
    if status not in OPEN_TO_CHANGE:
        raise InConflict("recruitment_over", f"{trial.title} has ended recruitment; its biomarkers are fixed.")


def _definition(named: str | Definition) -> Definition:
    if isinstance(named, Definition):
        return named
    if named not in CATALOGUE:
        raise RuleBroken("biomarker_unknown", f"“{named}” is not in the catalogue. Define it.", field="code")
    return CATALOGUE[named]


def _biomarker(trial: Trial, definition: Definition, position: int) -> Biomarker:
    low, high = definition.range_in_numbers()
    return Biomarker(
        trial=trial,
        position=position,
        code=definition.code,
        name=definition.name,
        outcome_class=definition.outcome_class,
        direction=definition.effective_direction,
        analysis_scale=definition.analysis_scale,
        unit=_known(definition.unit),
        molar_mass=Decimal(definition.molar_mass) if definition.molar_mass else None,
        plausible_low=low,
        plausible_high=high,
        may_be_negative=definition.may_be_negative,
        aliases=list(definition.aliases),
        specimen_type=definition.specimen_type,
        loinc=definition.loinc.code if definition.loinc else "",
        loinc_source=definition.loinc.source if definition.loinc else "",
        loinc_verified=bool(definition.loinc and definition.loinc.is_verified),
    )


def _known(unit: str) -> str:
    try:
        return parse_unit(unit).code
    except UnitUnknown as unknown:
        raise RuleBroken("unit_unknown", f"“{unit}” is not a unit that is known here.", field="unit") from unknown


def _convertible(unit: str, biomarker: Biomarker) -> str:
    code = _known(unit)
    try:
        conversion_ratio(parse_unit(code), parse_unit(biomarker.unit), biomarker.molar_mass)
    except UnitNotConvertible as refused:
        raise RuleBroken(
            "unit_not_convertible",
            f"“{unit}” does not convert to {biomarker.unit}, the unit of {biomarker.name}.",
            field="unit",
        ) from refused
    return code
