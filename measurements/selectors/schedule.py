"""The schedule: every planned visit of every participant with its dates and what came of it.

Dates that count from the end of an intervention are there only where the reader may see arms.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from trials.access import Actor, require, sites_where
from trials.models import Attendance, Participant, Site, Trial, Visit
from trials.permissions import Permission
from trials.schedule import State, Window
from trials.selectors.planned_visits import PLANNED, planned_scope

ORDERS = {
    "date": "target",
    "participant": "number",
    "site": "site_id",
    "visit": "position",
    "state": "state",
}
"""Columns that a list can be sorted by."""


@dataclass(frozen=True)
class VisitLine:
    """One planned visit of one participant.

    `is_hidden`: its window counts from the end of an intervention and is not shown to this reader. `is_extension`: it
    lies after the participant's cross-over, or after the intervention crossed over to, which is told only where arms
    may be seen.
    """

    participant: str
    site: Site
    visit: Visit
    state: State
    window: Window | None
    attended_on: date | None
    missed_category: str
    missed_reason: str
    note: str
    completed_at: datetime | None
    locked_at: datetime | None
    locked_by: str
    is_hidden: bool
    is_extension: bool

    @property
    def days_outside(self) -> int:
        """By how many days the visit missed its window: negative too early, positive too late."""
        return self.window.days_outside(self.attended_on) if self.window and self.attended_on else 0

    @property
    def days_late(self) -> int:
        """How far outside of the window, as a count."""
        return abs(self.days_outside)

    @property
    def missed_label(self) -> str:
        """Why it was missed: the reason of the list, and the words where these say more."""
        is_listed = self.missed_category not in {"", Attendance.Missed.OTHER}
        listed = str(Attendance.Missed(self.missed_category).label) if is_listed else ""
        return ": ".join(dict.fromkeys(part for part in (listed, self.missed_reason) if part))

    @property
    def week(self) -> date | None:
        """The Monday of the week of the target day."""
        target = self.window.target if self.window else None
        return target - timedelta(days=target.weekday()) if target else None


@dataclass(frozen=True)
class Wish:
    """What of the schedule is asked for; visits that open after `until` are left out, `None` leaves nothing out."""

    site: int | None = None
    visit: int | None = None
    states: Sequence[str] = ()
    until: date | None = None
    sort: str = "date"
    start: int = 0
    most: int | None = None


@dataclass(frozen=True)
class Schedule:
    """Lines of the page that was asked for, and how many there are in each state, whatever states were asked for."""

    lines: tuple[VisitLine, ...]
    counts: dict[str, int] = field(default_factory=dict)
    total: int = 0


SCHEDULE = """
WITH {planned}, chosen AS (
    SELECT * FROM planned
    WHERE (%(site)s::bigint IS NULL OR site_id = %(site)s) AND (%(visit)s::bigint IS NULL OR visit_id = %(visit)s)
      AND (%(until)s::date IS NULL OR state <> 'not_yet_due' OR first_day <= %(until)s)
), counted AS (
    SELECT coalesce(jsonb_object_agg(state, n), '{{}}')::text AS counts
    FROM (SELECT state, count(*) AS n FROM chosen GROUP BY state) by_state
), page AS (
    SELECT *, row_number() OVER (ORDER BY {order}) AS place
    FROM chosen WHERE cardinality(%(states)s::text[]) = 0 OR state = ANY(%(states)s)
    ORDER BY place LIMIT %(most)s OFFSET %(start)s
)
SELECT counted.counts, page.participant, page.site_id, page.visit_id, page.state, page.first_day, page.target,
       page.last_day, page.attended_on, page.missed_category, page.missed_reason, page.note, page.completed_at,
       page.locked_at, page.locked_by, page.is_hidden, page.is_extension
FROM counted LEFT JOIN page ON true ORDER BY page.place
"""


def schedule(trial: Trial, by: Actor, wish: Wish | None = None, *, today: date | None = None) -> Schedule:
    """Return planned visits at the sites where `by` sees participants, in one query. Raises NotAllowed for others."""
    require(by, Permission.PARTICIPANT_VIEW, trial)
    return _schedule(trial, by, wish or Wish(), sites_where(by, Permission.PARTICIPANT_VIEW, trial), None, today)


def visit_lines(participant: Participant, by: Actor, *, today: date | None = None) -> tuple[VisitLine, ...]:
    """Return every planned visit of one participant, in the order of the plan."""
    trial = participant.trial
    require(by, Permission.PARTICIPANT_VIEW, trial, site=participant.site)
    found = _schedule(trial, by, Wish(sort="visit"), {participant.site_id}, [participant.pk], today)
    return found.lines


def planned_visit(participant: Participant, visit: Visit, by: Actor) -> VisitLine:
    """Return one planned visit of one participant; the caller has asked whether `by` may see them."""
    found = _schedule(participant.trial, by, Wish(visit=visit.pk), {participant.site_id}, [participant.pk], None)
    return found.lines[0]


def _schedule(
    trial: Trial, by: Actor, wish: Wish, sites: set[int], participants: list[int] | None, today: date | None
) -> Schedule:
    scope = planned_scope(trial, by, sites=sites, participants=participants, today=today or timezone.localdate())
    asked = {
        "site": wish.site,
        "visit": wish.visit,
        "states": list(wish.states),
        "until": wish.until,
        "most": wish.most,
        "start": wish.start,
    }
    with connection.cursor() as cursor:
        cursor.execute(SCHEDULE.format(planned=PLANNED, order=_order(wish.sort)), scope | asked)
        rows = cursor.fetchall()
    counts: dict[str, int] = json.loads(rows[0][0])
    total = sum(n for state, n in counts.items() if not wish.states or state in wish.states)
    visits, known_sites = {each.pk: each for each in trial.visits.all()}, {each.pk: each for each in trial.sites.all()}
    lines = tuple(_line(row[1:], visits, known_sites) for row in rows if row[1] is not None)
    return Schedule(lines, counts, total)


def _order(sort: str) -> str:
    """SQL of an order: what is sorted by, then participant and visit, so that pages never overlap."""
    column = ORDERS.get(sort.removeprefix("-"), ORDERS["date"])
    direction = "DESC" if sort.startswith("-") else "ASC"
    return f"{column} {direction} NULLS LAST, target NULLS LAST, number NULLS LAST, participant_id, position, visit_id"


def _line(row: Sequence[Any], visits: dict[int, Visit], sites: dict[int, Site]) -> VisitLine:
    participant, site, visit, state, first, target, last, *recorded = row
    window = Window(first, target, last) if target is not None else None
    return VisitLine(participant, sites[site], visits[visit], State(state), window, *recorded)
