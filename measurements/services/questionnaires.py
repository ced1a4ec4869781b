"""Recording a questionnaire item by item: the answers, and the scores as results, in one transaction or not at all."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal

from django.db import IntegrityError
from django.utils.translation import gettext as _

from measurements.models import QuestionnaireSheet, Submission
from measurements.questionnaires import Instrument, Score, read_answers, scores_of
from measurements.questionnaires.items import NOT_APPLICABLE
from measurements.selectors.questionnaires import SCORE, Questionnaire, ScaleLine, is_same_score, questionnaire_of
from measurements.selectors.sheets import visit_sheet
from measurements.services.results import laboratory_of, record_results
from measurements.validation import Payload, RowAsSent, RunAsSent
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import Participant, Visit
from trials.permissions import Permission
from trials.services.writing import require_writable

Kept = dict[str, str]
"""Answers as a sheet keeps them: by the number of the item, as text."""


def record_answers(
    *,
    participant: Participant,
    visit: Visit,
    instrument: str,
    entered: Mapping[int, str],
    by: Actor,
    seen: int | None = None,
    reason: str = "",
) -> QuestionnaireSheet:
    """Keep the answers to a questionnaire at a visit and record every score that the trial measures; return the sheet.

    `entered` is text by the number of the item, `seen` the revision that the writer looked at (None: no sheet yet).
    The same answers again change nothing. Other answers than recorded, or than a typed score says, are a correction
    with a reason: sheet and results are superseded together. Too few answers record the score as not done.

    Raises:
        NotAllowed, NotFound: the caller may not record here, or the trial does not score this questionnaire.
        InConflict: the trial takes no values now, or somebody else changed the sheet in between.
        RuleBroken: an answer is none, a reason is missing, the visit is locked, data use was withdrawn.
    """
    require(by, Permission.RESULT_RECORD, participant.trial, site=participant.site)
    asked = _asked(participant, visit, instrument, by)
    kept = _read(asked.instrument, entered)
    if asked.current is not None and asked.current.answers == kept:
        return asked.current
    try:
        return _record(asked, kept, by, seen=seen, reason=reason.strip())
    except IntegrityError as error:
        now = _asked(participant, visit, instrument, by).current
        if now is not None and now.answers == kept:
            return now
        raise _changed() from error


def _asked(participant: Participant, visit: Visit, instrument: str, by: Actor) -> Questionnaire:
    sheet = visit_sheet(participant, visit, laboratory_of(by, participant.trial), by)
    return questionnaire_of(sheet, instrument)


def _read(instrument: Instrument, entered: Mapping[int, str]) -> Kept:
    """The answers as a sheet keeps them. Raises RuleBroken with a row for every answer that is none."""
    answers, misread = read_answers(instrument, entered)
    if misread:
        rows = [{"number": each.number, "message": each.sentence} for each in misread]
        told = " ".join(each.sentence for each in misread)
        raise RuleBroken("answer_not_offered", _("%(told)s Nothing was saved.") % {"told": told}, rows=rows)
    return {str(number): NOT_APPLICABLE if answer is None else str(answer) for number, answer in answers.items()}


def _record(asked: Questionnaire, kept: Kept, by: Actor, *, seen: int | None, reason: str) -> QuestionnaireSheet:
    participant, current = asked.sheet.participant, asked.current
    scores = scores_of(asked.instrument, {int(number): _answer(text) for number, text in kept.items()})
    with audit.transaction(by=by, reason=reason) as event:
        require_writable(participant.trial, Writing.VALUES)
        _require_recordable(asked, kept, scores, by, seen=seen, reason=reason)
        submission = _record_scores(asked, scores, by, reason)
        sheet = QuestionnaireSheet.objects.create(
            trial=participant.trial,
            participant=participant,
            visit=asked.sheet.visit,
            instrument=asked.instrument.code,
            version=asked.instrument.version,
            answers=kept,
            scores={each.scale.code: None if each.value is None else str(each.value) for each in scores},
            submission=submission,
            revision=current.revision + 1 if current else 0,
            supersedes=current,
            reason=reason if current else "",
        )
        event.record(_verb(asked.instrument), trial=participant.trial, target=participant)
    return sheet


def _verb(instrument: Instrument) -> str:
    """That a questionnaire about a therapy was answered tells an arm: such events are for those who may see it."""
    return "questionnaire.of_therapy_recorded" if instrument.is_about_therapy else "questionnaire.recorded"


def _answer(text: str) -> Decimal | None:
    return None if text == NOT_APPLICABLE else Decimal(text)


def _require_recordable(
    asked: Questionnaire, kept: Kept, scores: tuple[Score, ...], by: Actor, *, seen: int | None, reason: str
) -> None:
    """Raise where the sheet is not what the writer saw, is empty, or changes something without right or reason."""
    current = asked.current
    if current is None and not kept:
        raise RuleBroken("answers_missing", _("No item has an answer. Nothing was saved."))
    if seen != (current.revision if current else None):
        raise _changed()
    for line in asked.scales:
        if line.recorded is not None and line.line is not None and not line.line.is_own:
            told = {"scale": line.line.biomarker.name, "laboratory": line.recorded.laboratory.name}
            raise InConflict(
                "recorded_by_laboratory",
                _("%(scale)s of this visit came from %(laboratory)s, which alone corrects it. Nothing was saved.")
                % told,
            )
    if current is not None or _changes_a_result(asked, scores):
        require(by, Permission.RESULT_CORRECT, asked.sheet.participant.trial, site=asked.sheet.participant.site)
        if not reason:
            raise RuleBroken(
                "reason_missing",
                _("Something is recorded already. Say why it changes. Nothing was saved."),
                field="reason",
            )


def _changes_a_result(asked: Questionnaire, scores: tuple[Score, ...]) -> bool:
    return any(
        line.recorded is not None and not is_same_score(line.recorded, score.value)
        for line, score in zip(asked.scales, scores, strict=True)
    )


def _record_scores(asked: Questionnaire, scores: tuple[Score, ...], by: Actor, reason: str) -> Submission:
    """One delivery with a row for every scale that the trial measures, all or nothing."""
    participant = asked.sheet.participant
    measured = [(line, score) for line, score in zip(asked.scales, scores, strict=True) if line.line is not None]
    rows = tuple(_row(asked, line, score, reason) for line, score in measured)
    told = json.dumps([[row.biomarker, row.value, row.status, row.reason] for row in rows])
    answer = record_results(
        trial=participant.trial,
        laboratory=laboratory_of(by, participant.trial),
        payload=Payload(RunAsSent(), rows),
        by=by,
        channel=Submission.Channel.FORM,
        body_sha256=hashlib.sha256(told.encode()).hexdigest(),
    )
    if answer.submission is None or answer.body["held"]:
        first = answer.body["errors"][0] if answer.body["errors"] else {"code": "trial_locked", "message": ""}
        sentence = first["message"].replace(f" Row {first.get('row')} was not saved.", " " + _("Nothing was saved."))
        raise RuleBroken(first["code"], sentence)
    return answer.submission


def _row(asked: Questionnaire, line: ScaleLine, score: Score, reason: str) -> RowAsSent:
    old = line.recorded
    specimens = {each.line.specimen for each in asked.scales if each.line is not None and each.line.specimen}
    return RowAsSent(
        specimen=(line.line.specimen if line.line else "") or min(specimens, default=None),
        participant=asked.sheet.participant.code,
        visit=asked.sheet.visit.code,
        biomarker=score.scale.code,
        value=None if score.value is None else str(score.value),
        unit=SCORE,
        status="not_done" if score.value is None else "corrected" if old else "final",
        reason=_reason(score, reason),
        corrects=str(old.pk) if old else None,
    )


def _reason(score: Score, reason: str) -> str | None:
    """The writer's reason, and which items are missing where there is no score."""
    if score.value is not None:
        return reason or None
    missing = _("Without an answer: items %(items)s.") % {"items": ", ".join(map(str, score.missing))}
    return f"{reason.rstrip('.')}. {missing}" if reason else missing


def _changed() -> InConflict:
    return InConflict(
        "sheet_changed",
        _("Somebody else saved this questionnaire in between. Nothing was saved. Look at it as it is now."),
    )
