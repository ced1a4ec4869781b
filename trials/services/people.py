"""People, their roles, and the laboratories that deliver."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from trials import audit
from trials.access import Actor, may_choose_unblinded, require, sites_where
from trials.errors import InConflict, NotFound, RuleBroken
from trials.models import Laboratory, LaboratoryTrial, Membership, Site, Trial, User
from trials.permissions import (
    ROLE_PERMISSIONS,
    UNBLINDED_PERMISSIONS,
    UNBLINDED_ROLES,
    Permission,
    Role,
)


def create_account(*, email: str, name: str, password: str | None, by: Actor, is_administrator: bool = False) -> User:
    """Open an account, without a password where none is given. Only an administrator or the platform itself may."""
    with audit.transaction(by=by) as event:
        require(by, Permission.ACCOUNT_CREATE, None)
        user = open_account(email=email, name=name, password=password, is_administrator=is_administrator)
        event.record("account.created", trial=None, target=user)
    return user


def open_account(*, email: str, name: str, password: str | None, is_administrator: bool = False) -> User:
    """Store an account inside another service's transaction. Raises InConflict where the address has one."""
    try:
        with transaction.atomic():
            return User.objects.create_user(email, password, name=name.strip(), is_administrator=is_administrator)
    except IntegrityError as error:
        raise InConflict("account_exists", f"{email} has an account already. Nothing was stored.") from error


def grant_role(*, trial: Trial, user: User, role: str, by: Actor, site: Site | None = None) -> Membership:
    """Give a person a role in a trial, or at one of its sites only; asked again, return the one that is held.

    Raises RuleBroken for a role that shows arms or effects, where it would unblind those who decide over roles, or
    is given by somebody who takes part in the trial.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.PEOPLE_MANAGE, trial)
        check_place(trial, role, site)
        check_reach(trial, by, site)
        held_trial = hold_roles(trial)
        if held_trial is not None and not by.process:
            _check_blinding(held_trial, user, Role(role), by)
        membership, _ = Membership.objects.get_or_create(trial=trial, user=user, role=role, site=site, ended_at=None)
        event.record(
            "role.granted", trial=trial, target=user, detail={"role": role, "site": site.code if site else None}
        )
    return membership


def check_place(trial: Trial, role: str, site: Site | None) -> None:
    """Raise RuleBroken unless this is a role, and the site one of the trial's."""
    if role not in Role.values:
        raise RuleBroken("role_unknown", f"“{role}” is not a role.", field="role")
    if site is not None and site.trial_id != trial.pk:
        raise RuleBroken("site_unknown", f"“{site.code}” is not a site of this trial.", field="site")


def check_reach(trial: Trial, by: Actor, site: Site | None) -> None:
    """Raise RuleBroken where somebody who decides over roles at some sites would give one beyond them."""
    reached = sites_where(by, Permission.PEOPLE_MANAGE, trial)
    beyond = set(trial.sites.values_list("pk", flat=True)) if site is None else {site.pk}
    if not beyond <= reached:
        raise RuleBroken("site_beyond", "You decide over roles at your own site only. Choose that site.", field="site")


def hold_roles(trial: Trial | None) -> Trial | None:
    """Lock the trial's row, so that of two conflicting roles asked for at once the second sees the first."""
    return Trial.objects.select_for_update(no_key=True).get(pk=trial.pk) if trial is not None else None


def check_chooser(trial: Trial, role: str, by: Actor) -> None:
    """Raise RuleBroken where somebody who takes part in a blinded trial would choose who is unblinded in it."""
    if role in UNBLINDED_ROLES and not may_choose_unblinded(by, trial):
        raise RuleBroken(
            "unblinding_role",
            "Who runs a trial does not choose who is unblinded in it. Ask an administrator who takes no part in it.",
            field="role",
        )


def _check_blinding(trial: Trial, user: User, role: Role, by: Actor) -> None:
    """Keep those who decide over roles blinded, in whichever order the two roles are asked for."""
    if role in UNBLINDED_ROLES and by.user == user:
        raise RuleBroken("self_unblinding", f"Nobody makes themselves {role.label.lower()}: ask somebody else.")
    if trial.is_unblinded:
        return
    check_chooser(trial, role, by)
    held = set(Membership.objects.filter(trial=trial, user=user, ended_at=None).values_list("role", flat=True)) | {role}
    permissions = frozenset().union(*(ROLE_PERMISSIONS[Role(each)] for each in held))
    manages = user.is_administrator or Permission.PEOPLE_MANAGE in permissions
    if manages and permissions & UNBLINDED_PERMISSIONS:
        raise RuleBroken(
            "manager_unblinded",
            f"{user} would both see arms or effects and decide over roles. Before unblinding, those are two people.",
        )


def end_role(*, membership: Membership, by: Actor, reason: str = "") -> None:
    """End a role at once; the row stays. Asked again, the first end counts."""
    with audit.transaction(by=by, reason=reason) as event:
        require(by, Permission.PEOPLE_MANAGE, membership.trial)
        check_reach(membership.trial, by, membership.site)
        membership.ended_at = membership.ended_at or timezone.now()
        membership.save(update_fields=["ended_at"])
        event.record("role.ended", trial=membership.trial, target=membership.user, detail={"role": membership.role})


def add_laboratory(*, trial: Trial, code: str, name: str, by: Actor) -> Laboratory:
    """Let a laboratory deliver to the trial, known to the platform already or new."""
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        if trial.rehearsal_of_id is not None:
            raise InConflict("rehearsal", "This is a rehearsal: no laboratory delivers to it. Nothing was saved.")
        laboratory, _ = Laboratory.objects.get_or_create(trial=None, code=code, defaults={"name": name})
        LaboratoryTrial.objects.get_or_create(laboratory=laboratory, trial=trial, ended_at=None)
        event.record("laboratory.joined", trial=trial, target=laboratory)
    return laboratory


def end_delivery(*, laboratory: Laboratory, trial: Trial, by: Actor, reason: str) -> None:
    """End at once that a laboratory delivers to the trial: its credentials reach it no more, what it sent stays.

    Asked again, the first end counts. Raises RuleBroken without a reason, InConflict for the built-in laboratory,
    NotFound for one that never delivered here.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        if not reason.strip():
            raise RuleBroken("reason_missing", "Say why it delivers no more. Nothing was changed.", field="reason")
        if laboratory.trial_id is not None:
            raise InConflict("laboratory_built_in", "What is entered on visit forms is not a delivery that could end.")
        deliveries = LaboratoryTrial.objects.filter(laboratory=laboratory, trial=trial)
        if not deliveries.exists():
            raise NotFound("laboratory_unknown", "There is no such laboratory in this trial.")
        deliveries.filter(ended_at=None).update(ended_at=timezone.now())
        event.record("laboratory.left", trial=trial, target=laboratory)
