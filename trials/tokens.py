"""Tokens: 256 bits, a prefix that says what they are, stored as SHA-256."""

import hashlib
import secrets

LABORATORY, SANDBOX, PERSONAL = "lab_live_", "lab_test_", "pat_"
SHOWN = 6  # characters after the prefix that stay visible in lists


def new_token(kind: str) -> tuple[str, str, str]:
    """Return (token, visible prefix, SHA-256). The token itself is shown once and not kept."""
    token = kind + secrets.token_urlsafe(32)
    return token, token[: len(kind) + SHOWN], digest(token)


def digest(token: str) -> str:
    """Return the SHA-256 by which a token is found."""
    return hashlib.sha256(token.encode()).hexdigest()
