"""What the API shows of a result, a biomarker, a specimen, a submission: plain mappings, because lists are long."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from measurements.models import Assay, Biomarker, Specimen, Submission


def _number(value: Decimal | None) -> str | None:
    """Return a decimal as text, in plain digits and without the zeros of the column's scale."""
    if value is None:
        return None
    digits = f"{value:f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def result_shape(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result as sent and as used; never an arm."""
    return {
        "id": str(result["id"]),
        **{name.removeprefix("named_"): value for name, value in result.items() if name.startswith("named_")},
        "run": result["run"] or None,
        "performed_on": result["performed_on"],
        "replicate": result["replicate"],
        "status": result["status"],
        "value_as_sent": result["value_as_sent"],
        "unit_as_sent": result["unit_as_sent"],
        "comparator": result["comparator"] or None,
        "flag": result["flag"] or None,
        "value": _number(result["value"]),
        "unit": result["unit"],
        "limit_of_quantification": _number(result["limit_of_quantification"]),
        "collected_at": result["collected_at"],
        "reason": result["reason"] or None,
        "recorded_at": result["recorded_at"],
        "corrects": _key(result["supersedes_id"]),
        "corrected_by": _key(result["superseded_by__id"]),
    }


def _key(key: int | None) -> str | None:
    return None if key is None else str(key)


def biomarker_shape(biomarker: Biomarker, assays: Sequence[Assay]) -> dict[str, Any]:
    """Return a biomarker with its unit, plausible range and the assays' limits."""
    return {
        "code": biomarker.code,
        "name": biomarker.name,
        "outcome_class": biomarker.outcome_class,
        "direction": biomarker.direction,
        "analysis_scale": biomarker.analysis_scale,
        "unit": biomarker.unit,
        "specimen_type": biomarker.specimen_type,
        "aliases": biomarker.aliases,
        "plausible_low": _number(biomarker.plausible_low),
        "plausible_high": _number(biomarker.plausible_high),
        "molar_mass": _number(biomarker.molar_mass),
        "loinc": biomarker.loinc or None,
        "loinc_verified": biomarker.loinc_verified,
        "assays": [assay_shape(assay) for assay in assays],
    }


def assay_shape(assay: Assay) -> dict[str, Any]:
    """Return a method with its limits, in its own unit."""
    return {
        "code": assay.code,
        "version": assay.version,
        "laboratory": assay.laboratory.code,
        "method": assay.method,
        "unit": assay.unit,
        "lower_limit_of_detection": _number(assay.lower_limit_of_detection),
        "lower_limit_of_quantification": _number(assay.lower_limit_of_quantification),
        "upper_limit_of_quantification": _number(assay.upper_limit_of_quantification),
    }


def specimen_shape(specimen: Specimen, awaiting: Sequence[str]) -> dict[str, Any]:
    """Return a specimen with where it is, and the codes of the biomarkers that are to come."""
    return {
        "specimen": specimen.identifier,
        "specimen_type": specimen.specimen_type,
        "participant": specimen.participant.code,
        "visit": specimen.visit.code,
        "drawn_at": specimen.drawn_at,
        "shipped_at": specimen.shipped_at,
        "shipment": specimen.shipment.number if specimen.shipment else None,
        "received_at": specimen.received_at,
        "state": specimen.state,
        "condition": specimen.condition or None,
        "aliquot_of": specimen.parent.identifier if specimen.parent else None,
        "awaiting": list(awaiting),
    }


def submission_shape(submission: Submission) -> dict[str, Any]:
    """Return a delivery with its counts and its row report."""
    return {
        "submission": str(submission.reference),
        "laboratory": submission.laboratory.code,
        "channel": submission.channel,
        "received_at": submission.received_at,
        "run": submission.run or None,
        "performed_on": submission.performed_on,
        "received": submission.received,
        "created": submission.created,
        "unchanged": submission.unchanged,
        "corrected": submission.corrected,
        "held": submission.held,
        "rejected": submission.rejected,
        "errors": submission.report.get("errors", []),
        "warnings": submission.report.get("warnings", []),
    }
