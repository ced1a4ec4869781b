"""Reference cases (numbers from R) and the OPT trial's data, as fixtures."""

from __future__ import annotations

import csv
import json
import os
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics.statistics.meta_regression import Moderators, moderator_columns
from analytics.statistics.outcome import OutcomeData

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "tests" / "reference"
ARMS = ("control", "treatment")

IMPOSED_LIMITS = {
    "single": {"KY": 3.0, "MN": 3.0, "MS": 3.0, "NY": 3.0},
    "by_clinic": {"KY": 2.0, "MN": 3.0, "MS": 4.0, "NY": 5.0},
}

Rows = list[dict[str, str]]


def read_rows(path: Path) -> Rows:
    """Rows of a CSV file as text, spaces around the values removed."""
    with path.open(newline="") as file:
        return [{name: value.strip() for name, value in row.items()} for row in csv.DictReader(file)]


def numbers(rows: Rows, column: str) -> np.ndarray:
    """A column as floats, NaN where empty."""
    return np.array([float(row[column]) if row[column] not in ("", "NA") else np.nan for row in rows])


def outcome_of(
    rows: Rows, baseline: str, follow_up: str, *, floors: tuple[float, ...] = (), scale: str = "log"
) -> OutcomeData:
    """An outcome out of rows with columns arm and clinic; a value that equals a floor is below it."""
    clinics = sorted({row["clinic"] for row in rows})
    before, after = numbers(rows, baseline), numbers(rows, follow_up)
    return OutcomeData(
        baseline=before,
        follow_up=after,
        baseline_censored=np.isin(before, floors),
        follow_up_censored=np.isin(after, floors),
        arm=np.array([ARMS.index(row["arm"]) for row in rows], dtype=np.int64),
        strata={"clinic": np.array([clinics.index(row["clinic"]) for row in rows], dtype=np.int64)},
        arms=ARMS,
        scale=scale,
        direction="harmful",
    )


@pytest.fixture(scope="session")
def expected() -> Callable[[str], Any]:
    """The numbers R gave for a case."""
    return lambda case: json.loads((REFERENCE / case / "expected.json").read_text())


@pytest.fixture(scope="session")
def input_rows() -> Callable[[str, str], Rows]:
    """An input file of a case."""
    return lambda case, name: read_rows(REFERENCE / case / name)


@pytest.fixture(scope="session")
def outside_rows() -> Callable[[str, str], Rows]:
    """An input file that is not part of this repository: skipped, said aloud, where it is away; a failure in CI."""

    def read(case: str, name: str) -> Rows:
        folder = Path(os.environ.get("REFERENCE_DIR", ROOT.parent / "shared" / "reference")) / "statistics"
        if (folder / case / name).is_file():
            return read_rows(folder / case / name)
        sentence = f"No {case}/{name} in {folder}: this case is not compared. Set REFERENCE_DIR."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        warnings.warn(sentence, stacklevel=1)
        pytest.skip(sentence)

    return read


@pytest.fixture(scope="session")
def opt_rows() -> Rows:
    """The OPT trial: 823 women, from the product's own copy."""
    return read_rows(ROOT / "demo" / "opt" / "opt.csv")


@pytest.fixture(scope="session")
def make_outcome() -> Callable[..., OutcomeData]:
    """`outcome_of`, for tests with other rows or columns."""
    return outcome_of


@pytest.fixture(scope="session")
def opt_crp(opt_rows: Rows) -> OutcomeData:
    """C-reactive protein in the OPT trial, log scale."""
    return outcome_of(opt_rows, "crp_base", "crp_fu")


@pytest.fixture(scope="session")
def crp_with_limit(opt_rows: Rows) -> Callable[[str], OutcomeData]:
    """CRP of those with both values and an age, with a limit imposed at follow-up (s13b); made anew by each call."""

    def build(kind: str) -> OutcomeData:
        complete = [row for row in opt_rows if row["crp_base"] and row["crp_fu"] and row["age"]]
        data = outcome_of(complete, "crp_base", "crp_fu")
        limit = np.array([IMPOSED_LIMITS[kind][row["clinic"]] for row in complete])
        below = data.follow_up < limit
        return replace(data, follow_up=np.where(below, limit, data.follow_up), follow_up_censored=below)

    return build


