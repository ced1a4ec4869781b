"""The tables of an export as SQL, one row per thing, restricted to what the scope may hold.

Text is made harmless for spreadsheets in SQL, because the rows never pass through Python objects.
"""

from collections.abc import Callable, Mapping
from typing import Any

from psycopg import sql

from analytics.exports.rights import Scope

# Study days have no day 0: 1 on the day of randomization, the plain difference before it.
STUDY_DAY = "({day} - p.randomized_on) + CASE WHEN {day} >= p.randomized_on THEN 1 ELSE 0 END"

FORMULA_START, NUMBER = r"^[=+@\t\r\n-]", r"^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$"


def text_cell(expression: str) -> str:
    """Return SQL for a text cell that no spreadsheet takes for a formula; numbers keep their minus sign."""
    return (
        f"CASE WHEN {expression} ~ '{FORMULA_START}' AND {expression} !~ '{NUMBER}' "
        f"THEN '''' || {expression} ELSE {expression} END"
    )


def _columns(columns: Mapping[str, str]) -> sql.Composable:
    parts = [sql.SQL(expression) + sql.SQL(" AS ") + sql.Identifier(name) for name, expression in columns.items()]
    return sql.SQL(", ").join(parts)


def _strata(scope: Scope) -> dict[str, str]:
    """Return one column per stratification factor; the factor's code is a literal of the query."""
    return {
        f"stratum_{code}": text_cell(sql.SQL("(p.strata ->> {})").format(sql.Literal(code)).as_string(None))
        for code in scope.factors
    }


def _arm(scope: Scope) -> dict[str, str]:
    """Return the arm's column, or none: a blinded file has no such column at all."""
    if not scope.rights.arm_sites:
        return {}
    return {"arm": f"CASE WHEN p.site_id = ANY(%(arm_sites)s) THEN {text_cell('arm.code')} END"}


def _reference_arm(scope: Scope) -> dict[str, str]:
    """Return the column of the arm that the others are compared with, for those who may see arms."""
    code = "(SELECT code FROM trials_arm WHERE trial_id = p.trial_id AND is_reference)"
    return {"reference_arm": text_cell(code)} if scope.rights.arm_sites else {}


def participants(scope: Scope) -> sql.Composable:
    """One row per participant."""
    columns = {
        "participant": text_cell("p.code"),
        "site": text_cell("site.code"),
        "state": "p.state",
        "randomized": "(allocation.id IS NOT NULL)::int",
        "data_use_withdrawn": "p.data_use_withdrawn::int",
        **_strata(scope),
        **_arm(scope),
    }
    return sql.SQL(
        """SELECT {columns} FROM trials_participant p
        JOIN trials_site site ON site.id = p.site_id
        LEFT JOIN trials_allocation allocation ON allocation.participant_id = p.id AND allocation.trial_id = p.trial_id
        LEFT JOIN trials_arm arm ON arm.id = allocation.arm_id
        WHERE p.trial_id = %(trial)s AND p.site_id = ANY(%(sites)s)
        ORDER BY p.number NULLS LAST, p.screening_number, p.id"""
    ).format(columns=_columns(columns))


def results(scope: Scope) -> sql.Composable:
    """One row per result, superseded ones among them and marked; none of people who withdrew the use of their data."""
    columns = {
        "result": "r.id",
        "participant": text_cell("p.code"),
        "site": text_cell("site.code"),
        "visit": text_cell("v.code"),
        "biomarker": text_cell("b.code"),
        "specimen": text_cell("s.identifier"),
        "laboratory": text_cell("l.code"),
        "assay": text_cell("assay.code"),
        "run": text_cell("r.run"),
        "replicate": "r.replicate",
        "revision": "r.revision",
        "is_current": "(later.id IS NULL)::int",
        "status": "r.status",
        "value_as_sent": text_cell("r.value_as_sent"),
        "unit_as_sent": text_cell("r.unit_as_sent"),
        "comparator": "r.comparator",
        "flag": text_cell("r.flag"),
        "value": "trim_scale(r.value)",
        "unit": text_cell("r.unit"),
        "limit_of_quantification": "trim_scale(r.limit_of_quantification)",
        "study_day": STUDY_DAY.format(day="(coalesce(r.collected_at, s.drawn_at) AT TIME ZONE 'UTC')::date"),
        "reason": text_cell("r.reason"),
    }
    return sql.SQL(
        """SELECT {columns} FROM measurements_result r
        JOIN measurements_specimen s ON s.id = r.specimen_id AND s.trial_id = r.trial_id
        JOIN trials_participant p ON p.id = s.participant_id AND p.trial_id = r.trial_id
        JOIN trials_site site ON site.id = p.site_id
        JOIN trials_visit v ON v.id = s.visit_id
        JOIN measurements_biomarker b ON b.id = r.biomarker_id AND b.trial_id = r.trial_id
        JOIN trials_laboratory l ON l.id = r.laboratory_id
        LEFT JOIN measurements_assay assay ON assay.id = r.assay_id
        LEFT JOIN measurements_result later ON later.supersedes_id = r.id
        WHERE r.trial_id = %(trial)s AND p.site_id = ANY(%(sites)s) AND NOT p.data_use_withdrawn
          AND (NOT b.tells_arm OR p.site_id = ANY(%(arm_sites)s))
        ORDER BY r.id"""
    ).format(columns=_columns(columns))


