"""Double data entry: nothing becomes a result until two people have typed it, each without the other's value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.utils.translation import gettext as _

from measurements.models import EntryBatch, EntryPass, EntrySettlement, Submission
from measurements.selectors.double_entry import Pair, agree, batch_grid, pairs_to_resolve, passes_by_cell
from measurements.selectors.grid import Grid, GridCell, GridRow, GridWish
from measurements.services.grid import DRY_RUN, CellFinding, deliver, findings_of, row_of
from measurements.services.results import Answer, laboratory_of
from measurements.validation import Options, RowAsSent
from measurements.validation.typed import TypedCell, read_typed
from trials import audit
from trials.access import Actor, require
from trials.errors import NotAllowed, RuleBroken
from trials.lifecycle import Writing
from trials.models import Trial, User
from trials.permissions import Permission
from trials.services.writing import require_writable

BATCH_LOCK = 715_011
"""First key of the advisory locks of those who type into one batch: what is compared must not change meanwhile."""
LONGEST_REASON = 500


@dataclass(frozen=True)
class PassOutcome:
    """What became of a pass: how many cells were kept, agreed, and differ; or what is said of which cell."""

    findings: Mapping[str, CellFinding] = field(default_factory=dict)
    typed: int = 0
    agreed: int = 0
    differing: int = 0

    @property
    def is_saved(self) -> bool:
        """Return whether everything was kept."""
        return not self.findings


@dataclass(frozen=True)
class Choice:
    """How a differing cell is settled: `first`, `second`, or `other` with its own text; always with a reason."""

    choice: str
    reason: str
    text: str = ""


class _Refused(Exception):  # noqa: N818 - it undoes a transaction and says why
    def __init__(self, findings: Mapping[str, CellFinding]) -> None:
        super().__init__("refused")
        self.findings = findings


def begin_batch(*, trial: Trial, wish: GridWish, key: str, by: Actor) -> EntryBatch:
    """Begin a batch in which every value is entered twice; begun once however often its form is sent.

    Raises NotAllowed where `by` enters no results at the site, InConflict where the trial takes no values, RuleBroken
    for what tells an arm: a batch is counted and compared by people who may not see it.
    """
    with audit.transaction(by=by) as event:
        person = _person(by)
        require(by, Permission.RESULT_RECORD, trial, site=wish.site)
        require_writable(trial, Writing.VALUES)
        _require_untelling(wish)
        batch, _is_new = EntryBatch.objects.get_or_create(
            begun_by=person,
            key=key[:40],
            defaults={
                "trial": trial,
                "visit": wish.visit,
                "site": wish.site,
                "biomarkers": [biomarker.pk for biomarker in wish.biomarkers],
                "run": wish.run,
                "performed_on": wish.performed_on,
                "with_all": wish.with_all,
            },
        )
        event.record("entry_batch.begun", trial=trial, target=batch)
    return batch


def _require_untelling(wish: GridWish) -> None:
    for biomarker in wish.biomarkers:
        if biomarker.tells_arm:
            raise RuleBroken(
                "arm_hidden",
                _("%(name)s tells who has a therapy, so that it is not entered twice. Leave it out of the batch.")
                % {"name": biomarker.name},
                field="biomarker",
            )


def check_pass(*, batch: EntryBatch, typed: Mapping[str, str], by: Actor, page: int = 1) -> dict[str, CellFinding]:
    """Say of each cell what the row checker says of it; nothing is kept, and no other pass is looked at."""
    grid, shown = batch_grid(batch, laboratory_of(by, batch.trial), by, page=page)
    wished, findings = _wished(grid, shown, typed)
    return findings | _judged(grid, wished, by)


def record_pass(*, batch: EntryBatch, typed: Mapping[str, str], by: Actor, page: int = 1) -> PassOutcome:
    """Keep what `by` typed; cells that are typed for the second time and agree are recorded, as one submission.

    Where one cell is wrong, nothing is kept. What the same person sends again changes nothing.

    Raises:
        NotAllowed: `by` enters no results here, or is no person.
        InConflict: the trial takes no values now.
        RuleBroken: nothing was typed.
    """
    try:
        with audit.transaction(by=by) as event:
            person = _person(by)
            require(by, Permission.RESULT_RECORD, batch.trial)
            require_writable(batch.trial, Writing.VALUES)
            _hold(batch)
            outcome = _keep(batch, typed, person, by, page)
            event.record("entry_batch.typed", trial=batch.trial, target=batch, row_count=outcome.typed)
    except _Refused as refused:
        return PassOutcome(refused.findings)
    return outcome


def settle_pairs(*, batch: EntryBatch, choices: Mapping[str, Choice], by: Actor) -> PassOutcome:
    """Settle cells whose passes differ; what is chosen is recorded as one submission, or nothing of it.

    Raises:
        NotAllowed: `by` may not correct results here, or is no person.
        InConflict: the trial takes no values now.
        RuleBroken: nothing was chosen.
    """
    try:
        with audit.transaction(by=by) as event:
            person = _person(by)
            require(by, Permission.RESULT_CORRECT, batch.trial)
            require_writable(batch.trial, Writing.VALUES)
            _hold(batch)
            count = _settle(batch, choices, person, by)
            event.record("entry_batch.settled", trial=batch.trial, target=batch, row_count=count)
    except _Refused as refused:
        return PassOutcome(refused.findings)
    return PassOutcome(typed=count)


def _person(by: Actor) -> User:
    if by.user is None:
        raise NotAllowed("not_a_person", "Values are entered twice by two people. Nothing was saved.")
    return by.user


def _hold(batch: EntryBatch) -> None:
    """Type into a batch one after the other: the table is append-only, so that its rows cannot be locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [BATCH_LOCK, batch.pk])


