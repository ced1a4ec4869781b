"""Designing a trial: its arms, sites, factors and visits, until registration seals them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import IntegrityError, connection
from django.db.models import Manager, ProtectedError

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.models import (
    Arm,
    ConsentForm,
    Criterion,
    Intervention,
    Laboratory,
    LaboratoryTrial,
    Membership,
    Trial,
    Visit,
)
from trials.permissions import Permission, Role
from trials.registry.countries import COUNTRIES

BUILT_IN_LABORATORY = "site"
SITE_FACTOR = "site"
# The first scope of every consent form.
TAKING_PART = {"code": "trial", "name": "Taking part in the trial", "required": True}
DEFAULT_MINIMIZATION_PROBABILITY = Decimal("0.80")


@dataclass(frozen=True)
class ArmDesign:
    """An arm as designed; the reference arm is what effects are compared with.

    `crosses_over_to` is the code of the arm whose intervention a waitlist is offered after its controlled part.
    """

    code: str
    name: str
    kind: str
    ratio: int = 1
    is_reference: bool = False
    intervention_type: str = ""
    delivery: str = "individual"
    crosses_over_to: str = ""
    sessions_planned: int | None = None
    session_minutes: int | None = None
    weeks: int | None = None
    software: str = ""
    software_version: str = ""


@dataclass(frozen=True)
class VisitDesign:
    """A visit as designed, in days from its anchor (study days)."""

    code: str
    name: str
    kind: str
    target_day: int
    window_from: int
    window_to: int
    anchor: str = Visit.Anchor.RANDOMIZATION


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


class SiteDesign(NamedTuple):
    """A centre as designed; the country in two letters (ISO 3166-1)."""

    code: str
    name: str
    city: str = ""
    country: str = ""


@dataclass(frozen=True)
class Design:
    """What registration seals, apart from the trial's own fields."""

    arms: Sequence[ArmDesign]
    sites: Sequence[SiteDesign]
    visits: Sequence[VisitDesign]
    factors: Sequence[FactorDesign]
    criteria: Sequence[CriterionDesign]
    stratify_by_site: bool

    @property
    def all_factors(self) -> Sequence[FactorDesign]:
        """The factors, the site first where it is one."""
        levels = [(site.code, site.name) for site in self.sites]
        return [FactorDesign(SITE_FACTOR, "Site", levels), *self.factors] if self.stratify_by_site else self.factors


BASELINE = VisitDesign("baseline", "Baseline", Visit.Kind.BASELINE, 1, -28, 1)
SIX_MONTHS = VisitDesign("six_months", "Six months", Visit.Kind.SIX_MONTHS, 183, 168, 196)


def create_trial(
    *,
    slug: str,
    title: str,
    by: Actor,
    arms: Sequence[ArmDesign],
    sites: Sequence[SiteDesign | tuple[str, str]],
    visits: Sequence[VisitDesign] = (BASELINE, SIX_MONTHS),
    factors: Sequence[FactorDesign] = (),
    stratify_by_site: bool = True,
    summary: str = "",
    registry_id: str = "",
    code_prefix: str = "P",
    planned_participants: int | None = None,
    is_open_label: bool = False,
    criteria: Sequence[CriterionDesign] = (),
    randomization_method: str = Trial.RandomizationMethod.PERMUTED_BLOCKS,
    randomization_unit: str = Trial.RandomizationUnit.PARTICIPANT,
    minimization_probability: Decimal = DEFAULT_MINIMIZATION_PROBABILITY,
    recruitment_starts: date | None = None,
    recruitment_ends: date | None = None,
    is_demonstration: bool = False,
    allocation_provenance: str = "",
) -> Trial:
    """Store a draft trial with its design and make its creator principal investigator.

    A provenance of allocation says that the trial was randomized elsewhere. Raises RuleBroken for a design that no
    effect could be estimated from.
    """
    design = Design(arms, [SiteDesign(*site) for site in sites], visits, factors, criteria, stratify_by_site)
    _check_design(design, randomization_method)
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
                randomization_method=randomization_method,
                randomization_unit=randomization_unit,
                minimization_probability=minimization_probability,
                recruitment_starts=recruitment_starts,
                recruitment_ends=recruitment_ends,
                is_demonstration=is_demonstration,
                randomized_elsewhere=bool(allocation_provenance),
                allocation_provenance=allocation_provenance,
            )
            _write_design(trial, design)
            if not trial.randomized_elsewhere:
                ConsentForm.objects.create(trial=trial, version="1.0", scopes=[TAKING_PART])
            built_in = Laboratory.objects.create(trial=trial, code=BUILT_IN_LABORATORY, name="Entered at the site")
            LaboratoryTrial.objects.create(laboratory=built_in, trial=trial)
            if by.user is not None:
                Membership.objects.create(trial=trial, user=by.user, role=Role.PRINCIPAL_INVESTIGATOR)
            event.record("trial.created", trial=trial, target=trial)
    except IntegrityError as error:
        raise _told(error, slug) from error
    return trial


