"""Questions about values, answered by those who entered them."""

from django.db import connection
from django.utils import timezone

from measurements.models import Query, Submission
from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.permissions import Permission

LONGEST_ANSWER = 500
SEVERAL_VALUES = "several_values"

# A measurement is one specimen, laboratory, assay and run, as in the frame of analysis values. `is_new` tells a second
# measurement from the correction of one that has been asked about.
MEASUREMENTS = """
WITH touched AS (
    SELECT s.participant_id, s.visit_id, r.biomarker_id,
           bool_or(r.status IN ('final', 'corrected') AND r.value IS NOT NULL
                   AND (old.id IS NULL OR old.status NOT IN ('final', 'corrected') OR old.value IS NULL)) AS is_new
    FROM measurements_result r JOIN measurements_specimen s ON s.id = r.specimen_id
    LEFT JOIN measurements_result old ON old.id = r.supersedes_id
    WHERE r.submission_id = %s
    GROUP BY s.participant_id, s.visit_id, r.biomarker_id
), counted AS (
    SELECT t.participant_id, t.visit_id, t.biomarker_id, t.is_new, max(r.id) AS result_id,
           -- A specimen without a value of this biomarker joins as a row of nulls, which would count as one.
           count(DISTINCT (r.specimen_id, r.laboratory_id, r.assay_id, r.run)) FILTER (WHERE r.id IS NOT NULL)
               AS measurements
    FROM touched t
    JOIN measurements_specimen s ON (s.participant_id, s.visit_id) = (t.participant_id, t.visit_id)
    LEFT JOIN measurements_result r ON r.specimen_id = s.id AND r.biomarker_id = t.biomarker_id
        AND r.status IN ('final', 'corrected') AND r.value IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM measurements_result later WHERE later.supersedes_id = r.id)
    GROUP BY t.participant_id, t.visit_id, t.biomarker_id, t.is_new
)
SELECT c.participant_id, c.visit_id, c.biomarker_id, c.result_id, c.measurements, c.is_new, q.id
FROM counted c
LEFT JOIN measurements_query q ON (q.participant_id, q.visit_id, q.biomarker_id, q.code, q.state)
    = (c.participant_id, c.visit_id, c.biomarker_id, 'several_values', 'open')
WHERE q.id IS NOT NULL OR c.measurements > 1 AND c.is_new
"""


def answer_query(*, query: Query, answer: str, by: Actor) -> Query:
    """Answer an open question about a value. Raises RuleBroken without an answer; an answered one stays as it is."""
    with audit.transaction(by=by, reason=answer.strip()) as event:
        query = (
            Query.objects.select_for_update(of=("self",)).select_related("participant__site", "trial").get(pk=query.pk)
        )
        require(by, Permission.RESULT_RECORD, query.trial, site=query.participant.site)
        if not answer.strip() or len(answer) > LONGEST_ANSWER or not answer.strip().isprintable():
            raise RuleBroken("answer_missing", f"Answer in 1 to {LONGEST_ANSWER} printable characters.", field="reason")
        if query.state == Query.State.OPEN:
            query.answer, query.state = answer.strip(), Query.State.ANSWERED
            query.save(update_fields=["answer", "state"])
        event.record("query.answered", trial=query.trial, target=query)
    return query


def ask_about_several_values(submission: Submission) -> None:
    """Open a query where a delivery makes a second run or specimen count for the same participant, visit and biomarker.

    One that is open stays; it is closed where corrections left a single value. The caller holds the trial's row, so
    that of two deliveries at once the later one sees what the earlier one stored.
    """
    with connection.cursor() as cursor:
        cursor.execute(MEASUREMENTS, [submission.pk])
        places = cursor.fetchall()
    Query.objects.bulk_create(
        Query(
            trial_id=submission.trial_id,
            participant_id=participant,
            visit_id=visit,
            biomarker_id=biomarker,
            result_id=result,
            code=SEVERAL_VALUES,
            question=f"There are {measurements} values from different runs or specimens. The one that was collected"
            " last is analysed. Correct those that do not count, or say why all are right.",
        )
        for participant, visit, biomarker, result, measurements, _, known in places
        if known is None
    )
    settled = [line[6] for line in places if line[6] is not None and line[4] <= 1]
    if settled:
        Query.objects.filter(pk__in=settled).update(
            state=Query.State.CLOSED, answer="One value is left.", closed_at=timezone.now()
        )
