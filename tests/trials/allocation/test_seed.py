"""The seed: random, committed to, sealed."""

import hashlib

import pytest

from trials.allocation.blocks import ArmRatio, Scheme
from trials.allocation.sealing import SealBrokenError
from trials.allocation.seed import commitment, new_seed, open_seed, seal_seed

KEY = bytes(range(32))
SEED = bytes(reversed(range(32)))
SCHEME = Scheme((ArmRatio("cbt_i", 1), ArmRatio("waitlist", 1)), (4, 6, 8))


def test_seeds_have_256_bits_and_differ():
    seeds = {new_seed() for _ in range(100)}
    assert {len(seed) for seed in seeds} == {32}
    assert len(seeds) == 100


def test_the_commitment_is_what_the_document_says():
    encoded = (
        b"allocation commitment\x00" + SEED + b'{"arms":[["cbt_i",1],["waitlist",1]],"block_sizes":[4,6,8],'
        b'"generator":"HMAC_DRBG-SHA-256","method":"permuted_blocks","version":1}'
    )
    assert commitment(SEED, SCHEME) == hashlib.sha256(encoded).hexdigest()


def test_the_commitment_fixes_seed_and_scheme():
    others = [
        commitment(KEY, SCHEME),
        commitment(SEED, Scheme(SCHEME.arms, (4, 6))),
        commitment(SEED, Scheme((ArmRatio("cbt_i", 2), ArmRatio("waitlist", 2)), (4, 8))),
    ]
    assert len({commitment(SEED, SCHEME), *others}) == 4


def test_a_seed_of_another_length_is_not_committed_to():
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(SEED[:-1], SCHEME)


def test_a_sealed_seed_opens_for_its_trial_only():
    sealed = seal_seed(KEY, SEED, trial="calm-sleep")
    assert SEED not in sealed
    assert open_seed(KEY, sealed, trial="calm-sleep") == SEED
    with pytest.raises(SealBrokenError):
        open_seed(KEY, sealed, trial="opt")
    with pytest.raises(SealBrokenError):
        open_seed(SEED, sealed, trial="calm-sleep")
