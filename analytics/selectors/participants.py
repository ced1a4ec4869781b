"""One participant's course and values, without what would tell the arm to the blinded."""

from dataclasses import dataclass

from django.db.models import QuerySet

from measurements.models import Biomarker, Result
from measurements.units.spelling import readable_unit
from trials.access import Actor, has_permission, require
from trials.models import Participant, ParticipantEvent, Visit
from trials.permissions import Permission

# That an intervention began tells the arm as surely as its name.
ARM_TELLING = (
    ParticipantEvent.Kind.INTERVENTION_STARTED,
    ParticipantEvent.Kind.INTERVENTION_NOT_STARTED,
    ParticipantEvent.Kind.INTERVENTION_DISCONTINUED,
)


def course_of(participant: Participant, by: Actor) -> QuerySet[ParticipantEvent]:
    """Return what happened, the newest first; what tells the arm is left out for those who may not see it."""
    require(by, Permission.PARTICIPANT_VIEW, participant.trial, site=participant.site)
    events = ParticipantEvent.objects.filter(participant=participant).order_by("-id")
    if has_permission(by, Permission.ALLOCATION_VIEW, participant.trial, site=participant.site):
        return events
    return events.exclude(kind__in=ARM_TELLING)


@dataclass(frozen=True)
class CurrentValue:
    """One current result, and its value in plain digits with its comparator."""

    result: Result

    @property
    def text(self) -> str:
        """Return the value without zeros that nobody sent; empty where nothing was measured."""
        value = self.result.value
        return "" if value is None else f"{self.result.comparator}{value.normalize():f}"

    @property
    def unit_as_sent(self) -> str:
        """Return the unit of the delivery as people read it."""
        return readable_unit(self.result.unit_as_sent)


@dataclass(frozen=True)
class BiomarkerValues:
    """The current results of one biomarker, a list for every visit in the trial's order."""

    biomarker: Biomarker
    at_visits: tuple[tuple[CurrentValue, ...], ...]

    @property
    def unit(self) -> str:
        """Return the unit as people read it."""
        return readable_unit(self.biomarker.unit)


def values_of(participant: Participant, by: Actor) -> list[BiomarkerValues]:
    """Return the participant's current results, one row per biomarker of the trial."""
    trial = participant.trial
    require(by, Permission.RESULT_VIEW, trial, site=participant.site)
    found: dict[tuple[int, int], list[CurrentValue]] = {}
    current = Result.objects.filter(trial=trial, specimen__participant=participant, superseded_by=None)
    for result in current.select_related("specimen").order_by("id"):
        found.setdefault((result.biomarker_id, result.specimen.visit_id), []).append(CurrentValue(result))
    visits = list(Visit.objects.filter(trial=trial).values_list("pk", flat=True))
    return [
        BiomarkerValues(biomarker, tuple(tuple(found.get((biomarker.pk, visit), ())) for visit in visits))
        for biomarker in Biomarker.objects.filter(trial=trial)
    ]
