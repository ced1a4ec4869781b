"""The status grid of some participants: one line each, one square per visit and group of biomarkers."""

from collections.abc import Sequence
from dataclasses import dataclass

from measurements.models import Biomarker
from measurements.selectors.status import status_grid
from trials.access import Actor, allocation_sites
from trials.models import Allocation, Arm, Participant, Trial, Visit


@dataclass(frozen=True)
class Square:
    """The state of one group of biomarkers, named for those who cannot see it."""

    state: str
    what: str


@dataclass(frozen=True)
class Cell:
    """One visit of one participant."""

    visit: Visit
    squares: tuple[Square, ...]


@dataclass(frozen=True)
class Line:
    """One participant. `arm` is None where it may not be shown or there is none yet."""

    participant: Participant
    arm: Arm | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Grid:
    """The lines; `shows_arms` says whether there is a column for the arm at all."""

    visits: tuple[Visit, ...]
    lines: tuple[Line, ...]
    shows_arms: bool


def grid_of(trial: Trial, participants: Sequence[Participant], by: Actor) -> Grid:
    """Return the grid; arms only of participants of the sites at which `by` sees allocations."""
    visits, groups = tuple(trial.visits.all()), dict(Biomarker.OutcomeClass.choices)
    states, sites = status_grid(trial, participants, by=by), allocation_sites(by, trial)
    shown = [participant for participant in participants if participant.site_id in sites]
    arms = {
        allocation.participant_id: allocation.arm
        for allocation in Allocation.objects.filter(participant__in=shown).select_related("arm")
    }

    def cell(participant: Participant, visit: Visit) -> Cell:
        found = states[participant.pk].get(visit.code, {})
        squares = (Square(state, f"{visit.name}, {groups.get(group, group)}") for group, state in found.items())
        return Cell(visit, tuple(squares))

    lines = (
        Line(participant, arms.get(participant.pk), tuple(cell(participant, visit) for visit in visits))
        for participant in participants
    )
    return Grid(visits, tuple(lines), bool(sites))
