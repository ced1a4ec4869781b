"""The addresses by which codes and identifiers say what they are: those of FHIR, and a trial's own."""

from msgspec import Struct

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
ABSENT_REASON_EXTENSION = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CLINICAL_TRIALS_GOV = "http://clinicaltrials.gov"

OFF_SCALE = {"<": "Off scale low", ">": "Off scale high"}
"""Of the code system of interpretations: the assay could not tell how far below or above."""


class Systems(Struct, frozen=True):
    """A trial's own systems, below the address of its FHIR base (which ends without a slash)."""

    base: str

    def identifier(self, kind: str) -> str:
        """The system of ids: of a `specimen`, `participant`, `visit`, `laboratory`, `run` or `trial`."""
        return f"{self.base}/identifier/{kind}"

    def codes(self, kind: str) -> str:
        """The system of codes: of a `biomarker`, an `assay` or a `flag`."""
        return f"{self.base}/CodeSystem/{kind}"

    def extension(self, name: str) -> str:
        """The address of an extension: `run`, `performed-on`, `replicate` or `corrects`."""
        return f"{self.base}/StructureDefinition/{name}"


def is_same_system(sent: str | None, own: str) -> bool:
    """Whether an address that was sent is our own one, under whatever host name this platform was reached."""
    return sent is not None and "/api/" in sent and sent.partition("/api/")[2] == own.partition("/api/")[2]
