"""What readers of FHIR may see: the same results, specimens and participants as the JSON API shows them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Case, F, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from measurements.models import Biomarker, Result, Specimen
from measurements.selectors.listings import NAMED, RESULT_COLUMNS, results_visible_to, specimens_visible_to
from measurements.selectors.places import sites_open_to, specimens_seen_by
from trials.access import Actor, allocation_sites, may_name_arms, require
from trials.models import Participant, Trial
from trials.permissions import Permission
from trials.selectors.participants import participants_visible_to

ALSO_NAMED = {
    "named_specimen_id": F("specimen_id"),
    "named_specimen_type": F("specimen__specimen_type"),
    "named_biomarker_name": F("biomarker__name"),
    # A code that nobody confirmed is not given on as if it were one.
    "named_loinc": Case(When(biomarker__loinc_verified=True, then=F("biomarker__loinc")), default=Value("")),
}
_NATURAL_KEY = ("specimen_id", "biomarker_id", "laboratory_id", "assay_id", "run", "replicate")


def _first_id() -> Case:
    """Return the expression for the id of the first result of a natural key, which an Observation keeps for good."""
    key = {name: OuterRef(name) for name in _NATURAL_KEY if name != "assay_id"}
    # The unique constraint takes two missing assays for the same one, and so must this.
    first = Result.objects.alias(method=Coalesce("assay_id", Value(0))).filter(
        revision=0, method=Coalesce(OuterRef("assay_id"), Value(0)), **key
    )
    return Case(When(revision=0, then=F("pk")), default=Subquery(first.values("pk")[:1]))


def observations_visible_to(
    by: Actor,
    trial: Trial,
    *,
    keys: Collection[int] | None = None,
    biomarkers: Collection[int] | None = None,
    specimen_keys: Collection[int] | None = None,
    specimens: Collection[str] | None = None,
    participants: Collection[str] | None = None,
    since: datetime | None = None,
) -> QuerySet[Result, dict[str, Any]]:
    """Return current results as mappings; superseded ones are earlier versions of the same Observation."""
    found = results_visible_to(by, trial, since=since).filter(superseded_by=None)
    wanted = {
        "biomarker_id__in": biomarkers,
        "specimen_id__in": specimen_keys,
        "specimen__identifier__in": specimens,
        "specimen__participant__code__in": participants,
    }
    found = _with_words(found.filter(**_asked(wanted)))
    return found.filter(**_asked({"first_id__in": keys}))


def _asked(wanted: Mapping[str, Collection[Any] | None]) -> dict[str, Collection[Any]]:
    return {name: values for name, values in wanted.items() if values is not None}


def visible_observation(by: Actor, trial: Trial, key: int) -> Mapping[str, Any] | None:
    """Return the current result of the Observation with this id; None where there is none that `by` may see."""
    found = results_visible_to(by, trial)
    first = found.filter(pk=key, revision=0).values(*_NATURAL_KEY).first()
    if first is None:
        return None
    exactly = {name: value for name, value in first.items() if value is not None}
    if first["assay_id"] is None:
        found = found.filter(assay=None)
    return _with_words(found.filter(superseded_by=None, **exactly)).first()


def _with_words(found: QuerySet[Result, dict[str, Any]]) -> QuerySet[Result, dict[str, Any]]:
    listed: QuerySet[Result, dict[str, Any]] = found.values(
        *RESULT_COLUMNS, "revision", *NAMED, **ALSO_NAMED, first_id=_first_id()
    )
    return listed


def observation_words(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a listed result with its codes under their own names."""
    return {name.removeprefix("named_"): value for name, value in result.items()}


def recorded_observations(reference: str) -> dict[int, tuple[int, int]]:
    """Return, by row number, the Observation's id and version that a submission recorded."""
    stored = Result.objects.filter(submission__reference=reference).annotate(first_id=_first_id())
    lines = stored.values_list("row_number", "first_id", "revision")
    return {number: (first, revision + 1) for number, first, revision in lines}


def confirmed_loinc(trial: Trial) -> dict[str, str]:
    """Return LOINC codes that were confirmed, and that stand for one biomarker of the trial alone."""
    codes: dict[str, set[str]] = {}
    listed = Biomarker.objects.filter(trial=trial, loinc_verified=True).exclude(loinc="")
    for loinc, code in listed.values_list("loinc", "code"):
        codes.setdefault(loinc, set()).add(code)
    return {loinc: meant.pop() for loinc, meant in codes.items() if len(meant) == 1}


