"""Uploading a file: chosen, tried, columns named, saved once, and the same file back."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from measurements.models import ColumnMapping, Result, Submission, SubmissionFile, Upload
from tests.making import make_member
from tests.measurements.uploads.files import HEADER, cells_of, sheet_of_text, workbook
from trials.models import AuditEvent, Laboratory
from trials.permissions import Role

ROWS = (HEADER, ("S-1", "IL6", "1.83", "pg/mL"), ("S-2", "CRP", "2.5", "mg/L"))
WRONG = (*ROWS, ("S-1", "CRP", "1,234", "mg/L"))


@pytest.fixture
def manager(bench):
    return make_member(bench.trial, Role.LAB_MANAGER)


@pytest.fixture
def browser(signed_in, manager):
    return signed_in(manager)


def send(browser, bench, content, name="results.csv", **more):
    """Choose a file; return the answer."""
    sent = {
        "file": SimpleUploadedFile(name, content),
        "laboratory": bench.laboratory.pk,
        "on_error": "reject_all",
        "unknown_specimen": "reject",
    }
    return browser.post(f"/trials/{bench.trial.slug}/uploads/new/", sent | more)


def uploaded(browser, bench, content, name="results.csv", **more):
    """Choose a file that can be read; return the address of its page."""
    answer = send(browser, bench, content, name, **more)
    assert answer.status_code == 302, answer.content.decode()
    return answer.url


def save(browser, address, on_error="reject_rows"):
    """Save a file; return the submission."""
    answer = browser.post(f"{address}save/", {"on_error": on_error})
    assert answer.status_code == 302
    return answer.url


@pytest.mark.parametrize(
    ("content", "name"), [(sheet_of_text(*ROWS), "results.csv"), (workbook(*ROWS), "results.xlsx")]
)
def test_a_file_is_tried_and_then_saved_once(bench, browser, content, name):
    address = uploaded(browser, bench, content, name)
    page = browser.get(address).content.decode()
    assert "Save all 2 rows" in page
    assert Result.objects.count() == 0
    first, again = save(browser, address), save(browser, address)
    assert first == again
    submission = Submission.objects.get()
    assert (submission.channel, submission.created) == (f"file_{name.rsplit('.')[-1]}", 2)
    assert submission.laboratory == bench.laboratory
    assert bytes(SubmissionFile.objects.get().content) == content
    assert browser.get(first).status_code == 200
    assert browser.get(f"{first}file/").content == content
    assert AuditEvent.objects.filter(verb="submission.file_downloaded").count() == 1


def test_wrong_rows_are_told_with_their_line_and_left_out(bench, browser):
    address = uploaded(browser, bench, sheet_of_text(["Plate 7"], [], *WRONG), on_error="reject_rows")
    page = browser.get(address).content.decode()
    assert "Save 2 of 3 rows" in page
    assert "Row 3 (line 6) would not be saved." in page
    page = browser.get(save(browser, address)).content.decode()
    assert "Row 3 (line 6) was not saved." in page
    assert Result.objects.count() == 2


def test_all_or_nothing_saves_nothing(bench, browser):
    address = uploaded(browser, bench, sheet_of_text(*WRONG))
    answer = browser.post(f"{address}save/", {"on_error": "reject_all"}, follow=True)
    assert "Nothing was saved" in answer.content.decode()
    assert Submission.objects.count() == 0


def test_the_same_text_file_comes_back_and_is_mended_without_duplicates(bench, browser):
    content = sheet_of_text(*WRONG, separator=";", encoding="utf-8-sig")
    submission = save(browser, uploaded(browser, bench, content))
    returned = browser.get(f"{submission}returned/").content
    assert returned.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(returned.decode("utf-8-sig")), delimiter=";"))
    assert lines[0] == [*HEADER, "status", "code", "message", "fix"]
    assert [line[4] for line in lines[1:]] == ["saved", "saved", "not saved"]
    assert lines[3][5] == "value_ambiguous"
    assert lines[3][6].endswith("Row 3 (line 4) was not saved.")
    mended = returned.replace(b"1,234", b"1.234")
    address = uploaded(browser, bench, mended)
    assert "column_unknown" not in browser.get(address).content.decode()
    save(browser, address)
    latest = Submission.objects.order_by("-id")[0]
    assert (latest.created, latest.unchanged, Result.objects.count()) == (1, 2, 3)
    again = list(csv.reader(io.StringIO(browser.get(f"{address}returned/").content.decode("utf-8-sig")), delimiter=";"))
    assert len(again[0]) == 8
    assert bench.post(mended.replace(b"\xef\xbb\xbf", b""), content_type="text/csv").json()["unchanged"] == 3


def test_the_same_workbook_comes_back_with_its_types(bench, browser):
    rows = [
        ("Plate", 7),
        HEADER,
        ("S-1", "IL6", 1.83, "pg/mL"),
        ("S-2", "IL6", "OOR <", "pg/mL"),
        ("S-9", "IL6", 1, ""),
    ]
    submission = save(browser, uploaded(browser, bench, workbook(*rows), "r.xlsx"))
    returned = browser.get(f"{submission}returned/").content
    cells = cells_of(returned)
    assert cells[0][:2] == ["Plate", 7]
    assert cells[1][4:] == ["status", "code", "message", "fix"]
    assert cells[2][2] == 1.83
    assert [line[4] for line in cells[2:]] == ["saved", "saved", "not saved"]
    address = uploaded(browser, bench, returned, "r.xlsx")
    save(browser, address)
    assert Result.objects.count() == 2


def test_a_checked_file_comes_back_before_anything_is_saved(bench, browser):
    address = uploaded(browser, bench, sheet_of_text(*WRONG))
    lines = list(csv.reader(io.StringIO(browser.get(f"{address}returned/").content.decode())))
    assert [line[4] for line in lines[1:]] == ["would be saved", "would be saved", "would not be saved"]


def test_unknown_columns_are_named_and_remembered(bench, browser):
    content = sheet_of_text(("Röhrchen", "Messwert", "note"), ("S-1", "1.83", "x"), ("S-2", "2", "y"))
    address = uploaded(browser, bench, content)
    assert "The header has no column" in browser.get(address).content.decode()
    named = {"column-0": "specimen", "column-1": "value", "column-2": "-", "biomarker": "IL6", "unit": "pg/mL"}
    assert browser.post(f"{address}columns/", named).status_code == 302
    assert "Save all 2 rows" in browser.get(address).content.decode()
    save(browser, address)
    assert Result.objects.filter(biomarker__code="IL6").count() == 2
    another = uploaded(browser, bench, content.replace(b"1.83", b"1.84"))
    page = browser.get(another).content.decode()
    assert "as somebody of this laboratory said" in page
    assert "differs_from_recorded" in page
    assert ColumnMapping.objects.count() == 1


def test_biomarkers_side_by_side_are_rows(bench, browser):
    content = workbook(("specimen", "IL-6 (pg/mL)", "CRP [mg/L]"), ("S-1", 1.83, 2.5), ("S-2", None, -1))
    address = uploaded(browser, bench, content, "wide.xlsx")
    page = browser.get(address).content.decode()
    assert "Row 3 (line 3) would not be saved." in page
    save(browser, address)
    assert sorted(Result.objects.values_list("biomarker__code", "value_as_sent", "unit_as_sent")) == [
        ("CRP", "2.5", "mg/L"),
        ("IL6", "1.83", "pg/mL"),
    ]
    lines = cells_of(browser.get(f"{address}returned/").content)
    assert lines[2][3:5] == ["would not be saved", "value_negative"]


def test_coordinators_send_for_the_site_only(bench, signed_in):
    browser = signed_in(make_member(bench.trial, Role.COORDINATOR))
    assert send(browser, bench, sheet_of_text(*ROWS)).status_code == 422
    own = bench.trial.own_laboratories.get(code="site")
    address = uploaded(browser, bench, sheet_of_text(*ROWS), laboratory=own.pk)
    save(browser, address)
    assert Submission.objects.get().laboratory == own


def test_a_waiting_file_is_its_uploaders_alone(bench, browser, signed_in):
    address = uploaded(browser, bench, sheet_of_text(*ROWS))
    other = signed_in(make_member(bench.trial, Role.DATA_MANAGER))
    for path in (address, f"{address}returned/"):
        assert other.get(path).status_code == 404
    assert other.post(f"{address}save/").status_code == 404
    reader = signed_in(make_member(bench.trial, Role.BLINDED_STATISTICIAN))
    assert reader.get(f"/trials/{bench.trial.slug}/uploads/new/").status_code == 403
    submission = save(browser, address)
    assert reader.get(submission).status_code == 200
    assert reader.get(f"{submission}file/").status_code == 403
    assert reader.get(f"{submission}returned/").status_code == 403


def test_the_report_is_a_file_for_people_and_laboratories(bench, browser):
    submission = save(browser, uploaded(browser, bench, sheet_of_text(*WRONG)))
    page = b"".join(browser.get(f"{submission}report.csv").streaming_content).decode()
    assert page.splitlines()[0] == "row,line,column,field,severity,code,value,message,fix,did_you_mean"
    assert "value_ambiguous" in page
    reference = Submission.objects.get().reference
    answer = bench.get(f"submissions/{reference}/report.csv")
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content).decode() == page


def test_files_go_after_a_day(bench, browser):
    address = uploaded(browser, bench, sheet_of_text(*ROWS))
    Upload.objects.update(uploaded_at="2020-01-01T00:00:00Z")
    assert browser.get(address).status_code == 404
    uploaded(browser, bench, sheet_of_text(*ROWS))
    assert Upload.objects.count() == 1


def test_characters_that_nobody_sees_are_told_and_kept_out_of_the_database(bench, browser):
    content = b"specimen,IL6\x00 (pg/mL),CRP (mg/L),note\x00\nS-1,1,2\x00,x\x00\n"
    address = uploaded(browser, bench, content)
    page = browser.get(address).content.decode()
    assert "value_not_number" in page
    assert browser.get(f"{address}returned/").status_code == 200


def test_a_file_without_rows_yet_does_not_come_back(bench, browser):
    address = uploaded(browser, bench, b"a,b\n1,2\n")
    assert browser.get(f"{address}returned/").status_code == 404
    refused = browser.post(f"{address}columns/", {"column-0": "specimen", "column-1": "specimen"})
    assert refused.status_code == 422
    assert "occurs twice" in refused.content.decode()
    assert browser.post(f"{address}save/", {}, follow=True).status_code == 200
    assert Submission.objects.count() == 0


def test_a_saved_file_is_read_again_as_it_was(bench, browser):
    content = sheet_of_text(("specimen", "IL-6 (pg/mL)", "x"), ("S-1", "1.8", "a,b,c,d"), separator=";")
    submission = save(browser, uploaded(browser, bench, content))
    assert browser.get(f"{submission}returned/").content.startswith(b"specimen;IL-6 (pg/mL);x;status;")


def test_who_is_bound_to_a_site_reads_no_file_that_says_more_than_their_values(bench, signed_in):
    manager = signed_in(make_member(bench.trial, Role.DATA_MANAGER))
    here = signed_in(make_member(bench.trial, Role.COORDINATOR, "leeds"))
    lines = (HEADER, ("S-1", "IL6", "1.83", "pg/mL"), ("S-2", "IL6", "not a number", "pg/mL"))
    others = save(manager, uploaded(manager, bench, sheet_of_text(*lines)))
    all_here = save(manager, uploaded(manager, bench, sheet_of_text(HEADER, ("S-1", "CRP", "2.5", "mg/L"))))
    assert Submission.objects.get(rejected=1).created == 1
    for page in ("", "file/", "returned/", "report.csv"):
        assert here.get(f"{others}{page}").status_code == 404
        assert here.get(f"{all_here}{page}").status_code == 200
    listed = here.get(f"/trials/{bench.trial.slug}/submissions/").content.decode()
    assert (others in listed, all_here in listed) == (False, True)
    own = Laboratory.objects.get(trial=bench.trial).pk
    sent = uploaded(here, bench, sheet_of_text(*lines[:2], ("S-2", "CRP", "1", "mg/L")), laboratory=own)
    assert here.get(f"{save(here, sent)}file/").status_code == 200
