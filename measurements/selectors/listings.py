"""What is listed of a trial's measurements, as far as the caller may see it. None of it says an arm.

Laboratories see their own results; people see those of their sites.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from measurements.models import Assay, Biomarker, Result, Specimen, Submission
from measurements.selectors.places import closed_sites, seen_by, sites_open_to, specimens_seen_by
from trials.access import Actor, require
from trials.errors import NotFound
from trials.models import Trial
from trials.permissions import Permission

NAMED = {
    "named_specimen": F("specimen__identifier"),
    "named_participant": F("specimen__participant__code"),
    "named_visit": F("specimen__visit__code"),
    "named_biomarker": F("biomarker__code"),
    "named_laboratory": F("laboratory__code"),
    "named_assay": F("assay__code"),
    "named_submission": F("submission__reference"),
}
"""Codes in place of keys, under names that the model's own fields do not have."""
RESULT_COLUMNS = (
    "id",
    "run",
    "performed_on",
    "replicate",
    "status",
    "value_as_sent",
    "unit_as_sent",
    "comparator",
    "flag",
    "value",
    "unit",
    "limit_of_quantification",
    "collected_at",
    "reason",
    "recorded_at",
    "supersedes_id",
    "superseded_by__id",
)


def results_visible_to(
    by: Actor, trial: Trial, *, biomarker: int | None = None, visit: int | None = None, since: datetime | None = None
) -> QuerySet[Result, dict[str, Any]]:
    """Return results as sent and as used, as mappings; superseded ones are among them and say by which."""
    require(by, Permission.RESULT_VIEW, trial)
    found = Result.objects.filter(seen_by(by, trial), trial=trial)
    if by.credential is not None:
        found = found.filter(laboratory_id=by.credential.laboratory_id)
    sites = sites_open_to(by, Permission.RESULT_VIEW, trial)
    if sites is not None:
        found = found.filter(specimen__participant__site__in=sites)
    if biomarker is not None:
        found = found.filter(biomarker_id=biomarker)
    if visit is not None:
        found = found.filter(specimen__visit_id=visit)
    if since is not None:
        found = found.filter(recorded_at__gte=since)
    listed: QuerySet[Result, dict[str, Any]] = found.values(*RESULT_COLUMNS, **NAMED)
    return listed


def biomarkers_of(by: Actor, trial: Trial) -> QuerySet[Biomarker]:
    """Return what the trial measures; anybody who knows the trial may see it."""
    require(by, Permission.TRIAL_VIEW, trial)
    return Biomarker.objects.filter(trial=trial)


def assays_of(by: Actor, trial: Trial) -> dict[int, list[Assay]]:
    """Return methods by biomarker: a laboratory's own, for people those of all laboratories."""
    found = Assay.objects.filter(trial=trial).select_related("laboratory")
    if by.credential is not None:
        found = found.filter(laboratory_id=by.credential.laboratory_id)
    by_biomarker: dict[int, list[Assay]] = defaultdict(list)
    for assay in found:
        by_biomarker[assay.biomarker_id].append(assay)
    return by_biomarker


GONE = Q(state__in=[Specimen.State.LOST, Specimen.State.DESTROYED]) | Q(condition=Specimen.Condition.UNUSABLE)
"""Of these nothing is to be awaited any more."""


