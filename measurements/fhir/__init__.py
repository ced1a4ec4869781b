"""FHIR R4, without Django: Bundles of laboratories read into rows, and what is shown written as resources.

`read_bundle` makes of a Bundle the rows that the one checker knows; `writing` makes resources of plain mappings. What
becomes of a row is decided by neither.
"""

from measurements.fhir.reading import BundleAsSent, Entry, EntryProblem, SpecimenAsSent, read_bundle
from measurements.fhir.systems import Systems

__all__ = ["BundleAsSent", "Entry", "EntryProblem", "SpecimenAsSent", "Systems", "read_bundle"]
