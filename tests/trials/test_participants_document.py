"""The document's table is that of the code."""

from pathlib import Path

from trials.course import STATE_AFTER

DOCUMENT = Path(__file__).parents[2] / "docs" / "participants.md"


def test_the_table_of_states_is_that_of_the_code() -> None:
    rows = "\n".join(f"| `{kind}` | `{state}` |" for kind, state in STATE_AFTER.items())
    shown = DOCUMENT.read_text().split("|---|---|\n")[1].split("\n<!-- end -->")[0]
    assert shown == rows
