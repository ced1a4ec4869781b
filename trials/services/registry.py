"""Describing a trial for registries, and amending its protocol: with a reason and a new version once registered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from trials import audit
from trials.access import Actor, may_name_arms, require
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import AuditEvent, Intervention, PlannedOutcome, Registration, Site, Trial
from trials.permissions import Permission
from trials.services.design import SiteDesign, check_country
from trials.services.protocol_versions import record_protocol_version
from trials.services.sealing import sealed_places

# Of the trial's own fields, those that registration leaves open.
AMENDABLE = (
    "title",
    "summary",
    "registry_id",
    "planned_participants",
    "recruitment_starts",
    "recruitment_ends",
)
# Of an intervention, what registration leaves open: its texts and its dose, neither type nor delivery.
DESCRIBABLE = (
    "name",
    "rationale",
    "materials",
    "description",
    "provider",
    "setting",
    "sessions_planned",
    "session_minutes",
    "weeks",
    "tailoring",
    "fidelity_plan",
    "software",
    "software_version",
    "cost_per_participant",
    "currency",
)


@dataclass(frozen=True)
class OutcomeDesign:
    """An outcome as planned; its visit by code, or a time frame in words."""

    code: str
    rank: str
    title: str
    measure: str = ""
    aggregation: str = ""
    visit: str = ""
    time_frame: str = ""
    biomarker: str = ""


@dataclass(frozen=True)
class Amendment:
    """What changes in the protocol; a part that is None stays.

    `texts` are fields of the trial (AMENDABLE), `record` fields of its registration, `interventions` by code of the arm
    (DESCRIBABLE); `visit_names` and `criterion_texts` by code. `outcomes` are all of them, in order. `sites` change
    name, city and country by code, and may be new.
    """

    texts: Mapping[str, Any] | None = None
    record: Mapping[str, Any] | None = None
    outcomes: Sequence[OutcomeDesign] | None = None
    interventions: Mapping[str, Mapping[str, Any]] | None = None
    visit_names: Mapping[str, str] | None = None
    criterion_texts: Mapping[str, str] | None = None
    sites: Sequence[SiteDesign] | None = None

    @property
    def parts(self) -> list[str]:
        """The names of the parts that change."""
        return [part.name for part in fields(self) if getattr(self, part.name) is not None]


def amend_protocol(*, trial: Trial, by: Actor, amendment: Amendment, reason: str = "") -> Trial:
    """Change what registration leaves open; from registration on the reason is asked for and a new version made.

    Raises:
        NotAllowed: interventions are described by somebody who may not name arms.
        RuleBroken: no reason for an amendment, or values that contradict each other or the design.
        InConflict: primary outcomes change although the trial was unblinded (`outcomes_fixed`).
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        locked = Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
        is_registered = locked.status != Trial.Status.DRAFT
        if is_registered and not reason.strip():
            raise RuleBroken("reason_missing", "Say why the protocol changes; nothing was saved.", field="reason")
        _check_planned(locked, amendment.texts or {})
        _change_texts(locked, amendment.texts or {})
        _change_record(locked, amendment.record or {})
        if amendment.outcomes is not None:
            _replace_outcomes(locked, amendment.outcomes)
        _describe_interventions(locked, by, amendment.interventions or {})
        _rename(locked.visits, "name", amendment.visit_names or {})
        _rename(locked.criteria, "text", amendment.criterion_texts or {})
        _change_sites(locked, amendment.sites or ())
        if is_registered:
            record_protocol_version(trial=locked, by=by, reason=reason)
        event.record("protocol.amended", trial=locked, target=locked, detail={"parts": amendment.parts})
    return locked


def _check_planned(trial: Trial, texts: Mapping[str, Any]) -> None:
    """Lists are sealed at registration: what is planned beyond them could not be randomized."""
    planned = texts.get("planned_participants")
    if planned is None or planned == trial.planned_participants:
        return
    if trial.status == Trial.Status.DRAFT or trial.randomized_elsewhere:
        return
    places = sealed_places(trial)
    if planned > places:
        raise RuleBroken(
            "planned_beyond_list",
            f"Each allocation list was sealed with {places} places, and cannot serve {planned} participants. Plan at "
            f"most {places}. Nothing was saved.",
            field="planned_participants",
        )


def _change_texts(trial: Trial, texts: Mapping[str, Any]) -> None:
    _set(trial, texts, AMENDABLE)
    starts, ends = trial.recruitment_starts, trial.recruitment_ends
    if ends and (not starts or ends <= starts):
        raise RuleBroken(
            "dates_contradictory", "Recruitment ends after it starts. Nothing was saved.", field="recruitment_ends"
        )
    if texts:
        trial.save(update_fields=list(texts))


def _change_record(trial: Trial, record: Mapping[str, Any]) -> None:
    if not record:
        return
    registration = Registration.objects.filter(trial=trial).first() or Registration(trial=trial)
    known = [field.name for field in Registration._meta.concrete_fields if field.name not in {"id", "trial"}]
    _set(registration, record, known)
    _check_record(registration, trial.recruitment_starts)
    registration.save()


