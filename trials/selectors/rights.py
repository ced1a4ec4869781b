"""Who sees what and may do what, in words, from the one table of roles: for the page, the log and docs/roles.md."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from trials.access import Actor, Reach, require, role_reach
from trials.models import Membership, Trial
from trials.permissions import ACCOUNT_PERMISSIONS, ADMINISTRATOR_PERMISSIONS, Permission, Role

P = Permission
BLINDED_WORDS: dict[Permission, Any] = {
    P.ALLOCATION_VIEW: _("Sees which arm a participant is in"),
    P.EFFECTS_VIEW: _("Sees outcomes by arm"),
}
# Every permission once, in the order in which the page and the log say them; a test holds this against the table.
GROUPED_WORDS: Mapping[Any, Mapping[Permission, Any]] = {
    _("Arms and effects"): BLINDED_WORDS
    | {P.ALLOCATION_UNBLIND: _("Unblinds one participant in an emergency, with reason and notice")},
    _("Sees"): {
        P.TRIAL_VIEW: _("Sees the trial"),
        P.PARTICIPANT_VIEW: _("Sees participants under their study codes"),
        P.IDENTITY_VIEW: _("Sees who participants are, where a site keeps that"),
        P.RESULT_VIEW: _("Sees laboratory results"),
        P.SPECIMEN_VIEW: _("Sees specimens"),
        P.SAFETY_VIEW: _("Sees adverse events"),
        P.QUERY_VIEW: _("Sees data queries"),
        P.AUDIT_VIEW: _("Reads the audit trail"),
    },
    _("Works with participants"): {
        P.PARTICIPANT_ENROLL: _("Screens, asks for consent, enrols"),
        P.PARTICIPANT_RANDOMIZE: _("Randomizes"),
        P.PARTICIPANT_WITHDRAW: _("Records withdrawal and discontinuation"),
        P.IDENTITY_RECORD: _("Records who participants are"),
        P.VISIT_RECORD: _("Records visits"),
        P.SESSION_RECORD: _("Records sessions of the intervention"),
        P.SAFETY_RECORD: _("Records adverse events"),
        P.SPECIMEN_MANAGE: _("Registers specimens and settles rows that wait"),
        P.SPECIMEN_RECEIVE: _("Records that specimens arrived"),
    },
    _("Works with data"): {
        P.RESULT_RECORD: _("Records results"),
        P.RESULT_CORRECT: _("Corrects results, with a reason"),
        P.QUERY_ANSWER: _("Answers data queries"),
        P.QUERY_MANAGE: _("Opens and closes data queries"),
        P.SOURCE_VERIFY: _("Verifies against the source"),
        P.VISIT_LOCK: _("Locks visits"),
        P.ALLOCATION_RECORD_EXTERNAL: _("Records allocations that were made elsewhere"),
        P.EXPORT: _("Exports data"),
    },
    _("Runs the trial"): {
        P.TRIAL_DESIGN: _("Designs the trial"),
        P.TRIAL_RUN: _("Moves the trial on: recruiting, follow-up"),
        P.TRIAL_LOCK: _("Locks the data and unblinds the trial"),
        P.TRIAL_UNLOCK: _("Unlocks the data, with a reason"),
        P.PEOPLE_MANAGE: _("Decides over people and roles"),
        P.LABORATORY_MANAGE: _("Decides over laboratories and their credentials"),
    },
    _("Runs the platform"): {
        P.TRIAL_CREATE: _("Starts a trial of their own"),
        P.ACCOUNT_CREATE: _("Opens accounts"),
        P.OUTBOX_VIEW: _("Reads messages that were not sent yet"),
    },
}
WORDS: Mapping[Permission, Any] = {
    permission: words for group in GROUPED_WORDS.values() for permission, words in group.items()
}


@dataclass(frozen=True)
class RoleSight:
    """Whether one role sees arms and effects, before unblinding and from then on, and who holds it."""

    role: Role
    people: Sequence[str]
    before: Sequence[Reach]
    after: Sequence[Reach]


@dataclass(frozen=True)
class RightRow:
    """One permission in words, and how far each role gives it in the trial as it stands."""

    permission: Permission
    words: Any
    reaches: Sequence[Reach]


def sights_of(trial: Trial, by: Actor) -> list[RoleSight]:
    """Return what each role sees of arms and effects, in this trial's design, before and after unblinding."""
    require(by, Permission.TRIAL_VIEW, trial)
    people: dict[str, list[str]] = {}
    held = Membership.objects.filter(trial=trial, ended_at=None).select_related("user", "site")
    for each in held.order_by("user__name", "pk"):
        people.setdefault(each.role, []).append(f"{each.user} ({each.site.code})" if each.site else str(each.user))
    blinded, unblinded = _as_in(trial, Trial.Status.RECRUITING), _as_in(trial, Trial.Status.UNBLINDED)
    return [
        RoleSight(
            role,
            people.get(role, []),
            [role_reach(role, permission, blinded) for permission in BLINDED_WORDS],
            [role_reach(role, permission, unblinded) for permission in BLINDED_WORDS],
        )
        for role in Role
    ]