def specimen_ids(by: Actor, trial: Trial, keys: Iterable[int]) -> dict[int, str]:
    """Return the ids on the tubes of those specimens that `by` may send results of."""
    found = Specimen.objects.filter(specimens_seen_by(by, trial), trial=trial, pk__in=list(keys))
    sites = sites_open_to(by, Permission.RESULT_RECORD, trial)
    if sites is not None:
        found = found.filter(participant__site__in=sites)
    return dict(found.values_list("pk", "identifier"))


def specimen_to_receive(by: Actor, trial: Trial, identifier: str) -> Specimen | None:
    """Return the specimen whose arrival `by` may record; None for an unknown, a foreign and another site's alike."""
    require(by, Permission.SPECIMEN_RECEIVE, trial)
    found = Specimen.objects.filter(specimens_seen_by(by, trial), trial=trial, identifier=identifier)
    found = found.select_related("participant__site", "trial")
    sites = sites_open_to(by, Permission.SPECIMEN_RECEIVE, trial)
    return (found if sites is None else found.filter(participant__site__in=sites)).first()


def specimens_for_fhir(
    by: Actor,
    trial: Trial,
    *,
    keys: Collection[int] | None = None,
    identifiers: Collection[str] | None = None,
    participants: Collection[str] | None = None,
) -> QuerySet[Specimen]:
    """Return specimens, all or those with these ids or of these participants."""
    wanted = {"pk__in": keys, "identifier__in": identifiers, "participant__code__in": participants}
    return specimens_visible_to(by, trial).filter(**_asked(wanted))


def specimen_words(specimen: Specimen) -> dict[str, Any]:
    """Return a specimen as a mapping."""
    return {
        "id": specimen.pk,
        "identifier": specimen.identifier,
        "specimen_type": specimen.specimen_type,
        "participant": specimen.participant.code,
        "drawn_at": specimen.drawn_at,
        "received_at": specimen.received_at,
        "condition": specimen.condition,
        "is_gone": specimen.state in {Specimen.State.LOST, Specimen.State.DESTROYED},
    }


def participants_for_fhir(
    by: Actor, trial: Trial, *, keys: Collection[int] | None = None, codes: Collection[str] | None = None
) -> QuerySet[Participant]:
    """Return participants, all or those with these codes."""
    found = participants_visible_to(by, trial).select_related("allocation__arm")
    return found.filter(**_asked({"pk__in": keys, "code__in": codes}))


def participant_words(listed: Iterable[Participant], by: Actor, trial: Trial) -> list[dict[str, Any]]:
    """Return participants as mappings, with the arm's name only at sites whose allocations `by` may see."""
    shown = allocation_sites(by, trial)
    return [_participant(participant, sees_arm=participant.site_id in shown) for participant in listed]


def _participant(participant: Participant, *, sees_arm: bool) -> dict[str, Any]:
    words: dict[str, Any] = {
        "id": participant.pk,
        "code": participant.code,
        "state": participant.state,
        "randomized_on": participant.randomized_on,
        "trial_id": participant.trial_id,
    }
    allocation = getattr(participant, "allocation", None) if sees_arm else None
    return words | ({"arm": allocation.arm.name} if allocation else {})


def trial_for_fhir(by: Actor, trial: Trial, *, keys: Collection[int] | None = None) -> QuerySet[Trial]:
    """Return the one trial of a base, if it is asked for."""
    require(by, Permission.TRIAL_VIEW, trial)
    return Trial.objects.filter(pk=trial.pk).filter(**_asked({"pk__in": keys})).select_related("sandbox_of")


def trial_words(by: Actor, trial: Trial) -> dict[str, Any]:
    """Return the trial as a mapping; its arms only for those who may name them."""
    arms = trial.arms.all() if may_name_arms(by, trial) else []
    return {
        "id": trial.pk,
        "slug": (trial.sandbox_of or trial).slug,
        "registry_id": trial.registry_id,
        "title": trial.title,
        "status": trial.status,
        "summary": trial.summary,
        "starts": trial.recruitment_starts,
        "ends": trial.recruitment_ends,
        "sites": [site.name for site in trial.sites.all()],
        "arms": [{"name": arm.name, "kind": arm.get_kind_display()} for arm in arms],
    }
