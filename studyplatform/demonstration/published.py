"""The two real trials: randomized elsewhere, their values posted by the laboratory that archived them."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings

from analytics.services.registration import register_trial
from measurements.catalogue import CATALOGUE, Definition
from measurements.services.catalogue import add_biomarkers
from studyplatform.demonstration.laboratory import Row
from studyplatform.demonstration.people import PLATFORM
from studyplatform.demonstration.registrations import describe_btheb, describe_opt
from trials.models import Trial
from trials.services.design import ArmDesign, FactorDesign, SiteDesign, VisitDesign, create_trial
from trials.services.enrollment import ExternalParticipant, record_external_participants
from trials.services.lifecycle import change_status

DATA = Path(settings.ROOT) / "demo"

# Values that equal an assay's floor are sent as below it (demo/opt/PROVENANCE.md).
OPT_FLOORS = {"IL6": {"4.9", "6.9"}, "TNF": {"1.2", "6.9"}}
# The source names no units (PROVENANCE.md), and nothing says which range is plausible in these women.
OPT_MARKERS = {
    "crp": Definition("CRP", "C-reactive protein", "proinflammatory", "mg/L", loinc=CATALOGUE["CRP"].loinc),
    "il6": Definition("IL6", "Interleukin-6", "proinflammatory", "pg/mL"),
    "tnf": Definition("TNF", "TNF-α", "proinflammatory", "pg/mL"),
    "pge2": Definition("PGE2", "Prostaglandin E2", "proinflammatory", "pg/mL"),
    "mmp9": Definition("MMP9", "Matrix metalloproteinase 9", "proinflammatory", "ng/mL"),
    "fibrin": Definition("FIBRIN", "Fibrinogen", "proinflammatory", "mg/dL"),
} | {
    f"igg_{code}": Definition(f"IGG_{code.upper()}", f"IgG to {name}", "antibody", "{titer}", direction="neutral")
    for code, name in (
        ("aa", "A. actinomycetemcomitans"),
        ("cr", "C. rectus"),
        ("fn", "F. nucleatum"),
        ("pg", "P. gingivalis"),
        ("pi", "P. intermedia"),
        ("td", "T. denticola"),
        ("tf", "T. forsythia"),
    )
}
CLINICS = {"KY": "Kentucky", "MN": "Minnesota", "MS": "Mississippi", "NY": "New York"}
OPT_VISITS = {"base": "baseline", "fu": "follow_up"}
BTHEB_VISITS = {"pre": "baseline", "2m": "bdi_2m", "3m": "bdi_3m", "5m": "bdi_5m", "8m": "bdi_8m"}


def make_opt() -> Trial:
    """Register OPT with its 823 women and their allocations; it follows up and waits for results."""
    rows = _read("opt")
    trial = create_trial(
        slug="opt",
        title="OPT: Obstetrics and Periodontal Therapy",
        summary="Periodontal treatment before or after delivery, four clinics; serum markers in pregnancy",
        registry_id="NCT00066131",
        by=PLATFORM,
        arms=(
            ArmDesign("treatment", "Treatment before delivery", "intervention", intervention_type="non_psychosocial"),
            ArmDesign("control", "Treatment after delivery", "usual_care", is_reference=True),
        ),
        sites=tuple(SiteDesign(code, name, country="US") for code, name in CLINICS.items()),
        visits=(
            VisitDesign("baseline", "Baseline", "baseline", 1, -28, 1),
            VisitDesign("follow_up", "Follow-up", "other", 112, 77, 140),
        ),
        code_prefix="OPT",
        planned_participants=len(rows),
        is_demonstration=True,
        allocation_provenance="Randomized by the OPT trial itself, 2003 to 2005; arms as in medicaldata::opt.",
    )
    add_biomarkers(trial=trial, biomarkers=tuple(OPT_MARKERS.values()), by=PLATFORM)
    describe_opt(trial)
    return _taken_over(
        trial, [ExternalParticipant(row["pid"], row["clinic"], row["arm"], {"site": row["clinic"]}) for row in rows]
    )


def opt_results() -> Iterator[Row]:
    """Yield OPT's values as the laboratory sends them, marker by marker."""
    rows = _read("opt")
    for marker, definition in OPT_MARKERS.items():
        for suffix, visit in OPT_VISITS.items():
            for row in rows:
                value = row[f"{marker}_{suffix}"]
                if value:
                    yield {
                        "participant": row["pid"],
                        "visit": visit,
                        "biomarker": definition.code,
                        "value": f"<{value}" if value in OPT_FLOORS.get(definition.code, ()) else value,
                        "unit": definition.unit,
                    }


