"""What every page's template may ask: the rights of the person who sees it."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from trials.access import actor_of, allocation_sites, at_every_site, has_permission
from trials.models import Trial, User
from trials.permissions import Permission


def rights(request: HttpRequest) -> dict[str, Callable[[Trial | None], frozenset[Permission]]]:
    """Return `permissions_in`, which says what the person may do in a trial, or on the platform for None.

    Arms count as seen where they may be seen at one site; specimens as managed where they are at every site, since rows
    that wait belong to none. The roles that the view's checks have read are remembered with the request: at most three
    queries more.
    """

    def permissions_in(trial: Trial | None) -> frozenset[Permission]:
        if not isinstance(_user(request), User):
            return frozenset()
        by = actor_of(request)
        granted = frozenset(each for each in Permission if has_permission(by, each, trial))
        if trial is None:
            return granted
        if Permission.SPECIMEN_MANAGE in granted and not at_every_site(by, Permission.SPECIMEN_MANAGE, trial):
            granted -= {Permission.SPECIMEN_MANAGE}
        return granted | {Permission.ALLOCATION_VIEW} if allocation_sites(by, trial) else granted

    return {"permissions_in": permissions_in}


def _user(request: HttpRequest) -> Any:
    """Return who is signed in; nobody on pages that are made before sign-in is looked at."""
    return getattr(request, "user", None)
