"""What was measured: biomarkers, assays, specimens, submissions, results, queries."""

from measurements.models.assay import Assay
from measurements.models.biomarker import Biomarker
from measurements.models.double_entry import EntryBatch, EntryPass, EntrySettlement
from measurements.models.held import HeldRowOutcome
from measurements.models.plate import ControlMaterial, ControlValue, Plate, PlateLayout
from measurements.models.query import Query, QueryNote, SourceVerification
from measurements.models.questionnaire import QuestionnaireSheet
from measurements.models.result import HeldRow, Result
from measurements.models.session import Session, SessionRetraction
from measurements.models.shipment import Shipment
from measurements.models.specimen import ShipmentLine, Specimen, SpecimenEvent
from measurements.models.submission import IdempotentAnswer, Submission
from measurements.models.upload import ColumnMapping, FileFormat, SubmissionFile, Upload

__all__ = [
    "Assay",
    "Biomarker",
    "ColumnMapping",
    "ControlMaterial",
    "ControlValue",
    "EntryBatch",
    "EntryPass",
    "EntrySettlement",
    "FileFormat",
    "HeldRow",
    "HeldRowOutcome",
    "IdempotentAnswer",
    "Plate",
    "PlateLayout",
    "Query",
    "QueryNote",
    "QuestionnaireSheet",
    "Result",
    "Session",
    "SessionRetraction",
    "Shipment",
    "ShipmentLine",
    "SourceVerification",
    "Specimen",
    "SpecimenEvent",
    "Submission",
    "SubmissionFile",
    "Upload",
]
