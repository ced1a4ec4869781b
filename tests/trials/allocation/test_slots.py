"""Encrypted slots: nothing to read, nothing to change, nothing to swap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.allocation.sealing import SealBrokenError
from trials.allocation.slots import SLOT_BYTES, decrypt_slot, encrypt_slot

KEY = bytes(range(32))
PLACE = {"trial": "calm-sleep", "stratum": "leeds/F", "sequence": 7}

arm_codes = st.text(min_size=1, max_size=63).filter(lambda code: len(code.encode()) < 64)


@given(arm_codes, st.text(max_size=10), st.text(max_size=10), st.integers(1, 10**6))
def test_a_slot_opens_as_what_it_was(arm, trial, stratum, sequence):
    place = {"trial": trial, "stratum": stratum, "sequence": sequence}
    assert decrypt_slot(KEY, encrypt_slot(KEY, content=arm, **place), **place) == arm


@given(arm_codes)
def test_the_length_does_not_tell_the_arm(arm):
    assert len(encrypt_slot(KEY, content=arm, **PLACE)) == SLOT_BYTES == 92


def test_the_same_arm_twice_looks_different():
    assert len({encrypt_slot(KEY, content="waitlist", **PLACE) for _ in range(50)}) == 50


def test_the_arm_is_not_in_the_ciphertext():
    assert b"waitlist" not in encrypt_slot(KEY, content="waitlist", **PLACE)


@pytest.mark.parametrize("byte", range(SLOT_BYTES))
def test_a_changed_byte_is_noticed(byte):
    sealed = bytearray(encrypt_slot(KEY, content="cbt_i", **PLACE))
    sealed[byte] ^= 1
    with pytest.raises(SealBrokenError):
        decrypt_slot(KEY, bytes(sealed), **PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [{"sequence": 8}, {"stratum": "leeds/M"}, {"trial": "opt"}, {"trial": "calm-sleepleeds", "stratum": "/F"}],
)
def test_a_slot_moved_to_another_place_is_noticed(elsewhere):
    sealed = encrypt_slot(KEY, content="cbt_i", **PLACE)
    with pytest.raises(SealBrokenError):
        decrypt_slot(KEY, sealed, **(PLACE | elsewhere))


def test_another_key_opens_nothing():
    with pytest.raises(SealBrokenError):
        decrypt_slot(bytes(32), encrypt_slot(KEY, content="cbt_i", **PLACE), **PLACE)


@pytest.mark.parametrize("length", [0, 11, 27, SLOT_BYTES - 1])
def test_a_cut_slot_is_noticed(length):
    with pytest.raises(SealBrokenError):
        decrypt_slot(KEY, encrypt_slot(KEY, content="cbt_i", **PLACE)[:length], **PLACE)


@pytest.mark.parametrize("arm", ["", "x" * 64, "é" * 32])
def test_an_arm_code_that_does_not_fit_is_refused(arm):
    with pytest.raises(ValueError, match="1 to 63 bytes"):
        encrypt_slot(KEY, content=arm, **PLACE)


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(33)])
def test_a_key_of_another_length_is_refused(key):
    with pytest.raises(ValueError, match="32 bytes"):
        encrypt_slot(key, content="cbt_i", **PLACE)
