"""What the demonstration trials tell a registry: CALM-Sleep's is made up, the others' was published."""

from datetime import date, timedelta
from typing import Any

from studyplatform.demonstration.people import PLATFORM
from trials.models import Trial
from trials.services.registry import Amendment, OutcomeDesign, amend_protocol

EXAMPLE_CONTACT = {"email": "calm-sleep@example.org", "phone": "+44 113 000 0000"}

THERAPY: dict[str, Any] = {
    "name": "Cognitive behavioural therapy for insomnia",
    "rationale": "Poor sleep keeps inflammatory signalling raised. Restoring it by behavioural and cognitive means is "
    "expected to lower proinflammatory markers within six months.",
    "materials": "Therapist manual with a plan for every session; participant workbook; sleep diary on paper or phone.",
    "description": "Assessment and sleep diary (session 1); sleep restriction and stimulus control (2 to 4); cognitive "
    "therapy of beliefs about sleep (5 and 6); relaxation and winding down (7); prevention of relapse (8).",
    "provider": "Clinical psychologists with two days of training in the manual, supervised every fortnight.",
    "setting": "Outpatient rooms of the two sites; sessions may be held by video from the third on.",
    "sessions_planned": 8,
    "session_minutes": 50,
    "weeks": 10,
    "tailoring": "The sleep window follows each participant’s diary; the order of sessions 5 to 7 may change.",
    "fidelity_plan": "All sessions are audio recorded; one in ten, drawn at random, is rated by two raters.",
    "cost_per_participant": "620.00",
    "currency": "GBP",
}
CALM_OUTCOMES = (
    OutcomeDesign(
        "o1", "primary", "Interleukin-6", "Serum, pg/mL", "Difference in mean log change from baseline", "six_months",
        biomarker="IL6",
    ),
    OutcomeDesign(
        "o2", "secondary", "C-reactive protein", "Serum, mg/L", "Difference in mean log change from baseline",
        "six_months", biomarker="CRP",
    ),
    OutcomeDesign(
        "o3", "secondary", "Natural killer cell activity", "% lysis", "Difference in mean change from baseline",
        "six_months", biomarker="NKC",
    ),
)  # fmt: skip


def describe_calm_sleep(trial: Trial, today: date) -> None:
    """Fill in a complete record of the simulated trial, before it is registered."""
    starts = trial.recruitment_starts or today
    ends = trial.recruitment_ends or today
    record = {
        "primary_registry": "ISRCTN",
        "registered_on": starts - timedelta(days=30),
        "secondary_ids": [{"id": "DEMO-2026-01", "issuer": "Example Research Council"}],
        "sources_of_support": ["Example Research Council"],
        "primary_sponsor": "University of Examples",
        "public_contact": {"name": "Trial office", "role": "Coordinator", **EXAMPLE_CONTACT},
        "scientific_contact": {
            "name": "Dr A. Example",
            "role": "Principal investigator",
            **EXAMPLE_CONTACT,
            "affiliation": "University of Examples, Leeds, United Kingdom",
        },
        "public_title": "Does better sleep calm inflammation?",
        "acronym": "CALM-Sleep",
        "conditions": ["Insomnia disorder", "Inflammation"],
        "keywords": ["Insomnia", "Cognitive behavioural therapy", "Interleukin-6"],
        "masked": ["outcomes_assessor"],
        "purpose": "treatment",
        "minimum_age": 18,
        "maximum_age": 70,
        "ethics_reviews": [
            {
                "committee": "Example Research Ethics Committee",
                "status": "approved",
                "date": str(starts - timedelta(days=60)),
                "contact": "ethics@example.org",
            }
        ],
        "primary_completion_on": ends + timedelta(days=196),
        "completion_on": ends + timedelta(days=210),
        "sharing": "yes",
        "sharing_statement": "De-identified results, on request after publication, for any research purpose.",
        "language": "English",
        "none_of": ["secondary_sponsors"],
    }
    amendment = Amendment(
        texts={
            "title": "CALM-Sleep",
            "registry_id": "ISRCTN00000000",
        },
        record=record,
        outcomes=CALM_OUTCOMES,
        interventions={"cbt_i": THERAPY},
    )
    amend_protocol(trial=trial, by=PLATFORM, amendment=amendment)


def describe_opt(trial: Trial) -> None:
    """Fill in what the publication of OPT says (doi 10.1056/NEJMoa062249)."""
    record = {
        "primary_registry": "ClinicalTrials.gov",
        "public_title": "Treatment of periodontal disease and the risk of preterm birth",
        "acronym": "OPT",
        "conditions": ["Periodontal disease", "Preterm birth"],
        "purpose": "prevention",
        "sex": "female",
        "results_on": date(2006, 11, 2),
        "results_link": "https://doi.org/10.1056/NEJMoa062249",
        "language": "English",
    }
    outcome = OutcomeDesign("o1", "primary", "Gestational age at the end of pregnancy", time_frame="End of pregnancy")
    amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(record=record, outcomes=[outcome]))


def describe_btheb(trial: Trial) -> None:
    """Fill in what the publication of Beat the Blues says (Proudfoot et al. 2003)."""
    record = {
        "public_title": "Computerized cognitive behavioural therapy for anxiety and depression in general practice",
        "conditions": ["Depression", "Anxiety"],
        "purpose": "treatment",
        "language": "English",
    }
    outcome = OutcomeDesign("o1", "other", "Beck Depression Inventory", time_frame="All visits", biomarker="BDI")
    therapy = {"name": "Beat the Blues", "software": "Beat the Blues"}
    amendment = Amendment(record=record, outcomes=[outcome], interventions={"BtheB": therapy})
    amend_protocol(trial=trial, by=PLATFORM, amendment=amendment)
