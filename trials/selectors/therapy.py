"""Therapists and therapy groups, as far as they tell no arm.

Where participants are randomized one by one, sitting in a group tells the arm: groups are then shown, and counted, only
at sites whose arms may be seen. Where groups are randomized everybody sees them, and the arm stays hidden.
"""

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from trials.access import Actor, allocation_sites, has_permission, require, sites_where
from trials.errors import NotFound
from trials.models import GroupAllocation, GroupMember, Participant, Therapist, TherapyGroup, Trial
from trials.permissions import Permission


def group_sites(by: Actor, trial: Trial) -> set[int]:
    """Return the sites whose therapy groups `by` may know of."""
    sites = sites_where(by, Permission.PARTICIPANT_VIEW, trial)
    if trial.randomization_unit == Trial.RandomizationUnit.GROUP:
        return sites
    return sites & allocation_sites(by, trial)


def groups_visible_to(by: Actor, trial: Trial) -> QuerySet[TherapyGroup]:
    """Return the groups with their number of present members (`size`) and whether they are randomized."""
    require(by, Permission.PARTICIPANT_VIEW, trial)
    randomized = GroupAllocation.objects.filter(group=OuterRef("pk"))
    return (
        TherapyGroup.objects.filter(trial=trial, site__in=group_sites(by, trial))
        .select_related("site", "therapist", "trial")
        .annotate(size=Count("members", filter=Q(members__left_on=None)), is_randomized=Exists(randomized))
    )


def visible_group(code: str, by: Actor, trial: Trial) -> TherapyGroup:
    """Return one group; NotFound in the same words for a missing one and one that `by` may not know of."""
    found = groups_visible_to(by, trial).filter(code=code).first()
    if found is None:
        raise NotFound("group_unknown", "There is no therapy group of this code that you may see.")
    return found


def members_in(group: TherapyGroup) -> QuerySet[GroupMember]:
    """Return who is or was in a group, those present first."""
    return group.members.select_related("participant", "participant__site").order_by("left_on", "participant__number")


def present_members(group: TherapyGroup) -> list[Participant]:
    """Return who is in a group now, in order of code."""
    return list(
        Participant.objects.filter(therapy_groups__group=group, therapy_groups__left_on=None)
        .select_related("site", "trial")
        .order_by("number")
    )


def visible_member(group: TherapyGroup, number: int) -> GroupMember:
    """Return one membership of a group that the caller was shown."""
    found = members_in(group).filter(pk=number).first()
    if found is None:
        raise NotFound("member_unknown", "There is no such member of this group.")
    return found


def therapists_visible_to(by: Actor, trial: Trial) -> QuerySet[Therapist]:
    """Return the therapists at the sites whose participants `by` sees; their codes tell no arm."""
    require(by, Permission.PARTICIPANT_VIEW, trial)
    sites = sites_where(by, Permission.PARTICIPANT_VIEW, trial)
    return Therapist.objects.filter(trial=trial, site__in=sites).select_related("site", "trial")


def visible_therapist(code: str, by: Actor, trial: Trial) -> Therapist:
    """Return one therapist; NotFound in the same words for a missing one and one of another site."""
    found = therapists_visible_to(by, trial).filter(code=code).first()
    if found is None:
        raise NotFound("therapist_unknown", "There is no therapist of this code that you may see.")
    return found


def may_form_groups_at(by: Actor, trial: Trial) -> set[int]:
    """Return the sites at which `by` may form therapy groups."""
    return sites_where(by, Permission.SESSION_RECORD, trial) & group_sites(by, trial)


def may_randomize_group(group: TherapyGroup, by: Actor) -> bool:
    """Return whether the next step of this group is its randomization, and `by` may take it."""
    return (
        group.trial.randomization_unit == Trial.RandomizationUnit.GROUP
        and group.closed_on is not None
        and not getattr(group, "is_randomized", False)
        and has_permission(by, Permission.PARTICIPANT_RANDOMIZE, group.trial, site=group.site)
    )
