"""The check of results as laboratories and people send them, without Django: bytes to rows, rows to findings.

`decode_json` and `decode_csv` make rows of a body; `check_rows` says of each what is to be stored and to be said.
"""

from measurements.validation.codes import ROW_CODES, render_markdown
from measurements.validation.decode import Payload, PayloadRefused, RunAsSent, decode_json
from measurements.validation.decode_csv import decode_csv
from measurements.validation.findings import Finding
from measurements.validation.outcomes import AcceptedRow, Checked, Counts, NewSpecimen, Options
from measurements.validation.reference import (
    AssayRef,
    BiomarkerRef,
    ParticipantRef,
    RecordedRef,
    Reference,
    SpecimenRef,
    VisitRef,
)
from measurements.validation.rows import check_rows
from measurements.validation.sent import RowAsSent, row_as_sent

__all__ = [
    "ROW_CODES",
    "AcceptedRow",
    "AssayRef",
    "BiomarkerRef",
    "Checked",
    "Counts",
    "Finding",
    "NewSpecimen",
    "Options",
    "ParticipantRef",
    "Payload",
    "PayloadRefused",
    "RecordedRef",
    "Reference",
    "RowAsSent",
    "RunAsSent",
    "SpecimenRef",
    "VisitRef",
    "check_rows",
    "decode_csv",
    "decode_json",
    "render_markdown",
    "row_as_sent",
]
