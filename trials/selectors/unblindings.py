"""Emergency unblindings: who was, by whom and why; never into which arm."""

from collections.abc import Iterable

from django.db.models import Count, Q, QuerySet

from trials.access import Actor, has_permission, require, sites_where
from trials.models import EmergencyUnblinding, Participant, Trial, User
from trials.permissions import Permission, Role

# Who watches over the trial is told; where nobody holds one of these roles, any other member is.
WATCHING = (Role.PRINCIPAL_INVESTIGATOR, Role.MONITORING_BOARD, Role.DATA_MANAGER, Role.MONITOR)


def unblindings_of(trial: Trial, by: Actor) -> QuerySet[EmergencyUnblinding]:
    """Return the trial's emergency unblindings at the caller's sites, the newest first; without arms."""
    permission = Permission.AUDIT_VIEW if has_permission(by, Permission.AUDIT_VIEW, trial) else Permission.SAFETY_VIEW
    require(by, permission, trial)
    shown = EmergencyUnblinding.objects.filter(trial=trial, participant__site__in=sites_where(by, permission, trial))
    return shown.select_related("participant__site", "unblinded_by", "notified")


def people_to_notify(participant: Participant, by: Actor) -> QuerySet[User]:
    """Return whom an unblinding of this participant can be told to: not `by`, of the whole trial or the site."""
    members = User.objects.filter(is_active=True)
    if by.user is not None:
        members = members.exclude(pk=by.user.pk)
    watching = members.filter(pk__in=_members(participant, WATCHING))
    return (watching if watching.exists() else members.filter(pk__in=_members(participant, Role))).order_by("name")


def board_of(participant: Participant, by: Actor) -> QuerySet[User]:
    """Return the monitoring board of a participant's trial, without `by`."""
    board = User.objects.filter(is_active=True, pk__in=_members(participant, [Role.MONITORING_BOARD]))
    return (board.exclude(pk=by.user.pk) if by.user is not None else board).order_by("name")


def unblindings_by_person(trial: Trial, by: Actor) -> list[tuple[str, int]]:
    """Return how many of the unblindings that `by` sees each person made, most first."""
    shown = unblindings_of(trial, by).order_by().values_list("unblinded_by__name").annotate(count=Count("pk"))
    return list(shown.values_list("unblinded_by__name", "count").order_by("-count", "unblinded_by__name"))


def _members(participant: Participant, roles: Iterable[str]) -> set[int]:
    held = participant.trial.memberships.filter(Q(site=None) | Q(site=participant.site), ended_at=None, role__in=roles)
    return set(held.values_list("user_id", flat=True))


def was_unblinded_to(participant: Participant, by: Actor) -> bool:
    """Return whether this person opened this participant's arm, and so knows it."""
    return by.user is not None and by.scopes is None and _opened(participant, by).exists()


def _opened(participant: Participant, by: Actor) -> QuerySet[EmergencyUnblinding]:
    return EmergencyUnblinding.objects.filter(participant=participant, unblinded_by=by.user)
