"""What of a trial an export may hold, decided once from the caller's rights."""

from dataclasses import dataclass
from typing import Any

from analytics.models import EstimateRun
from analytics.selectors.runs import newest_finished_run
from trials.access import Actor, allocation_sites, require, sees_effects, sites_where
from trials.models import Trial
from trials.permissions import Permission


@dataclass(frozen=True)
class Rights:
    """The sites whose participants are in it, those whose arms are in it, and whether effects are."""

    sites: tuple[int, ...]
    arm_sites: tuple[int, ...]
    effects: bool

    def cover(self, other: "Rights") -> bool:
        """Return whether everything that `other` shows may be shown under these rights too."""
        return (
            set(self.sites) >= set(other.sites)
            and set(self.arm_sites) >= set(other.arm_sites)
            and self.effects >= other.effects
        )

    def as_json(self) -> dict[str, Any]:
        """Return the form in which a manifest keeps them."""
        return {"sites": list(self.sites), "arm_sites": list(self.arm_sites), "effects": self.effects}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Rights":
        """Return the rights of a manifest."""
        return cls(tuple(kept["sites"]), tuple(kept["arm_sites"]), kept["effects"])


@dataclass(frozen=True)
class Scope:
    """One trial as one caller may take it away. `run` holds the estimates; None where they are not for the caller."""

    trial: Trial
    rights: Rights
    factors: tuple[str, ...]
    run: EstimateRun | None


def rights_of(by: Actor, trial: Trial) -> Rights:
    """Return what `by` may take away. Raises NotAllowed without the right to export."""
    require(by, Permission.EXPORT, trial)
    sites = sites_where(by, Permission.EXPORT, trial) & sites_where(by, Permission.RESULT_VIEW, trial)
    return Rights(tuple(sorted(sites)), tuple(sorted(sites & allocation_sites(by, trial))), sees_effects(by, trial))


def scope_of(by: Actor, trial: Trial) -> Scope:
    """Return the trial as `by` may take it away."""
    rights = rights_of(by, trial)
    return _scope(trial, rights)


def effects_scope_of(by: Actor, trial: Trial) -> Scope:
    """Return the trial for its estimates alone, which the right to see effects is enough for."""
    require(by, Permission.EFFECTS_VIEW, trial)
    return _scope(trial, Rights((), (), effects=True))


def _scope(trial: Trial, rights: Rights) -> Scope:
    factors = tuple(trial.factors.values_list("code", flat=True))
    return Scope(trial, rights, factors, newest_finished_run(trial) if rights.effects else None)
