"""Every move of a result's status: the table, the row checker that follows it, and the page that prints it."""

from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from measurements.validation import Options, RecordedRef, Reference, check_rows, row_as_sent
from measurements.validation.reference import Status
from measurements.validation.status_moves import STATUS_MOVES, Step, moves_table

ROOT = Path(__file__).parents[3]
KEY = ("S-083-6M-P1", "IL6", "luminex", None, 1)
STATUSES = get_args(Status)
# How a row is sent: plainly, with a reason, and with a reason and the result it corrects.
WAYS = {"plain": {}, "reason": {"reason": "Read again"}, "corrects": {"reason": "Read again", "corrects": "r-900"}}
MOVES = [(before, after) for before in (None, *STATUSES) for after in STATUSES]


def sent(trial: Reference, before: str | None, after: str, way: str, value: str = "2.2") -> tuple[str, str]:
    """Send one row beside what is recorded; its disposition, or the codes that refuse it."""
    old = RecordedRef(900, "r-900", None if before == "not_done" else Decimal("1.80"), "1.80", "pg/mL", status=before)
    trial = replace(trial, recorded={KEY: old} if before else {})
    row = {"specimen": KEY[0], "biomarker": "IL6", "unit": "pg/mL", "status": after} | WAYS[way]
    row |= {} if after == "not_done" else {"value": value}
    checked = check_rows([row_as_sent(row)], trial, Options())
    if checked.errors:
        return "refused", checked.errors[0].code
    return checked.accepted[0].disposition, checked.accepted[0].status


def test_the_table_has_every_move() -> None:
    assert set(STATUS_MOVES) == {None, *STATUSES}
    assert all(set(steps) == set(STATUSES) for steps in STATUS_MOVES.values())


@pytest.mark.parametrize(("before", "after"), MOVES)
def test_the_checker_follows_the_table(trial: Reference, before: str | None, after: str) -> None:
    step = STATUS_MOVES[before][after]
    done = ("corrected" if before else "created", after)
    corrects = ("refused", "corrects_unknown") if before is None else done
    # A row of these statuses lacks its reason before it is compared with anything, or says what it is by itself.
    says_so = after == "corrected"
    no_reason = ("refused", "field_missing")
    expected = {
        Step.FREELY: (done, done, corrects),
        Step.WITH_REASON: (no_reason, done, corrects),
        Step.AS_CORRECTION: (
            no_reason if after in {"corrected", "not_done"} else ("refused", "differs_from_recorded"),
            done if says_so else ("refused", "differs_from_recorded"),
            done,
        ),
        Step.UNCHANGED: (no_reason, ("unchanged", after), ("unchanged", after)),
        Step.NEVER: (*[("refused", "differs_from_recorded")] * 2, ("refused", "status_goes_back")),
    }[step]
    assert tuple(sent(trial, before, after, way) for way in WAYS) == expected


@pytest.mark.parametrize("after", ["final", "corrected"])
@pytest.mark.parametrize("way", ["reason", "corrects"])
def test_the_same_number_still_settles_a_preliminary_value(trial: Reference, after: str, way: str) -> None:
    assert sent(trial, "preliminary", after, way, "1.80") == ("corrected", after)


@pytest.mark.parametrize("before", ["final", "corrected"])
@pytest.mark.parametrize("after", ["preliminary", "final", "corrected"])
def test_the_same_number_changes_nothing_otherwise(trial: Reference, before: str, after: str) -> None:
    assert sent(trial, before, after, "corrects", "1.80")[0] == "unchanged"


def test_the_page_prints_the_table() -> None:
    assert moves_table() in (ROOT / "docs" / "corrections.md").read_text(encoding="utf-8")
