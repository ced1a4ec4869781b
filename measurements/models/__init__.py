"""What was measured: biomarkers, assays, specimens, submissions, results, queries."""

from measurements.models.biomarker import Assay, Biomarker
from measurements.models.query import Query, QueryNote, SourceVerification
from measurements.models.result import HeldRow, Result
from measurements.models.session import Session, SessionRetraction
from measurements.models.specimen import Specimen
from measurements.models.submission import IdempotentAnswer, Submission

__all__ = [
    "Assay",
    "Biomarker",
    "HeldRow",
    "IdempotentAnswer",
    "Query",
    "QueryNote",
    "Result",
    "Session",
    "SessionRetraction",
    "SourceVerification",
    "Specimen",
    "Submission",
]