def _keep(batch: EntryBatch, typed: Mapping[str, str], person: User, by: Actor, page: int) -> PassOutcome:
    grid, shown = batch_grid(batch, laboratory_of(by, batch.trial), by, page=page)
    wished, findings = _wished(grid, shown, typed)
    if not (wished or findings):
        if any(typed.get(name, "").strip() for name in shown):
            return PassOutcome()  # sent twice
        raise RuleBroken("grid_empty", _("Nothing was typed. Type a value, or paste a block, and save then."))
    errors = findings | {
        name: finding for name, finding in _judged(grid, wished, by).items() if finding.state == "error"
    }
    if errors:
        raise _Refused(errors)
    earlier = passes_by_cell(batch)
    made = [
        _pass(batch, grid.cells[name], cell, person, len(earlier.get(name, ())) + 1) for name, cell in wished.items()
    ]
    EntryPass.objects.bulk_create(made)
    pairs = [(name, earlier[name][0], each) for name, each in zip(wished, made, strict=True) if each.number == 2]
    agreed = [(name, first) for name, first, second in pairs if agree(first, second)]
    _record_agreed(batch, grid, agreed, person, by)
    return PassOutcome(typed=len(made), agreed=len(agreed), differing=len(pairs) - len(agreed))


def _wished(
    grid: Grid, shown: Mapping[str, str], typed: Mapping[str, str]
) -> tuple[dict[str, TypedCell], dict[str, CellFinding]]:
    """The cells that are typed anew, and what is said of those that cannot be."""
    wished: dict[str, TypedCell] = {}
    findings: dict[str, CellFinding] = {}
    for name, (_row, cell) in grid.cells.items():
        text = typed.get(name, "").strip()
        if not text or text == shown.get(name):
            continue
        read = read_typed(text)
        problem = _unfit(cell, read, is_typed=name in shown)
        if problem:
            findings[name] = CellFinding("error", problem)
        else:
            wished[name] = read
    return wished, findings


def _unfit(cell: GridCell, read: TypedCell, *, is_typed: bool) -> str:
    if is_typed:
        return _("What you typed here first is kept; a difference is settled when both entries are there.")
    if cell.result is not None:
        return _("A value is recorded here already, and is kept.")
    if read.is_error:
        return _("Nothing is recorded here that could be an error.")
    return ""


def _judged(grid: Grid, wished: Mapping[str, TypedCell], by: Actor) -> dict[str, CellFinding]:
    rows = [_sent(grid, grid.cells[name], cell) for name, cell in wished.items()]
    return _said(_deliver(grid, rows, by, DRY_RUN), grid, wished)


def _said(answer: Answer, grid: Grid, names: Mapping[str, object]) -> dict[str, CellFinding]:
    return findings_of(answer, [grid.cells[name][1] for name in names])


def _sent(grid: Grid, place: tuple[GridRow, GridCell], typed: TypedCell | EntryPass) -> RowAsSent:
    value = typed.text if isinstance(typed, EntryPass) else typed.value
    is_not_done = typed.status == "not_done"
    return row_of(
        grid,
        *place,
        value=None if is_not_done else value,
        status=typed.status,
        reason=(typed.reason or None) if is_not_done else None,
    )


