"""HMAC_DRBG with SHA-256 (NIST SP 800-90A Rev. 1, section 10.1.2), and the integers and shuffles drawn from it.

A published generator, so that an allocation list can be rebuilt from its seed by anybody, in any language, for ever;
Python's own `random` is neither secret nor promised to stay the same.
"""

import hmac
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

MAX_BYTES_PER_REQUEST = 2**16  # SP 800-90A, table 2: 2^19 bits


class HmacDrbg:
    """A deterministic stream of bytes. It is never reseeded: the same inputs give the same stream."""

    def __init__(self, entropy: bytes, nonce: bytes = b"", personalization: bytes = b"") -> None:
        """Instantiate from at least 256 bits of entropy; `ValueError` when there are fewer."""
        if len(entropy) < 32:
            raise ValueError("HMAC_DRBG with SHA-256 needs at least 32 bytes of entropy")
        self._key = bytes(32)
        self._value = b"\x01" * 32
        self._update(entropy + nonce + personalization)

    def generate(self, length: int) -> bytes:
        """Return the next `length` bytes as one request; `ValueError` above 65,536."""
        if not 0 < length <= MAX_BYTES_PER_REQUEST:
            raise ValueError("one request is for 1 to 65,536 bytes")
        output = b""
        while len(output) < length:
            self._value = _hmac(self._key, self._value)
            output += self._value
        self._update(b"")
        return output[:length]

    def below(self, bound: int) -> int:
        """Return a uniform integer from 0 to `bound - 1`; `ValueError` unless `bound` is positive.

        As many bits as `bound - 1` has are taken (big-endian, whole bytes, upper bits masked off) until the integer is
        below the bound. Taking a remainder instead would favour small numbers.
        """
        if bound < 1:
            raise ValueError("the bound must be at least 1")
        bits = (bound - 1).bit_length()
        if bits == 0:
            return 0
        while True:
            drawn = int.from_bytes(self.generate((bits + 7) // 8), "big") & ((1 << bits) - 1)
            if drawn < bound:
                return drawn

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a uniformly random order (Fisher-Yates, from the last place down to the second)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            chosen = self.below(last + 1)
            order[last], order[chosen] = order[chosen], order[last]
        return order

    def _update(self, provided: bytes) -> None:
        """HMAC_DRBG_Update (10.1.2.2): the second round is left out when nothing is provided."""
        for separator in (b"\x00", b"\x01") if provided else (b"\x00",):
            self._key = _hmac(self._key, self._value + separator + provided)
            self._value = _hmac(self._key, self._value)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
