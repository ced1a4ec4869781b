"""HMAC_DRBG against published vectors, and what is drawn from it."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.allocation.generator import MAX_BYTES_PER_REQUEST, HmacDrbg

# NIST CAVP, drbgvectors_no_reseed, HMAC_DRBG.rsp, [SHA-256], count 0 without and with a personalization string, and
# count 1 without: instantiate, generate 1,024 bits twice, compare the second answer.
NIST_VECTORS = [
    (
        "ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488",
        "659ba96c601dc69fc902940805ec0ca8",
        "",
        "e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89d54fbb978a15b5c443c9ec21036d2460b6f73ebad0dc2aba"
        "6e624abf07745bc107694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668961df86803482cb37ed6d5c0bb8d50cf"
        "1f50d476aa0458bdaba806f48be9dcb8",
    ),
    (
        "79737479ba4e7642a221fcfd1b820b134e9e3540a35bb48ffae29c20f5418ea3",
        "3593259c092bef4129bc2c6c9e19f343",
        "",
        "cf5ad5984f9e43917aa9087380dac46e410ddc8a7731859c84e9d0f31bd43655b924159413e2293b17610f211e09f770f172b8fb693a35b8"
        "5d3b9e5e63b1dc252ac0e115002e9bedfb4b5b6fd43f33b8e0eafb2d072e1a6fee1f159df9b51e6c8da737e60d5032dd30544ec51558c6f0"
        "80bdbdab1de8a939e961e06b5f1aca37",
    ),
    (
        "5cacc68165a2e2ee20812f35ec73a79dbf30fd475476ac0c44fc6174cdac2b55",
        "6f885496c1e63af620becd9e71ecb824",
        "e72dd8590d4ed5295515c35ed6199e9d211b8f069b3058caa6670b96ef1208d0",
        "f1012cf543f94533df27fedfbf58e5b79a3dc517a9c402bdbfc9a0c0f721f9d53faf4aafdc4b8f7a1b580fcaa52338d4bd95f58966a243cd"
        "cd3f446ed4bc546d9f607b190dd69954450d16cd0e2d6437067d8b44d19a6af7a7cfa8794e5fbd728e8fb2f2e8db5dd4ff1aa275f3588609"
        "8e80ff844886060da8b1e7137846b23b",
    ),
]


@pytest.mark.parametrize(("entropy", "nonce", "personalization", "expected"), NIST_VECTORS)
def test_it_gives_the_published_bytes(entropy, nonce, personalization, expected):
    generator = HmacDrbg(bytes.fromhex(entropy), bytes.fromhex(nonce), bytes.fromhex(personalization))
    generator.generate(128)
    assert generator.generate(128).hex() == expected


def test_a_short_seed_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        HmacDrbg(b"2026-11-22")


@pytest.mark.parametrize("length", [0, -1, MAX_BYTES_PER_REQUEST + 1])
def test_a_request_of_a_forbidden_length_is_refused(length):
    with pytest.raises(ValueError, match="65,536"):
        HmacDrbg(bytes(32)).generate(length)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 10**6))
def test_an_integer_is_below_its_bound(seed, bound):
    generator = HmacDrbg(seed)
    assert all(0 <= generator.below(bound) < bound for _ in range(5))


def test_a_bound_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        HmacDrbg(bytes(32)).below(0)


def chi_square(counts: Counter, cells: int) -> float:
    expected = counts.total() / cells
    return sum((counts[cell] - expected) ** 2 / expected for cell in counts) + expected * (cells - len(counts))


def test_integers_are_uniform():
    # 5 of 8 three-bit numbers are kept: a remainder instead of a rejection would give 0, 1 and 2 twice as often.
    generator = HmacDrbg(b"uniform integers".ljust(32, b"."))
    counts = Counter(generator.below(5) for _ in range(20_000))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert chi_square(counts, 5) < 18.47  # 0.1% point, 4 df


def test_all_orders_are_equally_likely():
    generator = HmacDrbg(b"uniform orders".ljust(32, b"."))
    counts = Counter("".join(generator.shuffled("ABCD")) for _ in range(12_000))
    assert len(counts) == math.factorial(4)
    assert chi_square(counts, 24) < 49.73  # 0.1% point, 23 df


def test_a_shuffle_leaves_its_input_alone():
    items = ["a", "b", "c", "d", "e"]
    assert sorted(HmacDrbg(bytes(32)).shuffled(items)) == items == ["a", "b", "c", "d", "e"]
