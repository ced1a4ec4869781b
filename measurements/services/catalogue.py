"""What a trial measures."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import IntegrityError
from django.db.models import Max

from measurements.catalogue import CATALOGUE, Definition
from measurements.models import Biomarker
from measurements.units import UnitUnknown, parse_unit
from trials import audit
from trials.access import Actor, has_permission, require
from trials.errors import InConflict, RuleBroken
from trials.models import Trial
from trials.permissions import Permission
from trials.services.design import mark_data_changed

OPEN_TO_CHANGE = {Trial.Status.DRAFT, Trial.Status.REGISTERED, Trial.Status.RECRUITING}


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
        is_awaited=definition.is_awaited,
        loinc=definition.loinc.code if definition.loinc else "",
        loinc_source=definition.loinc.source if definition.loinc else "",
        loinc_verified=bool(definition.loinc and definition.loinc.is_verified),
    )


def _known(unit: str) -> str:
    try:
        return parse_unit(unit).code
    except UnitUnknown as unknown:
        raise RuleBroken("unit_unknown", f"“{unit}” is not a unit that is known here.", field="unit") from unknown
