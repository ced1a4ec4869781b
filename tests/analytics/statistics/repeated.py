"""Repeated outcomes of the reference trials, and numbers laid out as R lays them out."""

from __future__ import annotations

import csv
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics.statistics.repeated_outcome import RepeatedOutcome

ROOT = Path(__file__).parents[3]
BDI_VISITS = ("bdi_2m", "bdi_3m", "bdi_5m", "bdi_8m")
FEV_VISITS = ("VIS1", "VIS2", "VIS3", "VIS4")
FEV_RACES = ("Asian", "Black or African American", "White")


def beat_the_blues(*, strata: bool, visits: tuple[str, ...] = BDI_VISITS) -> RepeatedOutcome:
    """The trial of computerised therapy (s06), from the product's own copy."""
    with (ROOT / "demo" / "btheb" / "btheb.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    levels = {"drug": ("No", "Yes"), "length": ("<6m", ">6m")} if strata else {}
    return RepeatedOutcome(
        baseline=_numbers(rows, "bdi_pre"),
        values=np.column_stack([_numbers(rows, visit) for visit in visits]),
        arm=np.array([row["treatment"] == "BtheB" for row in rows], dtype=np.int64),
        strata={name: np.array([codes.index(row[name]) for row in rows]) for name, codes in levels.items()},
        arms=("TAU", "BtheB"),
        visits=visits,
        scale="identity",
    )


def fev_trial() -> RepeatedOutcome:
    """The trial with results from SAS (s05), whose input is not part of the product."""
    folder = Path(os.environ.get("REFERENCE_DIR", ROOT.parent / "shared" / "reference")) / "statistics" / "s05_mmrm_fev"
    if not folder.is_dir():
        sentence = f"No reference inputs in {folder}: MMRM is not compared with SAS. Set REFERENCE_DIR."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        warnings.warn(sentence, stacklevel=1)
        pytest.skip(sentence)
    with (folder / "input.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = rows[::4]
    return RepeatedOutcome(
        baseline=_numbers(first, "FEV1_BL"),
        values=_numbers(rows, "FEV1").reshape(-1, 4),
        arm=np.array([row["ARMCD"] == "TRT" for row in first], dtype=np.int64),
        strata={
            "race": np.array([FEV_RACES.index(row["RACE"]) for row in first]),
            "sex": np.array([row["SEX"] == "Female" for row in first], dtype=np.int64),
        },
        arms=("PBO", "TRT"),
        visits=FEV_VISITS,
        scale="identity",
    )


def made_up_trial(seed: int, n: int = 60, visits: int = 3, missing: float = 0.2, **changes: Any) -> RepeatedOutcome:
    """A trial of two arms with correlated visits, the same for the same seed."""
    rng = np.random.default_rng(seed)
    baseline = rng.normal(size=n)
    arm = rng.integers(0, 2, n)
    values = 0.6 * baseline[:, None] + 0.5 * arm[:, None] + rng.normal(size=(n, visits)).cumsum(axis=1)
    values[rng.random(values.shape) < missing] = np.nan
    names = tuple(f"week{k}" for k in range(1, visits + 1))
    given: dict[str, Any] = {
        "baseline": baseline,
        "values": values,
        "arm": arm,
        "strata": {"site": rng.integers(0, 3, n)},
        "arms": ("control", "treatment"),
        "visits": names,
        "scale": "identity",
    }
    return RepeatedOutcome(**{**given, **changes})


def as_numbers(result: Any) -> dict[str, float]:
    """An estimate under the names of R."""
    return {
        "estimate": result.estimate,
        "se": result.standard_error,
        "df": result.df,
        "p": result.p_value,
        "lo": result.ci_low,
        "hi": result.ci_high,
    }


def without_t(numbers: dict[str, float]) -> dict[str, float]:
    """What R gives but the statistic."""
    return {name: value for name, value in numbers.items() if name != "t"}


def _numbers(rows: list[dict[str, str]], column: str) -> np.ndarray:
    return np.array([float(row[column]) if row[column] not in ("", "NA") else np.nan for row in rows])


STRATUM_IN_R = {
    "drugYes": "drug:1",
    "length>6m": "length:1",
    "RACEBlack or African American": "race:1",
    "RACEWhite": "race:2",
    "SEXFemale": "sex:1",
}


def r_coefficient_rows(fit: Any, names: list[str]) -> np.ndarray:
    """R's coefficients (first visit and first level as reference) as contrasts of the design's terms."""
    return np.array([_row(fit, name) for name in names])


def _row(fit: Any, name: str) -> list[float]:
    terms, visits = fit.design.terms, fit.profiles.visits
    if name in STRATUM_IN_R:
        return [float(term == STRATUM_IN_R[name]) for term in terms]
    parts = name.split(":")
    later = next((visit for visit in visits for part in parts if part.endswith(visit)), None)
    arm = fit.profiles.arms[1]
    if any(part.endswith(arm) for part in parts):
        stem = f"arm:{arm}@"
    else:
        stem = "baseline@" if parts[0] in ("bdi_pre", "FEV1_BL") else "visit:"
    if "baseline" in terms and stem == "baseline@":
        return [float(term == "baseline") for term in terms]
    plus, minus = stem + (later or visits[0]), stem + visits[0] if later else None
    return [float(term == plus) - float(term == minus) for term in terms]
