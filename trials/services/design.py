"""Designing a trial: its arms, sites, factors and visits, until registration seals them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import IntegrityError, connection

from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.models import (
    Arm,
    Criterion,
    Intervention,
    Laboratory,
    LaboratoryTrial,
    Membership,
    Site,
    StratificationFactor,
    Trial,
    Visit,
)
from trials.permissions import Permission, Role

BUILT_IN_LABORATORY = "site"
SITE_FACTOR = "site"


@dataclass(frozen=True)
class ArmDesign:
    """An arm as designed; the reference arm is what effects are compared with."""

    code: str
    name: str
    kind: str
    ratio: int = 1
    is_reference: bool = False
    intervention_type: str = ""
    delivery: str = "individual"


@dataclass(frozen=True)
class VisitDesign:
    """A visit as designed, in study days."""

    code: str
    name: str
    kind: str
    target_day: int
    window_from: int
    window_to: int


@dataclass(frozen=True)
class CriterionDesign:
    """An eligibility criterion as designed."""

    code: str
    text: str
    kind: str = Criterion.Kind.INCLUSION


@dataclass(frozen=True)
class FactorDesign:
    """A stratification factor and its levels as (code, name)."""

    code: str
    name: str
    levels: Sequence[tuple[str, str]]


BASELINE = VisitDesign("baseline", "Baseline", Visit.Kind.BASELINE, 1, -28, 1)
SIX_MONTHS = VisitDesign("six_months", "Six months", Visit.Kind.SIX_MONTHS, 183, 168, 196)


def create_trial(
    *,
    slug: str,
    title: str,
    by: Actor,
    arms: Sequence[ArmDesign],
    sites: Sequence[tuple[str, str]],
    visits: Sequence[VisitDesign] = (BASELINE, SIX_MONTHS),
    factors: Sequence[FactorDesign] = (),
    stratify_by_site: bool = True,
    summary: str = "",
    registry_id: str = "",
    code_prefix: str = "P",
    planned_participants: int | None = None,
    is_open_label: bool = False,
    criteria: Sequence[CriterionDesign] = (),
    recruitment_starts: date | None = None,
    recruitment_ends: date | None = None,
    is_demonstration: bool = False,
    allocation_provenance: str = "",
) -> Trial:
    """Store a draft trial with its design and make its creator principal investigator.

    A provenance of allocation says that the trial was randomized elsewhere. Raises RuleBroken for a design that no
    effect could be estimated from.
    """
    _check_design(arms, visits, sites)
    try:
        with audit.transaction(by=by) as event:
            require(by, Permission.TRIAL_CREATE, None)
            trial = Trial.objects.create(
                slug=slug,
                title=title,
                summary=summary,
                registry_id=registry_id,
                code_prefix=code_prefix,
                planned_participants=planned_participants,
                is_open_label=is_open_label,
                recruitment_starts=recruitment_starts,
                recruitment_ends=recruitment_ends,
                is_demonstration=is_demonstration,
                randomized_elsewhere=bool(allocation_provenance),
                allocation_provenance=allocation_provenance,
            )
            _add_arms(trial, arms)
            Site.objects.bulk_create(Site(trial=trial, code=code, name=name) for code, name in sites)
            _add_factors(trial, factors, sites if stratify_by_site else ())
            Criterion.objects.bulk_create(
                Criterion(trial=trial, position=position, **vars(each)) for position, each in enumerate(criteria)
            )
            Visit.objects.bulk_create(
                Visit(trial=trial, position=position, **vars(visit)) for position, visit in enumerate(visits)
            )
            built_in = Laboratory.objects.create(trial=trial, code=BUILT_IN_LABORATORY, name="Entered at the site")
            LaboratoryTrial.objects.create(laboratory=built_in, trial=trial)
            if by.user is not None:
                Membership.objects.create(trial=trial, user=by.user, role=Role.PRINCIPAL_INVESTIGATOR)
            event.record("trial.created", trial=trial, target=trial)
    except IntegrityError as error:
        raise _told(error, slug) from error
    return trial


def _told(error: IntegrityError, slug: str) -> RuleBroken:
    if "slug" in str(error):
        return RuleBroken(
            "slug_taken", f"There is already a trial with the short name “{slug}”. Choose another.", field="slug"
        )
    return RuleBroken("design_contradictory", f"The design contradicts itself: {error}".split("DETAIL")[0].strip())


def _check_design(arms: Sequence[ArmDesign], visits: Sequence[VisitDesign], sites: Sequence[tuple[str, str]]) -> None:
    if len(arms) < 2:
        raise RuleBroken("arms_too_few", "A randomized trial has at least two arms.", field="arms")
    if sum(arm.is_reference for arm in arms) != 1:
        raise RuleBroken("reference_arm_missing", "Name exactly one arm as the one to compare with.", field="arms")
    if not sites:
        raise RuleBroken("sites_missing", "Name at least one site.", field="sites")
    if sum(visit.kind == Visit.Kind.BASELINE for visit in visits) != 1 or len(visits) < 2:
        raise RuleBroken("visits_too_few", "A trial needs one baseline and at least one later visit.", field="visits")


def _add_arms(trial: Trial, designs: Sequence[ArmDesign]) -> None:
    for position, design in enumerate(designs):
        arm = Arm.objects.create(
            trial=trial,
            position=position,
            code=design.code,
            name=design.name,
            kind=design.kind,
            ratio=design.ratio,
            is_reference=design.is_reference,
        )
        if design.intervention_type:
            Intervention.objects.create(arm=arm, type=design.intervention_type, delivery=design.delivery)


def _add_factors(trial: Trial, designs: Sequence[FactorDesign], sites: Sequence[tuple[str, str]]) -> None:
    if sites:
        designs = [FactorDesign(SITE_FACTOR, "Site", sites), *designs]
    StratificationFactor.objects.bulk_create(
        StratificationFactor(
            trial=trial,
            code=design.code,
            name=design.name,
            levels=[{"code": code, "name": name} for code, name in design.levels],
            is_site=design.code == SITE_FACTOR and bool(sites),
            position=position,
        )
        for position, design in enumerate(designs)
    )


def mark_data_changed(trial: Trial) -> int:
    """Raise the trial's data version, last in the transaction of a change of analysable data; return it.

    Last, because the row stays locked until commit and simultaneous deliveries would queue behind it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE trials_trial SET data_version = data_version + 1 WHERE id = %s RETURNING data_version", [trial.pk]
        )
        trial.data_version = cursor.fetchone()[0]
    return trial.data_version