@pytest.fixture(scope="session")
def five_participants() -> Callable[..., OutcomeData]:
    """Five participants whose numbers can be checked by hand: two controls, three treated, no stratum.

    Arm, baseline, follow-up: control 1, 2; control 3, 4; treated 1, 4; treated 3, 6; treated 2, 8.
    """

    def build(**changes: Any) -> OutcomeData:
        values: dict[str, Any] = {
            "baseline": np.array([1.0, 3.0, 1.0, 3.0, 2.0]),
            "follow_up": np.array([2.0, 4.0, 4.0, 6.0, 8.0]),
            "baseline_censored": np.zeros(5, dtype=bool),
            "follow_up_censored": np.zeros(5, dtype=bool),
            "arm": np.array([0, 0, 1, 1, 1]),
            "strata": {},
            "arms": ARMS,
            "scale": "identity",
            "direction": "beneficial",
        }
        return OutcomeData(**{**values, **changes})

    return build


@pytest.fixture(scope="session")
def close() -> Callable[..., None]:
    """Assert that every expected number is met to a relative tolerance, in nested dicts and lists."""

    def compare(actual: Any, wanted: Any, rel: float = 1e-9, path: str = "") -> None:
        if isinstance(wanted, Mapping):
            for name, value in wanted.items():
                compare(actual[name], value, rel, f"{path}/{name}")
        elif isinstance(wanted, list):
            assert len(actual) == len(wanted), path
            for index, value in enumerate(wanted):
                compare(actual[index], value, rel, f"{path}[{index}]")
        else:
            assert actual == (None if wanted is None else pytest.approx(wanted, rel=rel, abs=1e-300)), path

    return compare


POOLED_CASES = (
    "s10_meta_bcg",
    "s11_meta_thirdwave",
    "s12_meta_normand1999/SMD",
    "s12_meta_normand1999/MD",
    "s12_meta_normand1999/ROM",
    "s12_meta_normand1999/SMDH",
    "s12b_meta_raudenbush1985",
)


@pytest.fixture(params=POOLED_CASES)
def pooled_case(
    request: pytest.FixtureRequest,
    expected: Callable[[str], Any],
    input_rows: Callable[[str, str], Rows],
    outside_rows: Callable[[str, str], Rows],
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Effects and variances of published trials, and what R's metafor makes of them."""
    case, _, measure = request.param.partition("/")
    wanted = expected(case)
    if case.startswith("s11"):
        rows = outside_rows(case, "input.csv")
        return numbers(rows, "TE"), numbers(rows, "seTE") ** 2, wanted["pool"]
    if case.startswith("s12b"):
        rows = input_rows(case, "input.csv")
        return numbers(rows, "yi"), numbers(rows, "vi"), wanted["pool"]
    numbers_of = wanted[measure] if measure else wanted
    return np.array(numbers_of["yi"]), np.array(numbers_of["vi"]), numbers_of["pool"]


@pytest.fixture(scope="session")
def near() -> Callable[..., None]:
    """Like `close`, with an absolute bound for variances that R leaves at 1e-14 instead of zero."""

    def compare(actual: Any, wanted: Any, rel: float = 1e-7, absolute: float = 1e-9) -> None:
        assert np.asarray(actual, dtype=float) == pytest.approx(np.asarray(wanted, dtype=float), rel=rel, abs=absolute)

    return compare


@dataclass(frozen=True, eq=False)
class Dropout:
    """The trials of s09 with their moderators."""

    effects: np.ndarray
    variances: np.ndarray
    trials: list[str]
    samples: list[str]
    moderators: Moderators

    @staticmethod
    def name_in_r(term: str, separator: str | None = None) -> str:
        """R's name of a coefficient; with `separator`, all that is no letter, digit or underscore becomes it."""
        if term == "intercept":
            return "intrcpt" if separator is None else "X.Intercept."
        name = term.replace(":", "")
        return name if separator is None else re.sub(r"\W", separator, name)


@pytest.fixture(scope="session")
def dropout(input_rows: Callable[[str, str], Rows]) -> Dropout:
    """385 effects of 152 trials that should keep pupils in school."""
    rows = input_rows("s09_rve_dropout", "input.csv")
    words = {
        "study_design": ("study_design", "Matched"),
        "adjusted": ("adjusted", "unadjusted data"),
        "outcome": ("outcome", "dropout"),
        "eval": ("evaluator_independence", "Independent"),
        "implement": ("implementation_quality", "Clear problems"),
        "program_site": ("program_site", "community"),
    }
    plain = ("attrition", "group_equivalence", "male_pct", "white_pct", "average_age", "duration", "service_hrs")
    moderators = moderator_columns(
        len(rows),
        {name: [row[header] for row in rows] for name, (header, _) in words.items()}
        | {name: numbers(rows, name) for name in plain},
        {name: reference for name, (_, reference) in words.items()},
    )
    return Dropout(
        effects=numbers(rows, "LOR1"),
        variances=numbers(rows, "varLOR"),
        trials=[row["studyID"] for row in rows],
        samples=[row["studySample"] for row in rows],
        moderators=moderators,
    )
