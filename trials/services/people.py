"""People, their roles, laboratories, and the tokens that both come in with."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from trials import audit
from trials.access import Actor, may_choose_unblinded, require, sites_where
from trials.errors import InConflict, NotAllowed, NotFound, RuleBroken
from trials.models import (
    Laboratory,
    LaboratoryCredential,
    LaboratoryTrial,
    Membership,
    PersonalToken,
    Site,
    Trial,
    User,
)
from trials.permissions import (
    LABORATORY_SCOPES,
    PERSONAL_SCOPES,
    ROLE_PERMISSIONS,
    UNBLINDED_PERMISSIONS,
    UNBLINDED_ROLES,
    Permission,
    Role,
)
from trials.tokens import LABORATORY, PERSONAL, SANDBOX, new_token

TOKEN_LIFE = timedelta(days=365)


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


def create_laboratory_credential(
    *,
    laboratory: Laboratory,
    trials: Sequence[Trial],
    name: str,
    scopes: Sequence[str],
    by: Actor,
    is_sandbox: bool = False,
    expires_at: datetime | None = None,
) -> tuple[LaboratoryCredential, str]:
    """Make a laboratory's token for these trials; return it with the text that is shown once.

    Raises RuleBroken for a laboratory that does not deliver to each of them, unknown scopes, or an end in the past.
    """
    with audit.transaction(by=by) as event:
        for trial in trials:
            require(by, Permission.LABORATORY_MANAGE, trial)
        _check_delivers(laboratory, trials)
        _check_scopes(scopes, LABORATORY_SCOPES)
        _check_end(expires_at)
        token, prefix, sha256 = new_token(SANDBOX if is_sandbox else LABORATORY)
        credential = LaboratoryCredential.objects.create(
            laboratory=laboratory,
            name=name,
            prefix=prefix,
            sha256=sha256,
            scopes=list(scopes),
            is_sandbox=is_sandbox,
            expires_at=expires_at or timezone.now() + TOKEN_LIFE,
        )
        credential.trials.set(trials)
        event.record("credential.created", trial=trials[0], target=credential)
    return credential, token


def revoke_laboratory_credential(
    *, credential: LaboratoryCredential, trial: Trial, by: Actor, reason: str = ""
) -> None:
    """End a credential's use in this trial at once; with its last trial it ends altogether and keeps its place there.

    Raises NotFound for a credential that is not for this trial.
    """
    with audit.transaction(by=by, reason=reason) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        if not credential.trials.filter(pk=trial.pk).exists():
            raise NotFound("credential_unknown", "There is no such credential in this trial.")
        if credential.trials.exclude(pk=trial.pk).exists():
            credential.trials.remove(trial)
        else:
            credential.revoked_at = credential.revoked_at or timezone.now()
            credential.save(update_fields=["revoked_at"])
        event.record("credential.revoked", trial=trial, target=credential)


def create_personal_token(
    *, user: User, name: str, scopes: Sequence[str], by: Actor, expires_at: datetime | None = None
) -> tuple[PersonalToken, str]:
    """Make a person's own token; return it with the text that is shown once."""
    with audit.transaction(by=by) as event:
        if not by.process and by.user != user:
            raise NotAllowed("not_allowed", "People make their own tokens.")
        if by.scopes is not None:
            raise NotAllowed("not_allowed", "A token makes no tokens. Sign in to make one.")
        _check_scopes(scopes, PERSONAL_SCOPES)
        _check_end(expires_at)
        token, prefix, sha256 = new_token(PERSONAL)
        held = PersonalToken.objects.create(
            user=user,
            name=name,
            prefix=prefix,
            sha256=sha256,
            scopes=list(scopes),
            expires_at=expires_at or timezone.now() + TOKEN_LIFE,
        )
        event.record("token.created", trial=None, target=held)
    return held, token


def revoke_personal_token(*, token: PersonalToken, by: Actor) -> None:
    """End a person's token at once. Asked again, the first end counts."""
    with audit.transaction(by=by) as event:
        if by.user != token.user:
            raise NotAllowed("not_allowed", "People revoke their own tokens.")
        token.revoked_at = token.revoked_at or timezone.now()
        token.save(update_fields=["revoked_at"])
        event.record("token.revoked", trial=None, target=token)


def _check_delivers(laboratory: Laboratory, trials: Sequence[Trial]) -> None:
    delivers_to = set(laboratory.deliveries.filter(ended_at=None).values_list("trial_id", flat=True))
    if not trials or not {trial.pk for trial in trials} <= delivers_to:
        raise RuleBroken("laboratory_unknown", f"{laboratory} does not deliver to this trial.", field="laboratory")


def _check_end(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= timezone.now():
        raise RuleBroken(
            "expiry_past", "A token that has already expired is of no use. Choose a later day.", field="expires_on"
        )


def _check_scopes(scopes: Sequence[str], known: dict[str, frozenset[Permission]]) -> None:
    unknown = [scope for scope in scopes if scope not in known]
    if unknown or not scopes:
        raise RuleBroken("scope_unknown", f"Choose scopes among {', '.join(known)}.", field="scopes")
