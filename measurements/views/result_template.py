"""A workbook to fill in: one line for each value that a specimen waits for."""

import io
from collections.abc import Iterator
from datetime import datetime, time

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from measurements.models import FileFormat
from measurements.selectors.listings import awaited, specimens_visible_to
from measurements.validation.decode import MOST_ROWS
from measurements.views.uploads import file_answer
from trials.access import Actor, actor_of
from trials.models import Trial
from trials.selectors.trials import visible_trial

HEADER = ("specimen", "biomarker", "value", "unit")
WIDTHS = (24, 16, 16, 12)


@require_safe
def result_template(request: HttpRequest, slug: str) -> HttpResponse:
    """The awaited values as an Excel file. Its cells are text, so that Excel turns no number into a date."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    return file_answer(_workbook(_lines(trial, by)), f"{slug}-results.xlsx", FileFormat.XLSX)


def _lines(trial: Trial, by: Actor) -> Iterator[tuple[str, str, str, str]]:
    units = dict(trial.biomarkers.values_list("code", "unit"))
    listed = list(specimens_visible_to(by, trial, awaiting_results=True).order_by("identifier")[:MOST_ROWS])
    codes = awaited(trial, listed)
    for specimen in listed:
        for code in codes[specimen.pk]:
            yield specimen.identifier, code, "", units[code]


def _workbook(lines: Iterator[tuple[str, str, str, str]]) -> bytes:
    import xlsxwriter  # not with the web server's start

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        book.set_properties({"created": datetime.combine(timezone.localdate(), time.min)})
        text, head = book.add_format({"num_format": "@"}), book.add_format({"num_format": "@", "bold": True})
        sheet = book.add_worksheet("results")
        sheet.freeze_panes(1, 0)
        for place, (name, width) in enumerate(zip(HEADER, WIDTHS, strict=True)):
            sheet.set_column(place, place, width, text)
            sheet.write_string(0, place, name, head)
        for number, line in enumerate(lines, start=1):
            if number > MOST_ROWS:
                break
            for place, cell in enumerate(line):
                # Never as a formula, whatever a specimen is called.
                sheet.write_string(number, place, cell, text) if cell else sheet.write_blank(number, place, None, text)
    return content.getvalue()
