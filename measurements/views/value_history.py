"""The history of one value: a page of its own, and the same as a drawer beside the page it was opened from."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from measurements.models import Result
from measurements.selectors.value_history import Revision, ValueHistory, value_history
from measurements.services.entries import is_entered_in_error
from measurements.units.spelling import readable_unit
from measurements.views.entries import plain_number
from trials.access import actor_of, has_permission
from trials.permissions import Permission
from trials.selectors.trials import visible_trial


@require_safe
def result_history(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show every revision of the value that a result belongs to; only the drawer's inside to a request of htmx."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    history = value_history(number, by, trial)
    may_open = has_permission(by, Permission.PARTICIPANT_VIEW, trial, site=history.participant.site)
    context: dict[str, Any] = {
        "trial": trial,
        "history": history,
        "lines": [_line(revision) for revision in history.revisions],
        "may_open": may_open,
        "sees_specimen": has_permission(by, Permission.SPECIMEN_VIEW, trial, site=history.participant.site),
        "crumbs": _crumbs(history) if may_open else [],
        "sees_audit": has_permission(by, Permission.AUDIT_VIEW, trial),
        "title": _title(history),
        "zone": timezone.get_current_timezone_name(),
    }
    in_drawer = request.headers.get("HX-Request") == "true"
    template = "measurements/_value_history.html" if in_drawer else "measurements/value_history.html"
    response = render(request, template, context | {"in_drawer": in_drawer})
    patch_vary_headers(response, ["HX-Request"])
    return response


def _crumbs(history: ValueHistory) -> list[tuple[str, str]]:
    address = {"slug": history.participant.trial.slug, "code": history.participant.code, "visit": history.visit.code}
    return [(f"{history.participant.code}, {history.visit.name}", reverse("visit-form", kwargs=address))]


def _title(history: ValueHistory) -> str:
    return _("%(biomarker)s of %(participant)s, %(visit)s") % {
        "biomarker": history.current.biomarker.name,
        "participant": history.participant.code,
        "visit": history.visit.name,
    }


def _line(revision: Revision) -> dict[str, Any]:
    """One revision in words."""
    result = revision.result
    return {
        "revision": revision,
        "result": result,
        "number": result.revision + 1,
        "status": _("Entered in error") if is_entered_in_error(result) else result.get_status_display(),
        "sent": _sent(result),
        "used": _used(result),
    }


def _sent(result: Result) -> str:
    return f"{result.value_as_sent} {readable_unit(result.unit_as_sent)}".strip() or "–"


def _used(result: Result) -> str:
    """The value in the biomarker's unit; in words where there is no number to analyse."""
    if result.status == Result.Status.NOT_DONE:
        return _("no value")
    if result.value is None:
        return _("no number")
    number = f"{result.comparator}{plain_number(result.value)} {readable_unit(result.unit)}"
    return _("%(number)s, not analysed yet") % {"number": number} if _is_preliminary(result) else number


def _is_preliminary(result: Result) -> bool:
    return result.status == Result.Status.PRELIMINARY
