"""Recomputing a trial's estimates: version first, data second, one run per version. Only workers import this."""

import hashlib
import logging
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from analytics.errors import is_database_away
from analytics.models import AnalysisPlan, ArmDescription, EffectEstimate, EstimateRun
from analytics.selectors.runs import METHOD_VERSION, newest_finished_run, recent_failed_run
from analytics.services.descriptions import Description, describe_trial
from analytics.services.estimates import PlannedEstimate, estimate_trial
from analytics.services.outcomes import Design, Measure, Outcomes
from analytics.services.plans import DEFAULT_SPECIFICATION, ensure_plan, newest_plan
from analytics.statistics.limits import DETECTION_METHOD
from measurements.selectors.frames import analysis_frame, count_told_to_all
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict
from trials.models import Trial, Visit, Webhook
from trials.permissions import Permission
from trials.selectors.analysis import randomized_frame
from trials.selectors.planned_visits import is_after_comparison
from trials.services.webhooks import announce

log = logging.getLogger(__name__)

LOCK_SPACE = 715_001
"""First key of the advisory locks under which a trial is recomputed by one process at a time."""


@dataclass(frozen=True)
class Computed:
    """What one computation brought, or in `failure` why it brought nothing."""

    data_version: int
    result_count: int = 0
    inputs_sha256: str = ""
    estimates: tuple[PlannedEstimate, ...] = ()
    descriptions: tuple[Description, ...] = ()
    failure: str = ""


def recompute_estimates(*, trial: Trial, by: Actor) -> EstimateRun | None:
    """Compute every estimate of the trial at its present data version and store them as one run.

    Where a run of this version (or a newer one) is finished already, that run is returned and nothing is written.
    None: another process is computing this trial at this moment. A computation that fails, or whose numbers cannot be
    written, is stored as a failed run with its sentence, and is not repeated on the same data for a while. A lost
    database raises, and nothing is stored.
    """
    require(by, Permission.EFFECTS_VIEW, trial)
    if trial.is_sandbox:
        raise InConflict("sandbox", "This is a laboratory's sandbox: nothing is estimated from it.")
    plan = ensure_plan(trial, by)
    with _snapshot(trial) as is_mine:
        if not is_mine:
            return None
        version = Trial.objects.values_list("data_version", flat=True).get(pk=trial.pk)
        given = newest_finished_run(trial, plan)
        if given is not None and given.data_version >= version:
            return given
        if (failed := recent_failed_run(trial, plan, version)) is not None:
            return failed
        computed = _compute(trial, plan.specification, version)
    return _store_or_fail(trial, plan, computed, by)


def compute_now(trial: Trial) -> Computed:
    """Return what a computation from scratch gives for the data as they are now; writes nothing."""
    plan = newest_plan(trial)
    specification = plan.specification if plan else DEFAULT_SPECIFICATION
    with _snapshot(trial):
        version = Trial.objects.values_list("data_version", flat=True).get(pk=trial.pk)
        return _compute(trial, specification, version)


@contextmanager
def _snapshot(trial: Trial) -> Iterator[bool]:
    """Hold one REPEATABLE READ view of the database and the trial's lock; False where another process holds it.

    A run can so be labelled older than its data (and is done again), never newer. Inside of a larger transaction
    that one's view is what there is.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if is_outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK_SPACE, trial.pk])
        yield cursor.fetchone()[0]


def _compute(trial: Trial, specification: dict[str, Any], version: int) -> Computed:
    """Return what the data give. A fault in reading or computing becomes a sentence, so that other trials go on."""
    try:
        with transaction.atomic():  # a statement that fails spoils no more than this
            randomized, values = randomized_frame(trial), analysis_frame(trial)
            outcomes = Outcomes(randomized, values, design_of(trial))
        return Computed(
            version,
            count_told_to_all(trial, outcomes.value_count),
            inputs_sha256(version, randomized, values),
            tuple(estimate_trial(outcomes, specification)),
            tuple(describe_trial(outcomes)),
        )
    except Exception as error:
        if is_database_away(error):
            raise
        log.exception("the estimates of %s could not be computed", trial.slug)
        return Computed(version, failure=f"{type(error).__name__}: {error}")


def design_of(trial: Trial) -> Design:
    """Return what the analysis needs of the trial's design, the reference arm first."""
    arms = sorted(trial.arms.all(), key=lambda arm: not arm.is_reference)
    visits = list(trial.visits.all())
    return Design(
        arms=tuple(arm.code for arm in arms),
        baseline=next(visit.code for visit in visits if visit.kind == Visit.Kind.BASELINE),
        follow_ups=tuple(visit.code for visit in visits if visit.kind != Visit.Kind.BASELINE),
        measures=tuple(
            Measure(code, scale, direction)  # type: ignore[arg-type]  # the model's choices are the engine's words
            for code, scale, direction in trial.biomarkers.values_list("code", "analysis_scale", "direction")
        ),
        randomized_in_groups=trial.randomization_unit == Trial.RandomizationUnit.GROUP,
        after_comparison=frozenset(visit.code for visit in visits if is_after_comparison(trial, visit)),
    )


