"""Plates as results make them and as laboratories describe them, with replicates and controls. None of it says an arm.

A plate is what one laboratory reports under one `run`. It is there as soon as a result names it; what is registered of
it is shown beside it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from measurements.models import Assay, ControlMaterial, ControlValue, Plate, PlateLayout, Result, Specimen
from measurements.models.assay import DEFAULT_CV_LIMIT
from measurements.plates.replicates import Spread, pooled_cv, spread
from measurements.plates.westgard import Control, outcome, rules_broken
from measurements.selectors.listings import specimens_visible_to
from measurements.selectors.places import SHOWN, closed_sites, seen_by, sites_open_to
from trials.access import Actor, require
from trials.errors import NotFound
from trials.models import Laboratory, Trial
from trials.permissions import Permission

State = Specimen.State
NO_CONTROLS = "no_controls"
OUTCOMES = ("rejected", "warning", "in_control", NO_CONTROLS)
WORST_FIRST = {each: place for place, each in enumerate(OUTCOMES)}


@dataclass(frozen=True)
class Replicated:
    """A specimen that was measured more than once on a plate: its values, how they spread, and what they may."""

    specimen: str
    biomarker: str
    unit: str
    values: tuple[float, ...]
    spread: Spread
    limit: float

    @property
    def differs(self) -> bool:
        """Whether the CV is above the assay's limit."""
        return self.spread.cv is not None and self.spread.cv > self.limit


@dataclass(frozen=True)
class Judged:
    """A control value with its distance from the target in SD and the rules that it fulfils."""

    value: ControlValue
    z: float
    rules: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """`rejected`, `warning` or `in_control`."""
        return outcome(self.rules)


@dataclass
class PlateLine:
    """A plate in the list."""

    laboratory: Laboratory
    code: str
    plate: Plate | None = None
    performed_on: date | None = None
    results: int = 0
    specimens: int = 0
    biomarkers: tuple[str, ...] = ()
    last_result: datetime | None = None
    controls: list[Judged] = field(default_factory=list)
    replicated: list[Replicated] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """What its controls say: the worst of them, or that there are none."""
        return min((each.outcome for each in self.controls), key=WORST_FIRST.__getitem__, default=NO_CONTROLS)

    @property
    def rules(self) -> list[str]:
        """The rules that its controls fulfil."""
        return sorted({rule for each in self.controls for rule in each.rules})

    @property
    def cv(self) -> float | None:
        """The pooled CV of its replicates in per cent."""
        return pooled_cv([each.values for each in self.replicated])

    @property
    def differing(self) -> int:
        """How many specimens have replicates that differ by more than their assay allows."""
        return sum(each.differs for each in self.replicated)


RUNS = f"""
SELECT r.laboratory_id, r.run, max(r.performed_on), count(*), count(DISTINCT r.specimen_id),
       array_agg(DISTINCT b.code ORDER BY b.code), max(r.recorded_at)
FROM measurements_result r
JOIN measurements_biomarker b ON b.id = r.biomarker_id
JOIN measurements_specimen s ON s.id = r.specimen_id
JOIN trials_participant p ON p.id = s.participant_id
WHERE r.trial_id = %(trial)s AND r.run <> '' AND (%(sites)s::bigint[] IS NULL OR p.site_id = ANY(%(sites)s))
  AND (%(laboratory)s::bigint IS NULL OR r.laboratory_id = %(laboratory)s)
  AND (%(run)s::text IS NULL OR r.run = %(run)s) AND {SHOWN}
  AND NOT EXISTS (SELECT 1 FROM measurements_result later WHERE later.supersedes_id = r.id)
GROUP BY r.laboratory_id, r.run"""  # noqa: S608 - built from constants

REPLICATES = f"""
SELECT r.laboratory_id, r.run, s.identifier, b.code, r.unit, array_agg(r.value::float8 ORDER BY r.replicate),
       coalesce(max(a.replicate_cv_limit), %(limit)s)::float8
FROM unnest(%(laboratories)s::bigint[], %(runs)s::text[]) AS wanted (laboratory, run)
JOIN measurements_result r ON r.laboratory_id = wanted.laboratory AND r.run = wanted.run
JOIN measurements_biomarker b ON b.id = r.biomarker_id
JOIN measurements_specimen s ON s.id = r.specimen_id
JOIN trials_participant p ON p.id = s.participant_id
LEFT JOIN measurements_assay a ON a.id = r.assay_id
WHERE r.trial_id = %(trial)s AND (%(sites)s::bigint[] IS NULL OR p.site_id = ANY(%(sites)s))
  AND r.status IN ('final', 'corrected') AND r.value IS NOT NULL AND r.comparator = '' AND {SHOWN}
  AND NOT EXISTS (SELECT 1 FROM measurements_result later WHERE later.supersedes_id = r.id)
GROUP BY r.laboratory_id, r.run, s.identifier, b.code, r.unit, r.assay_id
HAVING count(*) > 1
ORDER BY s.identifier, b.code"""  # noqa: S608 - built from constants