def specimens_visible_to(by: Actor, trial: Trial, *, awaiting_results: bool = False) -> QuerySet[Specimen]:
    """Return specimens; those that await results lack one of a biomarker that is measured in their kind.

    What was parted is awaited of its parent, once; it can come of either. Of a lost, destroyed or unusable specimen
    nothing is awaited, unless an aliquot of it is left.
    """
    require(by, Permission.SPECIMEN_VIEW, trial)
    found = Specimen.objects.filter(specimens_seen_by(by, trial), trial=trial)
    found = found.select_related("participant", "visit", "shipment", "parent")
    sites = sites_open_to(by, Permission.SPECIMEN_VIEW, trial)
    if sites is not None:
        found = found.filter(participant__site__in=sites)
    if not awaiting_results:
        return found
    own = Result.objects.filter(specimen=OuterRef(OuterRef("pk")), biomarker=OuterRef("pk"))
    of_aliquots = Result.objects.filter(specimen__parent=OuterRef(OuterRef("pk")), biomarker=OuterRef("pk"))
    missing = Biomarker.objects.filter(trial=trial, specimen_type=OuterRef("specimen_type"), is_awaited=True)
    missing = missing.filter(~Exists(own), ~Exists(of_aliquots))
    left = Specimen.objects.filter(parent=OuterRef("pk")).exclude(GONE)
    return found.filter(~GONE | Exists(left), Exists(missing), parent=None, participant__data_use_withdrawn=False)


def awaited(trial: Trial, specimens: Iterable[Specimen]) -> dict[int, list[str]]:
    """Return, by specimen, the codes of the biomarkers of its kind to come; none of aliquots and the gone."""
    listed = list(specimens)
    by_kind: dict[str, list[tuple[int, str]]] = defaultdict(list)
    expected = Biomarker.objects.filter(trial=trial, is_awaited=True)
    for key, code, kind in expected.values_list("pk", "code", "specimen_type"):
        by_kind[kind].append((key, code))
    aliquots = Specimen.objects.filter(parent__in=listed)
    left = set(aliquots.exclude(GONE).values_list("parent_id", flat=True))
    pairs = set(Result.objects.filter(specimen__in=listed).values_list("specimen_id", "biomarker_id"))
    of_aliquots = Result.objects.filter(specimen__in=aliquots).values_list("specimen__parent_id", "biomarker_id")
    pairs |= {(parent, key) for parent, key in of_aliquots if parent is not None}
    return {
        specimen.pk: [code for key, code in by_kind[specimen.specimen_type] if (specimen.pk, key) not in pairs]
        if specimen.parent_id is None and (not is_gone(specimen) or specimen.pk in left)
        else []
        for specimen in listed
    }


def is_gone(specimen: Specimen) -> bool:
    """Return whether nothing more can be measured in this specimen."""
    return specimen.state in {"lost", "destroyed"} or specimen.condition == Specimen.Condition.UNUSABLE


def submissions_visible_to(by: Actor, trial: Trial) -> QuerySet[Submission]:
    """Return deliveries: a laboratory's own; for people those of the trial, or those with rows of their sites only.

    Report and file say every row that was sent, also what was refused, held, or known before. So for those bound to
    sites every row must have become a value of theirs, unless they sent it themselves; and what has rows that tell the
    arm is for those who may see every arm, and for who sent it.
    """
    require(by, Permission.RESULT_VIEW, trial)
    found = Submission.objects.filter(trial=trial).select_related("laboratory")
    if by.credential is not None:
        return found.filter(laboratory_id=by.credential.laboratory_id)
    is_sent = Q(event__actor_kind="person", event__actor_id=by.id)
    if closed_sites(by, trial):
        found = found.filter(Q(tells_arm=False) | is_sent)
    sites = sites_open_to(by, Permission.RESULT_VIEW, trial)
    if sites is None:
        return found
    own = Result.objects.filter(submission=OuterRef("pk"), specimen__participant__site__in=sites)
    others = Result.objects.filter(submission=OuterRef("pk")).exclude(specimen__participant__site__in=sites)
    is_all_own = Q(Exists(own), received=F("created") + F("corrected"))
    return found.filter(is_all_own | is_sent, ~Exists(others))


def visible_submission(by: Actor, trial: Trial, reference: UUID) -> Submission:
    """Return one delivery; NotFound for a missing and a foreign one alike."""
    found = submissions_visible_to(by, trial).filter(reference=reference).first()
    if found is None:
        raise NotFound("submission_unknown", "There is no such submission that you may see.")
    return found
