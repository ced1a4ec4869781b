"""Recruitment: how many are randomized by each day, what the plan said, and how it goes at each site."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from django.db.models import Count
from django.utils import timezone

from trials.access import Actor, require, sites_where
from trials.models import Participant, ParticipantEvent, Trial
from trials.permissions import Permission
from trials.selectors.events import events_that_count

Kind = ParticipantEvent.Kind
MONTH = 365.25 / 12
"""Days of an average month."""
RECENT = 90
"""Days over which the present rate is taken."""
LEAST = 28
"""Days below which no rate is stated: it would be noise."""


@dataclass(frozen=True)
class Projection:
    """When the plan is reached if the rate of the last `days` stays what it was; `rate` in participants a month."""

    rate: float
    days: int
    remaining: int
    reached_on: date


@dataclass(frozen=True)
class RecruitmentCounts:
    """`points` are (day, participants randomized by then), ascending; the plan is a straight line to `planned`.

    `starts`, `ends` and `planned` are None where the protocol does not say. `undated` counts participants randomized
    elsewhere on days that nobody gave.
    """

    points: tuple[tuple[date, int], ...]
    undated: int
    starts: date | None
    ends: date | None
    planned: int | None

    @property
    def randomized(self) -> int:
        """How many are randomized so far."""
        return self.undated + (self.points[-1][1] if self.points else 0)

    def expected_by(self, on: date) -> int | None:
        """Return how many the plan wanted by this day; None without a plan of positive length."""
        if self.starts is None or self.ends is None or self.planned is None or self.ends <= self.starts:
            return None
        share = (on - self.starts) / (self.ends - self.starts)
        return round(self.planned * min(max(share, 0.0), 1.0))

    def randomized_by(self, on: date) -> int:
        """Return how many were randomized on or before this day, those without a day not among them."""
        return max((n for day, n in self.points if day <= on), default=0)

    def projection(self, on: date) -> Projection | None:
        """Return when the plan would be reached from this day; None when it is, without a plan, or without a rate.

        The rate is that of the last 90 days, of the time since the start where that is shorter, and not stated before
        28 days. It is carried on unchanged: the assumption is the reader's to judge.
        """
        if self.planned is None or not self.points or self.randomized >= self.planned:
            return None
        starts = min(self.starts or self.points[0][0], self.points[0][0])
        days = min(RECENT, (on - starts).days)
        recent = self.randomized_by(on) - self.randomized_by(on - timedelta(days=days))
        if days < LEAST or recent <= 0:
            return None
        remaining = self.planned - self.randomized
        reached_in = -(-remaining * days // recent)
        # A rate that would take centuries projects nothing.
        if reached_in > 100 * 366:
            return None
        return Projection(recent * MONTH / days, days, remaining, on + timedelta(days=reached_in))


@dataclass(frozen=True)
class MonthCounts:
    """What happened at a site in one month (its first day; None: on days that nobody gave)."""

    month: date | None
    screened: int
    consented: int
    randomized: int


@dataclass(frozen=True)
class SiteRecruitment:
    """A site's counts so far. `eligible`: assessed and not excluded for a criterion.

    `screened`, `eligible` and `consented` are None where a trial was randomized elsewhere. `rate` is randomized a month
    since the first assessment at the site; None before 28 days. `share` of everybody who is planned, as a fraction.
    """

    code: str
    name: str
    screened: int | None
    eligible: int | None
    consented: int | None
    randomized: int
    rate: float | None
    share: float | None
    months: tuple[MonthCounts, ...] = ()


def recruitment_counts(trial: Trial, by: Actor) -> RecruitmentCounts:
    """Return recruitment over all arms, which every member may see."""
    require(by, Permission.TRIAL_VIEW, trial)
    randomized = Participant.objects.filter(trial=trial, allocation__isnull=False)
    dated = randomized.exclude(randomized_on=None).order_by("randomized_on")
    days = list(dated.values_list("randomized_on").annotate(count=Count("id")))
    return RecruitmentCounts(
        points=tuple(zip((day for day, _ in days), accumulate(count for _, count in days), strict=True)),
        undated=randomized.filter(randomized_on=None).count(),
        starts=trial.recruitment_starts,
        ends=trial.recruitment_ends,
        planned=trial.planned_participants,
    )


def recruitment_by_site(trial: Trial, by: Actor) -> tuple[SiteRecruitment, ...]:
    """Return the counts of each site; a role that is held at one site sees that site alone."""
    require(by, Permission.TRIAL_VIEW, trial)
    visible = sites_where(by, Permission.TRIAL_VIEW, trial)
    happened = _happened(trial)
    until = _until(trial, happened)
    return tuple(
        _site(trial, site.code, site.name, happened.get(site.pk, {}), until)
        for site in trial.sites.all()
        if site.pk in visible
    )


Days = dict[str, Counter[date | None]]
"""Kind of event to days with their counts."""
INELIGIBLE = "ineligible"


def _happened(trial: Trial) -> Mapping[int, Days]:
    """Return by site what happened on which days, each person counted once."""
    kinds = [Kind.SCREENED, Kind.CONSENTED, Kind.RANDOMIZED, Kind.EXCLUDED]
    events = events_that_count(trial).filter(kind__in=kinds).order_by("participant_id", "kind", "id")
    rows = events.distinct("participant_id", "kind").values_list(
        "participant__site_id", "kind", "reason", "occurred_on"
    )
    by_site: dict[int, Days] = {}
    for site, kind, reason, on in rows:
        days = by_site.setdefault(site, {})
        if kind != Kind.EXCLUDED:
            days.setdefault(kind, Counter())[on] += 1
        elif reason == ParticipantEvent.ExclusionReason.INELIGIBLE:
            days.setdefault(INELIGIBLE, Counter())[on] += 1
    return by_site


def _until(trial: Trial, happened: Mapping[int, Days]) -> date:
    """Return up to when rates count: today while people are randomized, else the last randomization."""
    if trial.status == Trial.Status.RECRUITING:
        return timezone.localdate()
    dated = [on for days in happened.values() for on in days.get(Kind.RANDOMIZED, ()) if on is not None]
    return max(dated, default=timezone.localdate())


def _site(trial: Trial, code: str, name: str, happened: Days, until: date) -> SiteRecruitment:
    def count(kind: str) -> int:
        return happened[kind].total() if kind in happened else 0

    known = not trial.randomized_elsewhere
    first = min((on for on in happened.get(Kind.SCREENED, ()) if on is not None), default=None)
    days = (until - first).days if first is not None else 0
    randomized = count(Kind.RANDOMIZED)
    return SiteRecruitment(
        code=code,
        name=name,
        screened=count(Kind.SCREENED) if known else None,
        eligible=count(Kind.SCREENED) - count(INELIGIBLE) if known else None,
        consented=count(Kind.CONSENTED) if known else None,
        randomized=randomized,
        rate=randomized * MONTH / days if days >= LEAST else None,
        share=randomized / trial.planned_participants if trial.planned_participants else None,
        months=_months(happened),
    )


def _months(happened: Days) -> tuple[MonthCounts, ...]:
    """Return the site's months from the first to the last in which anything happened, the empty ones among them."""
    by_month = {
        kind: Counter[date | None](
            {month: sum(n for on, n in days.items() if _first(on) == month) for month in {_first(on) for on in days}}
        )
        for kind, days in happened.items()
        if kind != INELIGIBLE
    }
    dated = [month for days in by_month.values() for month in days if month is not None]
    months: list[date | None] = _all_months(min(dated), max(dated)) if dated else []
    if any(None in days for days in by_month.values()):
        months.append(None)
    none: Counter[date | None] = Counter()
    kinds = (Kind.SCREENED, Kind.CONSENTED, Kind.RANDOMIZED)
    return tuple(MonthCounts(month, *(by_month.get(kind, none)[month] for kind in kinds)) for month in months)


def _first(on: date | None) -> date | None:
    return on.replace(day=1) if on is not None else None


def _all_months(first: date, last: date) -> list[date | None]:
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [date(number // 12, number % 12 + 1, 1) for number in numbers]
