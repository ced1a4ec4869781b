"""10,000 random trials through the statistics engine: no crash, no NaN, every non-estimate with its reason."""

import runpy
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.installation import CHECKOUT
from benchmarks.prove.records import Proof

PART = "random-trials"
TRIALS, FEW = 10_000, 20
GENERATOR = CHECKOUT / "tests" / "analytics" / "statistics" / "test_effects.py"


def prove(is_small: bool) -> Proof:
    """Estimate every trial twice: the rules that the test has for a result, and the same bytes again."""
    from analytics.statistics.effects import estimate_outcome

    trials = FEW if is_small else TRIALS
    test = runpy.run_path(str(GENERATOR))
    counts, problems = Counter[str](), []
    for seed in range(trials):
        try:
            data = test["random_trial"](seed)
            rows = estimate_outcome(data)
            _check(rows, test["assert_complete"])
            if repr(rows) != repr(estimate_outcome(data)):
                problems.append(f"seed {seed}: the second time gave other numbers")
        except Exception:
            problems.append(f"seed {seed}: {traceback.format_exc(limit=-2)}")
            continue
        counts.update(row.result.not_estimable.code if row.result.not_estimable else "estimated" for row in rows)
    return Proof(PART, f"{trials:,} trials", dict(counts), problems)


def _check(rows: Any, assert_complete: Callable[[Any], None]) -> None:
    if not rows:
        raise AssertionError("nothing was estimated and nothing refused")
    for row in rows:
        assert_complete(row.result)
