"""Double data entry: batches with their state, the grid of one person's pass, and the cells that differ.

Nobody is shown what somebody else typed before both passes of a cell are there. None of it says an arm.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from measurements.models import Biomarker, EntryBatch, EntryPass, EntrySettlement
from measurements.selectors.grid import Grid, GridCell, GridRow, GridWish, cell_name, entry_sites, grid_of
from measurements.validation.findings import NotedError
from measurements.validation.values import parse_value
from trials.access import Actor, sites_where
from trials.errors import NotFound
from trials.models import Laboratory, Trial
from trials.permissions import Permission

STATES = ("to_resolve", "awaiting_second", "done", "begun")


@dataclass(frozen=True)
class Progress:
    """How far a batch is, in cells."""

    batch: EntryBatch
    once: int
    to_resolve: int
    agreed: int
    resolved: int

    @property
    def state(self) -> str:
        """Return one of STATES: what has to be done next."""
        if self.to_resolve:
            return "to_resolve"
        if self.once:
            return "awaiting_second"
        return "done" if self.agreed or self.resolved else "begun"

    @property
    def pairs(self) -> int:
        """Return how many cells two people typed."""
        return self.to_resolve + self.agreed + self.resolved

    @property
    def recorded(self) -> int:
        """Return how many cells became results."""
        return self.agreed + self.resolved

    @property
    def agreement(self) -> float | None:
        """Return the share of pairs that agreed as typed, in percent; None without a pair."""
        return 100 * self.agreed / self.pairs if self.pairs else None


@dataclass(frozen=True)
class Pair:
    """A cell that two people typed differently, and that nobody has settled."""

    name: str
    row: GridRow
    cell: GridCell
    first: EntryPass
    second: EntryPass


def batches_visible_to(by: Actor, trial: Trial) -> QuerySet[EntryBatch]:
    """Return the batches of sites at which `by` enters results, the newest first."""
    sites = entry_sites(by, trial)
    found = EntryBatch.objects.filter(trial=trial).select_related("visit", "site", "begun_by")
    return found.filter(Q(site=None) | Q(site__in=sites))


def visible_batch(number: int, by: Actor, trial: Trial) -> EntryBatch:
    """Return one batch; NotFound for a missing one and one of another site alike."""
    batch = batches_visible_to(by, trial).filter(pk=number).first()
    if batch is None:
        raise NotFound("batch_unknown", "There is no batch of this number that you may enter.")
    return batch


def progress_of(batches: Iterable[EntryBatch], by: Actor, trial: Trial) -> list[Progress]:
    """Return how far batches are, counting cells of the sites at which `by` enters results."""
    listed = list(batches)
    scope = {"batch__in": listed, "participant__site__in": entry_sites(by, trial)}
    passes = Counter(_counted(EntryPass.objects.filter(**scope)))
    settled = {
        (batch, participant, biomarker): choice
        for batch, participant, biomarker, choice in EntrySettlement.objects.filter(**scope).values_list(
            "batch_id", "participant_id", "biomarker_id", "choice"
        )
    }
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for key, number in passes.items():
        choice = settled.get(key)
        kind = "once" if number == 1 else "to_resolve" if choice is None else "agreed"
        counts[key[0]]["resolved" if choice not in {None, EntrySettlement.Choice.AGREED} else kind] += 1
    return [
        Progress(batch, *(counts[batch.pk][kind] for kind in ("once", "to_resolve", "agreed", "resolved")))
        for batch in listed
    ]


def _counted(passes: QuerySet[EntryPass]) -> Iterable[tuple[int, int, int]]:
    return passes.filter(participant__data_use_withdrawn=False).values_list(
        "batch_id", "participant_id", "biomarker_id"
    )


def batch_grid(batch: EntryBatch, laboratory: Laboratory, by: Actor, *, page: int = 1) -> tuple[Grid, dict[str, str]]:
    """Return a page of the batch as `by` may type it, and by name what stands in its closed cells.

    A cell that somebody else typed once looks like one that nobody typed.
    """
    grid = grid_of(batch.trial, wish_of(batch, page), laboratory, by)
    typed = passes_by_cell(batch)
    shown: dict[str, str] = {}
    for name in grid.cells.keys() & typed.keys():
        own = [each for each in typed[name] if by.user is not None and each.by_id == by.user.pk]
        if own:
            shown[name] = text_of(own[0])
        elif len(typed[name]) == 2:
            shown[name] = _("entered twice")
    rows = tuple(
        replace(row, cells=tuple(replace(cell, is_open=False) if cell.name in shown else cell for cell in row.cells))
        for row in grid.rows
    )
    return replace(grid, rows=rows), shown


def wish_of(batch: EntryBatch, page: int = 1) -> GridWish:
    """Return what the grid of a batch is made for."""
    known = Biomarker.objects.in_bulk(batch.biomarkers)
    return GridWish(
        visit=batch.visit,
        biomarkers=tuple(known[key] for key in batch.biomarkers if key in known),
        site=batch.site,
        run=batch.run,
        performed_on=batch.performed_on,
        with_all=batch.with_all,
        page=page,
        also=frozenset(batch.passes.values_list("participant_id", flat=True)),
    )


def passes_by_cell(batch: EntryBatch) -> dict[str, list[EntryPass]]:
    """Return what was typed in a batch, by the name of the cell, the first pass first. Not to be shown as it is."""
    found: dict[str, list[EntryPass]] = defaultdict(list)
    for each in batch.passes.select_related("by").order_by("number"):
        found[cell_name(each.participant_id, each.biomarker_id)].append(each)
    return found


def pairs_to_resolve(batch: EntryBatch, laboratory: Laboratory, by: Actor) -> list[Pair]:
    """Return the cells whose passes differ and that nobody has settled, at the sites where `by` corrects results."""
    typed = passes_by_cell(batch)
    settled = {cell_name(*key) for key in batch.settlements.values_list("participant_id", "biomarker_id")}
    waiting = {name for name, passes in typed.items() if len(passes) == 2 and name not in settled}
    correctable = sites_where(by, Permission.RESULT_CORRECT, batch.trial)
    page, pairs = 1, []
    while waiting:
        grid = grid_of(batch.trial, wish_of(batch, page), laboratory, by)
        pairs += [
            Pair(name, row, cell, *typed[name])
            for name, (row, cell) in grid.cells.items()
            if name in waiting and row.participant.site_id in correctable
        ]
        if grid.last >= grid.total:
            break
        page += 1
    return pairs


def text_of(typed: EntryPass) -> str:
    """Return what was typed, as it is shown."""
    return f"{_('not done')}: {typed.reason}" if typed.status == "not_done" else typed.text


def agree(first: EntryPass, second: EntryPass) -> bool:
    """Return whether two passes are the same value: the same quantity however its digits were written."""
    if first.status != second.status:
        return False
    if first.status == "not_done" or first.text == second.text:
        return True
    try:
        return parse_value(first.text) == parse_value(second.text)
    except NotedError:
        return False


def second_passes(trial: Trial, by: Actor) -> int:
    """Return how many batches wait for somebody else to type a second time, whom `by` could be."""
    again = EntryPass.objects.filter(**_same_cell(), number=2)
    once = _open_passes(trial, by, Permission.RESULT_RECORD).filter(~Exists(again), number=1)
    return once.exclude(by=by.user).order_by().values("batch").distinct().count()


def resolutions(trial: Trial, by: Actor) -> int:
    """Return how many batches have cells that differ and that `by` may settle."""
    settled = EntrySettlement.objects.filter(**_same_cell())
    twice = _open_passes(trial, by, Permission.RESULT_CORRECT).filter(~Exists(settled), number=2)
    return twice.order_by().values("batch").distinct().count()


def _same_cell() -> dict[str, OuterRef]:
    return {name: OuterRef(name) for name in ("batch", "participant", "biomarker")}


def _open_passes(trial: Trial, by: Actor, permission: Permission) -> QuerySet[EntryPass]:
    sites = sites_where(by, permission, trial)
    return EntryPass.objects.filter(trial=trial, participant__site__in=sites, participant__data_use_withdrawn=False)
