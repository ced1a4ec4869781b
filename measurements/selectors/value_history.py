"""Everything that was ever recorded of one value: revisions, who and why, queries, both passes of double entry.

None of it says an arm.
"""

from dataclasses import dataclass

from django.db.models import QuerySet

from measurements.models import EntryPass, EntrySettlement, Query, QueryNote, Result, Submission
from measurements.selectors.listings import submissions_visible_to
from measurements.selectors.places import seen_by
from trials.access import Actor, has_permission, require, sites_where
from trials.errors import NotFound
from trials.models import Participant, Trial, Visit
from trials.permissions import Permission


@dataclass(frozen=True)
class Revision:
    """One result of the chain. `submission` is None where the caller may not see the delivery as a whole."""

    result: Result
    submission: Submission | None
    is_current: bool

    @property
    def who(self) -> str:
        """Return who recorded it: a person, or a laboratory's credential."""
        return self.result.event.actor_name


@dataclass(frozen=True)
class Thread:
    """A query about one of the revisions, and what was said, the oldest first."""

    query: Query
    notes: tuple[QueryNote, ...]


@dataclass(frozen=True)
class ValueHistory:
    """A value with all its revisions, the newest first."""

    current: Result
    revisions: tuple[Revision, ...]
    threads: tuple[Thread, ...]
    passes: tuple[EntryPass, ...]
    settlement: EntrySettlement | None

    @property
    def participant(self) -> Participant:
        """Return whose value it is."""
        return self.current.specimen.participant

    @property
    def visit(self) -> Visit:
        """Return the visit that it is of."""
        return self.current.specimen.visit


def value_history(number: int, by: Actor, trial: Trial) -> ValueHistory:
    """Return the history of the value that a result, current or replaced, belongs to.

    Raises NotAllowed for those who see no results, NotFound in the same words for a missing result and one of a site
    that is not the caller's.
    """
    require(by, Permission.RESULT_VIEW, trial)
    sites = sites_where(by, Permission.RESULT_VIEW, trial)
    found = Result.objects.filter(seen_by(by, trial), trial=trial, specimen__participant__site__in=sites)
    result = found.filter(pk=number).first()
    if result is None:
        raise NotFound("result_unknown", "There is no value of this number that you may see.")
    chain = _chain(result)
    visible = {
        delivery.pk: delivery
        for delivery in submissions_visible_to(by, trial).filter(pk__in={each.submission_id for each in chain})
    }
    revisions = tuple(
        Revision(each, visible.get(each.submission_id), is_current=position == 0) for position, each in enumerate(chain)
    )
    passes, settlement = _double_entry(chain)
    return ValueHistory(chain[0], revisions, _threads(chain, by), passes, settlement)


def values_of_submission(delivery: Submission) -> QuerySet[Result]:
    """Return what a delivery recorded, in the order of its rows; who may see the delivery may see them."""
    return delivery.results.select_related("specimen", "biomarker").order_by("row_number", "pk")


def _chain(result: Result) -> list[Result]:
    """All revisions of the natural key of a result, the newest first."""
    same = Result.objects.filter(
        specimen_id=result.specimen_id,
        biomarker_id=result.biomarker_id,
        laboratory_id=result.laboratory_id,
        assay=result.assay,
        run=result.run,
        replicate=result.replicate,
    )
    related = ("specimen__participant__site", "specimen__visit", "biomarker", "laboratory", "assay", "event")
    return list(same.select_related(*related).order_by("-revision"))


def _threads(chain: list[Result], by: Actor) -> tuple[Thread, ...]:
    participant = chain[0].specimen.participant
    if not has_permission(by, Permission.QUERY_VIEW, participant.trial, site=participant.site):
        return ()
    asked = Query.objects.filter(result__in=chain).prefetch_related("notes__event").order_by("-id")
    return tuple(Thread(query, tuple(query.notes.all())) for query in asked)


def _double_entry(chain: list[Result]) -> tuple[tuple[EntryPass, ...], EntrySettlement | None]:
    """Both passes, once they are settled: before that, nothing is shown of either."""
    first = chain[-1]
    settlement = (
        EntrySettlement.objects.select_related("by")
        .filter(
            submission__in={each.submission_id for each in chain},
            participant=first.specimen.participant_id,
            biomarker=first.biomarker_id,
        )
        .first()
    )
    if settlement is None:
        return (), None
    typed = EntryPass.objects.filter(
        batch=settlement.batch_id, participant=settlement.participant_id, biomarker=settlement.biomarker_id
    )
    return tuple(typed.select_related("by").order_by("number")), settlement
