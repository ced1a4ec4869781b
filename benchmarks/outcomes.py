"""1,000 outcomes, each with ANCOVA, HC3 intervals and descriptives, as `analytics.statistics` computes them."""

import math
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from analytics.statistics.ancova import estimate_ancova, fit_ancova
from analytics.statistics.descriptives import describe_change, describe_visit
from analytics.statistics.effects import estimate_outcome
from analytics.statistics.outcome import OutcomeData, paired_values
from benchmarks.clocks import Cost, best_wall, cost_of, in_turn
from benchmarks.figures import WALL_SLACK, Figure

OUTCOMES, PARTICIPANTS = 1000, 120
R_OUTCOMES = 200
R_TIMES_SLOWER = 20
AGREEMENT = 1e-9

# Each of the files is one outcome: arm, baseline, follow-up, site. Prints the seconds, then estimate and HC3 error.
R_ANCOVA = """
files <- commandArgs(trailingOnly = TRUE)
data <- lapply(files, read.csv)
started <- proc.time()[["elapsed"]]
fits <- vapply(data, function(d) {
  fit <- lm(log(follow_up) ~ arm + log(baseline) + factor(site), d)
  X <- model.matrix(fit); bread <- solve(crossprod(X))
  meat <- crossprod(X * (residuals(fit) / (1 - hatvalues(fit))))
  c(coef(fit)[["arm"]], sqrt((bread %*% meat %*% bread)["arm", "arm"]))
}, numeric(2))
cat(proc.time()[["elapsed"]] - started, "\\n")
cat(sprintf("%.15g %.15g\\n", fits[1, ], fits[2, ]), sep = "")
"""


def measure(data_dir: Path, is_quick: bool) -> list[Figure]:
    """Return wall time, and how many times faster than R where R is installed."""
    del data_dir
    outcomes = [outcome(seed) for seed in range(OUTCOMES)]
    rounds = 2 if is_quick else 7
    ancova, full = in_turn(
        lambda _: cost_of(lambda: [ancova_and_descriptives(data) for data in outcomes]),
        lambda _: cost_of(lambda: [everything(data) for data in outcomes]),
        rounds=rounds,
    )
    name = f"{OUTCOMES:,} ANCOVA + HC3 with descriptives, n = {PARTICIPANTS}"
    return [
        Figure(name, best_wall(ancova), "s", at_most=1.0, slack=WALL_SLACK, candidate="one outcome after the other"),
        Figure("same, with every method of an outcome", best_wall(full), "s", candidate="`estimate_outcome`"),
        against_r(outcomes[:R_OUTCOMES], rounds),
    ]


def outcome(seed: int) -> OutcomeData:
    """Return a two-arm trial at three sites with a log-normal biomarker, of which 10% is missing at each visit."""
    random = np.random.default_rng(seed)
    baseline = random.lognormal(1, 0.7, PARTICIPANTS)
    arm = np.arange(PARTICIPANTS) % 2
    follow_up = baseline**0.6 * random.lognormal(0.3 - 0.2 * arm, 0.5)
    for values in (baseline, follow_up):
        values[random.random(PARTICIPANTS) < 0.1] = np.nan
    nothing_censored = np.zeros(PARTICIPANTS, dtype=bool)
    sites = {"site": random.integers(0, 3, PARTICIPANTS)}
    return OutcomeData(
        baseline, follow_up, nothing_censored, nothing_censored, arm, sites, ("waitlist", "cbt"), "log", "harmful"
    )


def ancova_and_descriptives(data: OutcomeData) -> None:
    """Compute what the goal names."""
    estimate_ancova(fit_ancova(paired_values(data)), data.arms[1], "HC3")
    _describe(data)


def everything(data: OutcomeData) -> None:
    """Compute what the platform shows of an outcome."""
    estimate_outcome(data)
    _describe(data)


def _describe(data: OutcomeData) -> None:
    describe_visit(data.baseline, data.baseline_censored, data.arm, data.arms)
    describe_visit(data.follow_up, data.follow_up_censored, data.arm, data.arms)
    describe_change(data)


def against_r(outcomes: list[OutcomeData], rounds: int) -> Figure:
    """Return how many times longer R's lm with HC3 takes for the same outcomes, fits alone; both must agree."""
    name = f"{len(outcomes)} ANCOVA + HC3, times faster than R"
    words = {"reference": "R lm, HC3 by hand", "candidate": "fit and HC3", "unit": "x"}
    rscript = shutil.which("Rscript")
    if rscript is None:
        return Figure(name, None, at_least=R_TIMES_SLOWER, note="Rscript is not installed here", **words)
    with tempfile.TemporaryDirectory() as folder:
        files = [_as_csv(data, Path(folder) / f"{number:04d}.csv") for number, data in enumerate(outcomes)]
        program = Path(folder) / "ancova.R"
        program.write_text(R_ANCOVA)

        def r(_: int) -> Cost:
            command = [rscript, "--vanilla", str(program), *files]
            seconds, *lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
            _require_agreement(outcomes, lines)
            return Cost(math.nan, float(seconds))

        theirs, ours = in_turn(r, lambda _: _fits(outcomes), rounds=rounds)
    ratio = best_wall(theirs) / best_wall(ours)
    return Figure(name, ratio, at_least=R_TIMES_SLOWER, slack=WALL_SLACK, **words)


def _fits(outcomes: list[OutcomeData]) -> Cost:
    started = time.perf_counter()
    for data in outcomes:
        estimate_ancova(fit_ancova(paired_values(data)), data.arms[1], "HC3")
    return Cost(math.nan, time.perf_counter() - started)


def _as_csv(data: OutcomeData, file: Path) -> str:
    columns = np.column_stack([data.arm, data.baseline, data.follow_up, data.strata["site"]])
    complete = columns[~np.isnan(columns).any(axis=1)]
    np.savetxt(file, complete, "%.17g", delimiter=",", header="arm,baseline,follow_up,site", comments="")
    return str(file)


def _require_agreement(outcomes: list[OutcomeData], lines: list[str]) -> None:
    """A faster wrong answer is worth nothing."""
    theirs = np.array([line.split() for line in lines], dtype=np.float64)
    fits = [estimate_ancova(fit_ancova(paired_values(data)), data.arms[1], "HC3")[0] for data in outcomes]
    ours = np.array([[fit.estimate, fit.standard_error] for fit in fits], dtype=np.float64)
    np.testing.assert_allclose(ours, theirs, rtol=AGREEMENT)