def inputs_sha256(version: int, *frames: pd.DataFrame) -> str:
    """Return the SHA-256 over data version and frames as CSV, by which a run names what it was computed from.

    With the version it differs after every delivery; without it, one that stayed the same would tell that what came is
    not compared, and so whose arm crossed over.
    """
    digest = hashlib.sha256(f"{version}\n".encode())
    for frame in frames:
        digest.update(frame.to_csv(index=False, lineterminator="\n").encode())
    return digest.hexdigest()


def software() -> str:
    """Return the versions that can change a number."""
    return (
        f"studyplatform {settings.VERSION}, methods {METHOD_VERSION}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, scipy {scipy.__version__}"
    )


def _store_or_fail(trial: Trial, plan: AnalysisPlan, computed: Computed, by: Actor) -> EstimateRun:
    """Write the run; where its numbers cannot be written, write that instead."""
    try:
        return _store(trial, plan, computed, by)
    except Exception as error:
        if is_database_away(error):
            raise
        log.exception("the estimates of %s could not be written", trial.slug)
        failure = f"{type(error).__name__}: {error}"
        return _store(trial, plan, Computed(computed.data_version, failure=failure), by)


def _store(trial: Trial, plan: AnalysisPlan, computed: Computed, by: Actor) -> EstimateRun:
    """Write the run unless a newer one was written meanwhile; in a transaction that no post waits for."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, trial.pk])
        given = newest_finished_run(trial, plan)
        if given is not None and given.data_version >= computed.data_version:
            return given
        with audit.transaction(by=by) as event:
            run = _write(trial, plan, computed)
            detail = {"data_version": run.data_version, "plan": plan.version, "state": run.state}
            _announce(trial, run)
            event.record("estimates.recomputed", trial=trial, target=run, detail=detail, sha256=run.inputs_sha256)
    return run


def _announce(trial: Trial, run: EstimateRun) -> None:
    """Tell webhooks that there are new estimates: of which data, and since when. Everybody may know as much."""
    if run.state == EstimateRun.State.FINISHED:
        told = {
            "data_version": run.data_version,
            "computed_at": timezone.now().isoformat(),
            "url": f"/api/v1/trials/{trial.slug}/estimates/",
        }
        announce(Webhook.Event.ESTIMATES_UPDATED, trial=trial, data=told)


def _write(trial: Trial, plan: AnalysisPlan, computed: Computed) -> EstimateRun:
    run = EstimateRun.objects.create(
        trial=trial,
        plan=plan,
        data_version=computed.data_version,
        method_version=METHOD_VERSION,
        state=EstimateRun.State.FAILED if computed.failure else EstimateRun.State.FINISHED,
        failure=computed.failure,
        result_count=computed.result_count,
        inputs_sha256=computed.inputs_sha256,
        software=software(),
        after_unlock=Trial.objects.filter(pk=trial.pk, unlocked_at__isnull=False).exists(),
    )
    columns = estimate_columns(trial)
    population, missing = plan.specification["population"], plan.specification["missing"]
    EffectEstimate.objects.bulk_create(
        EffectEstimate(run=run, trial=trial, population=population, missing=_missing(each, missing), **columns(each))
        for each in computed.estimates
    )
    biomarkers, visits = _ids(trial)
    ArmDescription.objects.bulk_create(
        ArmDescription(
            run=run,
            biomarker_id=biomarkers[each.biomarker],
            visit_id=visits[each.visit],
            arm=each.arm,
            numbers=each.numbers,
        )
        for each in computed.descriptions
    )
    return run


def _missing(planned: PlannedEstimate, by_plan: str) -> str:
    """Return how missing values are dealt with; the share detected rests on everybody with a follow-up value."""
    return "available_case" if planned.effect.result.method == DETECTION_METHOD else by_plan


def _ids(trial: Trial) -> tuple[dict[str, int], dict[str, int]]:
    biomarkers = trial.biomarkers.values_list("code", "pk")
    return dict(biomarkers), dict(trial.visits.values_list("code", "pk"))


def estimate_columns(trial: Trial) -> Callable[[PlannedEstimate], dict[str, Any]]:
    """Return what turns an estimate into the columns of its row."""
    biomarkers, visits = _ids(trial)

    def columns(planned: PlannedEstimate) -> dict[str, Any]:
        effect, result = planned.effect, planned.effect.result
        reason = result.not_estimable
        return {
            "biomarker_id": biomarkers[planned.biomarker],
            "visit_id": visits[planned.visit],
            "role": planned.role,
            "method": result.method,
            "measure": result.measure,
            "arm": effect.arm,
            "reference_arm": effect.reference_arm,
            "estimate": result.estimate,
            "standard_error": result.standard_error,
            "df": result.df,
            "ci_low": result.ci_low,
            "ci_high": result.ci_high,
            "p_value": result.p_value,
            "p_holm": planned.p_holm,
            "p_bh": planned.p_bh,
            "oriented_estimate": effect.oriented_estimate,
            "n": result.n,
            "n_randomized": effect.n_randomized,
            "not_estimable_code": reason.code if reason else "",
            "not_estimable": reason.sentence if reason else "",
            "formula": result.formula,
            "notes": list(planned.notes),
        }

    return columns
