"""The grid of batch entry: who is due at a visit, and what is recorded of some biomarkers already.

Who is due never depends on an arm: windows that count from the end of an intervention are not looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from measurements.models import Biomarker, Result, Specimen
from measurements.selectors.places import closed_sites, seen_by, specimens_seen_by
from trials.access import Actor, has_permission, require, sites_where
from trials.models import Attendance, Laboratory, Participant, Site, Trial, Visit
from trials.permissions import Permission

ROWS_ON_A_PAGE = 100
MOST_COLUMNS = 30
NOT_YET_IN = (Participant.State.SCREENED, Participant.State.EXCLUDED)


@dataclass(frozen=True)
class GridWish:
    """What is to be entered. `with_all`: everybody in the trial, and not only who is due; `changes`: corrections too.

    `also`: participants, by primary key, who have a row whether they are due or not.
    """

    visit: Visit
    biomarkers: tuple[Biomarker, ...]
    site: Site | None = None
    run: str = ""
    performed_on: date | None = None
    with_all: bool = False
    changes: bool = False
    page: int = 1
    also: frozenset[int] = frozenset()


@dataclass(frozen=True)
class GridCell:
    """One participant and biomarker: what is recorded, and whether something may be typed."""

    name: str
    biomarker: Biomarker
    result: Result | None
    specimen: str
    is_open: bool

    @property
    def origin(self) -> str:
        """Return where a recorded value came from: biomarker, laboratory, and its run where it has one."""
        if self.result is None:
            return ""
        return ", ".join(filter(None, [self.biomarker.name, self.result.laboratory.name, self.result.run]))


@dataclass(frozen=True)
class GridRow:
    """One participant at the visit; `label` is the code, or the specimens for those who see no participants."""

    participant: Participant
    label: str
    specimens: tuple[str, ...]
    is_locked: bool
    cells: tuple[GridCell, ...]


@dataclass(frozen=True)
class Grid:
    """A page of rows, and how many there are in all."""

    trial: Trial
    wish: GridWish
    rows: tuple[GridRow, ...]
    total: int
    is_open: bool

    @property
    def cells(self) -> dict[str, tuple[GridRow, GridCell]]:
        """Return the cells by name, each with its row."""
        return {cell.name: (row, cell) for row in self.rows for cell in row.cells}

    @property
    def first(self) -> int:
        """Return the number of the first row of the page, from 1."""
        return (self.wish.page - 1) * ROWS_ON_A_PAGE + 1 if self.total else 0

    @property
    def last(self) -> int:
        """Return the number of the last row of the page."""
        return min(self.wish.page * ROWS_ON_A_PAGE, self.total)


def entry_sites(by: Actor, trial: Trial) -> list[Site]:
    """Return the sites at which `by` may enter results. Raises NotAllowed for those who enter none."""
    require(by, Permission.RESULT_RECORD, trial)
    return list(trial.sites.filter(pk__in=sites_where(by, Permission.RESULT_RECORD, trial)))


def cell_name(participant: int, biomarker: int) -> str:
    """Return the name of the field for a value."""
    return f"c{participant}-{biomarker}"


def grid_of(trial: Trial, wish: GridWish, laboratory: Laboratory, by: Actor) -> Grid:
    """Return a page of the grid; `laboratory` is the one that values entered here belong to."""
    found = people_due(trial, wish, by)
    people = list(found[(wish.page - 1) * ROWS_ON_A_PAGE : wish.page * ROWS_ON_A_PAGE])
    is_open = trial.data_state == Trial.DataState.OPEN
    correctable = sites_where(by, Permission.RESULT_CORRECT, trial) if wish.changes else set()
    rows = _Rows(trial, wish, people, laboratory, by)
    sees_codes = has_permission(by, Permission.PARTICIPANT_VIEW, trial)
    made = tuple(
        rows.row(person, sees_codes=sees_codes, is_open=is_open, may_change=person.site_id in correctable)
        for person in people
    )
    return Grid(trial, wish, made, found.count(), is_open)


def people_due(trial: Trial, wish: GridWish, by: Actor) -> QuerySet[Participant]:
    """Return the participants with a row, at the sites where `by` enters results, in the order of their numbers.

    Who sees no participants sees those of whom a specimen was registered, by its id.
    """
    sites = [site.pk for site in entry_sites(by, trial)]
    found = Participant.objects.filter(trial=trial, site__in=sites, data_use_withdrawn=False)
    found = found.exclude(state__in=NOT_YET_IN).select_related("site", "trial").order_by("number", "pk")
    if wish.site is not None:
        found = found.filter(site=wish.site)
    has_specimen = Exists(
        Specimen.objects.filter(specimens_seen_by(by, trial), participant=OuterRef("pk"), visit=wish.visit)
    )
    if not has_permission(by, Permission.PARTICIPANT_VIEW, trial):
        return found.filter(has_specimen)
    if wish.with_all:
        return found
    attended = Attendance.objects.filter(participant=OuterRef("pk"), visit=wish.visit, attended_on__isnull=False)
    return found.filter(has_specimen | Exists(attended) | _window_is_open(wish.visit) | Q(pk__in=wish.also))


def _window_is_open(visit: Visit) -> Q:
    """Whose window has begun, where it counts from randomization."""
    if visit.anchor != Visit.Anchor.RANDOMIZATION:
        return Q(pk__in=[])
    # A day early at most: study day 1 is the day of randomization itself.
    begun = timezone.localdate() - timedelta(days=visit.window_from)
    return Q(randomized_on__lte=begun)


class _Rows:
    """Rows of one page, from three queries."""

    def __init__(
        self, trial: Trial, wish: GridWish, people: Sequence[Participant], laboratory: Laboratory, by: Actor
    ) -> None:
        self._wish = wish
        self._laboratory = laboratory
        self._closed = closed_sites(by, trial)
        self._specimens: dict[int, list[Specimen]] = defaultdict(list)
        seen = Specimen.objects.filter(specimens_seen_by(by, trial), participant__in=people, visit=wish.visit)
        for specimen in seen.order_by("identifier"):
            self._specimens[specimen.participant_id].append(specimen)
        self._results = _current(trial, wish, people, seen_by(by, trial))
        locked = Attendance.objects.filter(participant__in=people, visit=wish.visit, locked_at__isnull=False)
        self._locked = set(locked.values_list("participant_id", flat=True))

    def row(self, person: Participant, *, sees_codes: bool, is_open: bool, may_change: bool) -> GridRow:
        """Return one participant's row."""
        specimens = self._specimens[person.pk]
        identifiers = tuple(specimen.identifier for specimen in specimens)
        is_locked = person.pk in self._locked
        of_kind = {specimen.specimen_type: specimen.identifier for specimen in reversed(specimens)}
        cells = tuple(
            self._cell(person, biomarker, of_kind, is_open=is_open and not is_locked, may_change=may_change)
            for biomarker in self._wish.biomarkers
        )
        return GridRow(person, person.code if sees_codes else ", ".join(identifiers), identifiers, is_locked, cells)

    def _cell(
        self, person: Participant, biomarker: Biomarker, of_kind: dict[str, str], *, is_open: bool, may_change: bool
    ) -> GridCell:
        results = self._results.get((person.pk, biomarker.pk), [])
        own = [each for each in results if self._is_own(each)]
        known = own or results
        result = known[-1] if known else None
        specimen = result.specimen.identifier if result else of_kind.get(biomarker.specimen_type, "")
        is_withheld = biomarker.tells_arm and person.site_id in self._closed
        may_type = is_open and not is_withheld and (result is None or (may_change and bool(own)))
        name = cell_name(person.pk, biomarker.pk)
        return GridCell(name, biomarker, result, specimen, may_type)

    def _is_own(self, result: Result) -> bool:
        """Whether a value typed here would be of the same natural key."""
        is_same_run = result.run == self._wish.run and result.replicate == 1
        return result.laboratory_id == self._laboratory.pk and is_same_run


def _current(
    trial: Trial, wish: GridWish, people: Iterable[Participant], seen: Q
) -> dict[tuple[int, int], list[Result]]:
    found: dict[tuple[int, int], list[Result]] = defaultdict(list)
    results = Result.objects.filter(
        seen,
        trial=trial,
        specimen__participant__in=people,
        specimen__visit=wish.visit,
        biomarker__in=wish.biomarkers,
        superseded_by=None,
    )
    for result in results.select_related("specimen", "laboratory").order_by("id"):
        found[result.specimen.participant_id, result.biomarker_id].append(result)
    return found
