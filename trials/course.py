"""The course of a participant as a table: what happens, and the state that it leaves them in. Pure."""

from collections.abc import Iterable

# In the order in which they prevail: who completed and later died, died; who died stays so when the family withdraws
# the use of the data. An event that is not here leaves the state as it is.
STATE_AFTER: dict[str, str] = {
    "screened": "screened",
    "consented": "consented",
    "excluded": "excluded",
    "randomized": "randomized",
    "completed": "completed",
    "lost_to_follow_up": "lost_to_follow_up",
    "follow_up_withdrawn": "withdrawn",
    "data_use_withdrawn": "withdrawn",
    "died": "died",
}

# Ends of follow-up exclude each other; a withdrawn use of data and a death may come later.
ENDS = frozenset({"completed", "lost_to_follow_up", "follow_up_withdrawn"})

# These carry what cannot be taken back: an assessment, an agreement, an arm.
NEVER_RETRACTED = frozenset({"screened", "consented", "randomized", "randomized_in_error", "unblinded", "crossed_over"})


def state_after(kinds: Iterable[str]) -> str:
    """Return the state of somebody to whom these things happened, in whatever order; `screened` before any other."""
    happened = set(kinds)
    return next((state for kind, state in reversed(STATE_AFTER.items()) if kind in happened), "screened")
