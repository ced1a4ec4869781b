"""The demonstration's plates: what the laboratory says of its runs, and controls that drift in the end."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.utils import timezone

from measurements.models import Assay, ControlMaterial
from measurements.services.plates import (
    ControlReading,
    PlateDetails,
    add_control_material,
    record_control_values,
    register_plate,
)
from studyplatform.demonstration.people import PLATFORM
from trials.models import Trial

ASSAY = "il6-elisa"
LEVELS = {"low": (Decimal("2.0"), Decimal("0.15")), "high": (Decimal(40), Decimal("2.4"))}
# Standard deviations from the target, week by week: steady, one warning, a bad run, then a slow drift upwards.
Z_SCORES = {
    "low": "0.3 -0.6 1.1 -0.2 0.8 -1.2 0.1 2.2 -0.4 0.5 3.3 -0.7 0.2 0.6 0.9 1.1 1.2 1.3 1.4 1.6",
    "high": "-0.5 0.4 0.2 -1.0 0.7 -0.3 0.9 0.6 -0.8 0.1 2.4 0.3 -0.2 0.4 0.8 0.7 1.1 1.2 1.1 1.5",
}
RUNS = ("plate-1", "plate-2")
"""The runs of results; the first and the last that controls were measured with."""


def describe_plates(trial: Trial, today: date) -> None:
    """Record the laboratory's plates and controls of the last twenty weeks."""
    assay = trial.assays.filter(code=ASSAY).first()
    if assay is None or trial.plates.exists():
        return
    materials = {level: _material(assay, level) for level in LEVELS}
    weeks = len(Z_SCORES["low"].split())
    for week in range(weeks):
        day = min(today, timezone.localdate()) - timedelta(days=7 * (weeks - week))
        code = {0: RUNS[0], weeks - 1: RUNS[1]}.get(week, f"control-run-{week}")
        details = PlateDetails(day, kit_lot="K2291" if week < weeks // 2 else "K2304", assays=[assay])
        register_plate(trial=trial, laboratory=assay.laboratory, code=code, details=details, by=PLATFORM)
        record_control_values(
            trial=trial,
            laboratory=assay.laboratory,
            code=code,
            readings=[_reading(materials[level], week) for level in LEVELS],
            measured_at=datetime.combine(day, time(9), tzinfo=timezone.get_current_timezone()),
            by=PLATFORM,
        )


def _material(assay: Assay, level: str) -> ControlMaterial:
    mean, sd = LEVELS[level]
    return add_control_material(
        assay=assay, level=level, lot="QC-1187", mean=mean, sd=sd, source=ControlMaterial.Source.OWN, by=PLATFORM
    )


def _reading(material: ControlMaterial, week: int) -> ControlReading:
    z = Decimal(Z_SCORES[material.level].split()[week])
    return ControlReading(material, material.target_mean + z * material.target_sd)
