"""Invitations: an address is offered an account, and with it a role; the link works once and not for long."""

from collections.abc import Callable
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from trials import audit
from trials.access import Actor, has_permission, require
from trials.errors import InConflict, NotFound, RuleBroken
from trials.models import Invitation, Site, Trial, User
from trials.permissions import Permission, Role
from trials.services.messages import send_message
from trials.services.people import check_chooser, check_place, check_reach, grant_role, hold_roles, open_account
from trials.tokens import digest, new_token

INVITATION_LIFE = timedelta(days=14)
MOST_OPEN = 50
"""Open invitations of one trial, or of the platform: nobody writes to a whole address book in our name."""
TOKEN_KIND = "inv_"  # noqa: S105 - what such a token begins with

Link = Callable[[str], str]
"""Makes the address of the page that takes a token up: faces know addresses, services do not."""


def invite_person(
    *,
    email: str,
    by: Actor,
    link: Link,
    name: str = "",
    trial: Trial | None = None,
    role: str = "",
    site: Site | None = None,
) -> str | None:
    """Give a person a role in a trial, or only an account; return the link that was made, None where none was needed.

    Who has an account holds the role at once and is told so. Everybody else is sent a link. Inviting again to the
    same makes the earlier link worthless. Raises RuleBroken for a role, site or person that cannot be, and InConflict
    beyond 50 open invitations.
    """
    address = email.strip().lower()
    with audit.transaction(by=by) as event:
        require(by, _permission(trial), trial)
        person = User.objects.filter(email=address).first()
        if person is not None:
            _give_at_once(person, trial, role, by, site)
            event.record("person.invited", trial=trial, target=person)
            return None
        held_trial = hold_roles(trial)
        if held_trial is not None:
            check_place(held_trial, role, site)
            check_reach(held_trial, by, site)
            check_chooser(held_trial, role, by)
        invitation, token = _renewed(address, name, trial, role, site, by)
        _send(invitation, link(token), by)
        event.record("invitation.made", trial=trial, target=invitation, detail=_place(invitation))
    return link(token)


def _permission(trial: Trial | None) -> Permission:
    return Permission.PEOPLE_MANAGE if trial is not None else Permission.ACCOUNT_CREATE


def _place(invitation: Invitation) -> dict[str, str | None]:
    return {"role": invitation.role or None, "site": invitation.site.code if invitation.site else None}


def _give_at_once(person: User, trial: Trial | None, role: str, by: Actor, site: Site | None) -> None:
    """Give a role to somebody who has an account, and tell them."""
    if not person.is_active:
        raise RuleBroken("account_closed", f"The account of {person.email} is closed. Nothing was given.")
    if trial is None:
        raise InConflict("account_exists", f"{person.email} has an account already. Nothing was sent.")
    grant_role(trial=trial, user=person, role=role, by=by, site=site)
    send_message(
        to=person.email,
        subject=_("Your role in %(trial)s") % {"trial": trial.title},
        text=_("%(by)s made you %(role)s in the trial “%(trial)s”. Sign in as usual; the trial is among your trials.")
        % {"by": by.name, "role": Role(role).label.lower(), "trial": trial.title},
        by=by,
        trial=trial,
    )


def _open(trial: Trial | None) -> QuerySet[Invitation]:
    return Invitation.objects.filter(trial=trial, accepted_at=None, revoked_at=None)


def _renewed(
    email: str, name: str, trial: Trial | None, role: str, site: Site | None, by: Actor
) -> tuple[Invitation, str]:
    """Return the open invitation to exactly this, with a new token and end; made where there is none."""
    asked = _open(trial).filter(email=email, role=role, site=site).first()
    if asked is None and _open(trial).filter(expires_at__gt=timezone.now()).count() >= MOST_OPEN:
        raise InConflict(
            "invitations_many", f"{MOST_OPEN} invitations are open. Withdraw one first. Nobody was invited."
        )
    invitation = asked or Invitation(email=email, trial=trial, role=role, site=site)
    token = _give_token(invitation)
    invitation.name = name.strip() or invitation.name
    invitation.invited_by = by.user
    try:
        with transaction.atomic():
            invitation.save()
    except IntegrityError as error:
        raise InConflict("invited_meanwhile", f"{email} was invited a moment ago by somebody else.") from error
    return invitation, token


def _give_token(invitation: Invitation) -> str:
    """Put a new token in place of the earlier one, and return it."""
    token, _, invitation.sha256 = new_token(TOKEN_KIND)
    invitation.expires_at = timezone.now() + INVITATION_LIFE
    return token


