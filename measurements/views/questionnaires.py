"""A questionnaire of a participant's visit, item by item: entered, scored, shown with what was missing."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from measurements.forms.questionnaires import ItemsForm
from measurements.models import QuestionnaireSheet
from measurements.questionnaires.items import NOT_APPLICABLE, Instrument
from measurements.selectors.questionnaires import Questionnaire, ScaleLine, questionnaire_of
from measurements.services.entries import shown_value
from measurements.services.questionnaires import record_answers
from measurements.views.entries import plain_number
from measurements.views.visit_form import crumbs_of, sheet_of
from trials.access import actor_of
from trials.errors import RuleBroken
from trials.forms.fields import show_refusal


@dataclass(frozen=True)
class ShownScale:
    """A scale as the page shows it."""

    name: str
    value: str
    range: str
    meaning: str
    is_warning: bool = False


@require_http_methods(["GET", "POST"])
def questionnaire(request: HttpRequest, slug: str, code: str, visit: str, instrument: str) -> HttpResponse:
    """Show the items; save them and record their scores. A refused form comes back as 422 with what was entered."""
    by = actor_of(request)
    asked = questionnaire_of(sheet_of(slug, code, visit, by), instrument)
    if request.method == "GET":
        return _page(request, asked, ItemsForm(asked.instrument, initial=_recorded(asked)))
    form = ItemsForm(asked.instrument, request.POST)
    if form.is_valid():
        try:
            sheet = record_answers(
                participant=asked.sheet.participant,
                visit=asked.sheet.visit,
                instrument=asked.instrument.code,
                entered=form.entered,
                by=by,
                seen=form.cleaned_data["seen"],
                reason=form.cleaned_data["reason"],
            )
        except RuleBroken as error:
            if error.rows:
                form.show_misread(error)
            else:
                show_refusal(form, error)
        else:
            messages.success(request, _saved(asked.instrument, sheet))
            return redirect("questionnaire", slug=slug, code=code, visit=visit, instrument=asked.instrument.code)
    return _page(request, asked, form, status=422)


def _page(request: HttpRequest, asked: Questionnaire, form: ItemsForm, *, status: int = 200) -> HttpResponse:
    sheet, instrument = asked.sheet, asked.instrument
    may_enter = sheet.may_record and not asked.laboratory
    if not may_enter:
        for field in form.fields.values():
            field.disabled = True
    here = {"slug": sheet.participant.trial.slug, "code": sheet.participant.code, "visit": sheet.visit.code}
    is_correction = asked.current is not None or any(line.differs for line in asked.scales)
    form.fields["reason"].required = is_correction  # shown so; the same answers again need none
    context = {
        "trial": sheet.participant.trial,
        "sheet": sheet,
        "instrument": instrument,
        "form": form,
        "current": asked.current,
        "may_enter": may_enter,
        "laboratory": asked.laboratory,
        "is_correction": is_correction,
        "scales": [_shown(instrument, line, asked.current) for line in asked.scales],
        "versions": [(version, _answers(instrument, version)) for version in asked.versions],
        "crumbs": [*crumbs_of(sheet), (sheet.visit.name, reverse("visit-form", kwargs=here))],
    }
    return render(request, "measurements/questionnaire.html", context, status=status)


def _recorded(asked: Questionnaire) -> dict[str, object]:
    current = asked.current
    if current is None:
        return {}
    return {"seen": current.revision} | {f"q{number}": answer for number, answer in current.answers.items()}


def _saved(instrument: Instrument, sheet: QuestionnaireSheet) -> str:
    score = sheet.scores[instrument.total.code]
    if score is None:
        return _("Saved. Too few items have an answer for a total: it is recorded as not done.")
    return _("Saved. The total is %(score)s.") % {"score": score}


def _shown(instrument: Instrument, line: ScaleLine, current: QuestionnaireSheet | None) -> ShownScale:
    low, high = instrument.range_of(line.scale)
    value = plain_number(line.score) if line.score is not None else "\N{EN DASH}"
    bounds = _("%(low)s to %(high)s") % {"low": low, "high": high}
    return ShownScale(str(line.scale.name), value, bounds, _meaning(line, current), is_warning=line.differs)


def _meaning(line: ScaleLine, current: QuestionnaireSheet | None) -> str:
    """What there is to say of a score: what is missing, and whether it is what is recorded."""
    if line.line is not None and line.recorded is not None and not line.line.is_own:
        told = {"value": shown_value(line.recorded), "laboratory": line.recorded.laboratory.name}
        return _("Recorded as %(value)s by %(laboratory)s") % told
    if line.differs:
        return _("Recorded as %(value)s, typed and not from these items") % {"value": shown_value(line.recorded)}
    if current is None:
        return _("No items entered yet")
    missing = [
        number for number in line.scale.items if current.answers.get(str(number), NOT_APPLICABLE) == NOT_APPLICABLE
    ]
    parts = [_lacks(missing, has_score=line.score is not None)] if missing else []
    parts.append(_("Recorded from these items") if line.recorded else _("Kept here; the trial does not measure it"))
    return ". ".join(parts)


def _lacks(missing: list[int], *, has_score: bool) -> str:
    items = {"items": ", ".join(map(str, missing))}
    without = ngettext("Item %(items)s without an answer", "Items %(items)s without an answer", len(missing)) % items
    return _("%(without)s, counted as the mean of the others") % {"without": without} if has_score else without


def _answers(instrument: Instrument, version: QuestionnaireSheet) -> str:
    """Every answer in the order of the items, a dash for none."""
    return " ".join(version.answers.get(str(item.number), "\N{EN DASH}") for item in instrument.items)
