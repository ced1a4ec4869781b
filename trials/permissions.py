"""Who may do what: one table of roles and permissions.

Which state a trial must be in is another question and stands in `access.py`.
"""

from enum import StrEnum

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Role(TextChoices):
    """What a member is in a trial."""

    PRINCIPAL_INVESTIGATOR = "principal_investigator", _("Principal investigator")
    COORDINATOR = "coordinator", _("Coordinator")
    DATA_MANAGER = "data_manager", _("Data manager")
    MONITOR = "monitor", _("Monitor")
    UNBLINDED_STATISTICIAN = "unblinded_statistician", _("Unblinded statistician")
    BLINDED_STATISTICIAN = "blinded_statistician", _("Blinded statistician")
    MONITORING_BOARD = "monitoring_board", _("Monitoring board")
    LAB_MANAGER = "lab_manager", _("Laboratory manager")
    EXPORT_STAFF = "export_staff", _("Export staff")


class Permission(StrEnum):
    """What a service asks for."""

    TRIAL_VIEW = "trial.view"
    ACCOUNT_CREATE = "account.create"
    TRIAL_CREATE = "trial.create"
    TRIAL_DESIGN = "trial.design"
    TRIAL_RUN = "trial.run"
    TRIAL_LOCK = "trial.lock"
    TRIAL_UNLOCK = "trial.unlock"
    PEOPLE_MANAGE = "people.manage"
    OUTBOX_VIEW = "outbox.view"
    AUDIT_VIEW = "audit.view"
    PARTICIPANT_VIEW = "participant.view"
    PARTICIPANT_ENROLL = "participant.enroll"
    PARTICIPANT_RANDOMIZE = "participant.randomize"
    PARTICIPANT_WITHDRAW = "participant.withdraw"
    IDENTITY_VIEW = "identity.view"
    IDENTITY_RECORD = "identity.record"
    ALLOCATION_VIEW = "allocation.view"
    ALLOCATION_UNBLIND = "allocation.unblind"
    ALLOCATION_RECORD_EXTERNAL = "allocation.record_external"
    VISIT_RECORD = "visit.record"
    VISIT_LOCK = "visit.lock"
    SESSION_RECORD = "session.record"
    SAFETY_VIEW = "safety.view"
    SAFETY_RECORD = "safety.record"
    QUERY_VIEW = "query.view"
    QUERY_MANAGE = "query.manage"
    QUERY_ANSWER = "query.answer"
    SOURCE_VERIFY = "source.verify"
    RESULT_VIEW = "result.view"
    RESULT_RECORD = "result.record"
    RESULT_CORRECT = "result.correct"
    SPECIMEN_VIEW = "specimen.view"
    SPECIMEN_MANAGE = "specimen.manage"
    SPECIMEN_RECEIVE = "specimen.receive"
    LABORATORY_MANAGE = "laboratory.manage"
    EFFECTS_VIEW = "effects.view"
    EXPORT = "export"


