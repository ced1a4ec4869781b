"""Asking about replicates that differ by more than their assay allows."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from measurements.models import Query, QueryNote, Submission
from measurements.models.assay import DEFAULT_CV_LIMIT
from measurements.plates.replicates import differ, spread
from measurements.services.queries import announce_queries
from measurements.units.spelling import readable_unit

REPLICATES_DIFFER = "replicates_differ"
SETTLED = "The replicates agree now."

# The measurements with replicates at every place that the delivery touched, and the question that is open there.
REPLICATED = """
WITH touched AS (
    SELECT DISTINCT s.participant_id, s.visit_id, r.biomarker_id
    FROM measurements_result r JOIN measurements_specimen s ON s.id = r.specimen_id
    WHERE r.submission_id = %s
)
SELECT t.participant_id, t.visit_id, t.biomarker_id, q.id, max(s.identifier), max(r.run), max(r.unit), max(r.id),
       coalesce(max(a.replicate_cv_limit), %s)::float8, array_agg(r.value::float8 ORDER BY r.replicate)
FROM touched t
JOIN measurements_specimen s ON (s.participant_id, s.visit_id) = (t.participant_id, t.visit_id)
JOIN measurements_result r ON r.specimen_id = s.id AND r.biomarker_id = t.biomarker_id
    AND r.status IN ('final', 'corrected') AND r.value IS NOT NULL AND r.comparator = ''
    AND NOT EXISTS (SELECT 1 FROM measurements_result later WHERE later.supersedes_id = r.id)
LEFT JOIN measurements_assay a ON a.id = r.assay_id
LEFT JOIN measurements_query q ON (q.participant_id, q.visit_id, q.biomarker_id, q.code)
    = (t.participant_id, t.visit_id, t.biomarker_id, 'replicates_differ') AND q.state <> 'closed'
GROUP BY t.participant_id, t.visit_id, t.biomarker_id, q.id, r.specimen_id, r.laboratory_id, r.assay_id, r.run
ORDER BY t.participant_id, t.visit_id, t.biomarker_id, max(r.id)
"""


def ask_about_replicates(submission: Submission) -> None:
    """Open a query where replicates that a delivery touched have a CV above their assay's limit, on the raw scale.

    One that is not closed stays the only one; it is closed where corrections brought the replicates together. The
    caller holds the trial's row, as for `ask_about_several_values`, and asks only where there are replicates.
    """
    with connection.cursor() as cursor:
        cursor.execute(REPLICATED, [submission.pk, DEFAULT_CV_LIMIT])
        lines = cursor.fetchall()
    places: dict[tuple[int, int, int, int | None], list[Any]] = defaultdict(list)
    for line in lines:
        places[line[:4]] += [line] if differ(line[9], line[8]) else []
    asked = [_query(submission, differing[0]) for place, differing in places.items() if differing and place[3] is None]
    announce_queries(Query.objects.bulk_create(asked), laboratory=submission.laboratory)
    _settle(submission, [place[3] for place, differing in places.items() if not differing and place[3] is not None])


def _query(submission: Submission, line: Sequence[Any]) -> Query:
    participant, visit, biomarker, _, specimen, run, unit, result, limit, values = line
    found = spread(values)
    said = " and ".join(f"{value:.6g}" for value in values)
    where = f"specimen {specimen}" + (f", run {run}" if run else "")
    cv = found.cv if found and found.cv is not None else 0.0
    return Query(
        trial_id=submission.trial_id,
        participant_id=participant,
        visit_id=visit,
        biomarker_id=biomarker,
        result_id=result,
        code=REPLICATES_DIFFER,
        question=f"The replicates of {where} are {said} {readable_unit(unit)}: their CV of {cv:.1f}% is above the"
        f" assay's {limit:g}%. Their mean is analysed. Correct the one that is wrong, or say why they stand.",
    )


def _settle(submission: Submission, numbers: list[int]) -> None:
    if not numbers:
        return
    Query.objects.filter(pk__in=numbers).update(state=Query.State.CLOSED, answer=SETTLED, closed_at=timezone.now())
    QueryNote.objects.bulk_create(
        QueryNote(trial_id=submission.trial_id, query_id=number, kind=QueryNote.Kind.CLOSED, text=SETTLED)
        for number in numbers
    )
