"""Who takes part in a trial, which laboratories deliver to it, and a person's own tokens."""

from typing import TypeVar

from django.db.models import Model, Prefetch, QuerySet

from trials.access import Actor, require
from trials.errors import NotFound
from trials.models import Laboratory, LaboratoryCredential, Membership, PersonalToken, Trial, User
from trials.permissions import Permission

Found = TypeVar("Found", bound=Model)


def members_of(trial: Trial, by: Actor) -> QuerySet[Membership]:
    """Return the roles that are held now, with person and site, by name."""
    require(by, Permission.TRIAL_VIEW, trial)
    held = Membership.objects.filter(trial=trial, ended_at=None).select_related("user", "site", "trial")
    return held.order_by("user__name", "role", "site__name")


def held_role(number: int, by: Actor, trial: Trial) -> Membership:
    """Return one role in this trial, held or ended."""
    require(by, Permission.PEOPLE_MANAGE, trial)
    return _only(
        Membership.objects.filter(trial=trial, pk=number), "role_unknown", "There is no such role in this trial."
    )


def person_by_email(email: str) -> User | None:
    """Return the active account with this address, in any spelling of case."""
    return User.objects.filter(email=email.strip().lower(), is_active=True).first()


def laboratories_of(trial: Trial, by: Actor) -> QuerySet[Laboratory]:
    """Return the laboratories that deliver to the trial, each with `trial_credentials`: those for this trial."""
    require(by, Permission.LABORATORY_MANAGE, trial)
    credentials = LaboratoryCredential.objects.filter(trials=trial).order_by("revoked_at", "-created_at")
    delivering = Laboratory.objects.filter(deliveries__trial=trial, deliveries__ended_at=None)
    return delivering.prefetch_related(Prefetch("credentials", credentials, to_attr="trial_credentials")).order_by(
        "name"
    )


def credential_of(number: int, by: Actor, trial: Trial) -> LaboratoryCredential:
    """Return one credential for this trial."""
    require(by, Permission.LABORATORY_MANAGE, trial)
    found = LaboratoryCredential.objects.filter(trials=trial, pk=number)
    return _only(found, "credential_unknown", "There is no such credential in this trial.")


def tokens_of(by: Actor) -> QuerySet[PersonalToken]:
    """Return a person's own tokens, the current ones first."""
    return PersonalToken.objects.filter(user=by.user).order_by("revoked_at", "-created_at")


def own_token(number: int, by: Actor) -> PersonalToken:
    """Return one of a person's own tokens."""
    return _only(tokens_of(by).filter(pk=number), "token_unknown", "You have no such token.")


def _only(found: "QuerySet[Found]", code: str, sentence: str) -> Found:
    one = found.first()
    if one is None:
        raise NotFound(code, sentence)
    return one
