"""The life of a trial as a table of moves: from, to, and what must hold. Pure."""

from trials.permissions import Permission

MOVES: dict[tuple[str, str], Permission] = {
    ("draft", "registered"): Permission.TRIAL_DESIGN,
    ("registered", "recruiting"): Permission.TRIAL_RUN,
    ("recruiting", "follow_up"): Permission.TRIAL_RUN,
    ("follow_up", "locked"): Permission.TRIAL_LOCK,
    ("locked", "unblinded"): Permission.TRIAL_LOCK,
    ("unblinded", "archived"): Permission.TRIAL_LOCK,
}

DATA_STATE_AFTER = {"locked": "locked"}

# What can neither be taken back nor is routine: the audit trail says why.
NEEDS_REASON = frozenset({"locked", "unblinded"})


def moves_from(status: str) -> dict[str, Permission]:
    """Return the statuses that can follow, with the permission that each move needs."""
    return {after: permission for (before, after), permission in MOVES.items() if before == status}
