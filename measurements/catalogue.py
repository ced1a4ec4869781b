"""The catalogue of biomarkers that a trial chooses from: the seven immune classes of the reference study, and the rest.

Pure: no database. Molar masses are given only where the molecule has one (proteins carry sugars, so that a mass in
pg/mL has no exact amount in pmol/L). Plausible ranges are wide enough for healthy and mildly ill adults; a value
outside is stored and queried, never refused. each LOINC code says whether it was confirmed.
"""

from dataclasses import dataclass
from decimal import Decimal

DIRECTIONS = {
    "proinflammatory": "harmful",
    "antiinflammatory": "beneficial",
    "antibody": "beneficial",
    "immune_cell_count": "beneficial",
    "nk_cytotoxicity": "beneficial",
    "viral_load": "harmful",
    "other_immune": "neutral",
    "hpa_axis": "neutral",
    "oxytocin": "neutral",
    "stress": "neutral",
    "non_specific": "neutral",
    "clinical": "harmful",
}
"""What more of it means, by outcome class; `other_immune` is declared with the biomarker."""


@dataclass(frozen=True)
class Loinc:
    """A LOINC code, where it was found, and whether code and name were confirmed."""

    code: str
    source: str = "LOINC table, code and name compared"
    is_verified: bool = True


@dataclass(frozen=True)
class Definition:
    """A biomarker as a trial takes it over; `unit` in UCUM, ranges in `unit`, `molar_mass` in g/mol."""

    code: str
    name: str
    outcome_class: str
    unit: str
    plausible: tuple[str, str] | None = None
    aliases: tuple[str, ...] = ()
    specimen_type: str = "serum"
    analysis_scale: str = "log"
    direction: str = ""
    molar_mass: str | None = None
    may_be_negative: bool = False
    loinc: Loinc | None = None

    @property
    def effective_direction(self) -> str:
        """The declared direction, or that of its class."""
        return self.direction or DIRECTIONS[self.outcome_class]

    def range_in_numbers(self) -> tuple[Decimal | None, Decimal | None]:
        """Return the plausible range, or two Nones."""
        return (Decimal(self.plausible[0]), Decimal(self.plausible[1])) if self.plausible else (None, None)


def _questionnaire(code: str, name: str, outcome_class: str, low: int, high: int, *aliases: str) -> Definition:
    """A summed score: analysed as it is, because its zero is a matter of counting."""
    return Definition(
        code,
        name,
        outcome_class,
        "{score}",
        (str(low), str(high)),
        aliases,
        specimen_type="questionnaire",
        analysis_scale="identity",
    )