def _send(invitation: Invitation, address: str, by: Actor) -> None:
    words = {
        "by": by.name,
        "role": invitation.get_role_display().lower(),
        "trial": invitation.trial.title if invitation.trial else "",
        "link": address,
        "days": INVITATION_LIFE.days,
    }
    if invitation.trial is not None:
        subject = _("Invitation to %(trial)s") % words
        offer = _("%(by)s invites you to the trial “%(trial)s” as %(role)s.") % words
    else:
        subject = _("Invitation to the study platform")
        offer = _("%(by)s invites you to the study platform.") % words
    how = _("Open this link within %(days)d days; it works once. Give it to nobody:\n\n%(link)s") % words
    send_message(to=invitation.email, subject=subject, text=f"{offer}\n\n{how}\n", by=by, trial=invitation.trial)


def resend_invitation(*, invitation: Invitation, by: Actor, link: Link) -> str:
    """Send an open invitation again with a new link and a new end; return the link. The earlier link is worthless.

    It is in the resender's name from now on, and asks what inviting asks: the link lets its reader in.
    """
    with audit.transaction(by=by) as event:
        require(by, _permission(invitation.trial), invitation.trial)
        held_trial = hold_roles(invitation.trial)
        held = _held_open(invitation)
        if held_trial is not None:
            check_reach(held_trial, by, held.site)
            check_chooser(held_trial, held.role, by)
        token = _give_token(held)
        held.invited_by = by.user
        held.save(update_fields=["sha256", "expires_at", "invited_by"])
        _send(held, link(token), by)
        event.record("invitation.sent_again", trial=held.trial, target=held, detail=_place(held))
    return link(token)


def revoke_invitation(*, invitation: Invitation, by: Actor, reason: str = "") -> None:
    """Withdraw an open invitation: its link is worthless at once. Raises InConflict once it was taken up."""
    with audit.transaction(by=by, reason=reason) as event:
        require(by, _permission(invitation.trial), invitation.trial)
        held = _held_open(invitation)
        if held.trial is not None:
            check_reach(held.trial, by, held.site)
        held.revoked_at = timezone.now()
        held.save(update_fields=["revoked_at"])
        event.record("invitation.revoked", trial=held.trial, target=held, detail=_place(held))


def _held_open(invitation: Invitation) -> Invitation:
    held = Invitation.objects.select_for_update().select_related(None).get(pk=invitation.pk)
    if held.accepted_at is not None or held.revoked_at is not None:
        raise InConflict("invitation_over", f"The invitation of {held} was taken up or withdrawn. Nothing was changed.")
    return held


def accept_invitation(*, token: str, name: str, password: str) -> User:
    """Open the account that an invitation offers and give its role; return the person.

    The password was checked by the form. The role is given in the name of the one who invited, by the rules of
    `grant_role` as they are now. Raises NotFound for a token that is unknown, used, withdrawn or too old, or whose
    sender may no longer invite: one answer for all of them.
    """
    with audit.transaction(by=Actor(process="invitation")) as event:
        invitation = _taken(token)
        if User.objects.filter(email=invitation.email).exists():
            raise InConflict("account_exists", "This address has an account already. Sign in, and open the link again.")
        person = open_account(email=invitation.email, name=name, password=password)
        _fulfil(invitation, person)
        event.record("account.created", trial=None, target=person)
    return person


def take_up_invitation(*, token: str, by: Actor) -> Invitation:
    """Give the role of an invitation to its addressee, who has come by an account since. Raises as accepting does."""
    with audit.transaction(by=by) as event:
        invitation = _taken(token)
        if by.user is None or by.user.email != invitation.email or by.scopes is not None:
            raise unusable()
        _fulfil(invitation, by.user)
        event.record("invitation.accepted", trial=invitation.trial, target=by.user, detail=_place(invitation))
    return invitation


def _taken(token: str) -> Invitation:
    """Return the open invitation of this token, locked: of two who come at once, the second finds none."""
    found = Invitation.objects.select_for_update().filter(
        sha256=digest(token), accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )
    invitation = found.first()
    if invitation is None or not may_still_invite(invitation):
        raise unusable()
    return invitation


def may_still_invite(invitation: Invitation) -> bool:
    """Return whether the one who invited may do so now; what a process made stands."""
    sender = Actor(user=invitation.invited_by) if invitation.invited_by else Actor(process="invitation")
    return has_permission(sender, _permission(invitation.trial), invitation.trial)


def _fulfil(invitation: Invitation, person: User) -> None:
    invitation.accepted_at = timezone.now()
    invitation.save(update_fields=["accepted_at"])
    if invitation.trial is not None:
        sender = Actor(user=invitation.invited_by) if invitation.invited_by else Actor(process="invitation")
        grant_role(trial=invitation.trial, user=person, role=invitation.role, by=sender, site=invitation.site)


def unusable() -> NotFound:
    """Return the one answer for every link that does not work."""
    return NotFound(
        "invitation_unknown",
        _(
            "This link does not work: it was used, withdrawn, replaced by a newer one, or is older than 14 days. "
            "Ask for a new invitation."
        ),
    )
