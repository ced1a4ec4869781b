"""Who is studied, who may do what, and what was done."""

from trials.models.allocation import (
    Allocation,
    AllocationSlot,
    RandomizationScheme,
    SealedSeed,
    StratificationFactor,
    Stratum,
)
from trials.models.audit import AuditChange, AuditEvent
from trials.models.credentials import Laboratory, LaboratoryCredential, LaboratoryTrial, PersonalToken
from trials.models.group import GroupMember, Therapist, TherapyGroup
from trials.models.participant import ARM_TELLING, Attendance, ConsentForm, Participant, ParticipantEvent
from trials.models.people import Membership, User
from trials.models.trial import Arm, Criterion, Intervention, Site, Trial, Visit

__all__ = [
    "ARM_TELLING",
    "Allocation",
    "AllocationSlot",
    "Arm",
    "Attendance",
    "AuditChange",
    "AuditEvent",
    "ConsentForm",
    "Criterion",
    "GroupMember",
    "Intervention",
    "Laboratory",
    "LaboratoryCredential",
    "LaboratoryTrial",
    "Membership",
    "Participant",
    "ParticipantEvent",
    "PersonalToken",
    "RandomizationScheme",
    "SealedSeed",
    "Site",
    "StratificationFactor",
    "Stratum",
    "Therapist",
    "TherapyGroup",
    "Trial",
    "User",
    "Visit",
]
