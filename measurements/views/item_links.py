"""The way from a value on the visit form to the items that give it."""

from django.urls import reverse

from measurements.selectors.questionnaires import scored_instrument
from measurements.selectors.sheets import Line, Sheet


def items_address(sheet: Sheet, line: Line) -> str:
    """Return where the items of a visit form's line are entered; empty for what has none or came from a laboratory."""
    instrument = scored_instrument(line.biomarker)
    if instrument is None or not line.is_own:
        return ""
    named = {"slug": sheet.participant.trial.slug, "code": sheet.participant.code, "visit": sheet.visit.code}
    return reverse("questionnaire", kwargs={**named, "instrument": instrument.code})
