"""What a trial measures: chosen, defined, and changed as long as no number hangs on it."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.db import IntegrityError
from django.db.models import Max

from measurements.catalogue import CATALOGUE, Definition
from measurements.models import Biomarker, EntryPass, HeldRow, Result
from measurements.units import UnitNotConvertible, UnitUnknown, parse_unit
from measurements.units.conversion import conversion_ratio
from measurements.validation.nearness import squeezed
from trials import audit
from trials.access import Actor, has_permission, require
from trials.errors import InConflict, RuleBroken
from trials.models import Trial
from trials.permissions import Permission
from trials.services.design import mark_data_changed

OPEN_TO_CHANGE = {Trial.Status.DRAFT, Trial.Status.REGISTERED, Trial.Status.RECRUITING}
MEANING = (
    "outcome_class",
    "direction",
    "analysis_scale",
    "unit",
    "molar_mass",
    "may_be_negative",
    "specimen_type",
)
"""What numbers mean: fixed once something is recorded."""
READING = (
    "name",
    "aliases",
    "plausible_low",
    "plausible_high",
    "is_awaited",
    "tells_arm",
    "loinc",
    "loinc_source",
    "loinc_verified",
)
"""How values are read, asked about and named: changed with a reason afterwards, and no number follows."""


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
        _require_distinct(trial, made)
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


def revise_biomarker(*, biomarker: Biomarker, definition: Definition, by: Actor, reason: str = "") -> Biomarker:
    """Change what is said of a biomarker; return it. Its code stays: laboratories send it.

    As long as nothing is recorded everything can be changed. Afterwards what numbers mean (`MEANING`) stays, and the
    rest (`READING`) changes with a reason. A reason is needed from registration on in any case.

    Raises InConflict where results are recorded or recruitment has ended, RuleBroken for a missing reason, an unknown
    unit, or a unit that methods of laboratories do not convert to.
    """
    trial = biomarker.trial
    with audit.transaction(by=by, reason=reason.strip()) as event:
        _require_design(by, trial)
        # Results of it refer to this row, so that whoever records one now waits, and is waited for.
        now = Biomarker.objects.select_for_update().get(pk=biomarker.pk)
        wanted = _biomarker(trial, definition, now.position)
        changed = [name for name in (*MEANING, *READING) if getattr(now, name) != getattr(wanted, name)]
        meaning = [name for name in changed if name in MEANING or (name == "tells_arm" and now.tells_arm)]
        _require_changeable(now, meaning, reason=reason.strip(), has_changes=bool(changed))
        for name in changed:
            setattr(now, name, getattr(wanted, name))
        _require_distinct(trial, [now])
        _require_convertible_methods(now)
        now.save()
        if meaning and trial.status != Trial.Status.DRAFT:
            mark_data_changed(trial)
        event.record("biomarker.revised", trial=trial, target=now, detail={"changed": changed})
    return now


def is_recorded(biomarker: Biomarker) -> bool:
    """Whether any number hangs on it: a result, superseded ones too, a row that waits, or what somebody typed once."""
    results = Result.objects.filter(trial=biomarker.trial_id, biomarker=biomarker)
    waiting = HeldRow.objects.filter(trial=biomarker.trial_id, row__biomarker_pk=biomarker.pk)
    typed = EntryPass.objects.filter(trial=biomarker.trial_id, biomarker=biomarker)
    return results.exists() or waiting.exists() or typed.exists()


def _require_changeable(now: Biomarker, meaning: Sequence[str], *, reason: str, has_changes: bool) -> None:
    # Whether what tells an arm is recorded of anybody is not said, so that its meaning is fixed with the design.
    recorded = now.trial.status != Trial.Status.DRAFT if now.tells_arm else is_recorded(now)
    if meaning and recorded:
        words = ", ".join(name.replace("_", " ") for name in meaning)
        raise InConflict(
            "biomarker_in_use",
            f"{now.name} has recorded values, so its {words} cannot change: every number would mean something else."
            " Nothing was saved. Add another biomarker for the other meaning.",
            field=meaning[0],
        )
    if has_changes and not reason and (recorded or now.trial.status != Trial.Status.DRAFT):
        raise RuleBroken("reason_missing", "Say why it changes. Nothing was saved.", field="reason")


def _require_distinct(trial: Trial, made: Sequence[Biomarker]) -> None:
    """Refuse a name that two biomarkers of a trial would answer to: a row that names it would belong to neither."""
    mine = {biomarker.pk for biomarker in made if biomarker.pk}
    others = Biomarker.objects.filter(trial=trial).exclude(pk__in=mine)
    owner = {squeezed(name): other for other in others for name in _names(other)}
    for biomarker in made:
        for name in _names(biomarker):
            other = owner.setdefault(squeezed(name), biomarker)
            if other is not biomarker and other.code != biomarker.code:
                raise RuleBroken("name_taken", f"“{name}” is what {other.name} is called already.", field="aliases")


def _names(biomarker: Biomarker) -> Iterable[str]:
    return [name for name in (biomarker.code, biomarker.name, *biomarker.aliases) if squeezed(name)]


def _require_convertible_methods(biomarker: Biomarker) -> None:
    for assay in biomarker.assays.all():
        try:
            conversion_ratio(parse_unit(assay.unit), parse_unit(biomarker.unit), biomarker.molar_mass)
        except UnitNotConvertible as refused:
            raise RuleBroken(
                "unit_not_convertible",
                f"The assay {assay} measures in {assay.unit}, which does not convert to {biomarker.unit}."
                " Nothing was saved.",
                field="unit",
            ) from refused


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
        is_awaited=definition.is_awaited and not definition.tells_arm,
        tells_arm=definition.tells_arm,
        loinc=definition.loinc.code if definition.loinc else "",
        loinc_source=definition.loinc.source if definition.loinc else "",
        loinc_verified=bool(definition.loinc and definition.loinc.is_verified),
    )


def _known(unit: str) -> str:
    try:
        return parse_unit(unit).code
    except UnitUnknown as unknown:
        raise RuleBroken("unit_unknown", f"“{unit}” is not a unit that is known here.", field="unit") from unknown
