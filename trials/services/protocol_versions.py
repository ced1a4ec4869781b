"""Versions of the protocol: the first at registration, a further one with every amendment."""

from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.models import ProtocolVersion, Trial
from trials.permissions import Permission
from trials.registry.document import Document, fingerprint
from trials.selectors.registry import protocol_document


def record_protocol_version(*, trial: Trial, by: Actor, reason: str) -> ProtocolVersion:
    """Store the protocol as it now stands as the trial's next version; return it.

    Called by registration and by amendments, in their transaction. A version that would equal the last one is not
    made; the last one is returned. Raises RuleBroken where a later version has no reason.
    """
    with audit.transaction(by=by, reason=reason) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        # The lock makes simultaneous amendments come one after the other; each then reads what the other wrote.
        locked = Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
        last = ProtocolVersion.objects.filter(trial=locked).last()
        document = protocol_document(locked)
        is_same = last is not None and last.sha256 == fingerprint(document)
        version = last if last is not None and is_same else _next(locked, last, document, reason)
        event.record("protocol.version_recorded", trial=locked, target=locked, detail={"number": version.number})
    return version


def _next(trial: Trial, last: ProtocolVersion | None, document: Document, reason: str) -> ProtocolVersion:
    if last is not None and not reason.strip():
        raise RuleBroken("reason_missing", "Say why the protocol changes; nothing was saved.", field="reason")
    return ProtocolVersion.objects.create(
        trial=trial,
        number=last.number + 1 if last else 1,
        document=document,
        sha256=fingerprint(document),
        reason=reason.strip(),
    )