def revise_design(
    *,
    trial: Trial,
    by: Actor,
    arms: Sequence[ArmDesign],
    sites: Sequence[SiteDesign],
    visits: Sequence[VisitDesign],
    factors: Sequence[FactorDesign] = (),
    criteria: Sequence[CriterionDesign] = (),
    stratify_by_site: bool = True,
    **of_the_trial: Any,
) -> Trial:
    """Make a draft's design what is given: rows are matched by code, the others added or removed; return the trial.

    `of_the_trial` are its own fields (title, planned_participants, randomization_method, ...), except the short name.

    Raises:
        InConflict: the trial is registered (`design_sealed`), or something recorded needs what would go.
        RuleBroken: no effect could be estimated from the design.
    """
    design = Design(arms, sites, visits, factors, criteria, stratify_by_site)
    try:
        with audit.transaction(by=by) as event:
            require(by, Permission.TRIAL_DESIGN, trial)
            draft = Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
            require_draft(draft)
            _check_design(design, of_the_trial.get("randomization_method", draft.randomization_method))
            for name, value in of_the_trial.items():
                setattr(draft, name, value)
            draft.save(update_fields=list(of_the_trial))
            _write_design(draft, design)
            event.record("trial.design_revised", trial=draft, target=draft)
    except ProtectedError as error:
        raise InConflict(
            "design_in_use", "A row that would go is needed by something recorded for this trial. Nothing was saved."
        ) from error
    except IntegrityError as error:
        raise _told(error, trial.slug) from error
    return draft


def require_draft(trial: Trial) -> None:
    """Raise InConflict once the trial is registered."""
    if trial.status != Trial.Status.DRAFT:
        raise InConflict(
            "design_sealed",
            "The design was sealed at registration: arms, ratio, factors, codes, method and windows stay. "
            "Nothing was saved. Amend the protocol for what may still change.",
        )


def _told(error: IntegrityError, slug: str) -> RuleBroken:
    if "slug" in str(error):
        return RuleBroken(
            "slug_taken", f"There is already a trial with the short name “{slug}”. Choose another.", field="slug"
        )
    return RuleBroken("design_contradictory", f"The design contradicts itself: {error}".split("DETAIL")[0].strip())


def _check_design(design: Design, method: str) -> None:
    if len(design.arms) < 2:
        raise RuleBroken("arms_too_few", "A randomized trial has at least two arms.", field="arms")
    if sum(arm.is_reference for arm in design.arms) != 1:
        raise RuleBroken("reference_arm_missing", "Name exactly one arm as the one to compare with.", field="arms")
    if not design.sites:
        raise RuleBroken("sites_missing", "Name at least one site.", field="sites")
    if sum(visit.kind == Visit.Kind.BASELINE for visit in design.visits) != 1 or len(design.visits) < 2:
        raise RuleBroken("visits_too_few", "A trial needs one baseline and at least one later visit.", field="visits")
    if method == Trial.RandomizationMethod.MINIMIZATION and not design.all_factors:
        raise RuleBroken(
            "factors_missing", "Minimization balances factors: name one, or stratify by site.", field="factors"
        )
    for rows in (design.arms, design.sites, design.visits, design.all_factors, design.criteria):
        _check_codes([row.code for row in rows])
    for arm in design.arms:
        _check_arm(arm, {each.code: each for each in design.arms})
    for site in design.sites:
        check_country(site)


def _check_codes(codes: Sequence[str]) -> None:
    repeated = {code for code in codes if codes.count(code) > 1}
    if repeated:
        raise RuleBroken("design_contradictory", f"The code “{repeated.pop()}” is given twice. Every row has its own.")


