"""Mechanisms, stress, non-specific factors and symptoms: what an intervention may work through."""

from measurements.catalogue.definition import Definition, Loinc
from measurements.questionnaires import INSTRUMENTS

_HPA_AXIS = (
    Definition(
        "CORT",
        "Cortisol, morning",
        "hpa_axis",
        "nmol/L",
        ("20", "1200"),
        ("Cortisol", "Serum cortisol"),
        molar_mass="362.4600",
        formula="C21H30O5",
    ),
    Definition(
        "CORTSAL",
        "Cortisol, morning, in saliva",
        "hpa_axis",
        "nmol/L",
        ("0.3", "100"),
        ("Salivary cortisol",),
        "saliva",
        molar_mass="362.4600",
        formula="C21H30O5",
    ),
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
        loinc=Loinc("54235-7", "Confirmed as a panel of salivary cortisol, not as the response", is_verified=False),
        formula="C21H30O5",
        note="A difference between two samples, so that it can fall below zero and is analysed as measured.",
    ),
    Definition(
        "CORTSLOPE",
        "Cortisol, slope over the day",
        "hpa_axis",
        "nmol/L/h",
        ("-10", "5"),
        ("Diurnal cortisol slope",),
        "saliva",
        analysis_scale="identity",
        molar_mass="362.4600",
        may_be_negative=True,
        formula="C21H30O5",
    ),
    Definition("CORTHAIR", "Cortisol in hair", "hpa_axis", "pg/mg", ("0.1", "500"), ("Hair cortisol",), "hair"),
    Definition(
        "DHEAS",
        "DHEA sulphate",
        "hpa_axis",
        "umol/L",
        ("0.1", "25"),
        ("DHEA-S", "DHEA sulfate"),
        molar_mass="368.4900",
        formula="C19H28O5S",
    ),
)

_OXYTOCIN = (
    Definition(
        "OXT",
        "Oxytocin",
        "oxytocin",
        "pg/mL",
        ("0.1", "500"),
        ("Plasma oxytocin",),
        "plasma",
        molar_mass="1007.1900",
        formula="C43H66N12O12S2",
        note="Immunoassays without extraction read many times higher: keep to one method.",
    ),
    Definition(
        "OXTSAL",
        "Oxytocin in saliva",
        "oxytocin",
        "pg/mL",
        ("0.1", "300"),
        ("Salivary oxytocin",),
        "saliva",
        molar_mass="1007.1900",
        formula="C43H66N12O12S2",
    ),
)


def _total(code: str, name: str, outcome_class: str, high: int, *aliases: str, low: int = 0) -> Definition:
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


def _scales(code: str, outcome_class: str, *aliases: str) -> tuple[Definition, ...]:
    """Every scale of a questionnaire that is scored here from its items, the total first."""
    instrument = INSTRUMENTS[code]
    return tuple(
        Definition(
            scale.code,
            instrument.name if scale is instrument.total else f"{instrument.name}: {scale.name.lower()}",
            outcome_class,
            "{score}",
            (str(instrument.range_of(scale)[0]), str(instrument.range_of(scale)[1])),
            aliases if scale is instrument.total else (),
            specimen_type="questionnaire",
            analysis_scale="identity",
            is_awaited=not instrument.is_about_therapy,
            tells_arm=instrument.is_about_therapy,
            note="Scored here from its items.",
        )
        for scale in instrument.scales
    )


_STRESS = (
    *_scales("PSS10", "stress", "PSS-10", "PSS"),
    _total("PSS4", "Perceived stress (PSS-4)", "stress", 16, "PSS-4"),
    _total("PSS14", "Perceived stress (PSS-14)", "stress", 56, "PSS-14"),
)

_NON_SPECIFIC = (
    *_scales("CEQ", "non_specific"),
    *_scales("WAISR", "non_specific", "WAI-SR"),
    *_scales("CARE", "non_specific", "CARE measure"),
)

_CLINICAL = (
    _total("BDI", "Beck depression inventory", "clinical", 63, "BDI-II"),
    _total("PHQ9", "Depression (PHQ-9)", "clinical", 27, "PHQ-9"),
    _total("GAD7", "Anxiety (GAD-7)", "clinical", 21, "GAD-7"),
    _total("ISI", "Insomnia severity (ISI)", "clinical", 28, "Insomnia severity index"),
)

FACTORS = (*_HPA_AXIS, *_OXYTOCIN, *_STRESS, *_NON_SPECIFIC, *_CLINICAL)
"""In the order in which a page shows them."""
