"""Estimates and descriptions of the newest run, for those who may see outcomes by arm."""

from dataclasses import dataclass

from analytics.models import ArmDescription, EffectEstimate
from analytics.models.estimate import POOLED
from analytics.selectors.runs import Freshness, freshness
from trials.access import Actor, require
from trials.models import Trial
from trials.permissions import Permission


@dataclass(frozen=True)
class Estimates:
    """The newest estimates of a trial, and whether the data are newer; empty before the first run."""

    state: Freshness
    rows: tuple[EffectEstimate, ...]

    def matching(self, **wanted: str | None) -> list[EffectEstimate]:
        """Return the estimates with these codes (`biomarker`, `visit`, `method`, `measure`); None matches all.

        Compared here and not by the database, so that no text from outside reaches it.
        """
        return [row for row in self.rows if all(value in {None, _code(row, name)} for name, value in wanted.items())]


def _code(row: EffectEstimate, name: str) -> str:
    value = getattr(row, name)
    return value if isinstance(value, str) else str(value.code)


def estimates_of(trial: Trial, by: Actor) -> Estimates:
    """Return every estimate of the newest finished run. Raises NotAllowed (`blinded`) for who may not see effects."""
    require(by, Permission.EFFECTS_VIEW, trial)
    state = freshness(trial)
    rows = EffectEstimate.objects.filter(run=state.run).select_related("biomarker", "visit") if state.run else ()
    return Estimates(state, tuple(rows))


def descriptions_of(trial: Trial, by: Actor) -> tuple[Freshness, list[ArmDescription]]:
    """Return the descriptive statistics per arm of the newest finished run. Raises NotAllowed like `estimates_of`."""
    require(by, Permission.EFFECTS_VIEW, trial)
    state = freshness(trial)
    if state.run is None:
        return state, []
    rows = ArmDescription.objects.filter(run=state.run).exclude(arm=POOLED).select_related("biomarker", "visit")
    return state, list(rows)
