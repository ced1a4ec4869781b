"""How the status of a result may change: one table, read by the row checker and by the documentation. Pure."""

from enum import StrEnum

from measurements.validation.reference import Status


class Step(StrEnum):
    """What a sender must say for one status to follow another."""

    FREELY = "as sent"
    WITH_REASON = "with a reason"
    AS_CORRECTION = "only as a correction, with a reason"
    UNCHANGED = "changes nothing"
    NEVER = "refused"


_SETTLED: dict[Status, Step] = {
    "preliminary": Step.NEVER,
    "final": Step.AS_CORRECTION,
    "corrected": Step.AS_CORRECTION,
    "not_done": Step.AS_CORRECTION,
}

STATUS_MOVES: dict[Status | None, dict[Status, Step]] = {
    None: {
        "preliminary": Step.FREELY,
        "final": Step.FREELY,
        "corrected": Step.WITH_REASON,
        "not_done": Step.WITH_REASON,
    },
    "preliminary": {
        "preliminary": Step.AS_CORRECTION,
        "final": Step.FREELY,
        "corrected": Step.WITH_REASON,
        "not_done": Step.WITH_REASON,
    },
    "final": _SETTLED,
    "corrected": _SETTLED,
    "not_done": {
        "preliminary": Step.AS_CORRECTION,
        "final": Step.AS_CORRECTION,
        "corrected": Step.AS_CORRECTION,
        "not_done": Step.UNCHANGED,
    },
}
"""From what is recorded (None: nothing) to what is sent, where the values differ.

A row says that it is a correction by status `corrected`, or by naming the current result in `corrects`. A value that
analyses have used never becomes preliminary again.
"""


def moves_table() -> str:
    """Return the table as Markdown, for docs/corrections.md."""
    statuses = list(STATUS_MOVES[None])
    lines = [
        f"| recorded | {' | '.join(f'sent `{status}`' for status in statuses)} |",
        f"|---|{'---|' * len(statuses)}",
    ]
    for before, steps in STATUS_MOVES.items():
        name = f"`{before}`" if before else "nothing"
        lines.append(f"| {name} | {' | '.join(steps[status] for status in statuses)} |")
    return "\n".join(lines) + "\n"
