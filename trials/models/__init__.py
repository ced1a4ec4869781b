"""Who is studied, who may do what, and what was done."""

from trials.models.allocation import (
    Allocation,
    AllocationSlot,
    GroupAllocation,
    RandomizationScheme,
    SealedSeed,
    StratificationFactor,
    Stratum,
)
from trials.models.audit import AuditChange, AuditEvent
from trials.models.credentials import Allowance, Laboratory, LaboratoryCredential, LaboratoryTrial, PersonalToken
from trials.models.deviation import Deviation
from trials.models.group import GroupMember, Therapist, TherapyGroup
from trials.models.messages import Invitation, OutgoingMessage
from trials.models.moves import TwoPersonMove
from trials.models.participant import (
    ARM_TELLING,
    Attendance,
    ConsentForm,
    Participant,
    ParticipantEvent,
    ParticipantIdentity,
)
from trials.models.people import Membership, User
from trials.models.registry import PlannedOutcome, ProtocolVersion, Registration
from trials.models.safety import AdverseEvent
from trials.models.trial import Arm, Criterion, Intervention, Site, Trial, Visit
from trials.models.unblinding import EmergencyUnblinding
from trials.models.webhooks import Webhook, WebhookAttempt, WebhookMessage, WebhookSecret

__all__ = [
    "ARM_TELLING",
    "AdverseEvent",
    "Allocation",
    "AllocationSlot",
    "Allowance",
    "Arm",
    "Attendance",
    "AuditChange",
    "AuditEvent",
    "ConsentForm",
    "Criterion",
    "Deviation",
    "EmergencyUnblinding",
    "GroupAllocation",
    "GroupMember",
    "Intervention",
    "Invitation",
    "Laboratory",
    "LaboratoryCredential",
    "LaboratoryTrial",
    "Membership",
    "OutgoingMessage",
    "Participant",
    "ParticipantEvent",
    "ParticipantIdentity",
    "PersonalToken",
    "PlannedOutcome",
    "ProtocolVersion",
    "RandomizationScheme",
    "Registration",
    "SealedSeed",
    "Site",
    "StratificationFactor",
    "Stratum",
    "Therapist",
    "TherapyGroup",
    "Trial",
    "TwoPersonMove",
    "User",
    "Visit",
    "Webhook",
    "WebhookAttempt",
    "WebhookMessage",
    "WebhookSecret",
]
