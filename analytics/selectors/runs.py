"""Runs of a trial: the newest, and whether it still tells the truth."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from analytics.models import AnalysisPlan, EstimateRun
from trials.models import Trial

METHOD_VERSION = "2"
"""Raised with every change of the engine that can change a number; all trials are then recomputed."""

RETRY_FAILED_AFTER = timedelta(minutes=10)
"""A computation that failed fails again with the same data; it is tried anew when they change, or after this time."""


@dataclass(frozen=True)
class Freshness:
    """The newest finished run of a trial, and how it stands to the trial's data."""

    run: EstimateRun | None
    data_version: int
    is_stale: bool
    failed: EstimateRun | None

    @property
    def etag(self) -> str:
        """Return what changes exactly when a page about the estimates would look different."""
        return f"{self.run.pk if self.run else 0}.{int(self.is_stale)}.{self.failed.pk if self.failed else 0}"


def newest_finished_run(trial: Trial, plan: AnalysisPlan | None = None) -> EstimateRun | None:
    """Return the newest finished run, of this plan and the present methods where a plan is named."""
    runs = EstimateRun.objects.filter(trial=trial, state=EstimateRun.State.FINISHED).select_related("plan")
    if plan is not None:
        runs = runs.filter(plan=plan, method_version=METHOD_VERSION)
    return runs.order_by("-data_version", "-id").first()


def recent_failed_run(trial: Trial, plan: AnalysisPlan, data_version: int) -> EstimateRun | None:
    """Return the run that failed at this version, plan and method a short time ago, so that it is not repeated."""
    return (
        EstimateRun.objects.filter(
            trial=trial,
            plan=plan,
            data_version=data_version,
            method_version=METHOD_VERSION,
            state=EstimateRun.State.FAILED,
            computed_at__gt=timezone.now() - RETRY_FAILED_AFTER,
        )
        .order_by("-id")
        .first()
    )


def freshness(trial: Trial) -> Freshness:
    """Return the newest run and whether data, plan or methods are newer; the trial's version is read first.

    That order can call a fresh run stale for a moment, never a stale one fresh.
    """
    version = Trial.objects.values_list("data_version", flat=True).get(pk=trial.pk)
    run = newest_finished_run(trial)
    failed = (
        EstimateRun.objects.filter(trial=trial, state=EstimateRun.State.FAILED, id__gt=run.pk if run else 0)
        .order_by("id")
        .first()
    )
    return Freshness(run, version, version > 0 if run is None else _is_stale(run, version), failed)


def _is_stale(run: EstimateRun, data_version: int) -> bool:
    newest_plan = AnalysisPlan.objects.filter(trial=run.trial_id).order_by("-version").values_list("pk", flat=True)
    return run.data_version < data_version or run.method_version != METHOD_VERSION or run.plan_id != newest_plan.first()
