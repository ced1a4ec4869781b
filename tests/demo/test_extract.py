"""The shipped files are what the script extracts, and equal the inputs of the reference cases."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from demo import extract

OPT = Path(extract.__file__).parent / "opt" / "opt.csv"
BTHEB = Path(extract.__file__).parent / "btheb" / "btheb.csv"

IGG = [f"igg_{species}" for species in ("aa", "cr", "fn", "pg", "pi", "td", "tf")]
BIOMARKERS = ["crp", "pge2", "mmp9", "fibrin", *IGG, "il6", "tnf"]


def rows_of(path):
    with path.open(newline="", encoding="ascii") as lines:
        return list(csv.DictReader(lines))


def value(cell):
    """A number by its value (R writes 9.30 as 9.3), a missing one as None, other text as it is."""
    if cell in {"", "NA"}:
        return None
    return Decimal(cell) if cell[0].isdigit() else cell


@pytest.mark.parametrize(("path", "extracted"), [(OPT, extract.opt_csv), (BTHEB, extract.btheb_csv)])
def test_extracting_again_gives_the_same_bytes(path, extracted):
    assert extracted().encode("ascii") == path.read_bytes()


@pytest.mark.parametrize("reference", ["s01_ancova_opt_crp", "s02_ancova_opt_panel", "s13_lod_opt_il6"])
def test_every_cell_of_opt_equals_the_reference_inputs(reference, reference_folder):
    if reference_folder is not None:
        assert_same_cells(OPT, reference_folder / reference / "input.csv")


def test_every_cell_of_btheb_equals_the_reference_input():
    assert_same_cells(BTHEB, Path(__file__).parents[1] / "reference" / "s06_mmrm_btheb" / "input.csv")


def assert_same_cells(shipped, reference):
    expected = rows_of(reference)
    columns = list(expected[0])
    assert len(columns) > 4
    assert [{column: value(row[column]) for column in columns} for row in rows_of(shipped)] == [
        {column: value(row[column]) for column in columns} for row in expected
    ]


def test_opt_has_the_columns_that_the_loader_reads():
    columns = ["pid", "arm", "clinic", "age"] + [f"{name}_{visit}" for name in BIOMARKERS for visit in ("base", "fu")]
    rows = rows_of(OPT)
    assert list(rows[0]) == columns
    assert len({row["pid"] for row in rows}) == len(rows) == 823
    assert {arm: sum(row["arm"] == arm for row in rows) for arm in ("treatment", "control")} == {
        "treatment": 413,
        "control": 410,
    }
    assert {row["clinic"] for row in rows} == {"KY", "MN", "MS", "NY"}
    assert sum(bool(row["crp_base"] and row["crp_fu"]) for row in rows) == 620


def test_btheb_has_the_columns_that_the_loader_reads():
    rows = rows_of(BTHEB)
    assert list(rows[0]) == ["id", "drug", "length", "treatment", "bdi_pre", "bdi_2m", "bdi_3m", "bdi_5m", "bdi_8m"]
    assert [row["id"] for row in rows] == [str(number) for number in range(1, 101)]
    assert {row["treatment"] for row in rows} == {"BtheB", "TAU"}
