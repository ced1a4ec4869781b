"""The analysis plan of a trial: what is estimated, by which methods, adjusted over which families."""

import hashlib
import json
from typing import Any

from django.utils import timezone

from analytics.models import AnalysisPlan
from analytics.selectors.primary_outcomes import measured_codes, primary_pairs
from trials import audit
from trials.access import Actor, require
from trials.models import Trial
from trials.permissions import Permission

DEFAULT_SPECIFICATION: dict[str, Any] = {
    "population": "as_randomized",
    "missing": "complete_case",
    "visits": "every visit after baseline",
    "covariates": ["baseline value", "stratification factors"],
    "methods": ["ancova_model", "ancova_hc3", "tobit", "ppc"],
    "primary_method": "ancova_hc3",
    # With fewer participants with both values in an arm, no standardized effect is stated.
    "minimum_pairs_per_arm": 5,
    # Pairs of biomarker and visit; everything else is secondary. At registration those of the planned outcomes.
    "primary": [],
    "families": {
        "benjamini_hochberg": "all biomarkers at the same visit and method; tobit stands in for the primary method",
        "holm": "all primary estimates",
    },
    # "biomarkers" is added at registration: the codes of the sealed families. Others are exploratory.
}


def canonical_json(specification: dict[str, Any]) -> str:
    """Return the one spelling of a specification that its SHA-256 is taken over."""
    return json.dumps(specification, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def newest_plan(trial: Trial) -> AnalysisPlan | None:
    """Return the plan that counts."""
    return AnalysisPlan.objects.filter(trial=trial).order_by("-version").first()


def ensure_plan(trial: Trial, by: Actor) -> AnalysisPlan:
    """Return the trial's newest plan; where there is none, record the default plan first."""
    return newest_plan(trial) or record_plan(trial=trial, specification=DEFAULT_SPECIFICATION, by=by)


def freeze_plan(*, trial: Trial, by: Actor) -> AnalysisPlan:
    """Record the trial's plan (the default where there is none) as the one that it is registered with.

    Its primary pairs are those of the planned primary outcomes, its biomarkers those that the trial measures now. A
    plan that names its biomarkers was sealed before, as a rehearsal's is, and is taken as it stands.
    """
    newest = newest_plan(trial)
    specification = newest.specification if newest else DEFAULT_SPECIFICATION
    if "biomarkers" not in specification:
        primary = primary_pairs(trial) or specification["primary"]
        specification = {**specification, "primary": primary, "biomarkers": measured_codes(trial)}
    return record_plan(trial=trial, specification=specification, by=by, is_frozen=True)


def record_plan(*, trial: Trial, specification: dict[str, Any], by: Actor, is_frozen: bool = False) -> AnalysisPlan:
    """Record the next version of the trial's plan; estimates under the old one count as stale from then on."""
    with audit.transaction(by=by) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        newest = newest_plan(trial)
        plan = AnalysisPlan.objects.create(
            trial=trial,
            version=newest.version + 1 if newest else 1,
            specification=specification,
            sha256=hashlib.sha256(canonical_json(specification).encode()).hexdigest(),
            frozen_at=timezone.now() if is_frozen else None,
        )
        event.record("plan.recorded", trial=trial, target=plan, detail={"version": plan.version}, sha256=plan.sha256)
    return plan
