"""The life of a trial as tables: its moves, those of its data, and what may be written when. Pure."""

from enum import StrEnum
from typing import NamedTuple

from trials.permissions import Permission


class Move(NamedTuple):
    """What a step needs: a permission, a reason in the audit trail, and one signature or two."""

    permission: Permission
    needs_reason: bool = False
    signatures: int = 1


MOVES: dict[tuple[str, str], Move] = {
    ("draft", "registered"): Move(Permission.TRIAL_DESIGN),
    ("registered", "recruiting"): Move(Permission.TRIAL_RUN),
    ("recruiting", "follow_up"): Move(Permission.TRIAL_RUN),
    ("follow_up", "locked"): Move(Permission.TRIAL_LOCK, needs_reason=True),
    ("locked", "unblinded"): Move(Permission.TRIAL_LOCK, needs_reason=True),
    ("unblinded", "archived"): Move(Permission.TRIAL_LOCK),
    ("locked", "follow_up"): Move(Permission.TRIAL_UNLOCK, needs_reason=True),
    # Whoever changes values now knows the arms: one person alone never opens them.
    ("unblinded", "follow_up"): Move(Permission.TRIAL_UNLOCK, needs_reason=True, signatures=2),
}

UNLOCKS = frozenset({("locked", "follow_up"), ("unblinded", "follow_up")})

# Data are locked and opened with the status; freezing is a step of its own, for an interim look or a last cleaning.
DATA_MOVES: dict[tuple[str, str], Move] = {
    ("open", "frozen"): Move(Permission.TRIAL_RUN, needs_reason=True),
    ("frozen", "open"): Move(Permission.TRIAL_UNLOCK, needs_reason=True),
}
FREEZABLE = frozenset({"recruiting", "follow_up"})


def moves_from(status: str) -> dict[str, Move]:
    """Return the statuses that can follow, with what each step needs."""
    return {after: move for (before, after), move in MOVES.items() if before == status}


def data_moves_from(status: str, data_state: str) -> dict[str, Move]:
    """Return the data states that can follow by themselves while the trial has this status."""
    if status not in FREEZABLE:
        return {}
    return {after: move for (before, after), move in DATA_MOVES.items() if before == data_state}


def data_state_after(before: str, after: str, data_state: str) -> str:
    """Return what becomes of the data with a move of the status: locking locks them, unlocking opens them."""
    if after == "locked":
        return "locked"
    return "open" if (before, after) in UNLOCKS else data_state


class Writing(StrEnum):
    """What services write about participants."""

    ENROLMENT = "enrolment"
    PARTICIPATION = "participation"
    CONDUCT = "conduct"
    VALUES = "values"
    MOVEMENTS = "movements"
    SAFETY = "safety"
    ANSWERS = "answers"


class Gate(NamedTuple):
    """In which statuses and data states something may be written, and the refusal's code where the status forbids."""

    statuses: frozenset[str]
    data_states: frozenset[str]
    code: str = "trial_closed"


_RUNS = frozenset({"recruiting", "follow_up"})
_OPEN = frozenset({"open"})
_NOT_LOCKED = frozenset({"open", "frozen"})

GATES: dict[Writing, Gate] = {
    # Screening, consent, randomization: an interim look at the values stops nobody from taking part.
    Writing.ENROLMENT: Gate(frozenset({"recruiting"}), _NOT_LOCKED, "not_recruiting"),
    # Who takes part no longer, or consents to more or less: no values, and never put off until data are open again.
    Writing.PARTICIPATION: Gate(_RUNS, _NOT_LOCKED),
    # What participants received, sessions and groups, and that they completed.
    Writing.CONDUCT: Gate(_RUNS, _OPEN),
    # Visits, specimens and results.
    Writing.VALUES: Gate(frozenset({"draft", "registered"}) | _RUNS, _OPEN),
    # Where specimens are: parcels and freezers do not wait for an interim look, and no value changes.
    Writing.MOVEMENTS: Gate(frozenset({"draft", "registered"}) | _RUNS, _NOT_LOCKED),
    # What harms somebody is recorded also while values are fixed; it is no outcome.
    Writing.SAFETY: Gate(_RUNS, _NOT_LOCKED),
    # Queries stay answerable in frozen data: that is what freezing is for.
    Writing.ANSWERS: Gate(_RUNS, _NOT_LOCKED),
}


def may_write(writing: Writing, status: str, data_state: str) -> bool:
    """Return whether this may be written in this state."""
    gate = GATES[writing]
    return status in gate.statuses and data_state in gate.data_states


def moves_diagram() -> str:
    """Return the life of a trial as a Mermaid state diagram, for the documentation."""
    lines = [f"    {before} --> {after}: {_said(move)}" for (before, after), move in MOVES.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> draft", *lines, "    archived --> [*]"])


def data_diagram() -> str:
    """Return the moves of the data as a Mermaid state diagram."""
    alone = [f"    {before} --> {after}: {_said(move)}" for (before, after), move in DATA_MOVES.items()]
    with_status = [
        f"    {before} --> {data_state_after(*step, before)}: with {step[0]} to {step[1]}"
        for step in MOVES
        for before in ("open", "frozen", "locked")
        if data_state_after(*step, before) != before and (before == "locked") is (step in UNLOCKS)
    ]
    return "\n".join(["stateDiagram-v2", "    [*] --> open", *alone, *with_status])


def gates_table() -> str:
    """Return what may be written when as a Markdown table."""
    rows = [
        f"| {writing} | {_listed(gate.statuses)} | {_listed(gate.data_states)} |" for writing, gate in GATES.items()
    ]
    return "\n".join(["| what is written | status | data |", "|---|---|---|", *rows])


def _said(move: Move) -> str:
    extras = (["reason"] if move.needs_reason else []) + (["two signatures"] if move.signatures == 2 else [])
    return ", ".join([move.permission, *extras])


_ORDER = ("draft", "registered", "recruiting", "follow_up", "open", "frozen", "locked", "unblinded", "archived")


def _listed(states: frozenset[str]) -> str:
    return ", ".join(sorted(states, key=_ORDER.index))
