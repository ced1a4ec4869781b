"""One small trial that every test of the row checker can be followed by hand on."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from measurements.validation import (
    AssayRef,
    BiomarkerRef,
    ParticipantRef,
    RecordedRef,
    Reference,
    SpecimenRef,
    VisitRef,
)

LUMINEX = AssayRef(1, "luminex", "pg/mL", llod=Decimal("0.2"), lloq=Decimal("0.4"), uloq=Decimal("500"))
IL6 = BiomarkerRef(
    1,
    "IL6",
    "Interleukin-6",
    "pg/mL",
    aliases=("IFN-beta-2",),
    plausible_low=Decimal("0"),
    plausible_high=Decimal("1000"),
    specimen_kind="serum",
    assays={"luminex": LUMINEX},
    usual_assay="luminex",
)
CORTISOL = BiomarkerRef(2, "CORT", "Cortisol", "nmol/L", molar_mass=Decimal("362.46"), specimen_kind="saliva")
CHANGE = BiomarkerRef(3, "CHG", "Change score", "{score}", allows_negative=True)
DRAWN = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def specimen(
    pk: int, participant: str = "PNI-081", drawn_at: datetime | None = DRAWN, visit: str = "six_months"
) -> SpecimenRef:
    return SpecimenRef(pk, participant, visit, "serum", drawn_at)


@pytest.fixture
def trial() -> Reference:
    return Reference(
        now=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
        biomarkers={biomarker.code: biomarker for biomarker in (IL6, CORTISOL, CHANGE)},
        specimens={
            "S-081-6M-P1": specimen(1),
            "S-083-6M-P1": specimen(2, "PNI-083"),
            "S-083-6M-P2": specimen(3, "PNI-083"),
            "S-084-6M-P1": specimen(4, "PNI-084", None),
            "S-085-6M-P1": specimen(5, "PNI-085"),
            "S-081-BL-P1": specimen(6, visit="baseline"),
        },
        participants={
            "PNI-081": ParticipantRef(81),
            "PNI-082": ParticipantRef(82),
            "PNI-083": ParticipantRef(83),
            "PNI-084": ParticipantRef(84),
            "PNI-085": ParticipantRef(85, data_use_withdrawn=True),
        },
        visits={"baseline": VisitRef(1, locked_for=frozenset({81})), "six_months": VisitRef(2)},
        by_participant_visit={
            ("PNI-081", "six_months"): ("S-081-6M-P1",),
            ("PNI-081", "baseline"): ("S-081-BL-P1",),
            ("PNI-083", "six_months"): ("S-083-6M-P1", "S-083-6M-P2"),
        },
        windows={("PNI-081", "six_months"): (date(2026, 11, 7), date(2026, 12, 5))},
        recorded={
            ("S-083-6M-P1", "IL6", "luminex", None, 1): RecordedRef(900, "r-900", Decimal("1.80"), "1.80", "pg/mL"),
        },
    )
