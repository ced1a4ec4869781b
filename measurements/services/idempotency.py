"""The same key and request: the first answer again, exactly once also when sixteen ask at the same moment."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection

from measurements.models import IdempotentAnswer
from trials.access import Actor
from trials.errors import InConflict, RuleBroken

WAIT = "10s"
RETRY_AFTER = 5  # seconds
LONGEST_KEY = 200


@dataclass(frozen=True)
class Key:
    """A sender's key, the request's SHA-256, and whose key it is: nobody else's key is ever found."""

    text: str
    request_sha256: str
    credential_id: int | None
    user_id: int | None


def key_of(by: Actor, text: str | None, request_sha256: str) -> Key | None:
    """Return the key of a request; None without one, and for the platform itself.

    Raises RuleBroken for a key that is longer than 200 characters or not printable ASCII.
    """
    if not text or by.kind == "process":
        return None
    if len(text) > LONGEST_KEY or not (text.isascii() and text.isprintable()):
        raise RuleBroken(
            "idempotency_key_unusable",
            f"The Idempotency-Key must be printable ASCII of at most {LONGEST_KEY} characters. Nothing was saved.",
        )
    return Key(text, request_sha256, by.credential.pk if by.credential else None, by.user.pk if by.user else None)


def earlier_answer(key: Key) -> tuple[int, dict[str, Any]] | None:
    """Wait for whoever works with this key, then return status and body of the answer that was given, if any.

    The running transaction holds the key till it ends.

    Raises InConflict after ten seconds, RuleBroken where the key was used for another request.
    """
    _lock(key)
    answer = IdempotentAnswer.objects.filter(credential_id=key.credential_id, user_id=key.user_id, key=key.text).first()
    if answer is not None and answer.request_sha256 != key.request_sha256:
        raise RuleBroken(
            "idempotency_key_reused",
            f"The key “{key.text}” was used for another request. Send this one with a new key. Nothing was saved.",
        )
    return None if answer is None else (answer.status, json.loads(answer.answer))


def _lock(key: Key) -> None:
    """Take the key in the running transaction, in which the answer is stored as well."""
    name = f"{key.credential_id}/{key.user_id}/{key.text}"
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [WAIT])
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        raise InConflict(
            "idempotency_key_in_work",
            f"The request with the key “{key.text}” is still in work. Send it again in {RETRY_AFTER} seconds.",
            retry_after=RETRY_AFTER,
        ) from error


def keep_answer(key: Key, status: int, body: dict[str, Any]) -> None:
    """Store the answer in the transaction of what it speaks of."""
    IdempotentAnswer.objects.create(
        credential_id=key.credential_id,
        user_id=key.user_id,
        key=key.text,
        request_sha256=key.request_sha256,
        status=status,
        answer=json.dumps(body),  # as text, because jsonb would not keep the order of the members
    )
