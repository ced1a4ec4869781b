"""Opening one participant's arm in an emergency: for a reason, told to somebody else, and never forgotten."""

from collections.abc import Iterable
from datetime import date

from django.utils.translation import gettext as _

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import Allocation, Arm, EmergencyUnblinding, Participant, ParticipantEvent, User
from trials.permissions import Permission
from trials.selectors.unblindings import board_of, people_to_notify
from trials.services.enrollment import require_past
from trials.services.messages import send_message

MANY = 3
"""From this unblinding by one person in a trial on, the monitoring board is told of each."""


def unblind_participant(*, participant: Participant, reason: str, notify: User, by: Actor, on: date) -> Arm:
    """Open the arm of one randomized participant to `by`, and tell `notify` that it was; return the arm.

    It works in every state of the trial. Only the answer holds the arm: neither record, event, audit trail nor message
    does. From the third by one person in a trial on, the monitoring board is told too. Asked again by the same person,
    the arm is returned and nothing is written a second time but the question.
    The caller has checked the person's password.

    Raises:
        NotAllowed: no right to it at the participant's site, or asked with a token.
        InConflict: not randomized.
        RuleBroken: no reason, nobody else to be told, or a day in the future.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        participant = (
            Participant.objects.select_for_update(of=("self",)).select_related("trial", "site").get(pk=participant.pk)
        )
        trial = participant.trial
        require(by, Permission.ALLOCATION_UNBLIND, trial, site=participant.site)
        if by.user is None or by.scopes is not None:
            raise NotAllowed("person_needed", "People unblind themselves, signed in with their password.")
        allocation = Allocation.objects.filter(participant=participant).select_related("arm__intervention").first()
        if allocation is None:
            raise InConflict("not_randomized", f"{participant.code} is not randomized: there is no arm to open.")
        if EmergencyUnblinding.objects.filter(participant=participant, unblinded_by=by.user).exists():
            event.record("participant.unblinding_repeated", trial=trial, target=participant)
            return allocation.arm
        _check(participant, reason, notify, by, on)
        # Those of one person come one after the other, so that none is miscounted.
        User.objects.select_for_update(no_key=True).get(pk=by.user.pk)
        EmergencyUnblinding.objects.create(
            trial=trial,
            participant=participant,
            unblinded_by=by.user,
            notified=notify,
            occurred_on=on,
            reason=reason.strip(),
        )
        ParticipantEvent.objects.create(
            trial=trial, participant=participant, kind=ParticipantEvent.Kind.UNBLINDED, occurred_on=on
        )
        _notify(participant, reason, [notify], by)
        _notify_board(participant, reason, notify, by)
        event.record("participant.unblinded", trial=trial, target=participant, detail={"notified": notify.name})
    return allocation.arm


def _check(participant: Participant, reason: str, notify: User, by: Actor, on: date) -> None:
    if not reason.strip():
        raise RuleBroken("reason_missing", "Say why the arm must be known. Nothing was opened.", field="reason")
    require_past(on, "on")
    if not people_to_notify(participant, by).filter(pk=notify.pk).exists():
        raise RuleBroken(
            "notified_unknown", "Choose somebody else of this trial to be told. Nothing was opened.", field="notify"
        )


def _notify_board(participant: Participant, reason: str, notify: User, by: Actor) -> None:
    """Tell the monitoring board of one who opens arms again and again, and how many they are."""
    count = EmergencyUnblinding.objects.filter(trial=participant.trial, unblinded_by=by.user).count()
    if count >= MANY:
        more = _("It is unblinding %(count)d by %(who)s in this trial.") % {"count": count, "who": by.name}
        board = board_of(participant, by).exclude(pk=notify.pk)
        _notify(participant, reason, board, by, more=f"{more}\n\n")


def _notify(participant: Participant, reason: str, people: Iterable[User], by: Actor, *, more: str = "") -> None:
    told = {
        "who": by.name,
        "participant": participant.code,
        "trial": participant.trial.title,
        "reason": reason.strip(),
    }
    text = _(
        "%(who)s opened the arm of %(participant)s in %(trial)s in an emergency.\n\nReason: %(reason)s\n\n"
        "%(more)sThis message does not say which arm it is, and everybody else stays blinded."
    ) % (told | {"more": more})
    for person in people:
        send_message(
            to=person.email,
            subject=_("Emergency unblinding of %(participant)s in %(trial)s") % told,
            text=text,
            by=by,
            trial=participant.trial,
        )
