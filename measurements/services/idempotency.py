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

# One round trip; the wait for whoever works with the key is bounded, and only this wait.
TAKE_KEY = "SET LOCAL lock_timeout = %s; SELECT pg_advisory_xact_lock(%s); SET LOCAL lock_timeout TO DEFAULT"
EARLIER = """
SELECT request_sha256, status, answer #>> '{}' FROM measurements_idempotentanswer
WHERE key = %s AND (credential_id = %s AND user_id IS NULL OR user_id = %s AND credential_id IS NULL)"""


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
    with connection.cursor() as cursor:
        cursor.execute(EARLIER, [key.text, key.credential_id, key.user_id])
        earlier = cursor.fetchone()
    if earlier is not None and earlier[0] != key.request_sha256:
        raise RuleBroken(
            "idempotency_key_reused",
            f"The key “{key.text}” was used for another request. Send this one with a new key. Nothing was saved.",
        )
    return None if earlier is None else (earlier[1], json.loads(earlier[2]))


def _lock(key: Key) -> None:
    """Take the key in the running transaction, in which the answer is stored as well."""
    name = f"{key.credential_id}/{key.user_id}/{key.text}"
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute(TAKE_KEY, [WAIT, number])
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
