"""Sealing with AES-256-GCM: nobody reads it without the key, nobody changes or moves it unnoticed.

A sealed text is a random 96-bit nonce, the ciphertext, and the 128-bit tag (NIST SP 800-38D).
"""

import json
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
OVERHEAD_BYTES = NONCE_BYTES + 16


class SealBrokenError(ValueError):
    """A sealed text does not open: wrong key, changed bytes, or moved from the place it was sealed for."""


def seal(key: bytes, text: bytes, place: tuple[str | int, ...]) -> bytes:
    """Return `text` sealed for `place` with a 256-bit key; `ValueError` for a key of another length."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, text, _associated_data(place))


def unseal(key: bytes, sealed: bytes, place: tuple[str | int, ...]) -> bytes:
    """Return what was sealed for `place`; `SealBrokenError` for another key or place, or changed bytes."""
    cipher = _cipher(key)
    if len(sealed) < OVERHEAD_BYTES:
        raise SealBrokenError("the sealed text is cut short")
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _associated_data(place))
    except InvalidTag:
        raise SealBrokenError("the sealed text was changed, moved, or sealed with another key") from None


def _cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise ValueError("the allocation key must have 32 bytes")
    return AESGCM(key)


def _associated_data(place: tuple[str | int, ...]) -> bytes:
    # JSON, because joined text could read the same for two places: ("a", "bc") and ("ab", "c").
    return json.dumps(place, separators=(",", ":")).encode("ascii")
