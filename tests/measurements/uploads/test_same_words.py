"""The same wrong value is told in the same words by the API, an uploaded file and the visit form."""

import html

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from measurements.models import Result, Upload
from tests.making import make_member
from tests.measurements.uploads.files import HEADER, sheet_of_text, workbook
from trials.permissions import Role

FORM = "/trials/t/participants/T-001-F/visits/baseline/values/"
VALUES = ("abc", "1,234", "NaN", "-1", "01-Feb", "1e30", "NA")


@pytest.fixture
def browser(bench, signed_in):
    return signed_in(make_member(bench.trial, Role.DATA_MANAGER))


def by_file(browser, bench, name, content):
    sent = {
        "file": SimpleUploadedFile(name, content),
        "laboratory": bench.laboratory.pk,
        "on_error": "reject_all",
        "unknown_specimen": "reject",
    }
    answer = browser.post(f"/trials/{bench.trial.slug}/uploads/new/", sent)
    assert answer.status_code == 302
    return Upload.objects.latest("pk").answer["said"]["errors"][0]["message"]


@pytest.mark.parametrize("value", VALUES)
def test_every_door_says_the_same(bench, browser, value):
    row = dict(zip(HEADER, ("S-1", "IL6", value, "pg/mL"), strict=True))
    table = (HEADER, tuple(row.values()))
    message = bench.post([row]).json()["errors"][0]["message"]
    assert message.endswith("Row 1 was not saved.")
    assert bench.post(sheet_of_text(*table), content_type="text/csv").json()["errors"][0]["message"] == message
    for name, content in (("r.csv", sheet_of_text(*table, separator=";")), ("r.xlsx", workbook(*table))):
        told = by_file(browser, bench, name, content)
        assert told.replace("Row 1 (line 2) would not be saved.", "Row 1 was not saved.") == message
    key = bench.trial.biomarkers.get(code="IL6").pk
    page = html.unescape(browser.post(f"{FORM}{key}/", {f"b{key}": value}).content.decode())
    assert message.replace("Row 1 was not saved.", "It was not saved.") in page
    assert Result.objects.count() == 0
