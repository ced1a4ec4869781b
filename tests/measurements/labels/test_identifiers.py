"""Ids of specimens: told apart by eye, checked, and understood however they are typed."""

from hypothesis import given
from hypothesis import strategies as st

from measurements.labels import is_generated, new_identifier, typed_identifier
from measurements.labels.identifiers import ALPHABET


def test_new_ids_check_and_differ() -> None:
    made = {new_identifier() for _ in range(2000)}
    assert len(made) == 2000
    assert all(is_generated(each) and len(each) == 9 for each in made)
    assert not {character for each in made for character in each} & set("01258BGILOQSUVZ6")


@given(st.integers(0, 7), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_found(place: int, other: str) -> None:
    known = new_identifier()
    plain = known.replace("-", "")
    wrong = plain[:place] + other + plain[place + 1 :]
    assert is_generated(f"{wrong[:4]}-{wrong[4:]}") is (wrong == plain)


def test_an_id_is_understood_in_other_capitals_and_without_its_hyphen() -> None:
    known = new_identifier()
    for typed in (known, known.lower(), known.replace("-", ""), f" {known} ", known.replace("-", " ")):
        assert typed_identifier(typed) == known


@given(st.text(max_size=30))
def test_any_other_text_stays_as_it_was_typed(text: str) -> None:
    typed = typed_identifier(text)
    assert typed == text.strip() or is_generated(typed)
