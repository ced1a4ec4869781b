"""Specimens before their results come: registered, drawn, received."""

from datetime import datetime

from django.db import IntegrityError

from measurements.models import Specimen
from measurements.services.visits import require_open_visit
from measurements.validation.texts import LONGEST, has_only_kept_characters
from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.models import Participant, Visit
from trials.permissions import Permission


def register_specimen(
    *,
    participant: Participant,
    visit: Visit,
    identifier: str,
    by: Actor,
    specimen_type: str = "serum",
    drawn_at: datetime | None = None,
) -> Specimen:
    """Let a specimen of a participant's visit be known under its id; return it.

    Raises RuleBroken for an id that is taken or holds more than printable ASCII, or a visit of another trial;
    InConflict for a locked visit, and where the trial's data are frozen or locked.
    """
    with audit.transaction(by=by) as event:
        trial = participant.trial
        require(by, Permission.SPECIMEN_MANAGE, trial, site=participant.site)
        if visit.trial_id != trial.pk:
            raise RuleBroken("visit_unknown", "Choose a visit of this trial.", field="visit")
        require_open_visit(trial, participant, visit)
        if (
            not identifier
            or len(identifier) > LONGEST["specimen"]
            or not has_only_kept_characters(identifier, "specimen")
        ):
            raise RuleBroken("identifier_unusable", "An id is 1 to 64 printable ASCII characters.", field="identifier")
        try:
            specimen = Specimen.objects.create(
                trial=trial,
                participant=participant,
                visit=visit,
                identifier=identifier,
                specimen_type=specimen_type,
                drawn_at=drawn_at,
            )
        except IntegrityError as error:
            raise RuleBroken(
                "identifier_taken", f"There is a specimen “{identifier}” already.", field="identifier"
            ) from error
        event.record("specimen.registered", trial=trial, target=specimen)
    return specimen
