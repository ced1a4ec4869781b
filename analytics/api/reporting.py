"""What a report of the trial begins with: the flow of participants, recruitment, and the table of the baseline."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.api.reporting_shapes import BASELINE_TABLE, CONSORT, RECRUITMENT, REPORT_PROBLEMS
from analytics.api.shapes import run_shape
from analytics.api.views import AnyType
from analytics.models.estimate import POOLED
from analytics.selectors.baseline_table import (
    BaselineTable,
    BiomarkerRow,
    FactorRow,
    baseline_table,
    largest_difference,
)
from analytics.selectors.flow import ArmFlow, trial_flow
from trials import audit
from trials.access import actor_of
from trials.selectors.consort import Reasons
from trials.selectors.recruitment import SiteRecruitment, recruitment_by_site, recruitment_counts
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

CSV = extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR, **REPORT_PROBLEMS})


class Consort(APIView):
    """The flow of participants after CONSORT 2025."""

    @extend_schema(responses={200: CONSORT, **REPORT_PROBLEMS})
    def get(self, request: Request, slug: str) -> Response:
        """Answer the counts as they are now: per arm for those who see allocations, pooled for everybody else."""
        by = actor_of(request)
        flow = trial_flow(visible_trial(slug, by), by)
        counts = asdict(flow.counts)
        reasons = {name: _reasons(counts[name]) for name in ("excluded", "unmet_criteria")}
        arms = [_arm(arm) for arm in flow.arms]
        return Response({**counts, **reasons, "is_analysed": flow.is_analysed, "arms": arms})


def _arm(arm: ArmFlow) -> dict[str, Any]:
    counts = asdict(arm.counts)
    reasons = {name: _reasons(found) for name, found in counts.items() if name.endswith("_reasons")}
    visits = [{**asdict(each), "missed_reasons": _reasons(each.missed_reasons)} for each in arm.visits]
    outcomes = [{**asdict(each), "left_out": _reasons(each.left_out)} for each in arm.outcomes]
    return {**counts, **reasons, "visits": visits, "outcomes": outcomes}


def _reasons(counted: Reasons) -> list[dict[str, Any]]:
    return [{"reason": reason, "count": count} for reason, count in counted]


class Recruitment(APIView):
    """Recruitment against the plan."""

    @extend_schema(responses={200: RECRUITMENT, **REPORT_PROBLEMS})
    def get(self, request: Request, slug: str) -> Response:
        """Answer the curve of the whole trial, and the counts of the sites that the caller may see."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        counts = recruitment_counts(trial, by)
        return Response(
            {
                "trial": trial.slug,
                "planned": counts.planned,
                "starts": counts.starts,
                "ends": counts.ends,
                "randomized": counts.randomized,
                "undated": counts.undated,
                "points": [{"day": day, "randomized": n} for day, n in counts.points],
                "sites": [asdict(site) for site in recruitment_by_site(trial, by)],
            }
        )


@CSV
class RecruitmentCsv(APIView):
    """Recruitment by site and month as CSV."""

    content_negotiation_class = AnyType

    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """Stream one row per site and month, months without anybody among them."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        rows = [row for site in recruitment_by_site(trial, by) for row in _months(site)]
        audit.record_read("table.downloaded", by=by, trial=trial, target=trial, table="recruitment")
        header = ("site", "site_name", "month", "screened", "consented", "randomized", "randomized_so_far")
        return csv_answer(f"{trial.slug}_recruitment", header, rows)


def _months(site: SiteRecruitment) -> Iterator[tuple[object, ...]]:
    so_far = 0
    for each in site.months:
        so_far += each.randomized
        month = each.month.strftime("%Y-%m") if each.month else ""
        yield site.code, site.name, month, each.screened, each.consented, each.randomized, so_far


class Baseline(APIView):
    """Table 1: everybody randomized at baseline."""

    @extend_schema(responses={200: BASELINE_TABLE, **REPORT_PROBLEMS})
    def get(self, request: Request, slug: str) -> Response:
        """Answer the table in full precision; by arm for those who see outcomes by arm, else all arms together."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        table = baseline_table(trial, by)
        return Response(
            {
                **run_shape(trial, table.state),
                "visit": table.visit.code if table.visit else None,
                "arms": [arm.code for arm in table.arms],
                "randomized": _columns(table.randomized),
                "factors": [_factor(each) for each in table.factors],
                "biomarkers": [_biomarker(each) for each in table.biomarkers],
            }
        )


TOTAL = "total"
"""The name of the column of all arms together; an arm's code never stands for it, because it is not in `by_arm`."""


def _columns(found: Any) -> dict[str, Any]:
    return {TOTAL: found[POOLED], "by_arm": {code: each for code, each in found.items() if code != POOLED}}


def _factor(row: FactorRow) -> dict[str, Any]:
    return {
        "code": row.code,
        "name": row.name,
        "levels": [{"code": code, "name": name} for code, name in row.levels],
        "counts": _columns(row.counts),
        "smd": largest_difference(row.differences),
        "differences": [asdict(each) for each in row.differences],
    }


def _biomarker(row: BiomarkerRow) -> dict[str, Any]:
    return {
        "biomarker": row.biomarker.code,
        "name": row.biomarker.name,
        "unit": row.biomarker.unit,
        "scale": row.biomarker.analysis_scale,
        "numbers": _columns(row.numbers),
        "smd": largest_difference(row.differences),
        "differences": [asdict(each) for each in row.differences],
    }


@CSV
class BaselineCsv(APIView):
    """Table 1 as CSV."""

    content_negotiation_class = AnyType

    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """Stream one row per characteristic, statistic and column in full precision; the arm is empty for the total."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        rows = list(_tidy(baseline_table(trial, by)))
        audit.record_read("table.downloaded", by=by, trial=trial, target=trial, table="baseline")
        header = ("characteristic", "level", "unit", "statistic", "arm", "value")
        return csv_answer(f"{trial.slug}_baseline", header, rows)


def _tidy(table: BaselineTable) -> Iterator[tuple[object, ...]]:
    yield from (("randomized", "", "", "n", column, table.randomized[column]) for column in table.columns)
    for factor in table.factors:
        levels = dict.fromkeys([*(code for code, _name in factor.levels), *factor.counts[POOLED]])
        for level in levels:
            for column in table.columns:
                yield factor.code, level, "", "n", column, factor.counts[column].get(level, 0)
                yield factor.code, level, "", "share", column, factor.share(column, level) if level else None
        yield from _differences(factor.code, "", factor, table)
    for row in table.biomarkers:
        for column in table.columns:
            for statistic, value in _statistics(row.numbers.get(column, {})):
                yield row.biomarker.code, "", row.biomarker.unit, statistic, column, value
        yield from _differences(row.biomarker.code, row.biomarker.unit, row, table)


def _differences(
    code: str, unit: str, row: FactorRow | BiomarkerRow, table: BaselineTable
) -> Iterator[tuple[object, ...]]:
    if table.arms:
        yield code, "", unit, "smd", "", largest_difference(row.differences)


def _statistics(numbers: Any) -> Iterator[tuple[str, object]]:
    for name in ("available", "missing", "below_limit"):
        yield name, numbers.get(name)
    for part, names in STATISTICS.items():
        for name in names:
            yield f"{part}_{name}" if part == "geometric" else name, numbers.get(part, {}).get(name)


STATISTICS = {"moments": ("mean", "sd"), "geometric": ("mean", "sd"), "quantiles": ("q1", "median", "q3")}
