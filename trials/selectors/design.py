"""A trial's design as members may read it."""

from dataclasses import dataclass

from trials.access import Actor, require
from trials.models import Arm, Criterion, RandomizationScheme, Site, StratificationFactor, Trial, Visit
from trials.permissions import Permission
from trials.selectors.randomization import foreknowledge


@dataclass(frozen=True)
class Protocol:
    """The design. `commitment` is empty before registration and where the trial was randomized elsewhere."""

    arms: tuple[Arm, ...]
    sites: tuple[Site, ...]
    visits: tuple[Visit, ...]
    factors: tuple[StratificationFactor, ...]
    criteria: tuple[Criterion, ...]
    commitment: str

    @property
    def ratio(self) -> str:
        """The allocation ratio, 2:1."""
        return ":".join(str(arm.ratio) for arm in self.arms)

    @property
    def commitment_parts(self) -> list[str]:
        """The commitment in eights, between which a narrow page may break it."""
        return [self.commitment[start : start + 8] for start in range(0, len(self.commitment), 8)]


def protocol_of(trial: Trial, by: Actor) -> Protocol:
    """Return the design; whether arms may be named is `access.may_name_arms`."""
    require(by, Permission.TRIAL_VIEW, trial)
    scheme = RandomizationScheme.objects.filter(trial=trial).first()
    return Protocol(
        arms=tuple(trial.arms.select_related("intervention")),
        sites=tuple(trial.sites.all()),
        visits=tuple(trial.visits.all()),
        factors=tuple(trial.factors.all()),
        criteria=tuple(trial.criteria.all()),
        commitment=scheme.commitment if scheme else "",
    )


def next_arm_certainty(trial: Trial) -> float | None:
    """Return how often somebody who saw every earlier arm is certain of the next; None if randomized elsewhere.

    Computed from the design; block sizes themselves are never shown.
    """
    foreseen = foreknowledge(trial)
    return foreseen.certain if foreseen else None