def rights_of(trial: Trial, by: Actor) -> dict[Any, list[RightRow]]:
    """Return every permission by group, with its reach for each role and for administrators, as the trial stands."""
    require(by, Permission.TRIAL_VIEW, trial)
    return _rights(trial)


def _rights(trial: Trial) -> dict[Any, list[RightRow]]:
    return {
        group: [RightRow(permission, words, _reaches(permission, trial)) for permission, words in permissions.items()]
        for group, permissions in GROUPED_WORDS.items()
    }


def _reaches(permission: Permission, trial: Trial) -> list[Reach]:
    """Return how far each role gives a permission, and last how far being an administrator does."""
    if permission in ACCOUNT_PERMISSIONS:
        return [Reach.EVERYWHERE] * (len(Role) + 1)
    administrators = Reach.EVERYWHERE if permission in ADMINISTRATOR_PERMISSIONS else Reach.NOWHERE
    return [*(role_reach(role, permission, trial) for role in Role), administrators]


def _as_in(trial: Trial, status: str) -> Trial:
    """Return a copy of the trial as if it were in this status. It is asked about and never stored."""
    imagined = copy(trial)
    imagined.status = status
    return imagined


def tasks_of(role: str) -> list[str]:
    """Return what a role is delegated to do, in words; what a role merely sees is no task."""
    doing = [group for name, group in GROUPED_WORDS.items() if name != _("Sees")]
    trial = Trial(status=Trial.Status.RECRUITING, is_open_label=False)
    return [
        str(words)
        for group in doing
        for permission, words in group.items()
        if permission not in ACCOUNT_PERMISSIONS and role_reach(Role(role), permission, trial) is Reach.EVERYWHERE
    ]


MARKS = {Reach.EVERYWHERE: "yes", Reach.OWN_SITE: "own site", Reach.NOWHERE: ""}


def render_markdown() -> str:
    """Return docs/roles.md."""
    lines = [
        "# Roles",
        "",
        "Who may do what. Made from `trials/permissions.py` and `trials/access.py` by `manage.py print_roles`; a test",
        "compares the two. A role that is held at one site counts for that site alone.",
    ]
    designs = {
        "Before unblinding": Trial(status=Trial.Status.RECRUITING, is_open_label=False),
        "Before unblinding, open-label trial": Trial(status=Trial.Status.RECRUITING, is_open_label=True),
        "From unblinding on": Trial(status=Trial.Status.UNBLINDED),
    }
    for heading, trial in designs.items():
        rows: list[tuple[Any, Sequence[Reach]]] = [
            (BLINDED_WORDS[each], _reaches(each, trial)) for each in BLINDED_WORDS
        ]
        lines += ["", f"## Arms and effects: {heading.lower()}", "", *_table(rows)]
    closed = Trial(status=Trial.Status.RECRUITING, is_open_label=False)
    for group, rights in _rights(closed).items():
        rows = [(right.words, right.reaches) for right in rights if right.permission not in BLINDED_WORDS]
        lines += ["", f"## {group}", "", *_table(rows)]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[tuple[Any, Sequence[Reach]]]) -> list[str]:
    heads = ["", *(str(role.label) for role in Role), "Administrator"]
    body = [[str(words), *(MARKS[reach] for reach in reaches)] for words, reaches in rows]
    return [f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *body)]
