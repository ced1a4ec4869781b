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
from trials.models.participant import Attendance, Participant, ParticipantEvent
from trials.models.people import Membership, User
from trials.models.trial import Arm, Intervention, Site, Trial, Visit

__all__ = [
    "Allocation",
    "AllocationSlot",
    "Arm",
    "Attendance",
    "AuditChange",
    "AuditEvent",
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
    "Trial",
    "User",
    "Visit",
]
