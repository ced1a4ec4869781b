"""The values that are analysed, as a table. Imported by workers and exports only, because pandas is heavy."""

import pandas as pd
from django.db import connection

from trials.models import Participant, Trial

COLUMNS = ["participant_id", "participant", "visit", "biomarker", "value", "comparator", "collected_at", "result_id"]

# A measurement is what one laboratory found in one specimen by one assay in one run; its replicates are averaged on the
# analysis scale. One value is taken as it is, so that no digit is lost. A mean of logarithms with a value of zero or
# less does not exist: the lowest value stands for it, which the estimators leave out and count.
ANALYSIS_VALUES = """
WITH measurement AS (
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
    WHERE r.trial_id = %(trial)s AND r.status IN ('final', 'corrected') AND r.value IS NOT NULL
      AND NOT p.data_use_withdrawn
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
"""


def analysis_frame(trial: Trial) -> pd.DataFrame:
    """Return one row per participant, visit and biomarker that has an analysis value, in a fixed order.

    Columns: `participant_id`, `participant`, `visit`, `biomarker` (codes), `value` (float64, canonical unit; the limit
    where censored), `comparator` ("", "<", ">"), `collected_at` (UTC), `result_id` (of the newest replicate). Results
    that are superseded, held, preliminary or not done are not in it, nor are participants who withdrew the use of their
    data (see `withdrawn_count`).
    """
    with connection.cursor() as cursor:
        cursor.execute(ANALYSIS_VALUES, {"trial": trial.pk})
        frame = pd.DataFrame(cursor.fetchall(), columns=COLUMNS)
    frame["value"] = frame["value"].astype("float64")
    frame["collected_at"] = pd.to_datetime(frame["collected_at"], utc=True)
    return frame


def withdrawn_count(trial: Trial) -> int:
    """Return how many participants withdrew the use of their data and are left out."""
    return Participant.objects.filter(trial=trial, data_use_withdrawn=True).count()
