"""Encrypted slots: the database keeps the list, but nobody can read an arm from it before it is allocated."""

from trials.allocation.sealing import OVERHEAD_BYTES, seal, unseal

ARM_BYTES = 64
"""Every arm code is padded to this length, so that a ciphertext's length does not tell the arm."""

SLOT_BYTES = ARM_BYTES + OVERHEAD_BYTES


def encrypt_slot(key: bytes, *, trial: str, stratum: str, sequence: int, arm: str) -> bytes:
    """Return 92 bytes that only the 256-bit key opens, and only as this trial's, stratum's and sequence's slot.

    `ValueError` when the arm code is empty or longer than 63 bytes of UTF-8.
    """
    return seal(key, _padded(arm), ("slot", trial, stratum, sequence))


def decrypt_slot(key: bytes, ciphertext: bytes, *, trial: str, stratum: str, sequence: int) -> str:
    """Return the slot's arm code; `SealBrokenError` if changed, swapped with another, or of another key."""
    padded = unseal(key, ciphertext, ("slot", trial, stratum, sequence))
    return padded[1 : 1 + padded[0]].decode("utf-8")


def _padded(arm: str) -> bytes:
    """The code's length in one byte, the code, zeros."""
    code = arm.encode("utf-8")
    if not 0 < len(code) < ARM_BYTES:
        raise ValueError(f"an arm code must have 1 to {ARM_BYTES - 1} bytes")
    return (bytes([len(code)]) + code).ljust(ARM_BYTES, b"\0")