def _check_record(registration: Registration, starts: date | None) -> None:
    low, high = registration.minimum_age, registration.maximum_age
    if low is not None and high is not None and low > high:
        raise RuleBroken("ages_contradictory", f"Nobody is at least {low} and at most {high}.", field="maximum_age")
    completed = registration.completion_on
    for name, earlier in (
        ("recruitment_starts", starts),
        ("primary_completion_on", registration.primary_completion_on),
    ):
        if completed and earlier and completed < earlier:
            what = "recruitment starts" if name == "recruitment_starts" else "the primary outcome is complete"
            raise RuleBroken(
                "dates_contradictory", f"The trial is complete on {completed}, before {what}.", field="completion_on"
            )


def _replace_outcomes(trial: Trial, outcomes: Sequence[OutcomeDesign]) -> None:
    """Write all planned outcomes anew by code; the versions keep what went."""
    visits = {visit.code: visit for visit in trial.visits.all()}
    for outcome in outcomes:
        if outcome.visit and outcome.visit not in visits:
            raise RuleBroken("visit_unknown", f"“{outcome.visit}” is not a visit of this trial.", field="outcomes")
    _require_primary_kept(trial, outcomes)
    trial.planned_outcomes.exclude(code__in=[each.code for each in outcomes]).delete()
    for position, outcome in enumerate(outcomes):
        values = {**vars(outcome), "visit": visits.get(outcome.visit), "position": position}
        PlannedOutcome.objects.update_or_create(trial=trial, code=values.pop("code"), defaults=values)


def _require_primary_kept(trial: Trial, outcomes: Sequence[OutcomeDesign]) -> None:
    """Whoever knows the results chooses no primary outcome by them: neither adds, changes nor takes away one."""
    if not _was_unblinded(trial):
        return
    primary = PlannedOutcome.Rank.PRIMARY
    stored = trial.planned_outcomes.filter(rank=primary).select_related("visit")
    names = [field.name for field in fields(OutcomeDesign) if field.name != "visit"]
    before = {
        OutcomeDesign(**{name: getattr(each, name) for name in names}, visit=each.visit.code if each.visit else "")
        for each in stored
    }
    if before != {each for each in outcomes if each.rank == primary}:
        raise InConflict(
            "outcomes_fixed",
            "The trial was unblinded: its primary outcomes stay as they were planned. Nothing was saved. "
            "Give what is new as a secondary outcome.",
            field="outcomes",
        )


def _was_unblinded(trial: Trial) -> bool:
    """Return whether arms were ever opened to all; a trial that was unlocked since is open for changes again."""
    if trial.status in {Trial.Status.UNBLINDED, Trial.Status.ARCHIVED}:
        return True
    return AuditEvent.objects.filter(trial_id=trial.pk, verb="trial.moved", detail__to=Trial.Status.UNBLINDED).exists()


def _describe_interventions(trial: Trial, by: Actor, described: Mapping[str, Mapping[str, Any]]) -> None:
    if described and not may_name_arms(by, trial):
        raise NotAllowed("blinded", "You are blinded in this trial: interventions are described by those who are not.")
    for code, texts in described.items():
        intervention = Intervention.objects.filter(arm__trial=trial, arm__code=code).first()
        if intervention is None:
            raise RuleBroken("intervention_missing", f"The arm “{code}” has no intervention to describe.")
        _set(intervention, texts, DESCRIBABLE)
        _check_intervention(intervention)
        intervention.save()


def _check_intervention(intervention: Intervention) -> None:
    is_bot = intervention.delivery == Intervention.Delivery.COACH_BOT
    if is_bot and not (intervention.software and intervention.software_version):
        raise RuleBroken(
            "software_missing",
            "A coach-bot is named with its software and version. Nothing was saved.",
            field="software",
        )
    if intervention.cost_per_participant is not None and not intervention.currency:
        raise RuleBroken("currency_missing", "Give the currency of the cost, as EUR or GBP.", field="currency")


def _rename(rows: Any, field: str, given: Mapping[str, str]) -> None:
    for row in rows.filter(code__in=given):
        if given[row.code] and getattr(row, field) != given[row.code]:
            rows.filter(pk=row.pk).update(**{field: given[row.code]})


def _change_sites(trial: Trial, sites: Sequence[SiteDesign]) -> None:
    there = {site.code: site for site in trial.sites.all()}
    for given in sites:
        check_country(given)
        if given.code not in there:
            _add_site(trial, given)
        elif SiteDesign(*(getattr(there[given.code], name) for name in SiteDesign._fields)) != given:
            trial.sites.filter(code=given.code).update(**given._asdict())


def _add_site(trial: Trial, site: SiteDesign) -> None:
    if trial.status != Trial.Status.DRAFT and trial.factors.filter(is_site=True).exists():
        raise RuleBroken(
            "site_is_stratum",
            "Randomization is stratified by site and sealed: a new site would have no list. Nothing was saved.",
            field="sites",
        )
    Site.objects.create(trial=trial, **site._asdict())


def _set(row: Any, values: Mapping[str, Any], known: Sequence[str]) -> None:
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{name} is not amendable")
        setattr(row, name, value)
