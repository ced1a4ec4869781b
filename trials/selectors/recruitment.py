"""Recruitment: how many are randomized by each day, and what the plan said."""

from dataclasses import dataclass
from datetime import date
from itertools import accumulate

from django.db.models import Count

from trials.access import Actor, require
from trials.models import Participant, Trial
from trials.permissions import Permission


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
