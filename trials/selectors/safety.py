"""Adverse events, as far as they tell no arm to those who may not know it.

Three things of an event can hint at the arm where people at the site know it: what they think it is related to, what
was done, and the words in which it is told. So, for those who may not see the arm of this participant:

- the narrative and the action taken are left out;
- relatedness and expectedness are left out in open-label trials (in others, who judges them is blinded as well);
- where the term would tell the arm, `blinded_term` stands in its place, and nothing says so.

Who records safety at a site sees what they record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, When
from django.utils import timezone

from trials.access import Actor, allocation_sites, has_permission, require, sites_where
from trials.errors import NotFound
from trials.models import AdverseEvent, Arm, Participant, ParticipantEvent, Trial
from trials.models.safety import TIME_TO_REPORT
from trials.permissions import Permission
from trials.selectors.events import events_of_participant, events_that_count

Kind = ParticipantEvent.Kind


@dataclass(frozen=True)
class SafetyView:
    """At which sites what of adverse events may be shown to somebody."""

    sites: frozenset[int]
    told: frozenset[int]
    """Where the whole event is shown."""
    judged: frozenset[int]
    """Where relatedness and expectedness are."""


def safety_view(by: Actor, trial: Trial) -> SafetyView:
    """Return what of the trial's adverse events `by` may see. Raises NotAllowed for those who see none."""
    require(by, Permission.SAFETY_VIEW, trial)
    sites = frozenset(sites_where(by, Permission.SAFETY_VIEW, trial))
    told = sites & frozenset(allocation_sites(by, trial) | sites_where(by, Permission.SAFETY_RECORD, trial))
    return SafetyView(sites, told, told if trial.is_open_label else sites)


def adverse_events_visible_to(by: Actor, trial: Trial) -> QuerySet[AdverseEvent]:
    """Return the adverse events at the sites of `by`, each with `shown_term`: what may be filtered and sorted by."""
    view = safety_view(by, trial)
    shown = Case(
        When(Q(participant__site__in=view.told) | Q(blinded_term=""), then=F("term")), default=F("blinded_term")
    )
    return (
        AdverseEvent.objects.filter(trial=trial, participant__site__in=view.sites)
        .annotate(shown_term=shown)
        .select_related("participant__site", "participant__trial")
    )


@dataclass(frozen=True)
class AdverseEventLine:
    """One adverse event as it may be shown; None where it may not."""

    event: AdverseEvent = field(repr=False)
    term: str
    relatedness: str | None
    is_expected: bool | None
    action_taken: str | None
    narrative: str | None
    is_told: bool
    """Whether all of it is shown."""


def lines(events: Sequence[AdverseEvent], view: SafetyView) -> list[AdverseEventLine]:
    """Return the events with what of them may be shown."""
    return [_line(event, view) for event in events]


def _line(event: AdverseEvent, view: SafetyView) -> AdverseEventLine:
    site = event.participant.site_id
    is_told, is_judged = site in view.told, site in view.judged
    return AdverseEventLine(
        event,
        event.term if is_told else event.blinded_term or event.term,
        event.relatedness if is_judged else None,
        event.is_expected if is_judged else None,
        event.action_taken if is_told else None,
        event.narrative if is_told else None,
        is_told,
    )


def adverse_events_of(participant: Participant, by: Actor) -> list[AdverseEventLine] | None:
    """Return a participant's adverse events, the newest first; None for those who see no safety at their site."""
    if not has_permission(by, Permission.SAFETY_VIEW, participant.trial, site=participant.site):
        return None
    found = adverse_events_visible_to(by, participant.trial).filter(participant=participant).order_by("-number")
    return lines(list(found), safety_view(by, participant.trial))


def visible_adverse_event(code: str, number: int, by: Actor, trial: Trial) -> AdverseEvent:
    """Return one event that `by` may see; NotFound in the same words for a missing one and one of another site."""
    found = adverse_events_visible_to(by, trial).filter(participant__code=code, number=number).first()
    if found is None:
        raise NotFound("adverse_event_unknown", "There is no such adverse event that you may see.")
    return found


def overdue_reports(events: QuerySet[AdverseEvent]) -> QuerySet[AdverseEvent]:
    """Return the serious events that were not reported within the day, the oldest first."""
    last = timezone.localdate() - TIME_TO_REPORT
    return events.filter(is_serious=True, reported_on=None, aware_on__lt=last).order_by("aware_on", "pk")


@dataclass(frozen=True)
class DeathsUnmatched:
    """Deaths that one record tells and the other does not."""

    without_event: list[Participant]
    without_death: list[AdverseEvent]

    def __bool__(self) -> bool:
        return bool(self.without_event or self.without_death)


def deaths_unmatched(by: Actor, trial: Trial) -> DeathsUnmatched:
    """Return who died without a fatal adverse event, and the fatal adverse events of people not recorded as dead."""
    died = events_that_count(trial).filter(participant=OuterRef("pk"), kind=Kind.DIED)
    fatal = AdverseEvent.objects.filter(participant=OuterRef("pk"), outcome=AdverseEvent.Outcome.FATAL)
    at_sites = Participant.objects.filter(trial=trial, site__in=safety_view(by, trial).sites).select_related("site")
    visible = adverse_events_visible_to(by, trial).filter(outcome=AdverseEvent.Outcome.FATAL)
    dead = at_sites.filter(Exists(died))
    return DeathsUnmatched(
        list(dead.filter(~Exists(fatal)).order_by("number")),
        list(visible.exclude(participant__in=dead.values("pk")).order_by("participant__number", "number")),
    )


@dataclass(frozen=True)
class SafetySummary:
    """How many people had adverse events, and how many of each; of everybody together, or of one arm."""

    title: str
    arm: Arm | None
    participants: int
    with_any: int
    with_serious: int
    events: int
    serious: int
    mild: int
    moderate: int
    severe: int


def safety_summary(by: Actor, trial: Trial) -> list[SafetySummary]:
    """Return one column for each arm to those who see every arm, and one of everybody pooled to all others.

    Pooled: participants who consented, at the sites of `by`. By arm: those randomized, so that events before
    randomization stand in the pooled column alone. Every number is shown, zero too.
    """
    view = safety_view(by, trial)
    consented = Participant.objects.filter(trial=trial, site__in=view.sites, number__isnull=False)
    pooled = _summary("", None, consented)
    if not has_permission(by, Permission.ALLOCATION_VIEW, trial):
        return [pooled]
    return [
        *(_summary(arm.name, arm, consented.filter(allocation__arm=arm)) for arm in trial.arms.all()),
        pooled,
    ]


def _summary(title: str, arm: Arm | None, participants: QuerySet[Participant]) -> SafetySummary:
    serious, severity = Q(adverse_events__is_serious=True), AdverseEvent.Severity
    counted = participants.aggregate(
        participants=Count("pk", distinct=True),
        with_any=Count("adverse_events__participant", distinct=True),
        with_serious=Count("adverse_events__participant", distinct=True, filter=serious),
        events=Count("adverse_events__pk"),
        serious=Count("adverse_events__pk", filter=serious),
        **{
            each: Count("adverse_events__pk", filter=Q(adverse_events__severity=each))
            for each in (severity.MILD, severity.MODERATE, severity.SEVERE)
        },
    )
    return SafetySummary(title, arm, **counted)


def died_on(participant: Participant) -> date | None:
    """Return the recorded day of death; None where none is recorded."""
    event = events_of_participant(participant).filter(kind=Kind.DIED).first()
    return event.occurred_on if event else None
