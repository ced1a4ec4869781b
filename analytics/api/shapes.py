"""What the API says of estimates and exports, and how that describes itself in OpenAPI."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter

from analytics.models import ArmDescription, EffectEstimate, Export
from analytics.selectors.runs import Freshness
from trials.models import Trial

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number", "nullable": True}
COUNT: dict[str, Any] = {"type": "integer"}
MAYBE: dict[str, Any] = {"type": "string", "nullable": True}
COUNTS: dict[str, Any] = {"type": "object", "additionalProperties": COUNT}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


NUMBERS = ("estimate", "standard_error", "df", "ci_low", "ci_high", "p_value", "p_holm", "p_bh", "oriented_estimate")
WORDS = ("population", "missing", "role", "method", "measure", "arm", "reference_arm")
REASON = _object(code=TEXT, sentence=TEXT) | {"nullable": True}
ESTIMATE = _object(
    biomarker=TEXT,
    visit=TEXT,
    **dict.fromkeys(WORDS, TEXT),
    **dict.fromkeys(NUMBERS, NUMBER),
    n=COUNTS,
    n_randomized=COUNTS,
    not_estimable=REASON,
    formula=TEXT,
    notes={"type": "array", "items": TEXT},
)
DESCRIPTION = _object(biomarker=TEXT, visit=TEXT, arm=TEXT, uncertainty=REASON) | {"additionalProperties": True}
_RUN = {
    "trial": TEXT,
    "data_version": {"type": "integer", "nullable": True},
    "trial_data_version": COUNT,
    "stale": {"type": "boolean"},
    "computed_at": {"type": "string", "format": "date-time", "nullable": True},
    "after_unlock": {"type": "boolean"},
    "plan": MAYBE,
    "method_version": MAYBE,
    "failed_since": {"type": "string", "format": "date-time", "nullable": True},
    "failure": MAYBE,
}
ESTIMATES = _object(**_RUN, estimates={"type": "array", "items": ESTIMATE})
DESCRIPTIVES = _object(**_RUN, descriptives={"type": "array", "items": DESCRIPTION})
EXPORT = _object(
    id=TEXT,
    trial=TEXT,
    state={"type": "string", "enum": list(Export.State.values)},
    progress=COUNT,
    requested_at=TEXT,
    finished_at=MAYBE,
    data_version={"type": "integer", "nullable": True},
    data_sha256=MAYBE,
    sha256=MAYBE,
    size={"type": "integer", "nullable": True},
    failure=MAYBE,
    download=MAYBE,
)
PROBLEM = _object(type=TEXT, title=TEXT, status=COUNT, detail=TEXT, code=TEXT)
PROBLEMS = {401: PROBLEM, 403: PROBLEM, 404: PROBLEM}
FILTERS = [
    OpenApiParameter(name, str, description=f"Only this {name}.")
    for name in ("biomarker", "visit", "method", "measure")
]


def run_shape(trial: Trial, state: Freshness) -> dict[str, Any]:
    """Return what is said of the run that numbers come from; `stale` where the trial's data are newer."""
    run, failed = state.run, state.failed
    return {
        "trial": trial.slug,
        "data_version": run.data_version if run else None,
        "trial_data_version": state.data_version,
        "stale": state.is_stale,
        "computed_at": run.computed_at if run else None,
        "after_unlock": run.after_unlock if run else False,
        "plan": f"sha256:{run.plan.sha256}" if run else None,
        "method_version": run.method_version if run else None,
        "failed_since": failed.computed_at if failed else None,
        "failure": failed.failure if failed else None,
    }


def estimate_shape(row: EffectEstimate) -> dict[str, Any]:
    """Return one estimate in full precision."""
    reason = {"code": row.not_estimable_code, "sentence": row.not_estimable} if row.not_estimable_code else None
    return {
        "biomarker": row.biomarker.code,
        "visit": row.visit.code,
        **{name: getattr(row, name) for name in (*WORDS, *NUMBERS)},
        "n": row.n,
        "n_randomized": row.n_randomized,
        "not_estimable": reason,
        "formula": row.formula,
        "notes": row.notes,
    }


def description_shape(row: ArmDescription) -> dict[str, Any]:
    """Return the descriptive statistics of one arm at one visit; `uncertainty` says why intervals are null, if so."""
    codes = {"biomarker": row.biomarker.code, "visit": row.visit.code, "arm": row.arm}
    return {**codes, "uncertainty": None, **row.numbers}


def export_shape(export: Export) -> dict[str, Any]:
    """Return the state of an export, with the address of its file once it is finished."""
    is_finished = export.state == Export.State.FINISHED
    return {
        "id": str(export.reference),
        "trial": export.trial.slug,
        "state": export.state,
        "progress": export.progress,
        "requested_at": export.requested_at,
        "finished_at": export.finished_at,
        "data_version": export.data_version,
        "data_sha256": export.data_sha256 or None,
        "sha256": export.sha256 or None,
        "size": export.size,
        "failure": export.failure or None,
        "download": reverse("api-export-download", args=[export.reference]) if is_finished else None,
    }
