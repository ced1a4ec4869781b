"""Source verification: a monitor says that what is recorded is what the source says, or takes it back."""

from collections.abc import Iterable

from measurements.models import SourceVerification
from measurements.selectors.verification import SourceItem, source_items
from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.models import Participant
from trials.permissions import Permission


def verify_source(*, participant: Participant, keys: Iterable[str], by: Actor, is_verified: bool = True) -> int:
    """Mark these items of a participant as compared with their source, or no longer so; return how many changed.

    What is marked so already stays as it is. Raises RuleBroken for an item that changed or went since it was shown.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.SOURCE_VERIFY, participant.trial, site=participant.site)
        Participant.objects.select_for_update(no_key=True).get(pk=participant.pk)
        items = {item.key: item for item in source_items([participant], by)[participant.pk]}
        chosen = [_known(items, key) for key in dict.fromkeys(keys)]
        changed = [item for item in chosen if item.is_verified is not is_verified]
        SourceVerification.objects.bulk_create(
            SourceVerification(
                trial_id=participant.trial_id,
                participant=participant,
                item=item.item,
                participant_event=item.event,
                visit=item.visit,
                result=item.result,
                content=item.content,
                is_verified=is_verified,
            )
            for item in changed
        )
        event.record(
            "source.verified" if is_verified else "source.unverified",
            trial=participant.trial,
            target=participant,
            row_count=len(changed),
        )
    return len(changed)


def _known(items: dict[str, SourceItem], key: str) -> SourceItem:
    if key not in items:
        raise RuleBroken(
            "item_changed",
            "One of the items has changed meanwhile. Nothing was marked. Compare it again.",
            field="keys",
        )
    return items[key]
