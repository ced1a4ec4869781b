"""What the check of a batch knows about its trial: filled once, from one set of queries, before the first row.

Everything here belongs to one trial and one laboratory. A specimen of another trial is simply not in `specimens`, so
that it cannot be told from one that does not exist. Every participant, visit and specimen that an entry names is here.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from measurements.validation.values import Comparator, Flag

Key = int
"""A primary key; the check only carries it."""

NaturalKey = tuple[str, str, str | None, str | None, int]
"""Specimen id, biomarker code, assay code or None, run id or None, replicate. The laboratory is the caller's."""

Status = Literal["final", "preliminary", "corrected", "not_done"]
TrialState = Literal["open", "frozen", "locked"]


class AssayRef(Struct, frozen=True):
    """A version of a laboratory's method for a biomarker; the limits are in `unit`, the assay's own."""

    pk: Key
    code: str
    unit: str
    llod: Decimal | None = None
    lloq: Decimal | None = None
    uloq: Decimal | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    """First and last day of its validity; None where it is open."""
    earlier: tuple["AssayRef", ...] = ()
    """Versions of the same code before this one, the newest first."""

    def on(self, day: date) -> "AssayRef":
        """Return the version valid on `day`; in a gap the one before it, before all of them the oldest."""
        versions = (self, *self.earlier)
        return next((each for each in versions if each.valid_from is None or each.valid_from <= day), versions[-1])

    def is_valid_on(self, day: date) -> bool:
        """Return whether a version is valid on `day`."""
        version = self.on(day)
        return (version.valid_from or day) <= day <= (version.valid_to or day)


class BiomarkerRef(Struct, frozen=True):
    """A biomarker of the trial."""

    pk: Key
    code: str
    name: str
    unit: str
    """UCUM code of the canonical unit, in which values are analysed."""
    aliases: tuple[str, ...] = ()
    """Other names that laboratories send; the name, and other capitals or hyphens, are understood unlisted."""
    molar_mass: Decimal | None = None
    """g/mol, where mass and molar units may be converted."""
    plausible_low: Decimal | None = None
    plausible_high: Decimal | None = None
    """In the canonical unit; a value outside is saved with a query."""
    allows_negative: bool = False
    specimen_kind: str | None = None
    """The kind of specimen it is measured in, such as `serum`; None where any will do."""
    assays: Mapping[str, AssayRef] = {}
    """This laboratory's assays of it, by code, in their newest version."""
    usual_assay: str | None = None
    """Code of the assay that a row without one means; None where there is none or more than one valid today."""
    tells_arm: bool = False
    """Whether only people with a therapy have it, so that who may not see the arm may not record it either."""
    has_dated_assays: bool = False
    """Whether the day of a run decides which assay, or which version of one, a row means."""

    def usual_assay_on(self, day: date) -> str | None:
        """Return the code that a row of this day means without saying so; today's where none was valid then."""
        valid = [code for code, assay in self.assays.items() if assay.is_valid_on(day)]
        return self.usual_assay if not valid else valid[0] if len(valid) == 1 else None


class SpecimenRef(Struct, frozen=True):
    """A specimen of the trial."""

    pk: Key
    participant: str
    visit: str
    """Codes of the participant and the visit."""
    kind: str | None = None
    drawn_at: datetime | None = None
    """With its zone; None while it is not recorded as drawn."""


class ParticipantRef(Struct, frozen=True):
    """A participant of the trial."""

    pk: Key
    data_use_withdrawn: bool = False


class VisitRef(Struct, frozen=True):
    """A planned visit of the trial."""

    pk: Key
    locked_for: frozenset[Key] = frozenset()
    """Keys of the participants for whom this visit is locked."""


class RecordedRef(Struct, frozen=True):
    """A result that is stored and not superseded."""

    pk: Key
    id: str
    """The id that the API shows, which a correction may name in `corrects`."""
    value: Decimal | None
    """In the canonical unit; the limit where there is a comparator."""
    text: str
    unit: str
    """Value and unit as they were sent, empty where nothing was."""
    comparator: Comparator | None = None
    flag: Flag | None = None
    status: Status = "final"


class Reference(Struct, frozen=True):
    """All that is needed to check any batch of one laboratory for one trial."""

    now: datetime
    """With its zone."""
    biomarkers: Mapping[str, BiomarkerRef]
    specimens: Mapping[str, SpecimenRef]
    participants: Mapping[str, ParticipantRef]
    visits: Mapping[str, VisitRef]
    """All four by code or id."""
    trial_state: TrialState = "open"
    by_participant_visit: Mapping[tuple[str, str], tuple[str, ...]] = {}
    """Participant and visit code to the ids of their specimens."""
    windows: Mapping[tuple[str, str], tuple[date, date]] = {}
    """Participant and visit code to the first and the last day of the window; left out where there is none."""
    recorded: Mapping[NaturalKey, RecordedRef] = {}
    """Current results that are not held."""
    held: Mapping[NaturalKey, RecordedRef] = {}
    """Current results that are held; here the specimen id may be unknown to the trial."""
    withheld_of: frozenset[Key] | None = None
    """Participants of whom the sender may neither see nor record what tells the arm; None where nothing is withheld."""
