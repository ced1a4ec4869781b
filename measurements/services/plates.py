"""Plates, the controls on them, and random layouts for them."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone

from measurements.models import Assay, ControlMaterial, ControlValue, Plate, PlateLayout
from measurements.plates.layout import METHOD, Form, draw_layout
from measurements.selectors.places import sites_open_to
from measurements.selectors.plates import awaiting_by_participant
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.models import Laboratory, Trial
from trials.permissions import Permission

MOST_CONTROLS = 500
CLOCKS_DIFFER_BY = timedelta(minutes=10)
MOST_DIGITS = Decimal(10) ** 18


@dataclass(frozen=True)
class PlateDetails:
    """What a laboratory says of a run."""

    performed_on: date | None = None
    kit_lot: str = ""
    note: str = ""
    assays: Sequence[Assay] = ()


@dataclass(frozen=True)
class ControlReading:
    """What one control sample gave, in the assay's unit."""

    material: ControlMaterial
    value: Decimal
    replicate: int = 1


def register_plate(
    *, trial: Trial, laboratory: Laboratory, code: str, details: PlateDetails, by: Actor, reason: str = ""
) -> Plate:
    """Record what is known of a run, or put it right; results with this `run` belong to it already.

    Raises RuleBroken for a laboratory or an assay of elsewhere, a day in the future or a code that no run can have.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        if details.performed_on and details.performed_on > timezone.localdate():
            raise RuleBroken(
                "date_future", "The run cannot have been performed yet. Nothing was saved.", field="performed_on"
            )
        if any((assay.trial_id, assay.laboratory_id) != (trial.pk, laboratory.pk) for assay in details.assays):
            sentence = "Choose assays of the same laboratory. Nothing was saved."
            raise RuleBroken("assay_foreign", sentence, field="assays")
        plate = _plate(trial, laboratory, code)
        plate.performed_on, plate.kit_lot, plate.note = details.performed_on, details.kit_lot, details.note
        plate.save()
        plate.assays.set(details.assays)
        event.record("plate.registered", trial=trial, target=plate)
    return plate


def add_control_material(
    *, assay: Assay, level: str, lot: str, mean: Decimal, sd: Decimal, source: str, by: Actor
) -> ControlMaterial:
    """Describe a lot of a control sample: its values will be judged by this mean and SD, in the assay's unit.

    Raises RuleBroken for an SD that is not positive or a lot that is described already.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, assay.trial)
        _require_target(mean, sd)
        try:
            with transaction.atomic():
                material = ControlMaterial.objects.create(
                    trial=assay.trial,
                    assay=assay,
                    level=level.strip(),
                    lot=lot.strip(),
                    target_mean=mean,
                    target_sd=sd,
                    source=source,
                )
        except IntegrityError as error:
            sentence = f"Lot {lot} at level {level} is described already. Change it there. Nothing was saved."
            raise RuleBroken("control_taken", sentence, field="lot") from error
        event.record("control_material.added", trial=assay.trial, target=material)
    return material


def revise_control_material(
    *, material: ControlMaterial, mean: Decimal, sd: Decimal, source: str, reason: str, by: Actor
) -> ControlMaterial:
    """Change what a lot is judged by, its earlier values included.

    Raises RuleBroken for an SD that is not positive, and without a reason where there are values.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        require(by, Permission.LABORATORY_MANAGE, material.trial)
        _require_target(mean, sd)
        stored = ControlMaterial.objects.select_for_update().get(pk=material.pk)
        is_changed = (stored.target_mean, stored.target_sd, stored.source) != (mean, sd, source)
        if is_changed and not reason.strip() and stored.values.exists():
            sentence = "Runs were judged by this target. Say why it changes. Nothing was saved."
            raise RuleBroken("reason_missing", sentence, field="reason")
        stored.target_mean, stored.target_sd, stored.source = mean, sd, source
        stored.save()
        event.record("control_material.changed", trial=material.trial, target=stored)
    return stored


def record_control_values(
    *,
    trial: Trial,
    laboratory: Laboratory,
    code: str,
    readings: Sequence[ControlReading],
    measured_at: datetime,
    by: Actor,
    reason: str = "",
) -> list[ControlValue]:
    """Record what the controls of a run gave; return what is new. The same value again is no second one.

    Another value for the same control replaces it, with a reason. A plate that nobody registered is made.

    Raises RuleBroken for controls of another laboratory or named twice, a value no control can have, a moment in the
    future, or another value without a reason.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        _require_readings(readings, trial, laboratory)
        if measured_at > timezone.now() + CLOCKS_DIFFER_BY:
            raise RuleBroken("date_future", "The run cannot have been measured yet.", field="measured_at")
        plate = _plate(trial, laboratory, code)
        current = {
            (value.material_id, value.replicate): value
            for value in ControlValue.objects.filter(plate=plate, superseded_by=None)
        }
        fresh = [
            value
            for each in readings
            if (value := _value(plate, each, current.get((each.material.pk, each.replicate)), measured_at, reason))
        ]
        ControlValue.objects.bulk_create(fresh)
        event.record("control_values.recorded", trial=trial, target=plate, row_count=len(fresh))
    return fresh


