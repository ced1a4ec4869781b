"""Labels for specimens: ids that carry nothing, and their bar codes. Pure."""

from measurements.labels.code128 import Code128Error, code_128, code_128_svg
from measurements.labels.identifiers import is_generated, new_identifier, typed_identifier

__all__ = ["Code128Error", "code_128", "code_128_svg", "is_generated", "new_identifier", "typed_identifier"]
