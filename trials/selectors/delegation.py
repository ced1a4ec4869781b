"""The delegation log (ICH E6(R3) 2.3.3): who was given which tasks, by whom, from when until when.

Made from the memberships and from the changes that the database itself wrote under their audit events.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db.models import QuerySet

from trials.access import Actor, require
from trials.models import AuditChange, AuditEvent, Membership, Trial
from trials.permissions import Permission
from trials.selectors.rights import tasks_of

AT_ONCE = 1000


@dataclass(frozen=True)
class Delegation:
    """One role as it was held: `until` is None while it lasts."""

    person: str
    email: str
    role: str
    site: str
    tasks: Sequence[str]
    since: datetime | None
    granted_by: str
    until: datetime | None
    ended_by: str
    reason: str


def memberships_ever(trial: Trial, by: Actor) -> QuerySet[Membership]:
    """Return every role that is or was held in the trial, in the order in which they were given."""
    require(by, Permission.AUDIT_VIEW, trial)
    return Membership.objects.filter(trial=trial).select_related("user", "site").order_by("pk")


def delegations(memberships: Iterable[Membership]) -> Iterator[Delegation]:
    """Yield the log's lines of these memberships, asking the trail once for a thousand."""
    rest = iter(memberships)
    while some := list(islice(rest, AT_ONCE)):
        given, ended = _events_of([held.pk for held in some])
        for held in some:
            yield _line(held, given.get(held.pk), ended.get(held.pk))


def _line(held: Membership, given: AuditEvent | None, ended: AuditEvent | None) -> Delegation:
    return Delegation(
        person=held.user.name or held.user.email,
        email=held.user.email,
        role=held.get_role_display(),
        site=held.site.name if held.site else "",
        tasks=tasks_of(held.role),
        since=given.occurred_at if given else None,
        granted_by=given.actor_name if given else "",
        until=held.ended_at,
        ended_by=ended.actor_name if ended else "",
        reason=ended.reason if ended else "",
    )


def _events_of(numbers: Sequence[int]) -> tuple[dict[int, AuditEvent], dict[int, AuditEvent]]:
    """Return the events that made and that ended these memberships."""
    changes = list(AuditChange.objects.filter(table_name=Membership._meta.db_table, row_id__in=numbers).order_by("pk"))
    events = AuditEvent.objects.in_bulk([change.event_id for change in changes])
    given: dict[int, AuditEvent] = {}
    ended: dict[int, AuditEvent] = {}
    for change in changes:
        event = events.get(change.event_id)
        if event is None:
            continue
        if change.operation == "INSERT":
            given[change.row_id] = event
        elif (change.new or {}).get("ended_at") and not (change.old or {}).get("ended_at"):
            ended[change.row_id] = event
    return given, ended
