"""Saying yes or no: `require` raises with a sentence, `has_permission` is its twin for buttons.

Who may is `permissions.ROLE_PERMISSIONS`. Blinding and sites are decided here, the state that a trial must be in by
services.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from trials.errors import NotAllowed, NotFound
from trials.models import LaboratoryCredential, Membership, Site, Trial, User
from trials.permissions import (
    ACCOUNT_PERMISSIONS,
    ADMINISTRATOR_PERMISSIONS,
    LABORATORY_SCOPES,
    NEVER_UNBLINDED,
    OPEN_LABEL_ROLES,
    PERSONAL_SCOPES,
    ROLE_PERMISSIONS,
    UNBLINDED_PERMISSIONS,
    Permission,
    Role,
)


class Reach(StrEnum):
    """How far a role gives a permission."""

    EVERYWHERE = "everywhere"
    OWN_SITE = "own_site"
    NOWHERE = "nowhere"


@dataclass(frozen=True)
class Actor:
    """Who acts: a person (perhaps through a token with scopes), a laboratory's credential, or the platform itself.

    `remembered` holds the roles by trial while a request lasts; without it every question asks the database.
    """

    user: User | None = None
    credential: LaboratoryCredential | None = None
    scopes: frozenset[str] | None = None
    process: str = ""
    remembered: "dict[int, list[Membership]] | None" = field(default=None, compare=False, repr=False)

    @property
    def kind(self) -> str:
        """Return `person`, `laboratory` or `process`."""
        return "person" if self.user else "laboratory" if self.credential else "process"

    @property
    def id(self) -> int | None:
        """Return the id of the account or credential."""
        holder = self.user or self.credential
        return holder.pk if holder else None

    @property
    def name(self) -> str:
        """Return the name for the audit trail."""
        return str(self.user or self.credential or self.process)


def actor_of(request: HttpRequest) -> Actor:
    """Return who makes this request: set by the API's authentication, else the signed-in person; the same each time."""
    actor = getattr(request, "actor", None)
    if not isinstance(actor, Actor):
        if not isinstance(request.user, User):
            raise NotAllowed("not_signed_in", "Sign in first.")
        actor = Actor(user=request.user, remembered={})
        request.actor = actor  # type: ignore[attr-defined]
    return actor


def _memberships(by: Actor, trial: Trial) -> list[Membership]:
    if by.remembered is not None and trial.pk in by.remembered:
        return by.remembered[trial.pk]
    held = list(Membership.objects.filter(trial=trial, user=by.user, ended_at=None))
    if by.remembered is not None:
        by.remembered[trial.pk] = held
    return held


def _role_gives(role: str, permission: Permission, trial: Trial, *, own_site: bool) -> bool:
    """Whether this role gives this permission in this trial as it now stands."""
    member = Role(role)
    if permission in ROLE_PERMISSIONS[member]:
        return True
    if permission not in UNBLINDED_PERMISSIONS or member in NEVER_UNBLINDED:
        return False
    if trial.is_unblinded:
        return True
    return permission is Permission.ALLOCATION_VIEW and trial.is_open_label and own_site and member in OPEN_LABEL_ROLES


def role_reach(role: Role, permission: Permission, trial: Trial) -> Reach:
    """Return how far a role that is held at all sites gives this permission, in the trial as it now stands."""
    if _role_gives(role, permission, trial, own_site=False):
        return Reach.EVERYWHERE
    return Reach.OWN_SITE if _role_gives(role, permission, trial, own_site=True) else Reach.NOWHERE


def _laboratory_may(credential: LaboratoryCredential, permission: Permission, trial: Trial) -> bool:
    """Whether this credential may: a live one in its trials, one of the sandbox in the present copies of them."""
    if credential.is_sandbox is not trial.is_sandbox or trial.sandbox_ended_at is not None:
        return False
    granted = frozenset().union(*(LABORATORY_SCOPES.get(scope, frozenset()) for scope in credential.scopes))
    delivered_to = trial.sandbox_of_id or trial.pk
    return (
        permission in granted
        and credential.trials.filter(pk=delivered_to).exists()
        and credential.laboratory.deliveries.filter(trial=delivered_to, ended_at=None).exists()
    )


def _scopes_allow(by: Actor, permission: Permission) -> bool:
    return by.scopes is None or any(permission in PERSONAL_SCOPES.get(scope, frozenset()) for scope in by.scopes)


def has_permission(by: Actor, permission: Permission, trial: Trial | None, *, site: Site | None = None) -> bool:
    """Return whether `by` may do this in this trial, at this site where one is named.

    A role that is held at one site counts for that site alone. Without `site` a site-bound role still counts for
    what is not about one participant (seeing the trial), but not for arms and effects: those are then of all sites.
    From unblinding on, arms and effects are everybody's, whatever the site.
    For arms in open-label trials a site must be named. In a sandbox people, administrators too, may nothing.
    """
    if by.process:
        return True
    if by.credential is not None:
        return trial is not None and _laboratory_may(by.credential, permission, trial)
    if by.user is None or not by.user.is_active or not _scopes_allow(by, permission):
        return False
    if trial is not None and trial.is_sandbox:
        return False
    if permission in ACCOUNT_PERMISSIONS:
        return True
    if by.user.is_administrator and permission in ADMINISTRATOR_PERMISSIONS:
        return True
    if trial is None:
        return False
    return any(
        _role_gives(held.role, permission, trial, own_site=_is_own_site(held, site))
        for held in _memberships(by, trial)
        if _reaches(held, permission, trial, site)
    )


