"""A questionnaire of one participant at one visit: the sheet with its earlier versions, and the scores beside it."""

from dataclasses import dataclass
from decimal import Decimal

from measurements.models import Biomarker, QuestionnaireSheet, Result
from measurements.questionnaires import INSTRUMENTS, Instrument, Scale, instrument_of
from measurements.selectors.sheets import Line, Sheet
from trials.errors import NotFound

SCORE = "{score}"
QUESTIONNAIRE = "questionnaire"


@dataclass(frozen=True)
class ScaleLine:
    """A scale of the instrument; `line` is its biomarker's on the visit form, None where the trial does not measure it.

    `score` is what the current sheet gives, None without a sheet and where too little was answered.
    """

    scale: Scale
    line: Line | None
    score: Decimal | None
    is_scored: bool

    @property
    def recorded(self) -> Result | None:
        """The current result of the scale's biomarker."""
        return self.line.result if self.line else None

    @property
    def is_traced(self) -> bool:
        """Whether the recorded result is what the sheet gives: its number, or not done where it gives none."""
        return self.is_scored and self.recorded is not None and is_same_score(self.recorded, self.score)

    @property
    def differs(self) -> bool:
        """Whether a result is recorded that is not what the sheet gives, or that no sheet gave."""
        return self.recorded is not None and not self.is_traced


@dataclass(frozen=True)
class Questionnaire:
    """What a page of items shows, and what recording them goes by. `versions` begins with the current sheet."""

    sheet: Sheet
    instrument: Instrument
    versions: list[QuestionnaireSheet]
    scales: list[ScaleLine]

    @property
    def laboratory(self) -> str:
        """Which laboratory delivered a score of this visit, so that it alone corrects it; empty where none did."""
        others = (line.recorded for line in self.scales if line.recorded and line.line and not line.line.is_own)
        return next((result.laboratory.name for result in others), "")

    @property
    def current(self) -> QuestionnaireSheet | None:
        """The sheet that nothing superseded."""
        return self.versions[0] if self.versions else None


def is_same_score(result: Result, score: Decimal | None) -> bool:
    """Whether a result says this score; none is said by `not_done`."""
    if score is None or result.status == Result.Status.NOT_DONE:
        return score is None and result.status == Result.Status.NOT_DONE
    return result.value == score and not result.comparator


def scored_instrument(biomarker: Biomarker) -> Instrument | None:
    """Return the instrument whose items give this biomarker's score, or None."""
    is_score = biomarker.unit == SCORE and biomarker.specimen_type == QUESTIONNAIRE
    return instrument_of(biomarker.code) if is_score else None


def questionnaire_of(sheet: Sheet, instrument: str) -> Questionnaire:
    """Return the questionnaire of a visit's sheet; NotFound where the trial measures none of its scales."""
    asked = INSTRUMENTS.get(instrument)
    lines = {line.biomarker.code: line for line in sheet.lines if asked and scored_instrument(line.biomarker) is asked}
    if asked is None or not lines:
        raise NotFound("questionnaire_unknown", "This trial does not score this questionnaire from its items.")
    versions = list(
        QuestionnaireSheet.objects.filter(participant=sheet.participant, visit=sheet.visit, instrument=asked.code)
        .select_related("event")
        .order_by("-revision")
    )
    scores = versions[0].scores if versions else {}
    return Questionnaire(
        sheet,
        asked,
        versions,
        [
            ScaleLine(each, lines.get(each.code), _number(scores.get(each.code)), bool(versions))
            for each in asked.scales
        ],
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