def _check_arm(arm: ArmDesign, arms: Mapping[str, ArmDesign]) -> None:
    if arm.delivery == Intervention.Delivery.COACH_BOT and not (arm.software and arm.software_version):
        raise RuleBroken(
            "software_missing",
            f"“{arm.name}” is delivered by a coach-bot: name its software and version.",
            field="arms",
        )
    if not arm.crosses_over_to:
        return
    target = arms.get(arm.crosses_over_to)
    if arm.kind != Arm.Kind.WAITLIST or target is None or target.kind != Arm.Kind.INTERVENTION:
        raise RuleBroken(
            "cross_over_impossible",
            f"“{arm.name}” cannot cross over to “{arm.crosses_over_to}”: a waitlist crosses over to an intervention.",
            field="arms",
        )


def check_country(site: SiteDesign) -> None:
    """Raise RuleBroken for a country that is no two-letter code of ISO 3166-1; none is fine."""
    if site.country and site.country not in COUNTRIES:
        raise RuleBroken(
            "country_unknown", f"“{site.country}” is no country code. Give two letters, as GB or BE.", field="sites"
        )


def _write_design(trial: Trial, design: Design) -> None:
    """Make the trial's rows what the design says."""
    _write_arms(trial, design.arms)
    _reconcile(trial.sites, {site.code: site._asdict() for site in design.sites})
    _reconcile(trial.factors, {each.code: _factor(each, design.stratify_by_site) for each in design.all_factors})
    _reconcile(trial.criteria, {each.code: vars(each) for each in design.criteria})
    _reconcile(
        trial.visits,
        {visit.code: vars(visit) for visit in design.visits},
        comes_last=lambda fields: fields["kind"] == Visit.Kind.BASELINE,
    )


def _factor(factor: FactorDesign, by_site: bool) -> dict[str, Any]:
    return {
        "code": factor.code,
        "name": factor.name,
        "levels": [{"code": code, "name": name} for code, name in factor.levels],
        "is_site": factor.code == SITE_FACTOR and by_site,
    }


def _write_arms(trial: Trial, designs: Sequence[ArmDesign]) -> None:
    trial.arms.exclude(crosses_over_to=None).update(crosses_over_to=None)
    kept = {design.code for design in designs if design.intervention_type}
    Intervention.objects.filter(arm__trial=trial).exclude(arm__code__in=kept).delete()
    fields = ("code", "name", "kind", "ratio", "is_reference")
    arms = _reconcile(
        trial.arms,
        {design.code: {name: getattr(design, name) for name in fields} for design in designs},
        comes_last=lambda fields: fields["is_reference"],
    )
    for design in designs:
        arm = arms[design.code]
        if design.crosses_over_to:
            Arm.objects.filter(pk=arm.pk).update(crosses_over_to=arms[design.crosses_over_to])
        if design.intervention_type:
            Intervention.objects.update_or_create(arm=arm, defaults=_received(design))


def _received(design: ArmDesign) -> dict[str, Any]:
    fields = ("delivery", "sessions_planned", "session_minutes", "weeks", "software", "software_version")
    return {"type": design.intervention_type, **{name: getattr(design, name) for name in fields}}


def _reconcile(
    rows: Manager[Any],
    wanted: Mapping[str, Mapping[str, Any]],
    comes_last: Callable[[Mapping[str, Any]], bool] = lambda fields: False,
) -> dict[str, Any]:
    """Remove, change and add rows until they are the wanted ones, in their order; return them by code.

    What only one row may be (the reference arm, the baseline) is given last, when no other row is it any more.
    """
    rows.exclude(code__in=wanted).delete()
    there = {row.code: row for row in rows.all()}
    positions = {code: position for position, code in enumerate(wanted)}
    kept = sorted((code for code in wanted if code in there), key=lambda code: comes_last(wanted[code]))
    for code in [*kept, *(code for code in wanted if code not in there)]:
        fields = wanted[code]
        given = {**fields, "position": positions[code]} if hasattr(rows.model, "position") else dict(fields)
        if code not in there:
            there[code] = rows.create(**given)
        elif any(getattr(there[code], name) != value for name, value in given.items()):
            rows.filter(code=code).update(**given)
    return there


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
