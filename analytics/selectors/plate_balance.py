"""How the arms are spread over plates: for those who may see every arm, and nobody else.

A plate whose participants are mostly of one arm cannot tell that arm from the plate. A plate is marked where its
arms are further from those of everybody randomized than chance would put them in 1 of 20 plates: Fisher's exact test
of the plate against all others, arm by arm, times the number of arms where there are more than two (Bonferroni). One
in twenty is not corrected for the number of plates: a false warning costs a look, a missed one a bias.
"""

from collections import defaultdict
from dataclasses import dataclass

from django.db import connection

from trials.access import Actor, has_permission, sees_effects
from trials.models import Allocation, Trial
from trials.permissions import Permission

UNBALANCED_BELOW = 0.05


@dataclass(frozen=True)
class PlateArms:
    """A plate: participants with a current result on it by arm, and how likely chance is to spread arms so unevenly."""

    laboratory: str
    run: str
    counts: tuple[int, ...]
    p_value: float

    @property
    def is_unbalanced(self) -> bool:
        """Whether the plate is marked."""
        return self.p_value < UNBALANCED_BELOW


@dataclass(frozen=True)
class PlateBalance:
    """The arms' names in order, how many were randomized to each, and the plates."""

    arms: tuple[str, ...]
    randomized: tuple[int, ...]
    plates: tuple[PlateArms, ...]

    @property
    def unbalanced(self) -> int:
        """How many plates are marked."""
        return sum(plate.is_unbalanced for plate in self.plates)


ON_PLATES = """
SELECT l.name, r.run, a.arm_id, count(DISTINCT s.participant_id)
FROM measurements_result r
JOIN measurements_specimen s ON s.id = r.specimen_id
JOIN trials_allocation a ON a.participant_id = s.participant_id
JOIN trials_laboratory l ON l.id = r.laboratory_id
WHERE r.trial_id = %s AND r.run <> ''
  AND NOT EXISTS (SELECT 1 FROM measurements_result later WHERE later.supersedes_id = r.id)
GROUP BY l.id, l.name, r.run, a.arm_id ORDER BY l.name, r.run"""


def plate_balance(trial: Trial, by: Actor) -> PlateBalance | None:
    """Return arms by plate; None for those who may not see the arm of everybody, and where nobody is randomized."""
    if not (has_permission(by, Permission.ALLOCATION_VIEW, trial) or sees_effects(by, trial)):
        return None
    arms = list(trial.arms.all())
    allocated = list(Allocation.objects.filter(trial=trial).values_list("arm_id", flat=True))
    randomized = tuple(allocated.count(arm.pk) for arm in arms)
    if not allocated:
        return None
    counted: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(ON_PLATES, [trial.pk])
        for laboratory, run, arm, count in cursor.fetchall():
            counted[laboratory, run][arm] = count
    plates = []
    for (laboratory, run), by_arm in counted.items():
        counts = tuple(by_arm.get(arm.pk, 0) for arm in arms)
        plates.append(PlateArms(laboratory, run, counts, unevenness(counts, randomized)))
    return PlateBalance(tuple(arm.name for arm in arms), randomized, tuple(plates))


def unevenness(counts: tuple[int, ...], randomized: tuple[int, ...]) -> float:
    """Return the probability that chance spreads arms at least as unevenly over a plate as `counts`."""
    from analytics.statistics.limits import fisher_p  # scipy, which web processes do not start with

    here, everybody = sum(counts), sum(randomized)
    tests = [
        fisher_p(count, here, total - count, everybody - here) for count, total in zip(counts, randomized, strict=True)
    ]
    return min(1.0, min(tests, default=1.0) * (len(tests) if len(tests) > 2 else 1))
