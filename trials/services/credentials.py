"""The tokens that laboratories and people come in with: made and shown once, rotated, revoked."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone

from trials import audit
from trials.access import Actor, at_every_site, is_current, require
from trials.errors import InConflict, NotAllowed, NotFound, RuleBroken
from trials.models import Laboratory, LaboratoryCredential, PersonalToken, Trial, User
from trials.permissions import LABORATORY_SCOPES, PERSONAL_SCOPES, Permission
from trials.tokens import LABORATORY, PERSONAL, SANDBOX, new_token

TOKEN_LIFE = timedelta(days=365)
OVERLAP = timedelta(days=7)
LONGEST_OVERLAP = timedelta(days=30)

Token = TypeVar("Token", LaboratoryCredential, PersonalToken)


def create_laboratory_credential(
    *,
    laboratory: Laboratory,
    trials: Sequence[Trial],
    name: str,
    scopes: Sequence[str],
    by: Actor,
    is_sandbox: bool = False,
    expires_at: datetime | None = None,
    key: str = "",
) -> tuple[LaboratoryCredential, str]:
    """Make a laboratory's token for these trials; return it with the text that is shown once.

    It reaches every site, and so must whoever makes it; one for the sandbox reaches none. Raises RuleBroken for
    who is bound to a site, a laboratory that does not deliver to each of the trials, unknown scopes, or an end in the
    past; InConflict where the form of this `key` was sent before.
    """
    with audit.transaction(by=by) as event:
        for trial in trials:
            _require_reach(trial, by, is_sandbox=is_sandbox)
        _check_delivers(laboratory, trials)
        _check_scopes(scopes, LABORATORY_SCOPES)
        _check_end(expires_at)
        token, prefix, sha256 = new_token(SANDBOX if is_sandbox else LABORATORY)
        credential = _kept_once(
            lambda: LaboratoryCredential.objects.create(
                laboratory=laboratory,
                name=name,
                prefix=prefix,
                sha256=sha256,
                scopes=list(scopes),
                is_sandbox=is_sandbox,
                expires_at=expires_at or timezone.now() + TOKEN_LIFE,
                key=key,
            )
        )
        credential.trials.set(trials)
        event.record("credential.created", trial=trials[0], target=credential, detail=_told(credential))
    return credential, token


def rotate_laboratory_credential(
    *,
    credential: LaboratoryCredential,
    trial: Trial,
    by: Actor,
    overlap: timedelta = OVERLAP,
    expires_at: datetime | None = None,
) -> tuple[LaboratoryCredential, str]:
    """Make a successor with the same name, scopes and trials; return it with the text that is shown once.

    The old one stays good for the overlap (0 to 30 days), so that the laboratory changes over without a gap, and never
    longer than it would have been. Whoever rotates must manage the laboratories of each of its trials.

    Raises NotFound for a credential that is not for this trial, InConflict for one that was rotated, revoked or has
    expired, RuleBroken for an overlap out of range or an end in the past.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        old = LaboratoryCredential.objects.select_for_update(no_key=True, of=("self",)).get(pk=credential.pk)
        _require_reach(trial, by, is_sandbox=old.is_sandbox)
        trials = _trials_managed(old, trial, by)
        _check_rotation(old, overlap)
        _check_end(expires_at)
        token, prefix, sha256 = new_token(SANDBOX if old.is_sandbox else LABORATORY)
        successor = LaboratoryCredential.objects.create(
            laboratory=old.laboratory,
            name=old.name,
            prefix=prefix,
            sha256=sha256,
            scopes=old.scopes,
            is_sandbox=old.is_sandbox,
            expires_at=expires_at or timezone.now() + TOKEN_LIFE,
        )
        successor.trials.set(trials)
        old.replaced_by, old.expires_at = successor, min(old.expires_at, timezone.now() + overlap)
        old.save(update_fields=["replaced_by", "expires_at"])
        event.record("credential.rotated", trial=trial, target=successor, detail=_told(successor) | {"of": old.prefix})
    return successor, token


