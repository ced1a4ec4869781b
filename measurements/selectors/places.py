"""Where in a trial somebody may see or record values."""

from trials.access import Actor, sites_where
from trials.models import Trial
from trials.permissions import Permission

Sites = list[int] | None
"""Sites by primary key; None for the whole trial."""


def sites_open_to(by: Actor, permission: Permission, trial: Trial) -> Sites:
    """Return the sites at which `by` may do this; None where it is all of them (laboratories have no sites)."""
    if by.user is None:
        return None
    allowed = sites_where(by, permission, trial)
    return None if len(allowed) == trial.sites.count() else sorted(allowed)
