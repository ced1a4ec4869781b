"""`manage.py print_estimates <slug>`: the trial's estimates as a table, fresh."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analytics.models import EffectEstimate
from analytics.selectors.runs import Freshness, freshness
from trials.models import Trial

WAIT_SECONDS = 60
METHODS = ("ancova_hc3", "tobit")
HEADS = ("biomarker", "visit", "n", "log difference", "HC3 SE", "ratio", "95% CI", "p")
LINE = "{:<10} {:<10} {:>5}  {:>15} {:>14} {:>10}  {:<20} {:>7}  {}"


class Command(BaseCommand):
    help = "Print the baseline-adjusted estimates of a trial as soon as they are up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the trial's short name."""
        parser.add_argument("slug")

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait for a fresh run and print it; CommandError when there is no such trial or no run in time."""
        trial = Trial.objects.filter(slug=options["slug"]).first()
        if trial is None:
            raise CommandError(f"There is no trial “{options['slug']}”.")
        state = wait_until_fresh(trial)
        if state.run is None:
            raise CommandError(
                "There are no estimates yet. Is the dispatcher running? `manage.py recompute` computes them now."
            )
        stale = " (recomputing: the data are newer)" if state.is_stale else ""
        self.stdout.write(f"{trial.title}: ANCOVA on the analysis scale, {state.run.result_count} results{stale}")
        self.stdout.write("\n".join([LINE.format(*HEADS, "").rstrip(), *map(estimate_line, _rows(state.run.pk))]))


def wait_until_fresh(trial: Trial) -> Freshness:
    """Return the state of the trial's estimates once they are fresh, or after the time is over as it then is."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        state = freshness(trial)
        if (state.run and not state.is_stale) or time.monotonic() > deadline:
            return state
        time.sleep(0.2)


def _rows(run: int) -> list[tuple[EffectEstimate, float | None]]:
    """Return each difference on the analysis scale with its ratio, where it has one."""
    estimates = EffectEstimate.objects.filter(run=run, method__in=METHODS).select_related("biomarker", "visit")
    ratios = {_place(each): each.estimate for each in estimates if each.measure == "ratio_of_geometric_means"}
    return [(each, ratios.get(_place(each))) for each in estimates if each.measure in {"log_difference", "difference"}]


def _place(estimate: EffectEstimate) -> tuple[int, int, str]:
    return estimate.biomarker_id, estimate.visit_id, estimate.arm


def estimate_line(row: tuple[EffectEstimate, float | None]) -> str:
    """Return one line; estimate and standard error with ten significant digits, or why there is none."""
    estimate, ratio = row
    n = sum(estimate.n.values())
    place = (estimate.biomarker.code, estimate.visit.code, n)
    if estimate.estimate is None or estimate.ci_low is None or estimate.ci_high is None or estimate.p_value is None:
        return LINE.format(*place, "", "", "", "", "", estimate.not_estimable).rstrip()
    return LINE.format(
        *place,
        f"{estimate.estimate:.10g}",
        f"{estimate.standard_error:.10g}",
        "" if ratio is None else f"{ratio:.8g}",
        f"{estimate.ci_low:.4f} to {estimate.ci_high:.4f}",
        f"{estimate.p_value:.4f}",
        "" if estimate.method == METHODS[0] else "values below the limit: Tobit",
    ).rstrip()