def _require_reach(trial: Trial, by: Actor, *, is_sandbox: bool) -> None:
    """A token for the trial reads and writes at all sites: nobody hands on more than they have themselves."""
    require(by, Permission.LABORATORY_MANAGE, trial)
    if not is_sandbox and not at_every_site(by, Permission.LABORATORY_MANAGE, trial):
        raise RuleBroken(
            "whole_trial_only",
            "A credential reaches every site, and your role is at one. Ask somebody who manages the laboratories of "
            "all sites. Nothing was saved.",
        )


def _trials_managed(credential: LaboratoryCredential, trial: Trial, by: Actor) -> list[Trial]:
    trials = list(credential.trials.all())
    if trial not in trials:
        raise _unknown()
    for other in trials:
        try:
            _require_reach(other, by, is_sandbox=credential.is_sandbox)
        except RuleBroken as refusal:
            raise InConflict(
                "credential_of_others",
                "This credential is also for trials whose laboratories you do not manage. Make a new one for this "
                "trial, then revoke this one here.",
            ) from refusal
    return trials


def _check_rotation(credential: LaboratoryCredential, overlap: timedelta) -> None:
    if credential.replaced_by_id is not None:
        raise InConflict(
            "credential_rotated", f"{credential.name} ({credential.prefix}…) was rotated already. Rotate its successor."
        )
    if not is_current(credential.expires_at, credential.revoked_at):
        raise InConflict(
            "credential_over", f"{credential.name} ({credential.prefix}…) is over. Make a new credential instead."
        )
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise RuleBroken("out_of_range", f"Choose 0 to {LONGEST_OVERLAP.days} days.", field="overlap")


def revoke_laboratory_credential(
    *, credential: LaboratoryCredential, trial: Trial, by: Actor, reason: str = ""
) -> None:
    """End a credential's use in this trial at once; with its last trial it ends altogether and keeps its place there.

    Raises NotFound for a credential that is not for this trial.
    """
    with audit.transaction(by=by, reason=reason) as event:
        require(by, Permission.LABORATORY_MANAGE, trial)
        if not credential.trials.filter(pk=trial.pk).exists():
            raise _unknown()
        if credential.trials.exclude(pk=trial.pk).exists():
            credential.trials.remove(trial)
        else:
            credential.revoked_at = credential.revoked_at or timezone.now()
            credential.save(update_fields=["revoked_at"])
        event.record("credential.revoked", trial=trial, target=credential)


def create_personal_token(
    *, user: User, name: str, scopes: Sequence[str], by: Actor, expires_at: datetime | None = None, key: str = ""
) -> tuple[PersonalToken, str]:
    """Make a person's own token; return it with the text that is shown once.

    Raises NotAllowed for another's, RuleBroken for unknown scopes or an end in the past, InConflict where the form of
    this `key` was sent before.
    """
    with audit.transaction(by=by) as event:
        if not by.process and by.user != user:
            raise NotAllowed("not_allowed", "People make their own tokens.")
        if by.scopes is not None:
            raise NotAllowed("not_allowed", "A token makes no tokens. Sign in to make one.")
        _check_scopes(scopes, PERSONAL_SCOPES)
        _check_end(expires_at)
        token, prefix, sha256 = new_token(PERSONAL)
        held = _kept_once(
            lambda: PersonalToken.objects.create(
                user=user,
                name=name,
                prefix=prefix,
                sha256=sha256,
                scopes=list(scopes),
                expires_at=expires_at or timezone.now() + TOKEN_LIFE,
                key=key,
            )
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


def _kept_once(create: Callable[[], Token]) -> Token:
    """Store a token, unless its form was sent before: the text of that one cannot be shown again."""
    try:
        with transaction.atomic():
            return create()
    except IntegrityError as error:
        raise InConflict(
            "token_made",
            "This form was sent before, and its token was shown then. It cannot be shown again: open the page anew to "
            "make another one, and revoke the one you do not have.",
        ) from error


def _told(credential: LaboratoryCredential) -> dict[str, object]:
    """What the trail says of a new credential beside its name; never anything the token could be guessed from."""
    return {"scopes": list(credential.scopes), "sandbox": credential.is_sandbox}


def _unknown() -> NotFound:
    return NotFound("credential_unknown", "There is no such credential in this trial.")


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