def plates_of(by: Actor, trial: Trial, *, laboratory: int | None = None, run: str | None = None) -> list[PlateLine]:
    """Return the plates that results name or that are registered, without replicates; those of one run if asked."""
    require(by, Permission.RESULT_VIEW, trial)
    sites = sites_open_to(by, Permission.RESULT_VIEW, trial)
    scope = {"trial": trial.pk, "sites": sites, "laboratory": laboratory, "run": run, "closed": closed_sites(by, trial)}
    with connection.cursor() as cursor:
        cursor.execute(RUNS, scope)
        counted = {(line[0], line[1]): line for line in cursor.fetchall()}
    registered = Plate.objects.filter(trial=trial).select_related("laboratory")
    registered = registered if laboratory is None else registered.filter(laboratory_id=laboratory)
    registered = registered if run is None else registered.filter(code=run)
    known = {(plate.laboratory_id, plate.code): plate for plate in registered}
    names = Laboratory.objects.in_bulk({key[0] for key in [*counted, *known]})
    controls = _controls_by_plate(trial)
    return [
        _line(names[key[0]], key[1], known.get(key), counted.get(key), controls) for key in sorted({*counted, *known})
    ]


def _line(
    laboratory: Laboratory, code: str, plate: Plate | None, counted: Any, controls: dict[int, list[Judged]]
) -> PlateLine:
    line = PlateLine(laboratory, code, plate)
    if counted is not None:
        _, _, line.performed_on, line.results, line.specimens, biomarkers, line.last_result = counted
        line.biomarkers = tuple(biomarkers)
    if plate is not None:
        line.performed_on = plate.performed_on or line.performed_on
        line.controls = controls.get(plate.pk, [])
    return line


def add_replicates(lines: Sequence[PlateLine], by: Actor, trial: Trial) -> None:
    """Fill in the replicates of these plates: asked for a page at a time, because there may be many."""
    if not lines:
        return
    by_run = {(line.laboratory.pk, line.code): line for line in lines}
    asked = {
        "trial": trial.pk,
        "sites": sites_open_to(by, Permission.RESULT_VIEW, trial),
        "closed": closed_sites(by, trial),
        "limit": DEFAULT_CV_LIMIT,
        "laboratories": [key[0] for key in by_run],
        "runs": [key[1] for key in by_run],
    }
    with connection.cursor() as cursor:
        cursor.execute(REPLICATES, asked)
        for laboratory, run, specimen, biomarker, unit, values, limit in cursor.fetchall():
            found = spread(values)
            if found is not None:
                by_run[laboratory, run].replicated.append(
                    Replicated(specimen, biomarker, unit, tuple(values), found, limit)
                )


def plate_of(by: Actor, trial: Trial, laboratory: int, run: str) -> PlateLine:
    """Return one plate with its replicates; NotFound where neither a result nor anybody names it."""
    lines = plates_of(by, trial, laboratory=laboratory, run=run)
    if not lines:
        raise NotFound("plate_unknown", "There is no plate of this name that you may see.")
    add_replicates(lines, by, trial)
    return lines[0]


def _controls_by_plate(trial: Trial) -> dict[int, list[Judged]]:
    """Every judged control value of the trial, by plate: a rule looks back over earlier plates."""
    by_plate: dict[int, list[Judged]] = defaultdict(list)
    for series in control_series(trial):
        for each in series.judged:
            by_plate[each.value.plate_id].append(each)
    return by_plate


@dataclass(frozen=True)
class ControlSeries:
    """The control values of one assay in the order of time, judged together."""

    assay: Assay
    judged: tuple[Judged, ...]

    def of(self, material: ControlMaterial) -> list[Judged]:
        """Return the values of one material."""
        return [each for each in self.judged if each.value.material_id == material.pk]

    @property
    def materials(self) -> list[ControlMaterial]:
        """The materials that have values, in the order of their levels."""
        found = {each.value.material_id: each.value.material for each in self.judged}
        return sorted(found.values(), key=lambda each: (each.target_mean, each.lot))


