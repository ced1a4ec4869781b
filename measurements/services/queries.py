"""Questions about values, answered by those who entered them."""

from measurements.models import Query
from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.permissions import Permission

LONGEST_ANSWER = 500


def answer_query(*, query: Query, answer: str, by: Actor) -> Query:
    """Answer an open question about a value. Raises RuleBroken without an answer; an answered one stays as it is."""
    with audit.transaction(by=by, reason=answer.strip()) as event:
        query = (
            Query.objects.select_for_update(of=("self",)).select_related("participant__site", "trial").get(pk=query.pk)
        )
        require(by, Permission.RESULT_RECORD, query.trial, site=query.participant.site)
        if not answer.strip() or len(answer) > LONGEST_ANSWER or not answer.strip().isprintable():
            raise RuleBroken("answer_missing", f"Answer in 1 to {LONGEST_ANSWER} printable characters.", field="reason")
        if query.state == Query.State.OPEN:
            query.answer, query.state = answer.strip(), Query.State.ANSWERED
            query.save(update_fields=["answer", "state"])
        event.record("query.answered", trial=query.trial, target=query)
    return query
