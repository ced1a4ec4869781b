"""Who takes part in a trial, which laboratories deliver to it, and a person's own tokens."""

from typing import TypeVar

from django.db.models import Model, Prefetch, Q, QuerySet
from django.utils import timezone

from trials.access import Actor, require, sites_where
from trials.errors import NotFound
from trials.models import Invitation, Laboratory, LaboratoryCredential, Membership, PersonalToken, Trial, User
from trials.permissions import Permission
from trials.tokens import digest

Found = TypeVar("Found", bound=Model)


def members_of(trial: Trial, by: Actor) -> QuerySet[Membership]:
    """Return the roles that are held now, with person and site, by name."""
    require(by, Permission.TRIAL_VIEW, trial)
    held = Membership.objects.filter(trial=trial, ended_at=None).select_related("user", "site", "trial")
    return held.order_by("user__name", "role", "site__name")


# What the list of members can be sorted by.
MEMBER_ORDERS = {
    "person": ("user__name", "pk"),
    "email": ("user__email", "pk"),
    "role": ("role", "user__name", "pk"),
    "site": ("site__name", "user__name", "pk"),
}


def members_like(
    trial: Trial, by: Actor, *, words: str = "", role: str = "", site: str = "", sort: str = ""
) -> QuerySet[Membership]:
    """Return the roles that are held now, narrowed down to a name or address, role and site's code, and sorted."""
    found = members_of(trial, by)
    if words:
        found = found.filter(Q(user__name__icontains=words) | Q(user__email__icontains=words))
    if role:
        found = found.filter(role=role)
    if site:
        found = found.filter(site__code=site)
    order = MEMBER_ORDERS.get(sort.removeprefix("-"), MEMBER_ORDERS["person"])
    return found.order_by(*(f"-{each}" for each in order)) if sort.startswith("-") else found.order_by(*order)


def open_invitations(trial: Trial | None, by: Actor) -> QuerySet[Invitation]:
    """Return the invitations that are neither taken up nor withdrawn and within reach, the newest first."""
    waiting = _invitations(trial, by).filter(accepted_at=None, revoked_at=None)
    return waiting.select_related("trial", "site", "invited_by").order_by("-invited_at", "-pk")


def held_invitation(number: int, by: Actor, trial: Trial | None) -> Invitation:
    """Return one invitation to this trial, or to the platform, that is within the reader's reach."""
    found = _invitations(trial, by).filter(pk=number).select_related("trial", "site")
    return _only(found, "invitation_unknown", "There is no such invitation.")


def _invitations(trial: Trial | None, by: Actor) -> QuerySet[Invitation]:
    """Return those that `by` may decide over: at all sites, or of the sites at which they decide over roles."""
    require(by, Permission.PEOPLE_MANAGE if trial is not None else Permission.ACCOUNT_CREATE, trial)
    found = Invitation.objects.filter(trial=trial)
    if trial is None:
        return found
    reached = sites_where(by, Permission.PEOPLE_MANAGE, trial)
    return found if reached >= {site.pk for site in trial.sites.all()} else found.filter(site__in=reached)


def invitation_of(token: str) -> Invitation | None:
    """Return the open invitation of this token. Whoever has the token may see it."""
    found = Invitation.objects.filter(
        sha256=digest(token), accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )
    return found.select_related("trial", "site", "invited_by").first()


def has_account(email: str) -> bool:
    """Return whether an account, open or closed, has this address."""
    return User.objects.filter(email=email.strip().lower()).exists()


def held_role(number: int, by: Actor, trial: Trial) -> Membership:
    """Return one role in this trial, held or ended."""
    require(by, Permission.PEOPLE_MANAGE, trial)
    return _only(
        Membership.objects.filter(trial=trial, pk=number), "role_unknown", "There is no such role in this trial."
    )


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
