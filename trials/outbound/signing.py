"""Signatures of webhooks by the Standard Webhooks specification 1.0 (https://www.standardwebhooks.com).

A secret is `whsec_` and 24 to 64 random bytes in base64. Signed is `<id>.<timestamp>.<body>` with HMAC-SHA256, so that
neither the body nor the moment can be changed, and an old message cannot be passed off as a new one.
"""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new secret of 256 bits."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """Return the signature of a message with one secret: `v1,` and the base64 of the HMAC."""
    key = b64decode(secret.removeprefix(PREFIX), validate=True)
    signed = hmac.digest(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256)
    return "v1," + b64encode(signed).decode()


def signed_headers(given: Sequence[str], message_id: str, timestamp: int, body: str) -> dict[str, str]:
    """Return the three headers of a message; `timestamp` is that of the attempt, in seconds since 1970.

    While a secret is changed there are two, and a signature by each.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, message_id, timestamp, body) for secret in given),
    }
