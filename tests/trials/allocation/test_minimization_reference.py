"""The imbalances of Pocock and Simon against reference case s18_randomization (traces computed in R)."""

import csv
import json
from collections import Counter
from pathlib import Path

from trials.allocation.arms import ArmRatio
from trials.allocation.minimization import Scheme, count, preferred_arms

REFERENCE = Path(__file__).parents[2] / "reference" / "s18_randomization"


def test_the_trace_by_range_equals_the_reference():
    """R takes the first arm at a tie and lets chance decide nothing; so does this trace."""
    wanted = json.loads((REFERENCE / "expected.json").read_text())["pocock_simon"]["range"]["assignments"]
    scheme = Scheme((ArmRatio("intervention", 1), ArmRatio("waitlist", 1)), ("site", "sex", "age"), 80)
    counts, arms = Counter(), []
    with (REFERENCE / "minimisation_input.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            levels = {factor: row[factor] for factor in scheme.factors}
            arms.append(preferred_arms(scheme, counts, levels)[0].code)
            counts.update(count([(arms[-1], levels, 1)]))
    assert arms == wanted
    assert len(arms) == 30
