"""Random layouts: reproducible, complete, participants together, and fair."""

import hashlib
import inspect
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.plates import layout
from measurements.plates.layout import FORMS, Form, Well, draw_layout

SEED = bytes(range(32))
GROUPS = st.lists(st.integers(0, 6), max_size=40).map(
    lambda sizes: [[f"S{person}-{number}" for number in range(size)] for person, size in enumerate(sizes)]
)
FORM = st.builds(
    Form,
    wells=st.sampled_from(sorted(FORMS)),
    replicates=st.integers(1, 4),
    standards=st.integers(0, 8),
    blanks=st.integers(0, 2),
    controls=st.integers(0, 3),
)


def specimens_of(plate: list[Well]) -> set[str]:
    return {well.name for well in plate if well.kind == "specimen"}


@given(GROUPS, FORM, st.binary(min_size=32, max_size=32))
def test_every_specimen_is_measured_as_often_as_wanted_side_by_side(
    groups: list[list[str]], form: Form, seed: bytes
) -> None:
    plates = draw_layout(groups, form, seed)
    wells = Counter(well.name for plate in plates for well in plate if well.kind == "specimen")
    assert wells == {specimen: form.replicates for group in groups for specimen in group}
    for plate in plates:
        names = [well.well for well in plate]
        assert len(set(names)) == len(names) <= form.wells
        assert Counter(well.kind for well in plate if well.kind != "specimen") == Counter(
            kind for kind, _number, wells in form.reserved for _ in wells
        )
        for specimen in specimens_of(plate):
            places = [well.well for well in plate if (well.kind, well.name) == ("specimen", specimen)]
            columns = [int(place[1:]) for place in places]
            assert len({place[0] for place in places}) == 1
            assert columns == list(range(columns[0], columns[0] + form.replicates))


@given(GROUPS, FORM, st.binary(min_size=32, max_size=32))
def test_participants_stay_together(groups: list[list[str]], form: Form, seed: bytes) -> None:
    plates = [specimens_of(plate) for plate in draw_layout(groups, form, seed)]
    for group in groups:
        if 0 < len(group) <= len(form.free):
            assert sum(bool(plate & set(group)) for plate in plates) == 1


@given(GROUPS, st.randoms(use_true_random=False))
def test_the_order_in_which_specimens_are_named_means_nothing(groups: list[list[str]], random: object) -> None:
    shuffled = [list(group) for group in groups]
    random.shuffle(shuffled)
    for group in shuffled:
        random.shuffle(group)
    assert draw_layout(shuffled, Form(), SEED) == draw_layout(groups, Form(), SEED)


def test_the_layout_of_a_seed_is_for_ever() -> None:
    plates = draw_layout([["a1", "a2"], ["b1"], ["c1", "c2", "c3"]], Form(replicates=2, controls=2), SEED)
    assert len(plates) == 1
    said = "\n".join(f"{well.well} {well.kind} {well.name} {well.replicate}" for well in plates[0])
    assert hashlib.sha256(said.encode()).hexdigest() == EXPECTED


EXPECTED = "f38524ce0ec0fc34b313cca42cfabd8b8d99de15ca8e5fd57266347b6cff97e7"


def test_standards_stand_first_and_in_duplicate() -> None:
    (plate,) = draw_layout([["a"]], Form(replicates=1, standards=8, blanks=1, controls=2), SEED)
    held = {well.well: (well.kind, well.name) for well in plate}
    assert [held["A1"], held["A2"], held["H2"]] == [("standard", "1"), ("standard", "1"), ("standard", "8")]
    assert [held["A3"], held["B4"], held["D3"]] == [("blank", "1"), ("control", "1"), ("specimen", "a")]


def test_someone_with_more_than_a_plate_holds_fills_plates() -> None:
    form = Form(wells=96, replicates=4, standards=8, blanks=8, controls=4)
    plates = draw_layout([[f"s{number}" for number in range(10)]], form, SEED)
    assert [len(specimens_of(plate)) for plate in plates] == [4, 4, 2]


def test_every_place_is_as_likely_as_another() -> None:
    form = Form(wells=96, replicates=2, standards=8, blanks=1, controls=3)
    groups = [[f"s{person}"] for person in range(4)]
    counts = Counter(
        next(
            well.well
            for well in draw_layout(groups, form, hashlib.sha256(bytes([n, m])).digest())[0]
            if well.name == "s0"
        )
        for n in range(20)
        for m in range(60)
    )
    # 4 places, 1,200 draws: chi-square with 3 degrees of freedom is above 16.3 once in a thousand.
    assert len(counts) == 4
    assert sum((count - 300) ** 2 / 300 for count in counts.values()) < 16.3


@pytest.mark.parametrize(
    "form",
    [{"wells": 48}, {"replicates": 0}, {"replicates": 5}, {"standards": -1}, {"standards": 48}, {"controls": 400}],
)
def test_a_form_that_cannot_be(form: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"wells|measured|fewer|room"):
        Form(**form)


def test_a_specimen_is_named_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        draw_layout([["a"], ["a"]], Form(), SEED)


def test_no_arm_can_come_in() -> None:
    assert list(inspect.signature(layout.draw_layout).parameters) == ["participants", "form", "seed"]
    assert "arm" not in {word for name in vars(layout) for word in name.lower().split("_")}
