"""One line of the visit form, as the page shows it."""

from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse
from django.utils.translation import gettext as _

from measurements.models import Biomarker, Query, Result
from measurements.selectors.sheets import Line, Sheet
from measurements.services.entries import Outcome, Typed, is_entered_in_error, shown_value
from measurements.units.spelling import readable_unit
from measurements.views.item_links import items_address


@dataclass(frozen=True)
class Entry:
    """What `_components/entry_row.html` shows. `state`: "", saved, info, warning or error."""

    name: str
    label: str
    value: str
    unit: str
    range: str
    url: str
    state: str = ""
    message: str = ""
    reason_label: str = ""
    reason: str = ""
    disabled: bool = False
    items_url: str = ""
    result: int | None = None


def entry_of(
    sheet: Sheet, line: Line, typed: Typed | None = None, outcome: Outcome | None = None, *, is_fresh: bool = False
) -> Entry:
    """Return the line as it is to be shown; what was typed and not saved stays in its field with the reason why."""
    is_refused = outcome is not None and not outcome.is_saved
    state, message, reason_label = _refused(outcome) if is_refused and outcome else _recorded(line, is_fresh=is_fresh)
    address = {
        "slug": sheet.participant.trial.slug,
        "code": sheet.participant.code,
        "visit": sheet.visit.code,
        "biomarker": line.biomarker.pk,
    }
    return Entry(
        name=f"b{line.biomarker.pk}",
        label=line.biomarker.name,
        value=typed.value if is_refused and typed else shown_value(line.result),
        unit=readable_unit(line.biomarker.unit),
        range=usual_range(line.biomarker),
        url=reverse("visit-value", kwargs=address),
        state=state,
        message=message,
        reason_label=reason_label if sheet.may_record else "",
        reason=typed.reason if is_refused and typed else "",
        disabled=not (sheet.may_record and line.is_own),
        result=line.result.pk if line.result else None,
        items_url=items_address(sheet, line),
    )


def _refused(outcome: Outcome) -> tuple[str, str, str]:
    if outcome.needs_reason:
        return "warning", outcome.sentence, _("Reason for the change")
    return "error", outcome.sentence, ""


def _recorded(line: Line, *, is_fresh: bool) -> tuple[str, str, str]:
    """State, message and the label of a field for a reason, for what is recorded."""
    result = line.result
    if result is None:
        return "", "", ""
    if not line.is_own:
        return "info", _("From %(laboratory)s") % {"laboratory": result.laboratory.name}, ""
    if line.query is not None and line.query.state == Query.State.OPEN:
        is_implausible = line.query.code == "value_implausible"
        question = _implausible(line.biomarker, result) if is_implausible else line.query.question
        return "warning", question, _("Reason why it is right")
    if line.query is not None and line.query.state == Query.State.ANSWERED:
        return "saved", _("Saved and confirmed: %(answer)s") % {"answer": line.query.answer}, ""
    stored_as = _stored_as(result)
    if stored_as:
        return "info", stored_as, ""
    return ("saved", _("Saved"), "") if is_fresh else ("", "", "")


def _implausible(biomarker: Biomarker, result: Result) -> str:
    return _(
        "%(value)s %(sent)s is outside the usual range (%(range)s %(unit)s). Check the unit, or confirm with a reason."
    ) % {
        "value": result.value_as_sent,
        "sent": readable_unit(result.unit_as_sent),
        "unit": readable_unit(biomarker.unit),
        "range": usual_range(biomarker),
    }


def _stored_as(result: Result) -> str:
    """What a value that is no plain number was stored as; empty for a number."""
    if is_entered_in_error(result):
        return result.reason
    if result.status == Result.Status.NOT_DONE:
        return _("Not done: %(reason)s") % {"reason": result.reason}
    if result.flag == "not_measured":
        return _("Stored as not measured")
    if result.flag == "extrapolated":
        return _("Stored as extrapolated beyond the assay's range")
    limit = f"{plain_number(result.value)} {readable_unit(result.unit)}" if result.value is not None else _("not known")
    if result.comparator == "<":
        return _("Stored as below the limit of quantification (%(limit)s)") % {"limit": limit}
    if result.comparator == ">":
        return _("Stored as above the limit of quantification (%(limit)s)") % {"limit": limit}
    return ""


def usual_range(biomarker: Biomarker) -> str:
    """Return the plausible range in words."""
    low, high = biomarker.plausible_low, biomarker.plausible_high
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return (
            _("up to %(high)s") % {"high": plain_number(high)}
            if low is None
            else _("from %(low)s") % {"low": plain_number(low)}
        )
    return _("%(low)s to %(high)s") % {"low": plain_number(low), "high": plain_number(high)}


def plain_number(number: Decimal | None) -> str:
    """Return a number without exponent and needless zeros, with the true minus sign."""
    if number is None:
        return ""
    digits = f"{number:f}"
    plain = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return plain.replace("-", "\N{MINUS SIGN}")
