"""Do the stored estimates equal a computation from scratch? Workers and commands only."""

import math
from collections.abc import Iterator
from typing import Any

from analytics.models import EffectEstimate
from analytics.selectors.runs import newest_finished_run
from analytics.services.recompute import compute_now, estimate_columns
from trials.access import Actor, require
from trials.models import Trial
from trials.permissions import Permission

RELATIVE_TOLERANCE = 1e-9
NUMBERS = ("estimate", "standard_error", "df", "ci_low", "ci_high", "p_value", "p_holm", "p_bh", "oriented_estimate")
EXACT = ("n", "n_randomized", "not_estimable_code", "role")


def differences_from_scratch(*, trial: Trial, by: Actor) -> list[str]:
    """Return a sentence for everything in which the newest run differs from a new computation; writes nothing."""
    require(by, Permission.EFFECTS_VIEW, trial)
    run, computed = newest_finished_run(trial), compute_now(trial)
    if run is None or run.data_version != computed.data_version:
        version = run.data_version if run else None
        return [f"the newest run is of data version {version}, the data are of version {computed.data_version}"]
    if computed.failure:
        return [f"the computation fails: {computed.failure}"]
    stored = {_key(vars(each)): vars(each) for each in EffectEstimate.objects.filter(run=run)}
    fresh = {_key(columns): columns for columns in map(estimate_columns(trial), computed.estimates)}
    missing = [f"{' '.join(map(str, key))} is in one of them only" for key in stored.keys() ^ fresh.keys()]
    return missing + [line for key in stored.keys() & fresh.keys() for line in _differ(key, stored[key], fresh[key])]


def _key(columns: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(columns[name] for name in ("biomarker_id", "visit_id", "method", "measure", "arm"))


def _differ(key: tuple[Any, ...], stored: dict[str, Any], fresh: dict[str, Any]) -> Iterator[str]:
    for name in (*NUMBERS, *EXACT):
        old, new = stored[name], fresh[name]
        same = old == new if name in EXACT or None in (old, new) else math.isclose(old, new, rel_tol=RELATIVE_TOLERANCE)
        if not same:
            yield f"{' '.join(map(str, key))}: {name} is stored as {old} and comes out as {new}"
