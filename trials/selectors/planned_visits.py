"""Every planned visit of every participant with its dates and state, as SQL that selectors of two apps build on.

The windows of visits that count from the end of an intervention tell who has one. Where the caller may not see arms
(`arm_sites`) they are not computed at all, for nobody, so that no row differs by arm.
"""

from datetime import date
from typing import Any

from trials.access import Actor, allocation_sites
from trials.models import Trial, Visit

OVER = frozenset({Trial.Status.LOCKED, Trial.Status.UNBLINDED, Trial.Status.ARCHIVED})

# Events that were struck as mistakes count for nothing, and strike nothing themselves.
EVENT_COUNTS = """e.trial_id = %(trial)s AND e.retracts_id IS NULL
      AND NOT EXISTS (SELECT FROM trials_participantevent struck WHERE struck.retracts_id = e.id)"""

CROSSED = f"""
crossed AS (
    SELECT e.participant_id, min(e.occurred_on) AS day FROM trials_participantevent e
    WHERE e.kind = 'crossed_over' AND {EVENT_COUNTS}
    GROUP BY e.participant_id
), controlled AS (
    SELECT v.position, v.id,
           EXISTS (SELECT FROM trials_arm WHERE trial_id = %(trial)s AND crosses_over_to_id IS NOT NULL) AS is_ended
    FROM trials_visit v WHERE v.trial_id = %(trial)s
    ORDER BY v.kind = 'six_months' DESC, v.position DESC, v.id DESC LIMIT 1
)"""  # noqa: S608 - built from constants
"""Who crossed over and when; the last visit of the controlled comparison, and whether any arm crosses over."""

PLANNED = f"""
ended AS (
    SELECT e.participant_id, min(e.occurred_on) AS day FROM trials_participantevent e
    WHERE e.kind IN ('intervention_ended', 'intervention_discontinued') AND {EVENT_COUNTS}
    GROUP BY e.participant_id
), {CROSSED}, anchored AS (
    SELECT p.id AS participant_id, p.code AS participant, p.number, p.site_id, v.id AS visit_id, v.position,
           a.id AS attendance_id, a.attended_on, coalesce(a.missed_category, '') AS missed_category,
           coalesce(a.missed_reason, '') AS missed_reason, coalesce(a.note, '') AS note,
           a.completed_at, a.locked_at, coalesce(a.locked_by, '') AS locked_by,
           v.window_from, v.target_day, v.window_to,
           v.anchor = 'intervention_end' AND p.site_id <> ALL(%(arm_sites)s) AS is_hidden,
           p.state NOT IN ('withdrawn', 'lost_to_follow_up', 'died', 'excluded') AND NOT %(is_over)s AS is_expected,
           p.site_id = ANY(%(arm_sites)s) AND crossed.day IS NOT NULL
               AND ((v.position, v.id) > (controlled.position, controlled.id) OR v.anchor = 'intervention_end'
                    AND coalesce(a.attended_on > crossed.day, ended.day >= crossed.day, TRUE)) AS is_extension,
           CASE
               WHEN v.anchor = 'randomization' THEN p.randomized_on
               WHEN p.site_id = ANY(%(arm_sites)s) THEN ended.day
           END AS anchor
    FROM trials_participant p
    JOIN trials_visit v ON v.trial_id = p.trial_id
    CROSS JOIN controlled
    LEFT JOIN trials_attendance a ON (a.participant_id, a.visit_id) = (p.id, v.id)
    LEFT JOIN ended ON ended.participant_id = p.id
    LEFT JOIN crossed ON crossed.participant_id = p.id
    WHERE p.trial_id = %(trial)s AND p.site_id = ANY(%(sites)s)
      AND (%(participants)s::bigint[] IS NULL OR p.id = ANY(%(participants)s))
), dated AS (
    SELECT *, anchor + (window_from - (window_from > 0)::int) AS first_day,
           anchor + (target_day - (target_day > 0)::int) AS target,
           anchor + (window_to - (window_to > 0)::int) AS last_day
    FROM anchored
), planned AS (
    SELECT *, CASE
               WHEN attended_on NOT BETWEEN first_day AND last_day THEN 'out_of_window'
               WHEN attended_on IS NOT NULL THEN 'attended'
               WHEN missed_reason <> '' THEN 'missed'
               WHEN NOT is_expected THEN 'not_expected'
               WHEN anchor IS NULL THEN 'no_date'
               WHEN %(today)s < first_day THEN 'not_yet_due'
               WHEN %(today)s <= last_day THEN 'due'
               ELSE 'overdue'
           END AS state
    FROM dated
)"""  # noqa: S608 - built from constants
"""`planned`: one row per participant and visit. Its rules are those of `trials.schedule`, and a test compares them.

An intervention that ends on or after a cross-over is the one crossed over to: its end dates a visit of the extension,
wherever the plan has it, and none of the comparison.
"""


def planned_scope(
    trial: Trial, by: Actor | None, *, sites: set[int], participants: list[int] | None = None, today: date
) -> dict[str, Any]:
    """Return what `PLANNED` is run with: windows that tell the arm only of sites where `by` may see it.

    Without `by` nobody's are computed.
    """
    return {
        "trial": trial.pk,
        "sites": sorted(sites),
        "arm_sites": sorted(allocation_sites(by, trial)) if by is not None else [],
        "participants": participants,
        "is_over": trial.status in OVER,
        "today": today,
    }


def last_controlled_visit(trial: Trial) -> Visit:
    """Return the visit that ends the controlled comparison: at six months, or the last one of a plan without it."""
    visits = list(trial.visits.order_by("position", "pk"))
    return next((each for each in reversed(visits) if each.kind == Visit.Kind.SIX_MONTHS), visits[-1])


def is_after_comparison(trial: Trial, visit: Visit) -> bool:
    """Return whether some arm of the trial has crossed over, or may have, by this visit: the same for everybody."""
    last = last_controlled_visit(trial)
    is_later = (visit.position, visit.pk) > (last.position, last.pk)
    return is_later and trial.arms.exclude(crosses_over_to=None).exists()
