"""What stands in a trial's sandbox, for those who manage its laboratories: counts and ids, and no values."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from measurements.models import Result, Specimen, Submission
from trials.access import Actor, require
from trials.models import LaboratoryCredential, Participant, Trial
from trials.permissions import Permission


@dataclass(frozen=True)
class SandboxState:
    """The present copy: since when, with whom, and what was sent to it."""

    since: datetime
    participants: list[str]
    specimens: list[str]
    submissions: int
    results: int


def sandbox_of(trial: Trial) -> Trial | None:
    """Return the present sandbox of a trial, if there is one. It asks for no permission."""
    return Trial.objects.filter(sandbox_of=trial, sandbox_ended_at=None).select_related("sandbox_of").first()


def trials_tried_out(credential: LaboratoryCredential, slug: str | None) -> QuerySet[Trial]:
    """Return the trials that a credential of the sandbox may have copies of: all of them, or the one of this name."""
    found = Trial.objects.filter(
        laboratory_credentials=credential,
        laboratories__laboratory=credential.laboratory_id,
        laboratories__ended_at=None,
    )
    return found if slug is None else found.filter(slug=slug)


def sandbox_state(trial: Trial, by: Actor) -> SandboxState | None:
    """Return what stands in the sandbox; None before the first credential for it."""
    require(by, Permission.LABORATORY_MANAGE, trial)
    copy = sandbox_of(trial)
    if copy is None:
        return None
    participants = list(Participant.objects.filter(trial=copy).order_by("number").values_list("code", flat=True))
    of_first = Specimen.objects.filter(trial=copy, participant__code__in=participants[:1]).order_by("pk")
    return SandboxState(
        since=copy.created_at,
        participants=participants,
        specimens=list(of_first.values_list("identifier", flat=True)),
        submissions=Submission.objects.filter(trial=copy).count(),
        results=Result.objects.filter(trial=copy).count(),
    )