_TABLE = (
    Definition("IL6", "Interleukin-6", "proinflammatory", "pg/mL", ("0.05", "100"), ("IL-6",), loinc=Loinc("26881-3")),
    Definition(
        "CRP",
        "C-reactive protein (hs)",
        "proinflammatory",
        "mg/L",
        ("0.05", "20"),
        ("hsCRP", "hs-CRP", "C-reactive protein"),
        loinc=Loinc("30522-7"),
    ),
    Definition(
        "TNF",
        "TNF-α",
        "proinflammatory",
        "pg/mL",
        ("0.1", "80"),
        ("TNFa", "TNF alpha", "Tumour necrosis factor", "Tumor necrosis factor"),
        loinc=Loinc("3074-2", "Circulates beside 3236-2 and 3167-4", is_verified=False),
    ),
    Definition(
        "IL1B",
        "Interleukin-1β",
        "proinflammatory",
        "pg/mL",
        ("0.01", "50"),
        ("IL-1b", "IL1beta"),
        loinc=Loinc("13629-1"),
    ),
    Definition(
        "IL10", "Interleukin-10", "antiinflammatory", "pg/mL", ("0.05", "60"), ("IL-10",), loinc=Loinc("26848-2")
    ),
    Definition("IL4", "Interleukin-4", "antiinflammatory", "pg/mL", ("0.01", "60"), ("IL-4",)),
    Definition(
        "IGA",
        "Secretory immunoglobulin A",
        "antibody",
        "ug/mL",
        ("5", "2000"),
        ("sIgA", "SIgA", "Salivary IgA"),
        specimen_type="saliva",
    ),
    Definition("FLUA", "Influenza A antibody titre", "antibody", "{titer}", ("1", "10240"), ("Flu A", "HAI A")),
    Definition("IGG", "IgG antibody titre", "antibody", "{titer}", ("0.01", "1000"), ("IgG",), direction="neutral"),
    Definition(
        "CD4",
        "CD4+ T cells",
        "immune_cell_count",
        "{cells}/uL",
        ("50", "2500"),
        ("CD4+", "CD4 count"),
        "blood",
        loinc=Loinc("24467-3"),
    ),
    Definition("LYMPH", "Lymphocytes", "immune_cell_count", "10*9/L", ("0.2", "8"), ("Lymphocyte count",), "blood"),
    Definition(
        "NKC", "NK cell cytotoxicity", "nk_cytotoxicity", "%", ("0", "100"), ("NK", "NKCA", "NK activity"), "blood"
    ),
    Definition(
        "HIVRNA",
        "HIV-1 RNA",
        "viral_load",
        "{copies}/mL",
        ("1", "10000000"),
        ("HIV RNA", "HIV viral load"),
        "plasma",
        loinc=Loinc("20447-9"),
    ),
    Definition(
        "EBVVCA",
        "EBV VCA IgG titre",
        "viral_load",
        "{titer}",
        ("1", "20480"),
        ("EBV VCA", "EBV VCA IgG"),
        loinc=Loinc("5157-3", "One source", is_verified=False),
    ),
    Definition(
        "NEOPT", "Neopterin", "other_immune", "nmol/L", ("1", "60"), (), direction="harmful", molar_mass="253.2150"
    ),
    Definition(
        "LYMPROL",
        "Lymphocyte proliferation",
        "other_immune",
        "{index}",
        ("0.1", "1000"),
        ("Stimulation index",),
        "blood",
        direction="beneficial",
    ),
    Definition("CORT", "Cortisol, morning", "hpa_axis", "nmol/L", ("20", "1200"), ("Cortisol",), molar_mass="362.4600"),
    Definition(
        "CAR",
        "Cortisol awakening response",
        "hpa_axis",
        "nmol/L",
        ("-30", "60"),
        (),
        "saliva",
        analysis_scale="identity",
        molar_mass="362.4600",
        may_be_negative=True,
        loinc=Loinc("54235-7", "LOINC panel of salivary cortisol, which the response is computed from"),
    ),
    Definition("OXT", "Oxytocin", "oxytocin", "pg/mL", ("0.1", "500"), (), "plasma", molar_mass="1007.1900"),
    _questionnaire("PSS10", "Perceived stress (PSS-10)", "stress", 0, 40, "PSS-10", "PSS"),
    _questionnaire("CEQ", "Credibility and expectancy (CEQ)", "non_specific", 6, 54),
    _questionnaire("WAISR", "Working alliance (WAI-SR)", "non_specific", 12, 60, "WAI-SR"),
    _questionnaire("CARE", "Perceived empathy (CARE)", "non_specific", 10, 50),
    _questionnaire("BDI", "Beck depression inventory", "clinical", 0, 63, "BDI-II"),
    Definition("PGE2", "Prostaglandin E2", "proinflammatory", "pg/mL", ("0.1", "10000"), (), molar_mass="352.4700"),
    Definition("MMP9", "Matrix metalloproteinase 9", "proinflammatory", "ng/mL", ("0.01", "2000"), ("MMP-9",)),
    Definition("FIBRIN", "Fibrinogen", "proinflammatory", "mg/dL", ("1", "1000"), ("Fibrinogen",)),
)

CATALOGUE = {definition.code: definition for definition in _TABLE}
