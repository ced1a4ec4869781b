"""Questions about what was recorded: asked by a rule or a person, answered at the site, closed by who may."""

from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from measurements.models import Biomarker, Query, QueryNote, Result, Submission
from measurements.validation import AcceptedRow
from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.lifecycle import Writing
from trials.models import Laboratory, Participant, Visit, Webhook
from trials.permissions import Permission
from trials.services.webhooks import announce
from trials.services.writing import require_writable

Place = tuple[int, int]
"""A participant and a visit, by primary key."""

LONGEST_TEXT = 500
BY_HAND = "by_hand"
SEVERAL_VALUES = "several_values"
MOST_TOLD = 100
"""Of how many queries that one delivery opens webhooks are told the ids; the count is of all."""

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
      AND (s.participant_id, s.visit_id) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))
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

# Most deliveries bring the first values of a place, and are done with this.
MEASURED_BEFORE = """
SELECT DISTINCT place.participant, place.visit FROM unnest(%s::bigint[], %s::bigint[]) AS place (participant, visit)
JOIN measurements_specimen s ON (s.participant_id, s.visit_id) = (place.participant, place.visit)
WHERE EXISTS (SELECT 1 FROM measurements_result r WHERE r.specimen_id = s.id AND r.submission_id <> %s)
"""


def open_query(
    *,
    participant: Participant,
    question: str,
    by: Actor,
    visit: Visit | None = None,
    biomarker: Biomarker | None = None,
    result: Result | None = None,
) -> Query:
    """Ask about a participant, or a visit or value of theirs; the same question asked twice is one while it is open.

    Raises RuleBroken without a question, InConflict where the data are locked.
    """
    question = _said(question, "question", "Ask")
    with audit.transaction(by=by) as event:
        require(by, Permission.QUERY_MANAGE, participant.trial, site=participant.site)
        require_writable(participant.trial, Writing.ANSWERS)
        # Two people, or one who clicks twice, ask one after the other.
        Participant.objects.select_for_update(no_key=True).get(pk=participant.pk)
        query, is_new = Query.objects.exclude(state=Query.State.CLOSED).get_or_create(
            trial=participant.trial,
            participant=participant,
            visit=visit,
            biomarker=biomarker,
            result=result,
            code=BY_HAND,
            question=question,
        )
        if is_new:
            _note(query, QueryNote.Kind.OPENED, question)
            announce_queries([query], laboratory=result.laboratory if result is not None else None)
        event.record("query.opened", trial=participant.trial, target=query)
    return query


def answer_query(*, query: Query, answer: str, by: Actor) -> Query:
    """Answer an open question; one that is answered or closed stays as it is.

    Raises RuleBroken without an answer, InConflict where the data are locked.
    """
    answer = _said(answer, "reason", "Answer")
    with audit.transaction(by=by, reason=answer) as event:
        query = _locked(query)
        require(by, Permission.QUERY_ANSWER, query.trial, site=query.participant.site)
        require_writable(query.trial, Writing.ANSWERS)
        if query.state == Query.State.OPEN:
            query.answer, query.state = answer, Query.State.ANSWERED
            query.save(update_fields=["answer", "state"])
            _note(query, QueryNote.Kind.ANSWERED, answer)
        event.record("query.answered", trial=query.trial, target=query)
    return query