P, R = Permission, Role
_SEES = {P.TRIAL_VIEW, P.PARTICIPANT_VIEW, P.RESULT_VIEW, P.SPECIMEN_VIEW, P.SAFETY_VIEW, P.QUERY_VIEW}
_KEEPS_SPECIMENS = {P.SPECIMEN_MANAGE, P.SPECIMEN_RECEIVE}
_ENROLS = {P.PARTICIPANT_ENROLL, P.PARTICIPANT_RANDOMIZE, P.PARTICIPANT_WITHDRAW} | _KEEPS_SPECIMENS
_RECORDS = {P.RESULT_RECORD, P.RESULT_CORRECT, P.VISIT_RECORD}
# Of those who meet participants: who they are, what they received, what happened to them, their arm in an emergency.
_CARES = {
    P.IDENTITY_VIEW,
    P.IDENTITY_RECORD,
    P.ALLOCATION_UNBLIND,
    P.SESSION_RECORD,
    P.SAFETY_RECORD,
    P.QUERY_ANSWER,
}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    R.PRINCIPAL_INVESTIGATOR: frozenset(
        _SEES
        | _ENROLS
        | _RECORDS
        | _CARES
        | {P.TRIAL_DESIGN, P.TRIAL_RUN, P.TRIAL_LOCK, P.TRIAL_UNLOCK, P.VISIT_LOCK}
        | {P.PEOPLE_MANAGE, P.AUDIT_VIEW, P.LABORATORY_MANAGE}
    ),
    R.COORDINATOR: frozenset(_SEES | _ENROLS | _RECORDS | _CARES),
    R.DATA_MANAGER: frozenset(
        _SEES
        | _RECORDS
        | _KEEPS_SPECIMENS
        | {P.TRIAL_RUN, P.TRIAL_UNLOCK, P.LABORATORY_MANAGE, P.AUDIT_VIEW, P.EXPORT}
        | {P.VISIT_LOCK, P.QUERY_MANAGE, P.QUERY_ANSWER}
    ),
    R.MONITOR: frozenset(_SEES | {P.AUDIT_VIEW, P.QUERY_MANAGE, P.SOURCE_VERIFY}),
    R.UNBLINDED_STATISTICIAN: frozenset(_SEES | {P.ALLOCATION_VIEW, P.EFFECTS_VIEW, P.EXPORT}),
    R.BLINDED_STATISTICIAN: frozenset(_SEES | {P.EXPORT}),
    R.MONITORING_BOARD: frozenset(_SEES | {P.ALLOCATION_VIEW, P.EFFECTS_VIEW}),
    R.LAB_MANAGER: frozenset(
        _KEEPS_SPECIMENS
        | {P.TRIAL_VIEW, P.RESULT_VIEW, P.RESULT_RECORD, P.SPECIMEN_VIEW, P.LABORATORY_MANAGE}
        | {P.QUERY_VIEW, P.QUERY_ANSWER}
    ),
    R.EXPORT_STAFF: frozenset({P.TRIAL_VIEW, P.PARTICIPANT_VIEW, P.RESULT_VIEW, P.EXPORT}),
}

# In open-label trials these see arms, and only of participants of their own site.
OPEN_LABEL_ROLES = frozenset({R.COORDINATOR, R.PRINCIPAL_INVESTIGATOR})

# From `unblinded` on, every member except the laboratory's sees arms and effects.
UNBLINDED_PERMISSIONS = frozenset({P.ALLOCATION_VIEW, P.EFFECTS_VIEW})
NEVER_UNBLINDED = frozenset({R.LAB_MANAGER})
# These see arms or effects while the trial is blinded.
UNBLINDED_ROLES = frozenset(role for role, held in ROLE_PERMISSIONS.items() if held & UNBLINDED_PERMISSIONS)

# Everybody with an account (accounts are by invitation) may design a trial, and is its principal investigator.
ACCOUNT_PERMISSIONS = frozenset({P.TRIAL_CREATE})

# Platform-wide; includes neither allocation.view nor effects.view.
ADMINISTRATOR_PERMISSIONS = frozenset(
    {P.ACCOUNT_CREATE, P.TRIAL_VIEW, P.TRIAL_DESIGN, P.TRIAL_RUN, P.PEOPLE_MANAGE, P.AUDIT_VIEW, P.LABORATORY_MANAGE}
    | {P.OUTBOX_VIEW}
)

# What a token's scope lets through. A token never gives more than its holder's own rights.
_READ = frozenset(_SEES | {P.ALLOCATION_VIEW})
PERSONAL_SCOPES: dict[str, frozenset[Permission]] = {
    "read": _READ,
    "estimates:read": frozenset({P.TRIAL_VIEW, P.EFFECTS_VIEW}),
    "export": _READ | {P.EXPORT, P.EFFECTS_VIEW},
    "participants:write": _READ | {P.PARTICIPANT_ENROLL, P.PARTICIPANT_RANDOMIZE, P.PARTICIPANT_WITHDRAW},
    "sessions:write": frozenset({P.TRIAL_VIEW, P.SESSION_RECORD}),
}
LABORATORY_SCOPES: dict[str, frozenset[Permission]] = {
    "results:write": frozenset({P.TRIAL_VIEW, P.RESULT_RECORD, P.RESULT_CORRECT}),
    "results:read": frozenset({P.TRIAL_VIEW, P.RESULT_VIEW}),
    "specimens:read": frozenset({P.TRIAL_VIEW, P.SPECIMEN_VIEW}),
    # Of a laboratory that says what arrived, and in which condition.
    "specimens:write": frozenset({P.TRIAL_VIEW, P.SPECIMEN_VIEW, P.SPECIMEN_RECEIVE}),
    # Of a coach-bot or an app that delivers an intervention: it reports who took part in which session.
    "sessions:write": frozenset({P.TRIAL_VIEW, P.SESSION_RECORD}),
}
