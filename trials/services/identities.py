"""Who a participant is, for sites that keep it: sealed with a key of its own, bound to the participant, erasable.

Nobody but those who care for participants at the participant's own site reads it, and each reading is in the trail,
without its content. It is in no export, no API, no search and no log.
"""

import hashlib
import json
from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import asdict, dataclass, fields

from django.conf import settings
from django.utils import timezone

from trials import audit
from trials.access import Actor, require
from trials.allocation.sealing import KEY_BYTES, SealBrokenError, seal, unseal
from trials.errors import InConflict, RuleBroken
from trials.models import Participant, ParticipantIdentity
from trials.permissions import Permission
from trials.selectors.identities import identity_of


@dataclass(frozen=True, repr=False)
class Identity:
    """Name and contacts. It has no `repr`, so that no log and no traceback shows it."""

    name: str = ""
    birth_date: str = ""
    phone: str = ""
    email: str = ""
    address: str = ""
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is given at all."""
        return not any(asdict(self).values())


FIELDS = tuple(field.name for field in fields(Identity))


def record_identity(*, participant: Participant, identity: Identity, by: Actor) -> ParticipantIdentity:
    """Seal and store who a participant is, in place of what was stored; only that it was done is in the trail.

    Raises InConflict at a site that keeps no identifiers and in an installation without their key; RuleBroken where
    nothing is given.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.IDENTITY_RECORD, participant.trial, site=participant.site)
        _require_kept(participant)
        if identity.is_empty:
            raise RuleBroken("identity_empty", "Give at least one of the fields. Nothing was saved.", field="name")
        key = _key()
        # One row per person: those who write at once wait for each other here.
        Participant.objects.select_for_update(no_key=True).get(pk=participant.pk)
        stored = identity_of(participant) or ParticipantIdentity(participant=participant)
        stored.ciphertext = seal(key, json.dumps(asdict(identity)).encode(), _place(participant))
        stored.key_id, stored.recorded_at, stored.erased_at = key_id(key), timezone.now(), None
        stored.save()
        event.record("identity.recorded", trial=participant.trial, target=participant)
    return stored


def read_identity(*, participant: Participant, by: Actor) -> Identity | None:
    """Return who a participant is, and write into the trail that it was read; None where nothing is kept.

    Raises InConflict without the key, or with another one than it was sealed with.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.IDENTITY_VIEW, participant.trial, site=participant.site)
        stored = identity_of(participant)
        kept = stored is not None and stored.erased_at is None
        identity = _opened(participant, stored) if stored is not None and kept else None
        event.record("identity.read", trial=participant.trial, target=participant, detail={"kept": kept})
    return identity


def erase_identity(*, participant: Participant, by: Actor, reason: str) -> None:
    """Erase who a participant is, for good; their study data stay under the study code. Needs no key.

    Raises InConflict where nothing is kept; RuleBroken without a reason.
    """
    with audit.transaction(by=by, reason=reason) as event:
        require(by, Permission.IDENTITY_RECORD, participant.trial, site=participant.site)
        if not reason.strip():
            raise RuleBroken("reason_missing", "Say why it is erased. Nothing was erased.", field="reason")
        Participant.objects.select_for_update(no_key=True).get(pk=participant.pk)
        stored = identity_of(participant)
        if stored is None or stored.erased_at is not None:
            raise InConflict("identity_absent", f"Nothing is kept about who {participant.code} is.")
        stored.ciphertext, stored.erased_at = b"", timezone.now()
        stored.save()
        event.record("identity.erased", trial=participant.trial, target=participant)


def key_id(key: bytes) -> str:
    """Return what a key is called beside what it sealed: the first 16 digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def _opened(participant: Participant, stored: ParticipantIdentity) -> Identity:
    key = _key()
    if stored.key_id != key_id(key):
        raise InConflict(
            "identifier_key_other",
            f"The identifiers of {participant.code} are sealed with another key than this installation has.",
        )
    try:
        return Identity(**json.loads(unseal(key, bytes(stored.ciphertext), _place(participant))))
    except SealBrokenError as error:
        raise InConflict(
            "identity_damaged", f"The identifiers of {participant.code} cannot be opened: they were changed or moved."
        ) from error


def _require_kept(participant: Participant) -> None:
    if not participant.site.keeps_identifiers:
        raise InConflict(
            "identifiers_not_kept",
            f"{participant.site} keeps no identifiers here. Nothing was saved.",
        )


def _place(participant: Participant) -> tuple[str | int, ...]:
    """Return what the seal is bound to. The code changes at consent; the number of the row never does."""
    return ("identity", participant.trial_id, participant.pk)


def _key() -> bytes:
    """Return the identifiers' key; InConflict where the installation has none that can be one."""
    try:
        key = b64decode(settings.IDENTIFIER_KEY, validate=True)
    except NotBase64:
        key = b""
    if len(key) != KEY_BYTES:
        raise InConflict(
            "identifier_key_missing",
            "This installation has no key for identifiers (STUDYPLATFORM_IDENTIFIER_KEY), so none is stored or read. "
            "Ask whoever runs it to set one.",
        )
    return key
