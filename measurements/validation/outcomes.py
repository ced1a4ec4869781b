"""What a sender may choose, and what the check of a batch answers."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from measurements.validation.findings import Disposition, Finding
from measurements.validation.reference import Key, Status
from measurements.validation.values import Comparator, Flag


class Options(Struct, frozen=True):
    """How the sender wants wrong and unknown rows treated."""

    on_error: Literal["reject_all", "reject_rows"] = "reject_all"
    unknown_specimen: Literal["reject", "hold"] = "reject"
    dry_run: bool = False


DEFAULTS = Options()


class NewSpecimen(Struct, frozen=True):
    """A specimen to be made, because a row named a participant and a visit that have none."""

    id: str
    participant_pk: Key
    visit_pk: Key
    kind: str | None


class AcceptedRow(Struct, frozen=True):
    """A row that is right, as it is to be stored."""

    row: int
    disposition: Disposition
    supersedes: Key | None
    """The result it replaces: by a correction, a final after a preliminary value, or acceptance after it was held."""
    specimen: str
    specimen_pk: Key | None
    """None for one to be made (see `Checked.new_specimens`) and, with the next two, for an unknown one that is held."""
    participant_pk: Key | None
    visit_pk: Key | None
    biomarker: str
    biomarker_pk: Key
    assay: str | None
    assay_pk: Key | None
    run: str | None
    performed_on: date | None
    replicate: int
    value: str
    unit: str
    """Value and unit as sent, empty where nothing was."""
    comparator: Comparator | None
    flag: Flag | None
    canonical_value: Decimal | None
    """In `canonical_unit`; the limit where there is a comparator; None where there is no number to analyse."""
    canonical_unit: str
    factor: Decimal
    """What the value was multiplied by, to 34 digits."""
    limit: Decimal | None
    """The limit a censored value is censored at, sent or the assay's, in `canonical_unit`."""
    collected_at: datetime | None
    status: Status
    reason: str | None
    implausible: bool
    """Whether a query is to be opened."""
    corrects: str | None = None
    """The id that the row names as the result it corrects."""


class Counts(Struct, frozen=True):
    """Rows by what became of them; `received` is the sum of the others."""

    received: int
    created: int
    unchanged: int
    corrected: int
    held: int
    rejected: int


class Checked(Struct, frozen=True):
    """The outcome for a batch. `accepted` is empty where one wrong row refuses all."""

    accepted: tuple[AcceptedRow, ...]
    new_specimens: tuple[NewSpecimen, ...]
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    """Of severity warning and info."""
    counts: Counts