def control_series(trial: Trial, assay: Assay | None = None) -> list[ControlSeries]:
    """Return the current control values by assay, judged by Westgard's rules; of one assay if asked."""
    found = ControlValue.objects.filter(trial=trial, superseded_by=None).select_related(
        "plate__laboratory", "material__assay__biomarker", "material__assay__laboratory"
    )
    found = found if assay is None else found.filter(material__assay=assay)
    by_assay: dict[int, list[ControlValue]] = defaultdict(list)
    for value in found.order_by("material__assay__biomarker__position", "material__assay_id", "measured_at"):
        by_assay[value.material.assay_id].append(value)
    return [ControlSeries(values[0].material.assay, tuple(_judged(values))) for values in by_assay.values()]


def _judged(values: list[ControlValue]) -> Iterator[Judged]:
    """Judge the values of an assay; those of a plate stand together, where its first one was measured."""
    begun: dict[int, datetime] = {}
    for value in values:
        begun.setdefault(value.plate_id, value.measured_at)
    ordered = sorted(
        values,
        key=lambda each: (
            begun[each.plate_id],
            each.plate_id,
            each.material.target_mean,
            each.material_id,
            each.replicate,
        ),
    )
    zs = [float((each.value - each.material.target_mean) / each.material.target_sd) for each in ordered]
    controls = [Control(each.plate_id, each.material_id, z) for each, z in zip(ordered, zs, strict=True)]
    yield from map(Judged, ordered, zs, rules_broken(controls))


def assays_listed(by: Actor, trial: Trial) -> QuerySet[Assay]:
    """Return the methods of all laboratories, in every version."""
    require(by, Permission.TRIAL_VIEW, trial)
    return Assay.objects.filter(trial=trial).select_related("laboratory", "biomarker")


def visible_assay(by: Actor, trial: Trial, number: int) -> Assay:
    """Return one version of a method; NotFound for one of elsewhere."""
    assay = assays_listed(by, trial).filter(pk=number).first()
    if assay is None:
        raise NotFound("assay_unknown", "There is no assay of this number that you may see.")
    return assay


def materials_of(by: Actor, trial: Trial) -> QuerySet[ControlMaterial]:
    """Return the control materials of the trial's assays."""
    require(by, Permission.RESULT_VIEW, trial)
    return ControlMaterial.objects.filter(trial=trial).select_related("assay__laboratory", "assay__biomarker")


def awaiting_by_participant(assay: Assay, by: Actor, *, only_received: bool = False) -> list[list[str]]:
    """Return the ids of specimens that await a result of the assay's biomarker, those of a participant together.

    They are drawn, neither lost nor destroyed nor unusable; of several aliquots of a specimen the first. The groups
    name nobody, and arms are not read.
    """
    states = [State.RECEIVED] if only_received else [State.DRAWN, State.IN_TRANSIT, State.RECEIVED]
    waiting = specimens_visible_to(by, assay.trial).filter(
        specimen_type=assay.biomarker.specimen_type, participant__data_use_withdrawn=False
    )
    usable = waiting.filter(state__in=states).exclude(condition=Specimen.Condition.UNUSABLE)
    done = Result.objects.filter(seen_by(by, assay.trial), trial=assay.trial, biomarker=assay.biomarker)
    seen = {parent or key for key, parent in done.values_list("specimen_id", "specimen__parent_id")}
    with_aliquots = set(usable.filter(parent__isnull=False).values_list("parent_id", flat=True))
    groups: dict[int, list[str]] = defaultdict(list)
    for key, parent, participant, identifier in usable.order_by("aliquot_number", "identifier").values_list(
        "pk", "parent_id", "participant_id", "identifier"
    ):
        family = parent or key
        if family not in seen and key not in with_aliquots:
            seen.add(family)
            groups[participant].append(identifier)
    return sorted(map(sorted, groups.values()))


def layouts_of(by: Actor, trial: Trial) -> QuerySet[PlateLayout]:
    """Return the layouts that were drawn, the newest first; for those who see specimens of the whole trial."""
    require(by, Permission.SPECIMEN_VIEW, trial)
    found = PlateLayout.objects.filter(trial=trial).select_related("assay__biomarker", "assay__laboratory")
    return found if sites_open_to(by, Permission.SPECIMEN_VIEW, trial) is None else found.none()


def visible_layout(by: Actor, trial: Trial, reference: UUID) -> PlateLayout:
    """Return one layout; NotFound for a missing and a foreign one alike."""
    found = layouts_of(by, trial).filter(reference=reference).first()
    if found is None:
        raise NotFound("layout_unknown", "There is no layout of this address that you may see.")
    return found
