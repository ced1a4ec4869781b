"""Questions about what was recorded, at the sites that the caller sees. None of it says an arm."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from measurements.models import Query, QueryNote
from measurements.selectors.places import seen_by, sites_open_to
from trials.access import Actor, has_permission, require
from trials.errors import NotFound
from trials.models import Participant, Trial
from trials.permissions import Permission


def about_seen(by: Actor, trial: Trial) -> Q:
    """Return the condition for queries that they are about nothing that is withheld from `by`."""
    of_result = seen_by(by, trial, biomarker="result__biomarker", participant="participant")
    return seen_by(by, trial, participant="participant") & of_result


def queries_visible_to(by: Actor, trial: Trial) -> QuerySet[Query]:
    """Return the trial's queries with what they are about, the newest first."""
    require(by, Permission.QUERY_VIEW, trial)
    found = Query.objects.filter(about_seen(by, trial), trial=trial).select_related(
        "participant__site", "visit", "biomarker", "result__laboratory"
    )
    sites = sites_open_to(by, Permission.QUERY_VIEW, trial)
    return found if sites is None else found.filter(participant__site__in=sites)


def visible_query(number: int, by: Actor, trial: Trial) -> Query:
    """Return one query; NotFound in the same words for a missing one and one of another site."""
    found = queries_visible_to(by, trial).filter(pk=number).first()
    if found is None:
        raise NotFound("query_unknown", "There is no query of this number that you may see.")
    return found


def queries_of(participant: Participant, by: Actor) -> list[Query]:
    """Return what was asked about a participant, open ones first; nothing for those who see no queries there."""
    if not has_permission(by, Permission.QUERY_VIEW, participant.trial, site=participant.site):
        return []
    found = Query.objects.filter(about_seen(by, participant.trial), participant=participant).select_related(
        "visit", "biomarker"
    )
    order = [Query.State.OPEN, Query.State.ANSWERED, Query.State.CLOSED]
    return sorted(found, key=lambda query: (order.index(Query.State(query.state)), -query.pk))


def notes_of(query: Query) -> list[QueryNote]:
    """Return what was said about a query, the oldest first, each with its event: who and when."""
    return list(query.notes.select_related("event"))


def counts_by_state(by: Actor, trial: Trial) -> Mapping[str, int]:
    """Return how many queries are in each state, zeros included."""
    found = queries_visible_to(by, trial).order_by().values_list("state").annotate(count=Count("pk"))
    return dict.fromkeys(Query.State.values, 0) | dict(found)


@dataclass(frozen=True)
class QueryRights:
    """What somebody may do with a query."""

    answer: bool
    manage: bool


def rights_over(participant: Participant, by: Actor) -> QueryRights:
    """Return whether the caller answers queries about this participant, and opens and closes them."""
    trial, site = participant.trial, participant.site
    is_open = trial.data_state != Trial.DataState.LOCKED
    return QueryRights(
        answer=is_open and has_permission(by, Permission.QUERY_ANSWER, trial, site=site),
        manage=is_open and has_permission(by, Permission.QUERY_MANAGE, trial, site=site),
    )
