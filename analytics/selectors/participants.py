"""One participant's values."""

from dataclasses import dataclass

from measurements.models import Biomarker, Result
from measurements.selectors.places import seen_by, shows_lines
from measurements.units.spelling import readable_unit
from trials.access import Actor, require
from trials.models import Participant, Visit
from trials.permissions import Permission


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
    seen = seen_by(by, trial)
    current = Result.objects.filter(seen, trial=trial, specimen__participant=participant, superseded_by=None)
    for result in current.select_related("specimen").order_by("id"):
        found.setdefault((result.biomarker_id, result.specimen.visit_id), []).append(CurrentValue(result))
    visits = list(Visit.objects.filter(trial=trial).values_list("pk", flat=True))
    return [
        BiomarkerValues(biomarker, tuple(tuple(found.get((biomarker.pk, visit), ())) for visit in visits))
        for biomarker in Biomarker.objects.filter(shows_lines(by, trial, participant.site_id), trial=trial)
    ]


def values_in_use(participant: Participant, by: Actor) -> int:
    """Return how many current values of a participant would leave the analysis with the use of their data."""
    require(by, Permission.RESULT_VIEW, participant.trial, site=participant.site)
    current = Result.objects.filter(
        seen_by(by, participant.trial), trial=participant.trial, specimen__participant=participant, superseded_by=None
    )
    return current.exclude(status=Result.Status.NOT_DONE).count()