def analysis(scope: Scope) -> sql.Composable:
    """One row per randomized participant, biomarker and follow-up visit, with the baseline beside the follow-up."""
    # Its module brings pandas, which the web server does without until somebody asks for this table.
    from measurements.selectors.frames import ANALYSIS_VALUES

    columns = {
        "participant": text_cell("p.code"),
        "site": text_cell("site.code"),
        **_strata(scope),
        **_arm(scope),
        **_reference_arm(scope),
        "biomarker": text_cell("b.code"),
        "visit": text_cell("v.code"),
        "unit": text_cell("b.unit"),
        "scale": "b.analysis_scale",
        "orientation": "CASE b.direction WHEN 'beneficial' THEN 1 WHEN 'harmful' THEN -1 END",
        "baseline": "before.value",
        "baseline_comparator": "before.comparator",
        "follow_up": "after.value",
        "follow_up_comparator": "after.comparator",
    }
    return sql.SQL(
        """WITH used (participant_id, participant, visit, biomarker, value, comparator, collected_at, result_id)
            AS MATERIALIZED ({values})
        SELECT {columns} FROM trials_participant p
        JOIN trials_site site ON site.id = p.site_id
        JOIN trials_allocation allocation ON allocation.participant_id = p.id AND allocation.trial_id = p.trial_id
        JOIN trials_arm arm ON arm.id = allocation.arm_id
        JOIN measurements_biomarker b ON b.trial_id = p.trial_id
        JOIN trials_visit v ON v.trial_id = p.trial_id AND v.kind <> 'baseline'
        JOIN trials_visit first ON first.trial_id = p.trial_id AND first.kind = 'baseline'
        LEFT JOIN used before ON (before.participant_id, before.visit, before.biomarker) = (p.id, first.code, b.code)
        LEFT JOIN used after ON (after.participant_id, after.visit, after.biomarker) = (p.id, v.code, b.code)
        WHERE p.trial_id = %(trial)s AND p.site_id = ANY(%(sites)s)
          AND (NOT b.tells_arm OR p.site_id = ANY(%(arm_sites)s))
        ORDER BY b.position, b.id, v.position, v.id, p.number, p.id"""
    ).format(values=sql.SQL(ANALYSIS_VALUES), columns=_columns(columns))


def estimates(scope: Scope) -> sql.Composable:
    """One row per estimate of the newest run, in full precision; n of the arm and of the reference arm."""
    columns = {
        **{name: f"e.{name}" for name in ("population", "missing", "role", "method", "measure")},
        "arm": text_cell("e.arm"),
        "reference_arm": text_cell("e.reference_arm"),
        **{name: f"e.{name}" for name in ("estimate", "standard_error", "df", "ci_low", "ci_high")},
        **{name: f"e.{name}" for name in ("p_value", "p_holm", "p_bh", "oriented_estimate")},
        **{
            f"{counts}_{place}": f"(e.{counts} ->> e.{place})::int"
            for counts in ("n", "n_randomized")
            for place in ("arm", "reference_arm")
        },
        "not_estimable": "e.not_estimable_code",
        "reason": "e.not_estimable",
        "formula": "e.formula",
        "notes": text_cell("(SELECT string_agg(note, ' ') FROM jsonb_array_elements_text(e.notes) note)"),
        "data_version": "run.data_version",
    }
    leading = {"biomarker": text_cell("b.code"), "visit": text_cell("v.code")}
    return sql.SQL(
        """SELECT {columns} FROM analytics_effectestimate e
        JOIN analytics_estimaterun run ON run.id = e.run_id
        JOIN measurements_biomarker b ON b.id = e.biomarker_id
        JOIN trials_visit v ON v.id = e.visit_id
        WHERE e.run_id = %(run)s AND e.trial_id = %(trial)s ORDER BY e.id"""
    ).format(columns=_columns({**leading, **columns}))


TABLES: Mapping[str, Callable[[Scope], sql.Composable]] = {
    "participants": participants,
    "results": results,
    "analysis": analysis,
    "estimates": estimates,
}
"""Every table that can be taken away. `estimates` is for those who see effects."""


def parameters(scope: Scope) -> dict[str, Any]:
    """Return what the queries are run with."""
    return {
        "trial": scope.trial.pk,
        "sites": list(scope.rights.sites),
        "arm_sites": list(scope.rights.arm_sites),
        "run": scope.run.pk if scope.run else None,
    }