def draw_plate_layout(
    *, assay: Assay, name: str, form: Form, by: Actor, only_received: bool = False, key: str = ""
) -> PlateLayout:
    """Draw random places for the specimens that await a result of this assay's biomarker; return the stored layout.

    No arm is read for it. Asked again with the same key, the first layout is returned.

    Raises RuleBroken where no specimen waits, InConflict where the key was used for another assay.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, assay.trial)
        require(by, Permission.SPECIMEN_VIEW, assay.trial)
        # One who clicks twice asks one after the other.
        Assay.objects.select_for_update(no_key=True).get(pk=assay.pk)
        earlier = PlateLayout.objects.filter(trial=assay.trial, specification__key=key).first() if key else None
        if earlier is not None and earlier.assay_id != assay.pk:
            raise InConflict("key_reused", "This form was sent for another assay. Open it anew. Nothing was drawn.")
        layout = earlier or _drawn(assay, name, form, by, only_received=only_received, key=key)
        event.record("plate_layout.drawn", trial=assay.trial, target=layout)
    return layout


def _drawn(assay: Assay, name: str, form: Form, by: Actor, *, only_received: bool, key: str) -> PlateLayout:
    if sites_open_to(by, Permission.SPECIMEN_VIEW, assay.trial) is not None:
        sentence = "Layouts are drawn for the specimens of all sites, by somebody who sees them."
        raise RuleBroken("whole_trial_only", sentence, field="assay")
    groups = awaiting_by_participant(assay, by, only_received=only_received)
    if not groups:
        sentence = f"No drawn specimen awaits a result of {assay.biomarker.name}. Record the draw first."
        raise RuleBroken("nothing_awaited", sentence, field="assay")
    seed = secrets.token_bytes(32)
    plates = draw_layout(groups, form, seed)
    return PlateLayout.objects.create(
        trial=assay.trial,
        assay=assay,
        name=name,
        seed=seed.hex(),
        method=METHOD,
        specification={"form": asdict(form), "specimens": groups, "only_received": only_received, "key": key},
        plates=[[[each.well, each.kind, each.name, each.replicate] for each in plate] for plate in plates],
    )


def _plate(trial: Trial, laboratory: Laboratory, code: str) -> Plate:
    """The plate of a run, made where nobody registered it yet."""
    code = " ".join(code.split())
    if not code or not code.isprintable() or len(code) > 80:
        raise RuleBroken("run_missing", "Name the run in 1 to 80 printable characters.", field="code")
    if not laboratory.deliveries.filter(trial=trial, ended_at=None).exists():
        raise RuleBroken("laboratory_foreign", "Choose a laboratory of this trial.", field="laboratory")
    plate, _is_new = Plate.objects.get_or_create(trial=trial, laboratory=laboratory, code=code)
    return Plate.objects.select_for_update(no_key=True).get(pk=plate.pk)


def _require_target(mean: Decimal, sd: Decimal) -> None:
    if not (mean.is_finite() and abs(mean) < MOST_DIGITS):
        raise RuleBroken("mean_out_of_reach", f"{mean} is no mean that can be kept. Nothing was saved.", field="mean")
    if not (sd.is_finite() and 0 < sd < MOST_DIGITS):
        raise RuleBroken("sd_not_positive", "The SD must be above 0. Nothing was saved.", field="sd")


def _require_readings(readings: Sequence[ControlReading], trial: Trial, laboratory: Laboratory) -> None:
    if not 1 <= len(readings) <= MOST_CONTROLS:
        raise RuleBroken("controls_missing", f"Send 1 to {MOST_CONTROLS} control values. Nothing was saved.")
    keys = [(each.material.pk, each.replicate) for each in readings]
    if len(set(keys)) != len(keys):
        raise RuleBroken("control_twice", "A control is named twice with the same replicate. Nothing was saved.")
    for each in readings:
        if (each.material.trial_id, each.material.assay.laboratory_id) != (trial.pk, laboratory.pk):
            raise RuleBroken("control_foreign", "Choose controls of the same laboratory. Nothing was saved.")
        if not (each.value.is_finite() and abs(each.value) < MOST_DIGITS and 1 <= each.replicate <= 999):
            raise RuleBroken("control_unreadable", f"{each.value} is no value of a control. Nothing was saved.")


def _value(
    plate: Plate, reading: ControlReading, old: ControlValue | None, measured_at: datetime, reason: str
) -> ControlValue | None:
    """The row to be stored; None where it is stored already."""
    if old is not None and old.value == reading.value:
        return None
    if old is not None and not reason.strip():
        sentence = (
            f"{reading.material} is recorded as {old.value.normalize():f} on this plate. Give a reason if"
            f" {reading.value} is right. Nothing was saved."
        )
        raise RuleBroken("control_differs", sentence, field="reason")
    return ControlValue(
        trial_id=plate.trial_id,
        plate=plate,
        material=reading.material,
        replicate=reading.replicate,
        revision=old.revision + 1 if old else 0,
        supersedes=old,
        value=reading.value,
        measured_at=measured_at,
        reason=reason.strip() if old else "",
    )
