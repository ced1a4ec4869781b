"""Sessions and the dose they add up to. That somebody had a session tells their arm: people see them where they see it.

`dose_by_participant` and `first_session_dates` are for computations; they ask for no permission and name no arm.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.utils import timezone

from measurements.models import Session
from measurements.validation.session_rows import SessionAsSent
from measurements.validation.sessions import SessionParticipant, SessionReference, SessionValues, key_of_id
from measurements.validation.texts import LONGEST, has_only_kept_characters, tidied
from trials.access import Actor, allocation_sites, has_permission, require, sites_where
from trials.errors import NotFound
from trials.models import Allocation, Arm, Participant, ParticipantEvent, Therapist, Trial
from trials.permissions import Permission

CROSSED_OVER = ParticipantEvent.Kind.CROSSED_OVER
WITHOUT_THERAPY = (Arm.Kind.WAITLIST, Arm.Kind.USUAL_CARE)
NEAR_MISSES = 5000
"""How many codes a misspelt one is compared with."""


def session_sites(by: Actor, trial: Trial) -> set[int]:
    """Return the sites whose sessions `by` may see. Raises NotAllowed (`blinded`) where there is none."""
    require(by, Permission.TRIAL_VIEW, trial)
    sites = allocation_sites(by, trial) & sites_where(by, Permission.PARTICIPANT_VIEW, trial)
    if not sites:
        require(by, Permission.PARTICIPANT_VIEW, trial)
        require(by, Permission.ALLOCATION_VIEW, trial)
    return sites


def recorded_sessions(trial: Trial) -> QuerySet[Session]:
    """Return the sessions that count: those not retracted. It asks for no permission."""
    return Session.objects.filter(trial=trial, retraction=None)


def sessions_visible_to(by: Actor, trial: Trial) -> QuerySet[Session]:
    """Return sessions, retracted ones among them: to people where they see arms, to a laboratory those it sent."""
    if by.credential is not None:
        require(by, Permission.SESSION_RECORD, trial)
        found = Session.objects.filter(trial=trial, laboratory=by.credential.laboratory_id)
    else:
        found = Session.objects.filter(trial=trial, participant__site__in=session_sites(by, trial))
    return found.select_related("participant__site", "therapist", "group", "retraction")


def sessions_of(participant: Participant, by: Actor) -> Sequence[Session] | None:
    """Return a participant's sessions, the latest first and retracted ones among them; None for the blinded."""
    if not has_permission(by, Permission.ALLOCATION_VIEW, participant.trial, site=participant.site):
        return None
    found = Session.objects.filter(participant=participant).select_related("therapist", "group", "retraction")
    return list(found.order_by("-occurred_at", "-id"))


def visible_session(number: int, by: Actor, trial: Trial) -> Session:
    """Return one session that `by` may see; NotFound in the same words for a missing and a hidden one."""
    found = sessions_visible_to(by, trial).filter(pk=number).first()
    if found is None:
        raise NotFound("session_unknown", "There is no such session that you may see.")
    return found


def doses_visible_to(by: Actor, trial: Trial) -> QuerySet[Participant]:
    """Return the randomized participants at the sites where `by` sees arms, with what they received.

    Each has `arm_name`, `arm_kind`, `planned`, `attended`, `missed`, `minutes`, `last_at`, `version`, `crossed_on` and
    `contaminated`: the sessions in an arm that receives none, before a cross-over. `planned` is of the arm, or of the
    one crossed over to.
    """
    allocation = Allocation.objects.filter(participant=OuterRef("pk"))
    crossed = ParticipantEvent.objects.filter(participant=OuterRef("pk"), kind=CROSSED_OVER).values("occurred_on")[:1]
    latest = Session.objects.filter(participant=OuterRef("pk"), retraction=None, attended=True).exclude(
        software_version=""
    )
    counts = Q(sessions__isnull=False, sessions__retraction=None)
    attended = counts & Q(sessions__attended=True)
    without = Q(allocation__arm__kind__in=WITHOUT_THERAPY)
    before = Q(crossed_on=None) | Q(sessions__occurred_at__date__lt=F("crossed_on"))
    return (
        Participant.objects.filter(Exists(allocation), trial=trial, site__in=session_sites(by, trial))
        .select_related("site", "allocation__arm")
        .annotate(
            crossed_on=Subquery(crossed),
            planned=Case(
                When(crossed_on=None, then=F("allocation__arm__intervention__sessions_planned")),
                default=F("allocation__arm__crosses_over_to__intervention__sessions_planned"),
                output_field=IntegerField(),
            ),
            attended=Count("sessions", filter=attended),
            missed=Count("sessions", filter=counts & Q(sessions__attended=False)),
            minutes=Sum("sessions__minutes", filter=attended),
            last_at=Max("sessions__occurred_at", filter=attended),
            version=Subquery(latest.order_by("-occurred_at").values("software_version")[:1]),
            contaminated=Count("sessions", filter=attended & without & before),
        )
        .annotate(
            is_below_plan=ExpressionWrapper(Q(planned__isnull=False) & Q(attended__lt=F("planned")), BooleanField())
        )
    )


