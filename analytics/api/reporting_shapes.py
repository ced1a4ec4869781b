"""How the flow, recruitment and the table of the baseline describe themselves in OpenAPI."""

from typing import Any

from analytics.api.shapes import COUNT, COUNTS, MAYBE, NUMBER, PROBLEM, TEXT

MAYBE_COUNT: dict[str, Any] = {"type": "integer", "nullable": True}
FLAG: dict[str, Any] = {"type": "boolean"}
REPORT_PROBLEMS = {401: PROBLEM, 404: PROBLEM}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


REASONS = _list(_object(reason=TEXT, count=COUNT))
CLUSTERS = _object(groups=COUNT, median_size=NUMBER, smallest=COUNT, largest=COUNT) | {"nullable": True}
VISIT = _object(
    code=TEXT, name=TEXT, attended=COUNT, missed=COUNT, missed_reasons=REASONS, measured=COUNT, not_yet_due=COUNT
)
OUTCOME = _object(biomarker=TEXT, name=TEXT, visit=TEXT, visit_name=TEXT, analysed=COUNT, left_out=REASONS)
_ENDS = ("withdrawn", "lost_to_follow_up", "died", "completed", "data_use_withdrawn", "followed")
_ARM_REASONS = ("not_started_reasons", "discontinued_reasons", "lost_reasons", "withdrawn_reasons")
CONSORT = _object(
    assessed=MAYBE_COUNT,
    excluded=REASONS,
    unmet_criteria=REASONS,
    consented=MAYBE_COUNT,
    randomized=COUNT,
    randomized_in_error=COUNT,
    clusters=CLUSTERS,
    **dict.fromkeys(("is_pooled", "is_over", "is_analysed"), FLAG),
    arms=_list(
        _object(
            code=TEXT,
            name=TEXT,
            kind=TEXT,
            allocated=COUNT,
            **dict.fromkeys(("received", "not_started", "discontinued", "crossed_over"), MAYBE_COUNT),
            **dict.fromkeys((*_ENDS, "randomized_in_error"), COUNT),
            **dict.fromkeys(_ARM_REASONS, REASONS),
            clusters=CLUSTERS,
            visits=_list(VISIT),
            outcomes=_list(OUTCOME),
        )
    ),
)
MONTH = _object(month=MAYBE, screened=COUNT, consented=COUNT, randomized=COUNT)
RECRUITMENT = _object(
    trial=TEXT,
    planned=MAYBE_COUNT,
    starts=MAYBE,
    ends=MAYBE,
    randomized=COUNT,
    undated=COUNT,
    points=_list(_object(day=TEXT, randomized=COUNT)),
    sites=_list(
        _object(
            code=TEXT,
            name=TEXT,
            **dict.fromkeys(("screened", "eligible", "consented"), MAYBE_COUNT),
            randomized=COUNT,
            rate=NUMBER,
            share=NUMBER,
            months=_list(MONTH),
        )
    ),
)
DIFFERENCES = _list(_object(arm=TEXT, other=TEXT, value=NUMBER))
ANYTHING: dict[str, Any] = {"type": "object", "additionalProperties": True}
BASELINE_TABLE = _object(
    trial=TEXT,
    data_version=MAYBE_COUNT,
    trial_data_version=COUNT,
    stale={"type": "boolean"},
    computed_at=MAYBE,
    plan=MAYBE,
    method_version=MAYBE,
    failed_since=MAYBE,
    failure=MAYBE,
    visit=MAYBE,
    arms=_list(TEXT),
    randomized=_object(total=COUNT, by_arm=COUNTS),
    factors=_list(
        _object(
            code=TEXT,
            name=TEXT,
            levels=_list(_object(code=TEXT, name=TEXT)),
            counts=_object(total=COUNTS, by_arm=ANYTHING),
            smd=NUMBER,
            differences=DIFFERENCES,
        )
    ),
    biomarkers=_list(
        _object(
            biomarker=TEXT,
            name=TEXT,
            unit=TEXT,
            scale=TEXT,
            numbers=_object(total=ANYTHING, by_arm=ANYTHING),
            smd=NUMBER,
            differences=DIFFERENCES,
        )
    ),
)
