"""What was measured: biomarkers, assays, specimens, submissions, results, queries."""

from measurements.models.biomarker import Assay, Biomarker
from measurements.models.result import HeldRow, Query, Result
from measurements.models.specimen import Specimen
from measurements.models.submission import IdempotentAnswer, Submission

__all__ = ["Assay", "Biomarker", "HeldRow", "IdempotentAnswer", "Query", "Result", "Specimen", "Submission"]
