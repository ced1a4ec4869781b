"""The values that are analysed, as a table. Imported by workers and exports only, because pandas is heavy."""

import pandas as pd
from django.conf import settings
from django.db import connection

from trials.models import Participant, Trial
from trials.selectors.planned_visits import CROSSED

COLUMNS = ["participant_id", "participant", "visit", "biomarker", "value", "comparator", "collected_at", "result_id"]

# What was measured after a participant crossed over never enters the controlled comparison: by its day where that is
# known, by its place in the plan where it is not; a visit after the end of an intervention then counts as after the one
# crossed over to. Readers who may not see who crossed over (`arm_sites`, null for
# nobody in particular) get a rule that is the same for everybody: the comparison ends with its last planned visit.
COLLECTED = f"(coalesce(r.collected_at, s.drawn_at) AT TIME ZONE '{settings.TIME_ZONE}')::date"
DAY_OF_VALUE = f"coalesce({COLLECTED}, a.attended_on)"
AFTER_CROSS_OVER = f"""CASE
        WHEN %(arm_sites)s::bigint[] IS NULL OR p.site_id = ANY(%(arm_sites)s) THEN
            crossed.day IS NOT NULL
            AND coalesce(
                {DAY_OF_VALUE} > crossed.day,
                v.anchor = 'intervention_end' OR (v.position, v.id) > (controlled.position, controlled.id)
            )
        ELSE controlled.is_ended AND (v.position, v.id) > (controlled.position, controlled.id)
    END"""

AROUND_CROSS_OVER = """JOIN trials_visit v ON v.id = s.visit_id
    CROSS JOIN controlled
    LEFT JOIN crossed ON crossed.participant_id = p.id
    LEFT JOIN trials_attendance a ON (a.participant_id, a.visit_id) = (p.id, v.id)"""

# A measurement is what one laboratory found in one specimen by one assay in one run; its replicates are averaged on the
# analysis scale. One value is taken as it is, so that no digit is lost. A mean of logarithms with a value of zero or
# less does not exist: the lowest value stands for it, which the estimators leave out and count.
ANALYSIS_VALUES = f"""
WITH {CROSSED}, measurement AS (
    SELECT s.participant_id, s.visit_id, r.biomarker_id,
           max(coalesce(r.collected_at, s.drawn_at)) AS collected_at,
           max(r.performed_on) AS performed_on,
           max(r.id) AS result_id,
           CASE
               WHEN count(*) = 1 THEN max(r.value)::float8
               WHEN b.analysis_scale = 'identity' THEN avg(r.value)::float8
               WHEN min(r.value) <= 0 THEN min(r.value)::float8
               ELSE exp(avg(ln(greatest(r.value, 1e-18)::float8)))
           END AS value,
           CASE WHEN bool_or(r.comparator = '<') THEN '<' WHEN bool_or(r.comparator = '>') THEN '>' ELSE '' END AS mark
    FROM measurements_result r
    JOIN measurements_specimen s ON s.id = r.specimen_id AND s.trial_id = r.trial_id
    JOIN trials_participant p ON p.id = s.participant_id AND p.trial_id = r.trial_id
    JOIN measurements_biomarker b ON b.id = r.biomarker_id AND b.trial_id = r.trial_id
    {AROUND_CROSS_OVER}
    WHERE r.trial_id = %(trial)s AND r.status IN ('final', 'corrected') AND r.value IS NOT NULL
      AND NOT p.data_use_withdrawn AND NOT {AFTER_CROSS_OVER}
      AND NOT EXISTS (SELECT 1 FROM measurements_result later WHERE later.supersedes_id = r.id)
    GROUP BY s.participant_id, s.visit_id, r.biomarker_id, b.analysis_scale,
             r.specimen_id, r.laboratory_id, r.assay_id, r.run
), chosen AS (
    SELECT DISTINCT ON (participant_id, visit_id, biomarker_id) *
    FROM measurement
    ORDER BY participant_id, visit_id, biomarker_id,
             collected_at DESC NULLS LAST, performed_on DESC NULLS LAST, result_id DESC
)
SELECT chosen.participant_id, p.code, v.code, b.code, chosen.value, chosen.mark, chosen.collected_at, chosen.result_id
FROM chosen
JOIN trials_participant p ON p.id = chosen.participant_id
JOIN trials_visit v ON v.id = chosen.visit_id
JOIN measurements_biomarker b ON b.id = chosen.biomarker_id
ORDER BY chosen.participant_id, v.position, v.id, b.position, b.id
"""  # noqa: S608 - built from constants

