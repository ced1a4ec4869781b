"""How complete each visit is, computed from what was recorded and never set by hand."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from django.db import connection
from django.utils import timezone

from trials.access import Actor
from trials.models import Participant, Trial
from trials.selectors.planned_visits import PLANNED, planned_scope

Grid = dict[int, dict[str, dict[str, str]]]
"""Participant's primary key, visit's code, outcome class: `complete`, `incomplete`, `query`, `waiting_for_lab`,
`not_yet_due`, `overdue` or `missed`."""

GRID = f"""
WITH {PLANNED}, done AS (
    SELECT DISTINCT s.participant_id, s.visit_id, r.biomarker_id
    FROM measurements_result r JOIN measurements_specimen s ON s.id = r.specimen_id
    WHERE r.trial_id = %(trial)s AND s.participant_id = ANY(%(participants)s) AND r.status <> 'preliminary'
      AND NOT EXISTS (SELECT 1 FROM measurements_result later WHERE later.supersedes_id = r.id)
), asked AS (
    SELECT DISTINCT participant_id, visit_id, biomarker_id FROM measurements_query
    WHERE trial_id = %(trial)s AND participant_id = ANY(%(participants)s) AND state = 'open'
), drawn AS (
    SELECT DISTINCT participant_id, visit_id, specimen_type FROM measurements_specimen
    WHERE trial_id = %(trial)s AND participant_id = ANY(%(participants)s) AND drawn_at IS NOT NULL
), cell AS (
    SELECT p.id AS participant_id, v.code AS visit, v.position, b.outcome_class,
           count(*) AS expected, count(done.biomarker_id) AS recorded, count(asked.biomarker_id) AS queries,
           bool_or(drawn.participant_id IS NOT NULL)
               OR bool_or(a.attended_on IS NOT NULL AND b.specimen_type <> 'questionnaire') AS is_with_lab,
           bool_or(a.attendance_id IS NOT NULL) AS has_happened, bool_or(a.missed_reason <> '') AS is_missed,
           bool_or(NOT a.is_expected) AS has_left,
           bool_or(CASE
               WHEN p.randomized_on IS NULL THEN %(is_over)s AND p.number IS NOT NULL
               ELSE coalesce(a.last_day < %(today)s, FALSE)
           END) AS is_past
    FROM planned a
    JOIN trials_participant p ON p.id = a.participant_id
    JOIN trials_visit v ON v.id = a.visit_id
    JOIN measurements_biomarker b ON b.trial_id = p.trial_id AND b.is_awaited
    LEFT JOIN done ON (done.participant_id, done.visit_id, done.biomarker_id) = (p.id, v.id, b.id)
    LEFT JOIN asked ON (asked.participant_id, asked.visit_id, asked.biomarker_id) = (p.id, v.id, b.id)
    LEFT JOIN drawn ON (drawn.participant_id, drawn.visit_id, drawn.specimen_type) = (p.id, v.id, b.specimen_type)
    GROUP BY p.id, v.id, b.outcome_class
)
SELECT participant_id, visit, outcome_class, CASE
           WHEN queries > 0 THEN 'query'
           WHEN recorded = expected THEN 'complete'
           WHEN recorded > 0 THEN 'incomplete'
           WHEN is_missed THEN 'missed'
           WHEN is_with_lab THEN 'waiting_for_lab'
           WHEN has_happened THEN 'incomplete'
           WHEN is_past THEN CASE WHEN has_left THEN 'incomplete' ELSE 'overdue' END
           ELSE 'not_yet_due'
       END
FROM cell ORDER BY participant_id, position, visit, outcome_class
"""  # noqa: S608 - built from constants


def status_grid(
    trial: Trial, participants: Iterable[Participant | int], *, by: Actor | None = None, today: date | None = None
) -> Grid:
    """Return the state of every visit and outcome class of these participants, in one query.

    A class is complete when every biomarker of it has a current result, `not_done` among them; what is past its window
    and not there is overdue, unless the participant left or the trial is over: then it is incomplete for good. A window
    that counts from the end of an intervention passes only for a reader `by` who may see the participant's arm.
    """
    keys = [each.pk if isinstance(each, Participant) else each for each in participants]
    scope = planned_scope(
        trial,
        by,
        sites=set(trial.sites.values_list("pk", flat=True)),
        participants=keys,
        today=today or timezone.localdate(),
    )
    grid: Grid = {key: defaultdict(dict) for key in keys}
    with connection.cursor() as cursor:
        cursor.execute(GRID, scope)
        for participant, visit, outcome_class, state in cursor.fetchall():
            grid[participant][visit][outcome_class] = state
    return {participant: dict(visits) for participant, visits in grid.items()}