def make_btheb() -> Trial:
    """Register Beat the Blues with its 100 people; it follows up and waits for results."""
    rows = _read("btheb")
    trial = create_trial(
        slug="btheb",
        title="Beat the Blues",
        summary="Computerised cognitive behavioural therapy against treatment as usual, depression over eight months",
        by=PLATFORM,
        arms=(
            ArmDesign("BtheB", "Beat the Blues", "intervention", intervention_type="cbt", delivery="digital"),
            ArmDesign("TAU", "Treatment as usual", "usual_care", is_reference=True),
        ),
        sites=[SiteDesign("practices", "General practices", country="GB")],
        stratify_by_site=False,
        factors=(
            FactorDesign("drug", "Antidepressants", (("No", "No"), ("Yes", "Yes"))),
            FactorDesign("length", "Current episode", (("<6m", "Under six months"), (">6m", "Over six months"))),
        ),
        visits=(
            VisitDesign("baseline", "Baseline", "baseline", 1, -28, 1),
            VisitDesign("bdi_2m", "Two months", "other", 61, 47, 75),
            VisitDesign("bdi_3m", "Three months", "other", 92, 76, 106),
            VisitDesign("bdi_5m", "Five months", "other", 153, 139, 167),
            VisitDesign("bdi_8m", "Eight months", "other", 244, 230, 258),
        ),
        code_prefix="BTB",
        planned_participants=len(rows),
        is_demonstration=True,
        allocation_provenance="Randomized by the Beat the Blues trial itself; arms as in HSAUR::BtheB.",
    )
    add_biomarkers(trial=trial, biomarkers=("BDI",), by=PLATFORM)
    describe_btheb(trial)
    return _taken_over(
        trial,
        [
            ExternalParticipant(
                row["id"], "practices", row["treatment"], {"drug": row["drug"], "length": row["length"]}
            )
            for row in rows
        ],
    )


def btheb_results() -> Iterator[Row]:
    """Yield the Beck Depression Inventory scores as sent."""
    for row in _read("btheb"):
        for suffix, visit in BTHEB_VISITS.items():
            value = row[f"bdi_{suffix}"]
            if value:
                yield {
                    "participant": row["id"],
                    "visit": visit,
                    "biomarker": "BDI",
                    "value": value,
                    "unit": "{score}",
                }


def _taken_over(trial: Trial, participants: Sequence[ExternalParticipant]) -> Trial:
    """Register, take the participants over, and go on to follow-up."""
    trial = register_trial(trial=trial, by=PLATFORM)
    trial = change_status(trial=trial, to="recruiting", by=PLATFORM)
    record_external_participants(trial=trial, participants=participants, by=PLATFORM)
    return change_status(trial=trial, to="follow_up", by=PLATFORM)


def finish(trial: Trial) -> Trial:
    """Lock and unblind a trial whose results have all come; one that is unblinded already is left alone."""
    if trial.is_unblinded:
        return trial
    reason = "Published data, complete"
    trial = change_status(trial=trial, to="locked", by=PLATFORM, reason=reason)
    return change_status(trial=trial, to="unblinded", by=PLATFORM, reason=reason)


def _read(name: str) -> list[dict[str, str]]:
    with (DATA / name / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
