"""Deviations from the protocol: those that people recorded, and those that rules find in what was recorded.

What rules find is computed and never stored, until somebody confirms it. Deviations that tell an arm are there only
where the reader may see arms: elsewhere they are neither listed nor counted.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from trials.access import Actor, allocation_sites, require, sites_where
from trials.errors import NotFound
from trials.models import Deviation, Site, Trial, Visit
from trials.models.deviation import ARM_TELLING_RULES
from trials.permissions import Permission
from trials.selectors.planned_visits import EVENT_COUNTS, PLANNED, planned_scope

Category, Severity = Deviation.Category, Deviation.Severity


@dataclass(frozen=True)
class Rule:
    """What an automatic rule finds: SQL that gives participant, visit, day and days, and a sentence from the days."""

    name: Any
    category: Deviation.Category
    severity: Deviation.Severity
    sql: str
    sentence: Callable[[int], str]


def _out_of_window(days: int) -> str:
    if days < 0:
        return ngettext("Attended %(n)d day before the window.", "Attended %(n)d days before the window.", -days) % {
            "n": -days
        }
    return ngettext("Attended %(n)d day after the window.", "Attended %(n)d days after the window.", days) % {"n": days}


def _missed(_days: int) -> str:
    return _("The visit was missed.")


def _late_baseline(days: int) -> str:
    return ngettext(
        "The baseline was taken %(n)d day after the first session.",
        "The baseline was taken %(n)d days after the first session.",
        days,
    ) % {"n": days}


def _before_consent(days: int) -> str:
    return ngettext(
        "The visit took place %(n)d day before consent.", "The visit took place %(n)d days before consent.", days
    ) % {"n": days}


RULES: dict[str, Rule] = {
    "out_of_window": Rule(
        gettext_lazy("Visit out of window"),
        Category.VISIT_TIMING,
        Severity.MINOR,
        """SELECT participant_id, visit_id, attended_on AS day,
                  CASE WHEN attended_on < first_day THEN attended_on - first_day ELSE attended_on - last_day END AS days
           FROM planned WHERE state = 'out_of_window'""",
        _out_of_window,
    ),
    "missed_visit": Rule(
        gettext_lazy("Visit missed"),
        Category.VISIT_TIMING,
        Severity.MINOR,
        "SELECT participant_id, visit_id, last_day AS day, 0 AS days FROM planned WHERE state = 'missed'",
        _missed,
    ),
    "visit_before_consent": Rule(
        gettext_lazy("Visit before consent"),
        Category.CONSENT,
        Severity.MAJOR,
        """SELECT participant_id, visit_id, attended_on AS day, consented.day - attended_on AS days
           FROM planned JOIN consented USING (participant_id) WHERE attended_on < consented.day""",
        _before_consent,
    ),
    "baseline_after_first_session": Rule(
        gettext_lazy("Baseline after the first session"),
        Category.ASSESSMENT,
        Severity.MAJOR,
        """SELECT participant_id, visit_id, attended_on AS day, attended_on - started.day AS days
           FROM planned JOIN started USING (participant_id)
           WHERE visit_id = (SELECT id FROM trials_visit WHERE trial_id = %(trial)s AND kind = 'baseline')
             AND attended_on > started.day""",
        _late_baseline,
    ),
}
"""Every automatic rule; another one is another line. They read `planned`, `consented` and `started`."""

FOUND = " UNION ALL ".join(
    f"""SELECT '{code}' AS rule, '{rule.category}' AS category, '{rule.severity}' AS severity,
        {code in ARM_TELLING_RULES} AS tells_arm, participant_id, visit_id, day, days FROM ({rule.sql}) AS {code}"""  # noqa: S608
    for code, rule in RULES.items()
)
LISTED = f"""
WITH {PLANNED}, consented AS (
    SELECT e.participant_id, min(e.occurred_on) AS day FROM trials_participantevent e
    WHERE e.kind = 'consented' AND {EVENT_COUNTS} GROUP BY e.participant_id
), started AS (
    SELECT participant_id, min(day) AS day FROM (
        SELECT e.participant_id, e.occurred_on AS day FROM trials_participantevent e
        WHERE e.kind = 'intervention_started' AND {EVENT_COUNTS}
        UNION ALL
        SELECT s.participant_id, (s.occurred_at AT TIME ZONE %(zone)s)::date FROM measurements_session s
        WHERE s.trial_id = %(trial)s AND s.attended
          AND NOT EXISTS (SELECT FROM measurements_sessionretraction struck WHERE struck.session_id = s.id)
    ) AS beginning GROUP BY participant_id
), found AS ({FOUND}), listed AS (
    SELECT d.id, d.site_id, p.code AS participant, p.number, d.visit_id, d.category, d.severity, d.occurred_on AS day,
           d.description, d.action, d.tells_arm, d.is_void, d.rule, 0 AS days, e.actor_name AS reported_by,
           e.occurred_at AS recorded_at,
           CASE WHEN d.is_void THEN 'void' ELSE 'recorded' END AS standing
    FROM trials_deviation d
    JOIN trials_auditevent e ON e.id = d.event_id
    LEFT JOIN trials_participant p ON p.id = d.participant_id
    WHERE d.trial_id = %(trial)s AND (d.site_id IS NULL OR d.site_id = ANY(%(sites)s))
      AND (NOT d.tells_arm OR d.site_id = ANY(%(arm_sites)s) OR d.site_id IS NULL AND %(sees_all_arms)s)
    UNION ALL
    SELECT NULL, p.site_id, p.code, p.number, found.visit_id, found.category, found.severity, found.day, '', '',
           found.tells_arm, FALSE, found.rule, found.days, '', NULL, 'found'
    FROM found JOIN trials_participant p ON p.id = found.participant_id
    WHERE (NOT found.tells_arm OR p.site_id = ANY(%(arm_sites)s))
      AND NOT EXISTS (SELECT FROM trials_deviation d WHERE (d.participant_id, d.visit_id, d.rule)
                      = (found.participant_id, found.visit_id, found.rule))
), chosen AS (
    SELECT * FROM listed
    WHERE (%(site)s::bigint IS NULL OR site_id = %(site)s) AND (%(category)s = '' OR category = %(category)s)
      AND (%(severity)s = '' OR severity = %(severity)s)
), counted AS (
    SELECT coalesce(jsonb_object_agg(standing, n), '{{}}')::text AS counts
    FROM (
        SELECT standing, count(*) AS n FROM chosen GROUP BY standing
        UNION ALL
        SELECT severity, count(*) FROM chosen WHERE standing <> 'void' GROUP BY severity
    ) AS counts
)"""  # noqa: S608 - built from constants
PAGE = """, page AS (
    SELECT *, row_number() OVER (ORDER BY {order}) AS place
    FROM chosen WHERE %(standing)s = '' AND standing <> 'void' OR standing = %(standing)s
    ORDER BY place LIMIT %(most)s OFFSET %(start)s
)
SELECT counted.counts, page.place, page.id, page.participant, page.site_id, page.visit_id, page.category, page.severity,
       page.day, page.description, page.action, page.tells_arm, page.is_void, page.rule, page.days, page.reported_by,
       page.recorded_at