@dataclass(frozen=True)
class Dose:
    """What a randomized participant received of an intervention in the time that is compared."""

    participant_id: int
    sessions: int
    minutes: Decimal


def dose_by_participant(trial: Trial) -> list[Dose]:
    """Return the dose of every randomized participant, zero too, in order of id; without arms.

    Sessions attended and not retracted, before a cross-over where there was one: what came after it is no part of the
    controlled comparison. Minutes that were not told count as none.
    """
    crossed = dict(
        ParticipantEvent.objects.filter(trial=trial, kind=CROSSED_OVER).values_list("participant_id", "occurred_on")
    )
    doses = {pk: (0, Decimal(0)) for pk in _randomized(trial)}
    attended = recorded_sessions(trial).filter(attended=True)
    for pk, occurred_at, minutes in attended.values_list("participant_id", "occurred_at", "minutes").iterator():
        end = crossed.get(pk)
        if end is None or timezone.localdate(occurred_at) < end:
            sessions, total = doses.get(pk, (0, Decimal(0)))
            doses[pk] = sessions + 1, total + (minutes or Decimal(0))
    return [Dose(pk, *dose) for pk, dose in sorted(doses.items())]


def _randomized(trial: Trial) -> Iterable[int]:
    return Allocation.objects.filter(trial=trial).values_list("participant_id", flat=True)


def first_session_dates(trial: Trial) -> dict[int, date]:
    """Return the day of the first attended session of every participant who had one, by participant id."""
    attended = recorded_sessions(trial).filter(attended=True)
    first = attended.values("participant_id").annotate(first=Min("occurred_at")).values_list("participant_id", "first")
    return {pk: timezone.localdate(moment) for pk, moment in first}


def session_reference(rows: Sequence[SessionAsSent], *, trial: Trial, by: Actor, now: datetime) -> SessionReference:
    """Return what the check of these rows needs: participants and therapists of the sites where `by` may record."""
    sites = sites_where(by, Permission.SESSION_RECORD, trial)
    participants = _participants(rows, trial, sites)
    return SessionReference(
        now=now,
        participants=participants,
        therapists={
            (site, code): pk
            for site, code, pk in Therapist.objects.filter(trial=trial, site__in=sites, is_active=True).values_list(
                "site_id", "code", "pk"
            )
        },
        recorded=_recorded(rows, trial, by, participants),
    )


def _participants(rows: Sequence[SessionAsSent], trial: Trial, sites: set[int]) -> dict[str, SessionParticipant]:
    """Those that are named; where a name is unknown, others beside them, so that a near one can be named."""
    named = {code for row in rows if (code := _kept(row.participant, "participant"))}
    # In a sandbox nobody has an arm: there the day of randomization stands for it.
    has_arm = Exists(Allocation.objects.filter(participant=OuterRef("pk")))
    of_sites = Participant.objects.filter(trial=trial, site__in=sites).annotate(
        is_allocated=ExpressionWrapper(Q(randomized_on__isnull=False), BooleanField()) if trial.is_sandbox else has_arm
    )
    columns = ("code", "pk", "site_id", "is_allocated", "randomized_on", "data_use_withdrawn")
    found = {code: SessionParticipant(*rest) for code, *rest in of_sites.filter(code__in=named).values_list(*columns)}
    if len(found) < len(named):
        others = of_sites.order_by("pk").values_list(*columns)[:NEAR_MISSES]
        found = {code: SessionParticipant(*rest) for code, *rest in others} | found
    return found


def _recorded(
    rows: Sequence[SessionAsSent], trial: Trial, by: Actor, participants: dict[str, SessionParticipant]
) -> dict[str, SessionValues]:
    """What the same sender recorded under these ids, and without one of these participants."""
    ids = {key_of_id(text) for row in rows if (text := _kept(row.external_id, "external_id"))}
    named = {code for row in rows if not row.external_id and (code := _kept(row.participant, "participant"))}
    without_id = {participants[code].pk for code in named if code in participants}
    known = Session.objects.filter(_of_sender(by), trial=trial).filter(
        Q(key__in=ids) | Q(participant__in=without_id, external_id="")
    )
    return {session.key: values_of(session) for session in known}


def _of_sender(by: Actor) -> Q:
    return Q(laboratory=by.credential.laboratory_id if by.credential else None, user_id=by.user.pk if by.user else None)


def _kept(text: str | None, field: str) -> str:
    """A text as it could be stored; empty for one that could not, which the database must not see."""
    if not text or len(text) > 4 * LONGEST[field]:
        return ""
    tidy = tidied(text, field)
    return tidy if has_only_kept_characters(tidy, field) else ""


def values_of(session: Session) -> SessionValues:
    """Return what a stored session says, to be compared with what is sent."""
    return SessionValues(
        participant=session.participant_id,
        occurred_at=session.occurred_at,
        attended=session.attended,
        reason=session.reason,
        minutes=session.minutes,
        completion=session.completion,
        number=session.number,
        kind=session.kind,
        therapist=session.therapist_id,
        software=session.software,
        software_version=session.software_version,
    )