def close_query(*, query: Query, by: Actor, reason: str = "") -> Query:
    """Close a question. One that was not answered needs a reason; asked again, the first closing counts.

    Raises RuleBroken for an unanswered question without a reason, InConflict where the data are locked.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        query = _locked(query)
        require(by, Permission.QUERY_MANAGE, query.trial, site=query.participant.site)
        require_writable(query.trial, Writing.ANSWERS)
        if query.state == Query.State.OPEN:
            reason = _said(reason, "reason", "Nobody has answered yet. Say why the question is closed")
        if query.state != Query.State.CLOSED:
            query.state, query.closed_at = Query.State.CLOSED, timezone.now()
            query.save(update_fields=["state", "closed_at"])
            _note(query, QueryNote.Kind.CLOSED, reason.strip())
        event.record("query.closed", trial=query.trial, target=query)
    return query


def reopen_query(*, query: Query, by: Actor, reason: str) -> Query:
    """Ask again, where an answer does not settle it. Raises RuleBroken without a reason."""
    reason = _said(reason, "reason", "Say what is still unclear")
    with audit.transaction(by=by, reason=reason) as event:
        query = _locked(query)
        require(by, Permission.QUERY_MANAGE, query.trial, site=query.participant.site)
        require_writable(query.trial, Writing.ANSWERS)
        if query.state != Query.State.OPEN:
            query.state, query.closed_at = Query.State.OPEN, None
            query.save(update_fields=["state", "closed_at"])
            _note(query, QueryNote.Kind.REOPENED, reason)
        event.record("query.reopened", trial=query.trial, target=query)
    return query


def announce_queries(opened: Sequence[Query], *, laboratory: Laboratory | None) -> None:
    """Tell webhooks that queries of one trial were opened; `laboratory` is the one whose results they are about.

    Their ids are told and nothing of what they ask: who may read a query finds it by its id. Of those about what tells
    an arm nobody is told.
    """
    telling = Q(biomarker__tells_arm=True) | Q(result__biomarker__tells_arm=True)
    hidden = set(Query.objects.filter(telling, pk__in=[each.pk for each in opened]).values_list("pk", flat=True))
    opened = [each for each in opened if each.pk not in hidden]
    if opened:
        trial = opened[0].trial
        told = {
            "count": len(opened),
            "queries": [query.pk for query in opened[:MOST_TOLD]],
            "url": f"/trials/{trial.slug}/queries/",
        }
        announce(Webhook.Event.QUERY_OPENED, trial=trial, laboratory=laboratory, data=told)


def _said(text: str, field: str, ask: str) -> str:
    text = text.strip()
    if not text or len(text) > LONGEST_TEXT or not text.isprintable():
        raise RuleBroken(f"{field}_missing", f"{ask} in 1 to {LONGEST_TEXT} printable characters.", field=field)
    return text


def _locked(query: Query) -> Query:
    found = Query.objects.select_for_update(of=("self",)).select_related("participant__site", "trial")
    return found.get(pk=query.pk)


def _note(query: Query, kind: str, text: str) -> None:
    QueryNote.objects.create(trial_id=query.trial_id, query=query, kind=kind, text=text)


def ask_about_several_values(submission: Submission, rows: Iterable[AcceptedRow]) -> None:
    """Open a query where a delivery makes a second run or specimen count for the same participant, visit and biomarker.

    `rows` are those that were written. A query that is open stays; it is closed where corrections left a single value.
    The caller holds the trial's row, so that of two deliveries at once the later one sees what the earlier one stored.
    """
    crowded = _crowded(submission, rows)
    if not crowded:
        return
    with connection.cursor() as cursor:
        cursor.execute(MEASUREMENTS, [submission.pk, *_columns(crowded)])
        places = cursor.fetchall()
    opened = Query.objects.bulk_create(
        Query(
            trial=submission.trial,
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
    announce_queries(opened, laboratory=submission.laboratory)
    settled = [line[6] for line in places if line[6] is not None and line[4] <= 1]
    if settled:
        Query.objects.filter(pk__in=settled).update(
            state=Query.State.CLOSED, answer="One value is left.", closed_at=timezone.now()
        )


def _crowded(submission: Submission, rows: Iterable[AcceptedRow]) -> set[Place]:
    """Return the places, as participant and visit, where there may be more than one measurement of a biomarker."""
    brought: dict[tuple[int, int, int], tuple[str, str | None, str | None]] = {}
    places, crowded = set(), set()
    for row in rows:
        if row.participant_pk is None or row.visit_pk is None:
            continue
        place, measurement = (row.participant_pk, row.visit_pk), (row.specimen, row.assay, row.run)
        places.add(place)
        if brought.setdefault((*place, row.biomarker_pk), measurement) != measurement:
            crowded.add(place)
    with connection.cursor() as cursor:
        cursor.execute(MEASURED_BEFORE, [*_columns(places), submission.pk])
        return crowded | set(cursor.fetchall())


def _columns(places: set[Place]) -> tuple[list[int], list[int]]:
    ordered = sorted(places)
    return [participant for participant, _ in ordered], [visit for _, visit in ordered]