def _reaches(held: Membership, permission: Permission, trial: Trial, site: Site | None) -> bool:
    """Whether a role held at one site or all counts for what is asked about, at this site or the whole trial."""
    if held.site_id is None or (permission in UNBLINDED_PERMISSIONS and trial.is_unblinded):
        return True
    return held.site_id == site.pk if site is not None else permission not in UNBLINDED_PERMISSIONS


def _is_own_site(held: Membership, site: Site | None) -> bool:
    """Whether a member of the trial (or of this site) is at home at the site asked about."""
    return site is not None and held.site_id in {None, site.pk}


def require(by: Actor, permission: Permission, trial: Trial | None, *, site: Site | None = None) -> None:
    """Raise unless `by` may do this now: roles are asked of the database anew, since one may just have ended.

    Raises:
        NotFound: the caller may not know that the trial exists.
        NotAllowed: the caller sees the trial and may not do this.
    """
    if by.remembered is not None and trial is not None:
        by.remembered.pop(trial.pk, None)
    if has_permission(by, permission, trial, site=site):
        return
    if trial is not None and not has_permission(by, Permission.TRIAL_VIEW, trial):
        raise trial_unknown()
    if permission in UNBLINDED_PERMISSIONS:
        raise NotAllowed("blinded", "You are blinded in this trial: results by arm are not shown before unblinding.")
    raise NotAllowed("not_allowed", f"Your roles in this trial do not include {permission.value}.")


def trial_unknown() -> NotFound:
    """Return the one answer for a trial that is missing or foreign, whatever it is called."""
    return NotFound("trial_unknown", "There is no trial of this name that you take part in.")


def trials_of(by: Actor) -> Q:
    """Return the condition on Trial that keeps those whose existence `by` may know."""
    if by.process:
        return Q()
    if by.credential is not None:
        return _trials_of_laboratory(by.credential)
    if by.user is not None and by.user.is_administrator:
        return Q(sandbox_of=None)
    return Q(memberships__user=by.user, memberships__ended_at=None, sandbox_of=None)


def _trials_of_laboratory(credential: LaboratoryCredential) -> Q:
    """Of a live credential its trials and never a sandbox, of one of the sandbox their present copies and no trial."""
    of = "sandbox_of__" if credential.is_sandbox else ""
    delivered_to = {
        f"{of}laboratory_credentials": credential,
        f"{of}laboratories__laboratory": credential.laboratory_id,
        f"{of}laboratories__ended_at": None,
    }
    return Q(sandbox_of__isnull=not credential.is_sandbox, sandbox_ended_at=None, **delivered_to)


def tries_things_out(by: Actor) -> bool:
    """Return whether `by` came with a credential of the sandbox: its addresses name copies, not trials."""
    return by.credential is not None and by.credential.is_sandbox


def may_choose_unblinded(by: Actor, trial: Trial) -> bool:
    """Return whether `by` may give roles that see arms or effects while the trial is blinded.

    Before unblinding that is an administrator without a role in the trial, or the platform itself: whoever runs a
    trial could give such a role to a second address of their own.
    """
    if by.process or trial.is_unblinded:
        return has_permission(by, Permission.PEOPLE_MANAGE, trial)
    if by.user is None or not by.user.is_administrator:
        return False
    is_outside = not Membership.objects.filter(trial=trial, user=by.user, ended_at=None).exists()
    return is_outside and has_permission(by, Permission.PEOPLE_MANAGE, trial)


def sees_effects(by: Actor, trial: Trial) -> bool:
    """Return whether outcomes by arm may be shown."""
    return has_permission(by, Permission.EFFECTS_VIEW, trial)


def allocation_sites(by: Actor, trial: Trial) -> set[int]:
    """Return the sites whose participants' arms `by` may see."""
    return sites_where(by, Permission.ALLOCATION_VIEW, trial)


def sites_where(by: Actor, permission: Permission, trial: Trial) -> set[int]:
    """Return the sites at which `by` has this permission."""
    return {site.pk for site in trial.sites.all() if has_permission(by, permission, trial, site=site)}


def at_every_site(by: Actor, permission: Permission, trial: Trial) -> bool:
    """Return whether `by` has this permission at all sites, as it takes for what reaches all of them."""
    return sites_where(by, permission, trial) >= {site.pk for site in trial.sites.all()}


def may_name_arms(by: Actor, trial: Trial) -> bool:
    """Return whether arms may be named: in a draft, which nobody is allocated by, and to those who see allocations."""
    return trial.status == Trial.Status.DRAFT or bool(
        has_permission(by, Permission.ALLOCATION_VIEW, trial) or allocation_sites(by, trial)
    )


def is_current(expires_at: object, revoked_at: object) -> bool:
    """Return whether a token is neither expired nor revoked."""
    return revoked_at is None and expires_at > timezone.now()  # type: ignore[operator]
