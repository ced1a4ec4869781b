"""Encrypted slots: the database keeps the list, but nobody can read from it what comes before it is allocated."""

from trials.allocation.sealing import OVERHEAD_BYTES, seal, unseal

CONTENT_BYTES = 64
"""What a slot holds is padded to this length, so that a ciphertext's length does not tell the arm."""

SLOT_BYTES = CONTENT_BYTES + OVERHEAD_BYTES


def encrypt_slot(key: bytes, *, trial: str, stratum: str, sequence: int, content: str) -> bytes:
    """Return 92 bytes that only the 256-bit key opens, and only as this trial's, stratum's and sequence's slot.

    `content` is an arm's code, or a draw of minimization. `ValueError` when it is empty or longer than 63 bytes of
    UTF-8.
    """
    return seal(key, _padded(content), ("slot", trial, stratum, sequence))


def decrypt_slot(key: bytes, ciphertext: bytes, *, trial: str, stratum: str, sequence: int) -> str:
    """Return what the slot holds; `SealBrokenError` if changed, swapped with another, or of another key."""
    padded = unseal(key, ciphertext, ("slot", trial, stratum, sequence))
    return padded[1 : 1 + padded[0]].decode("utf-8")


def _padded(content: str) -> bytes:
    """The text's length in one byte, the text, zeros."""
    text = content.encode("utf-8")
    if not 0 < len(text) < CONTENT_BYTES:
        raise ValueError(f"what a slot holds must have 1 to {CONTENT_BYTES - 1} bytes")
    return (bytes([len(text)]) + text).ljust(CONTENT_BYTES, b"\0")