FROM counted LEFT JOIN page ON true ORDER BY page.place
"""
ORDERS = {
    "date": "day",
    "participant": "number",
    "site": "site_id",
    "category": "category",
    "severity": "severity",
}


@dataclass(frozen=True)
class DeviationLine:
    """One line of the list; without `number` a rule found it and nobody has confirmed it yet."""

    number: int | None
    participant: str
    site: Site | None
    visit: Visit | None
    category: Deviation.Category
    severity: Deviation.Severity
    occurred_on: date | None
    description: str
    action: str
    tells_arm: bool
    is_void: bool
    rule: str
    reported_by: str
    recorded_at: datetime | None

    @property
    def rule_name(self) -> str:
        """The rule in words; empty for what a person saw. A rule that is gone keeps its code."""
        known = RULES.get(self.rule)
        return str(known.name) if known else self.rule


@dataclass(frozen=True)
class Wish:
    """What of the list is asked for. `standing`: recorded, found, void; without one all but the void."""

    site: int | None = None
    category: str = ""
    severity: str = ""
    standing: str = ""
    sort: str = "-date"
    start: int = 0
    most: int | None = None


@dataclass(frozen=True)
class Deviations:
    """The lines asked for, counts by standing (and, of those not void, severity), and the length of all pages."""

    lines: tuple[DeviationLine, ...]
    counts: dict[str, int] = field(default_factory=dict)
    total: int = 0


def deviations(trial: Trial, by: Actor, wish: Wish | None = None) -> Deviations:
    """Return what was recorded and what rules find, at the sites whose safety `by` may see, in one query."""
    require(by, Permission.SAFETY_VIEW, trial)
    asked = wish or Wish()
    scope = planned_scope(
        trial, by, sites=sites_where(by, Permission.SAFETY_VIEW, trial), participants=None, today=timezone.localdate()
    )
    sites = {each.pk: each for each in trial.sites.all()}
    scope |= {
        "zone": timezone.get_default_timezone_name(),
        "sees_all_arms": allocation_sites(by, trial) >= set(sites),
        **{name: getattr(asked, name) for name in ("site", "category", "severity", "standing", "start", "most")},
    }
    with connection.cursor() as cursor:
        cursor.execute(LISTED + PAGE.format(order=_order(asked.sort)), scope)
        rows = cursor.fetchall()
    counts: dict[str, int] = json.loads(rows[0][0])
    shown = (asked.standing,) if asked.standing else ("recorded", "found")
    visits = {each.pk: each for each in trial.visits.all()}
    lines = tuple(_line(row[2:], visits, sites) for row in rows if row[1] is not None)
    return Deviations(lines, counts, sum(counts.get(each, 0) for each in shown))


def computed_deviations(trial: Trial, by: Actor) -> tuple[DeviationLine, ...]:
    """Return what rules find and nobody has confirmed."""
    return deviations(trial, by, Wish(standing="found")).lines


def found_deviation(trial: Trial, by: Actor, *, participant: str, visit: str, rule: str) -> DeviationLine:
    """Return what a rule found at a visit; NotFound where it found nothing that `by` may see."""
    for line in computed_deviations(trial, by):
        if (line.participant, line.visit and line.visit.code, line.rule) == (participant, visit, rule):
            return line
    raise NotFound("deviation_unknown", "There is no such deviation that you may see.")


def visible_deviation(trial: Trial, by: Actor, number: int) -> Deviation:
    """Return a recorded deviation; NotFound in the same words for a missing one and one that `by` may not see."""
    require(by, Permission.SAFETY_VIEW, trial)
    found = (
        Deviation.objects.filter(trial=trial, pk=number).select_related("participant", "site", "visit", "event").first()
    )
    sites, arm_sites = sites_where(by, Permission.SAFETY_VIEW, trial), allocation_sites(by, trial)
    is_seen = found is not None and (found.site_id is None or found.site_id in sites)
    if found is None or not is_seen or (found.tells_arm and not _sees_arm(found, trial, arm_sites)):
        raise NotFound("deviation_unknown", "There is no such deviation that you may see.")
    return found


def _sees_arm(found: Deviation, trial: Trial, arm_sites: set[int]) -> bool:
    if found.site_id is not None:
        return found.site_id in arm_sites
    return arm_sites >= set(trial.sites.values_list("pk", flat=True))


def _order(sort: str) -> str:
    column = ORDERS.get(sort.removeprefix("-"), "day")
    direction = "DESC" if sort.startswith("-") else "ASC"
    return f"{column} {direction} NULLS LAST, day DESC NULLS LAST, number NULLS LAST, visit_id, rule, id"


def _line(row: Sequence[Any], visits: dict[int, Visit], sites: dict[int, Site]) -> DeviationLine:
    number, participant, site, visit, category, severity, day, text, action, tells, is_void, rule, days, who, when = row
    described = text if number is not None else RULES[rule].sentence(days)
    place = participant or "", sites.get(site), visits.get(visit)
    named = Category(category), Severity(severity)
    return DeviationLine(number, *place, *named, day, described, action, tells, is_void, rule, who, when)
