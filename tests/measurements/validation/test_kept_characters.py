"""Which characters texts may hold: NFC, no control, bidirectional or zero-width ones, ids in ASCII."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.validation.fields import cleaned
from measurements.validation.findings import NotedError
from measurements.validation.texts import LONGEST, shown


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        ("specimen", "S\u0000", "character_refused"),
        ("specimen", "S\u202e1", "character_refused"),  # right-to-left override
        ("specimen", "S\u200d1", "character_refused"),  # zero-width joiner
        ("specimen", "\u0405-081", "character_refused"),  # Cyrillic letter that looks like S
        ("reason", "re\u202eran", "character_refused"),
        ("reason", "\ud800", "character_refused"),
        ("unit", "Âµg/L", "encoding"),
        ("specimen", "S\ufffd", "encoding"),
        ("specimen", "S" * 65, "field_too_long"),
        ("reason", "x" * 501, "field_too_long"),
        ("reason", "x" * 10_000_000, "field_too_long"),
    ],
)
def test_text_is_refused(field: str, text: str, code: str) -> None:
    with pytest.raises(NotedError) as noted:
        cleaned(text, field)
    assert noted.value.note.code == code


@pytest.mark.parametrize(
    ("field", "text", "kept"),
    [
        ("specimen", " S-081 ", "S-081"),
        ("biomarker", "TNF-α", "TNF-α"),
        ("unit", "µg/L", "µg/L"),
        ("reason", "Verdu\u0308nnung\n wiederholt", "Verdünnung wiederholt"),
    ],
)
def test_text_is_kept_tidied(field: str, text: str, kept: str) -> None:
    assert cleaned(text, field) == kept


@given(st.sampled_from(sorted(LONGEST)), st.text(max_size=600))
def test_what_is_kept_prints_and_fits(field: str, text: str) -> None:
    try:
        kept = cleaned(text, field)
    except NotedError:
        return
    assert kept.isprintable()
    assert len(kept) <= LONGEST[field]


@given(st.text())
def test_what_is_shown_always_prints(text: str) -> None:
    assert shown(text).isprintable()
    shown(text).encode("utf-8")