# The first reason that applies counts, so that a result is counted once.
EXCLUDED = f"""
WITH {CROSSED}
SELECT CASE
           WHEN p.data_use_withdrawn THEN 'data_use_withdrawn'
           WHEN r.status = 'not_done' THEN 'not_done'
           WHEN r.status = 'preliminary' THEN 'preliminary'
           WHEN r.value IS NULL THEN 'no_value'
           ELSE 'after_cross_over'
       END AS reason, count(*)
FROM measurements_result r
JOIN measurements_specimen s ON s.id = r.specimen_id AND s.trial_id = r.trial_id
JOIN trials_participant p ON p.id = s.participant_id AND p.trial_id = r.trial_id
{AROUND_CROSS_OVER}
WHERE r.trial_id = %(trial)s AND NOT EXISTS (SELECT 1 FROM measurements_result later WHERE later.supersedes_id = r.id)
  AND (p.data_use_withdrawn OR r.status NOT IN ('final', 'corrected') OR r.value IS NULL OR {AFTER_CROSS_OVER})
GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - built from constants


def analysis_frame(trial: Trial) -> pd.DataFrame:
    """Return one row per participant, visit and biomarker that has an analysis value, in a fixed order.

    Columns: `participant_id`, `participant`, `visit`, `biomarker` (codes), `value` (float64, canonical unit; the limit
    where censored), `comparator` ("", "<", ">"), `collected_at` (UTC), `result_id` (of the newest replicate). Results
    that are superseded, held, preliminary or not done are not in it, nor is what was measured after a cross-over (see
    `excluded_values`), nor are participants who withdrew the use of their data (see `withdrawn_count`).
    """
    with connection.cursor() as cursor:
        cursor.execute(ANALYSIS_VALUES, {"trial": trial.pk, "arm_sites": None})
        frame = pd.DataFrame(cursor.fetchall(), columns=COLUMNS)
    frame["value"] = frame["value"].astype("float64")
    frame["collected_at"] = pd.to_datetime(frame["collected_at"], utc=True)
    return frame


def count_told_to_all(trial: Trial, analysed: int) -> int:
    """Return how many analysed values everybody may be told of; `analysed` in trials where no arm crosses over.

    A count that rises with a value of one participant and not of another would tell who crossed over. This one follows
    the rule that is the same for all: nothing after the last controlled visit. What tells an arm is not in it.
    """
    tells = trial.biomarkers.filter(tells_arm=True).exists()
    if not tells and not trial.arms.exclude(crosses_over_to=None).exists():
        return analysed
    names = ", ".join(COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM ({ANALYSIS_VALUES}) AS used ({names}) "  # noqa: S608 - built from constants
            "JOIN trials_allocation USING (participant_id) "
            "WHERE biomarker NOT IN (SELECT code FROM measurements_biomarker WHERE trial_id = %(trial)s AND tells_arm)",
            {"trial": trial.pk, "arm_sites": []},
        )
        return int(cursor.fetchone()[0])


def excluded_values(trial: Trial) -> dict[str, int]:
    """Return how many current results are not analysed, by reason: the rows that are out.

    `data_use_withdrawn`, `not_done`, `preliminary`, `no_value`, `after_cross_over`. The last tells how much is known of
    those who crossed over: it is for readers who may see every arm, and none else.
    """
    with connection.cursor() as cursor:
        cursor.execute(EXCLUDED, {"trial": trial.pk, "arm_sites": None})
        return dict(cursor.fetchall())


def withdrawn_count(trial: Trial) -> int:
    """Return how many participants withdrew the use of their data and are left out."""
    return Participant.objects.filter(trial=trial, data_use_withdrawn=True).count()
