"""Laboratories of a trial and their credentials, for those who manage them. The tokens themselves are kept nowhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet, Subquery
from django.utils import timezone

from trials.access import Actor, require
from trials.errors import NotFound
from trials.models import Laboratory, LaboratoryCredential, LaboratoryTrial, Trial
from trials.models.credentials import EXPIRES_SOON, Standing
from trials.permissions import Permission

IN_USE = (Standing.CURRENT, Standing.EXPIRES_SOON, Standing.REPLACED)


@dataclass(frozen=True)
class LaboratoryLine:
    """A laboratory in the list of a trial's: whether it delivers, and what stands with its credentials."""

    laboratory: Laboratory
    ended_at: datetime | None
    credentials: list[LaboratoryCredential]

    @property
    def in_use(self) -> int:
        """How many credentials open the door."""
        return 0 if self.ended_at else sum(each.standing in IN_USE for each in self.credentials)

    @property
    def soon(self) -> int:
        """How many expire soon and were not rotated."""
        return 0 if self.ended_at else sum(each.standing == Standing.EXPIRES_SOON for each in self.credentials)

    @property
    def last_used_at(self) -> datetime | None:
        """When any of them was last used."""
        return max((each.last_used_at for each in self.credentials if each.last_used_at), default=None)


def laboratory_lines(trial: Trial, by: Actor) -> list[LaboratoryLine]:
    """Return the laboratories that deliver to the trial or did, those that do first."""
    require(by, Permission.LABORATORY_MANAGE, trial)
    return [_line(laboratory) for laboratory in _laboratories(trial).order_by("-is_delivering", "name")]


def laboratory_line(code: str, trial: Trial, by: Actor) -> LaboratoryLine:
    """Return one of them by its code; NotFound for one that never delivered here."""
    require(by, Permission.LABORATORY_MANAGE, trial)
    laboratory = _laboratories(trial).filter(code=code, trial=None).first()
    if laboratory is None:
        raise NotFound("laboratory_unknown", "There is no such laboratory in this trial.")
    return _line(laboratory)


def _line(laboratory: Any) -> LaboratoryLine:
    ended_at = None if laboratory.is_delivering else laboratory.left_at
    return LaboratoryLine(laboratory, ended_at, laboratory.trial_credentials)


def _laboratories(trial: Trial) -> "QuerySet[Any]":
    """Return them with `is_delivering`, `left_at` and `trial_credentials`, the newest credentials first."""
    credentials = LaboratoryCredential.objects.filter(trials=trial).select_related("replaced_by").order_by("-pk")
    deliveries = LaboratoryTrial.objects.filter(laboratory=OuterRef("pk"), trial=trial)
    return (
        Laboratory.objects.filter(Exists(deliveries))
        .annotate(
            is_delivering=Exists(deliveries.filter(ended_at=None)),
            left_at=Subquery(deliveries.order_by("-ended_at").values("ended_at")[:1]),
        )
        .prefetch_related(Prefetch("credentials", credentials, to_attr="trial_credentials"))
    )


def expiring_credentials(trial: Trial, by: Actor) -> QuerySet[LaboratoryCredential]:
    """Return the credentials for the trial that expire within 30 days, were not rotated, and still open its door."""
    require(by, Permission.LABORATORY_MANAGE, trial)
    now = timezone.now()
    delivering = LaboratoryTrial.objects.filter(laboratory=OuterRef("laboratory"), trial=trial, ended_at=None)
    return LaboratoryCredential.objects.filter(
        Exists(delivering),
        trials=trial,
        revoked_at=None,
        replaced_by=None,
        expires_at__gt=now,
        expires_at__lte=now + EXPIRES_SOON,
    )
