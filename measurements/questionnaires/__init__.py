"""Scored questionnaires, without Django: items, ranges and the published rules from answers to scores.

`INSTRUMENTS` holds them by code; `read_answers` reads what was entered and `scores_of` gives every scale exactly, or
why it has none. Items carry short neutral labels of our own: the wording of a questionnaire belongs to its authors.
"""

from measurements.questionnaires.instruments import INSTRUMENTS, instrument_of
from measurements.questionnaires.items import Answers, Instrument, Item, Misread, Scale, read_answers
from measurements.questionnaires.scoring import Score, scores_of
from measurements.questionnaires.words import render_markdown

__all__ = [
    "INSTRUMENTS",
    "Answers",
    "Instrument",
    "Item",
    "Misread",
    "Scale",
    "Score",
    "instrument_of",
    "read_answers",
    "render_markdown",
    "scores_of",
]