def _deliver(grid: Grid, rows: Sequence[RowAsSent], by: Actor, options: Options) -> Answer:
    return deliver(grid, rows, by, options, channel=Submission.Channel.DOUBLE)


def _pass(batch: EntryBatch, place: tuple[GridRow, GridCell], typed: TypedCell, person: User, number: int) -> EntryPass:
    row, cell = place
    return EntryPass(
        trial_id=batch.trial_id,
        batch=batch,
        participant=row.participant,
        visit_id=batch.visit_id,
        biomarker=cell.biomarker,
        number=number,
        text=typed.value or "",
        unit=cell.biomarker.unit,
        status=typed.status,
        reason=typed.reason or "",
        by=person,
    )


def _record_agreed(
    batch: EntryBatch, grid: Grid, agreed: Sequence[tuple[str, EntryPass]], person: User, by: Actor
) -> None:
    if not agreed:
        return
    rows = [_sent(grid, grid.cells[name], first) for name, first in agreed]
    submission = _recorded(grid, rows, dict(agreed), by)
    EntrySettlement.objects.bulk_create(
        _settlement(first, EntrySettlement.Choice.AGREED, "", submission, person) for _name, first in agreed
    )


def _recorded(grid: Grid, rows: Sequence[RowAsSent], names: Mapping[str, object], by: Actor) -> Submission:
    """Record rows as one submission; undo everything where one of them is refused."""
    answer = _deliver(grid, rows, by, Options())
    if answer.submission is None:
        raise _Refused(_said(answer, grid, names) or dict.fromkeys(names, CellFinding("error", _recorded_meanwhile())))
    return answer.submission


def _recorded_meanwhile() -> str:
    return _("This value was recorded in another way meanwhile.")


def _settlement(typed: EntryPass, choice: str, reason: str, submission: Submission, person: User) -> EntrySettlement:
    return EntrySettlement(
        trial_id=typed.trial_id,
        batch_id=typed.batch_id,
        participant_id=typed.participant_id,
        biomarker_id=typed.biomarker_id,
        choice=choice,
        reason=reason,
        submission=submission,
        by=person,
    )


def _settle(batch: EntryBatch, choices: Mapping[str, Choice], person: User, by: Actor) -> int:
    laboratory = laboratory_of(by, batch.trial)
    pairs = {pair.name: pair for pair in pairs_to_resolve(batch, laboratory, by) if pair.name in choices}
    if not pairs:
        raise RuleBroken("choice_missing", _("Choose a value for one difference at least. Nothing was saved."))
    problems = {name: _undecided(choices[name]) for name in pairs}
    findings = {name: CellFinding("error", problem) for name, problem in problems.items() if problem}
    if findings:
        raise _Refused(findings)
    grid = _grid_of_pairs(batch, list(pairs.values()), by)
    rows = [_sent(grid, (pair.row, pair.cell), _chosen(pair, choices[name])) for name, pair in pairs.items()]
    submission = _recorded(grid, rows, pairs, by)
    EntrySettlement.objects.bulk_create(
        _settlement(pair.first, choices[name].choice, choices[name].reason.strip(), submission, person)
        for name, pair in pairs.items()
    )
    return len(pairs)


def _grid_of_pairs(batch: EntryBatch, pairs: Sequence[Pair], by: Actor) -> Grid:
    """A grid of the rows that are settled: they may stand on several pages of the batch."""
    page, _shown = batch_grid(batch, laboratory_of(by, batch.trial), by)
    by_row: dict[int, list[Pair]] = {}
    for pair in pairs:
        by_row.setdefault(pair.row.participant.pk, []).append(pair)
    rows = tuple(each[0].row for each in by_row.values())
    return Grid(page.trial, page.wish, rows, len(rows), page.is_open)


def _chosen(pair: Pair, choice: Choice) -> TypedCell | EntryPass:
    takes: Mapping[str, Callable[[], TypedCell | EntryPass]] = {
        EntrySettlement.Choice.FIRST: lambda: pair.first,
        EntrySettlement.Choice.SECOND: lambda: pair.second,
        EntrySettlement.Choice.OTHER: lambda: read_typed(choice.text),
    }
    return takes[choice.choice]()


def _undecided(choice: Choice) -> str:
    """What is missing in a choice; empty for a good one."""
    reason = choice.reason.strip()
    if choice.choice not in {"first", "second", "other"}:
        return _("Choose the first entry, the second, or another value.")
    if choice.choice == "other" and not choice.text.strip():
        return _("Type the value that is right.")
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        return _("Say why, in 1 to %(most)s printable characters.") % {"most": LONGEST_REASON}
    return ""
