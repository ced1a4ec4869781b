"""A visit's form: each field is checked and saved as it is left, and the whole form without JavaScript too."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from measurements.forms.attendance import AttendanceForm, UnlockForm
from measurements.selectors.sheets import Line, Sheet, visit_sheet
from measurements.services.entries import Outcome, Typed, record_entries
from measurements.services.results import laboratory_of
from measurements.services.visits import complete_visit, lock_visit, record_attendance, unlock_visit
from measurements.views.entries import Entry, entry_of
from trials.access import Actor, actor_of, has_permission
from trials.errors import InConflict, NotFound, RuleBroken
from trials.forms.fields import accepted
from trials.models import Visit
from trials.permissions import Permission
from trials.selectors.participants import visible_participant
from trials.selectors.trials import visible_trial

TOLD = ("attended_on", "missed_category", "missed_reason", "note", "reason")


@require_http_methods(["GET", "POST"])
def visit_form(request: HttpRequest, slug: str, code: str, visit: str) -> HttpResponse:
    """Show the form; save all of it where it is sent as a whole."""
    by = actor_of(request)
    sheet = sheet_of(slug, code, visit, by)
    if request.method == "GET":
        return _page(request, sheet, {}, {})
    typed = _typed(request, (line.biomarker.pk for line in sheet.lines))
    outcomes = record_entries(sheet=sheet, typed=typed, by=by)
    if any(not outcome.is_saved for outcome in outcomes.values()):
        return _page(request, sheet_of(slug, code, visit, by), typed, outcomes, status=422)
    try:
        if request.POST.get("action") == "complete":
            complete_visit(participant=sheet.participant, visit=sheet.visit, by=by)
    except RuleBroken as error:
        messages.error(request, error.sentence)
        return _page(request, sheet_of(slug, code, visit, by), typed, outcomes, status=error.status)
    messages.success(request, _("%(visit)s of %(code)s is saved.") % {"visit": sheet.visit.name, "code": code})
    return redirect(_after(sheet))


@require_POST
def visit_value(request: HttpRequest, slug: str, code: str, visit: str, biomarker: int) -> HttpResponse:
    """Check and save one field as it is left; answer with its row."""
    by = actor_of(request)
    sheet = sheet_of(slug, code, visit, by)
    _line(sheet, biomarker)
    typed = _typed(request, [biomarker])
    outcomes = record_entries(sheet=sheet, typed=typed, by=by)
    after = sheet_of(slug, code, visit, by)
    entry = entry_of(after, _line(after, biomarker), typed.get(biomarker), outcomes.get(biomarker), is_fresh=True)
    status = 422 if entry.state == "error" else 200
    context = {"entry": entry, "trial": sheet.participant.trial}
    return render(request, "_components/entry_row.html", context, status=status)


@require_POST
def visit_attendance(request: HttpRequest, slug: str, code: str, visit: str) -> HttpResponse:
    """Record when the visit took place, or why it was missed."""
    by = actor_of(request)
    sheet = sheet_of(slug, code, visit, by)
    form = AttendanceForm(request.POST)
    if form.is_valid() and accepted(
        form,
        lambda: record_attendance(
            participant=sheet.participant,
            visit=sheet.visit,
            by=by,
            **{name: form.cleaned_data[name] for name in TOLD},
            drawn_at=form.drawn_at,
        ),
    ):
        return redirect("visit-form", slug=slug, code=code, visit=visit)
    return _page(request, sheet, {}, {}, form=form, status=422)


@require_POST
def visit_lock(request: HttpRequest, slug: str, code: str, visit: str) -> HttpResponse:
    """Lock the visit."""
    by = actor_of(request)
    sheet = sheet_of(slug, code, visit, by)
    try:
        lock_visit(participant=sheet.participant, visit=sheet.visit, by=by)
    except InConflict as error:
        messages.error(request, error.sentence)
    return redirect("visit-form", slug=slug, code=code, visit=visit)


@require_POST
def visit_unlock(request: HttpRequest, slug: str, code: str, visit: str) -> HttpResponse:
    """Open the visit again, for a reason."""
    by = actor_of(request)
    sheet = sheet_of(slug, code, visit, by)
    form = UnlockForm(request.POST)
    if form.is_valid() and accepted(
        form, lambda: unlock_visit(participant=sheet.participant, visit=sheet.visit, by=by, **form.cleaned_data)
    ):
        return redirect("visit-form", slug=slug, code=code, visit=visit)
    return _page(request, sheet, {}, {}, unlock=form, status=422)


def sheet_of(slug: str, code: str, visit: str, by: Actor) -> Sheet:
    """Return the sheet that an address names; NotFound for a visit that the trial does not plan."""
    trial = visible_trial(slug, by)
    participant = visible_participant(code, by, trial)
    planned = trial.visits.filter(code=visit).first()
    if planned is None:
        raise NotFound("visit_unknown", "There is no such visit in this trial.")
    return visit_sheet(participant, planned, laboratory_of(by, trial), by)


def _line(sheet: Sheet, biomarker: int) -> Line:
    for line in sheet.lines:
        if line.biomarker.pk == biomarker:
            return line
    raise NotFound("biomarker_unknown", "There is no such biomarker in this trial.")


def _typed(request: HttpRequest, biomarkers: Iterable[int]) -> dict[int, Typed]:
    sent = request.POST
    return {key: Typed(sent[f"b{key}"], sent.get(f"b{key}-reason", "")) for key in biomarkers if f"b{key}" in sent}


def _page(
    request: HttpRequest,
    sheet: Sheet,
    typed: Mapping[int, Typed],
    outcomes: Mapping[int, Outcome],
    *,
    form: AttendanceForm | None = None,
    unlock: UnlockForm | None = None,
    status: int = 200,
) -> HttpResponse:
    entries: list[Entry] = [
        entry_of(sheet, line, typed.get(line.biomarker.pk), outcomes.get(line.biomarker.pk)) for line in sheet.lines
    ]
    trial, site = sheet.participant.trial, sheet.participant.site
    context: dict[str, Any] = {
        "trial": trial,
        "sees_specimens": has_permission(actor_of(request), Permission.SPECIMEN_VIEW, trial, site=site),
        "sheet": sheet,
        "entries": entries,
        "attendance": form or AttendanceForm(initial=_attended(sheet)),
        "unlock": unlock or UnlockForm(),
        "crumbs": crumbs_of(sheet),
        "window_line": _window_line(sheet),
        "zone": timezone.get_current_timezone_name(),
    }
    return render(request, "measurements/visit_form.html", context, status=status)


def _attended(sheet: Sheet) -> dict[str, Any]:
    attendance = sheet.attendance
    return {
        "attended_on": attendance.attended_on if attendance else None,
        "missed_category": attendance.missed_category if attendance else "",
        "missed_reason": attendance.missed_reason if attendance else "",
        "note": attendance.note if attendance else "",
        "drawn_time": timezone.localtime(sheet.drawn_at).time() if sheet.drawn_at else None,
    }


def _window_line(sheet: Sheet) -> str:
    """`day 183, inside 168 to 196`; before the visit, when it is due; of windows that tell the arm, why not."""
    visit, day, window = sheet.visit, sheet.day, sheet.window
    days = {"first": visit.window_from, "last": visit.window_to}
    if sheet.planned.is_hidden:
        return _("counts from the end of the intervention, which the blinded do not know")
    if window is None:
        return _("day %(first)s to %(last)s") % days
    if day is None or visit.anchor != Visit.Anchor.RANDOMIZATION:
        due = {"from": date_format(window.first, "j M Y"), "to": date_format(window.last, "j M Y")}
        return _("due %(from)s to %(to)s") % due if day is None else _("%(from)s to %(to)s") % due
    if visit.window_from <= day <= visit.window_to:
        return _("day %(day)s, inside %(first)s to %(last)s") % {"day": day, **days}
    return _("day %(day)s, outside %(first)s to %(last)s") % {"day": day, **days}


def crumbs_of(sheet: Sheet) -> list[tuple[str, str]]:
    """Return the way to the form: the participants and this one, where these pages are there."""
    slug, code = sheet.participant.trial.slug, sheet.participant.code
    crumbs = [
        (_("Participants"), _address("participants", slug=slug)),
        (code, _address("participant", slug=slug, code=code)),
    ]
    return [(label, url) for label, url in crumbs if url]


def _after(sheet: Sheet) -> str:
    """The participant's page, which stands in the app above this one; the form itself where that app is not there."""
    slug, code = sheet.participant.trial.slug, sheet.participant.code
    return _address("participant", slug=slug, code=code) or reverse(
        "visit-form", kwargs={"slug": slug, "code": code, "visit": sheet.visit.code}
    )


def _address(name: str, **kwargs: str) -> str:
    try:
        return reverse(name, kwargs=kwargs)
    except NoReverseMatch:
        return ""
