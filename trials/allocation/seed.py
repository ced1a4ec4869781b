"""The trial's seed: drawn once, sealed, and committed to before the first enrolment."""

import hashlib
import secrets

from trials.allocation.schemes import Scheme
from trials.allocation.sealing import seal, unseal

SEED_BYTES = 32


def new_seed() -> bytes:
    """Return 256 bits from the operating system. Never a date: such a seed was found from 20 allocations."""
    return secrets.token_bytes(SEED_BYTES)


def commitment(seed: bytes, scheme: Scheme) -> str:
    """Return 64 hex digits that anyone may see and that fix seed and scheme: SHA-256 of label, seed and scheme.

    The seed's 256 random bits hide it; changing seed or scheme later changes the commitment. `ValueError` for a seed
    of another length.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError("the seed must have 32 bytes")
    return hashlib.sha256(b"allocation commitment\0" + seed + scheme.canonical_json().encode("ascii")).hexdigest()


def seal_seed(key: bytes, seed: bytes, *, trial: str) -> bytes:
    """Return the seed encrypted with the 256-bit key for this trial only."""
    return seal(key, seed, ("seed", trial))


def open_seed(key: bytes, sealed: bytes, *, trial: str) -> bytes:
    """Return the trial's seed; `SealBrokenError` for another key or trial, or changed bytes."""
    return unseal(key, sealed, ("seed", trial))
