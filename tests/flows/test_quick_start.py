"""docs/lab-quick-start.md, followed literally: every block is run as it stands, in order, in one folder.

Only the block that the document tells to change is changed. R's block is run by R: where there is none the test fails
and says so, because a page that nobody followed is not a page that works.
"""

import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pytest
from django.test import Client
from django.urls import reverse

from measurements.models import Result
from measurements.services.catalogue import add_biomarkers
from measurements.services.specimens import register_specimen
from tests.making import PLATFORM, make_member, make_trial
from trials.models import Trial
from trials.services.credentials import create_laboratory_credential
from trials.services.enrollment import record_consent, screen_participant
from trials.services.people import add_laboratory
from trials.services.randomization import randomize_participant

DOCUMENT = Path("docs/lab-quick-start.md")
BLOCK = re.compile(r"^```(\w+)( setup)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SCOPES = ("results:write", "results:read", "specimens:read")
INTERPRETERS = {"sh": ("bash", "-eu", "-o", "pipefail", "-c"), "python": (sys.executable, "-c"), "r": ("Rscript", "-e")}


@dataclass(frozen=True)
class Block:
    """A block of the document."""

    language: str
    is_setup: bool
    code: str


def blocks() -> list[Block]:
    found = BLOCK.findall(DOCUMENT.read_text())
    assert DOCUMENT.read_text().count("```") == 2 * len(found), "a block that no test follows"
    return [Block(language, bool(setup), code) for language, setup, code in found]


def followed(folder: Path, environment: dict[str, str]) -> list[tuple[Block, str]]:
    """Run every block of the document in order; return each with what it printed."""
    return [(block, run(block, folder, environment)) for block in blocks() if not block.is_setup]


def run(block: Block, folder: Path, environment: dict[str, str]) -> str:
    command = INTERPRETERS[block.language]
    assert shutil.which(command[0]), f"{command[0]} is not installed, so the block for it was not followed"
    done = subprocess.run(
        [*command, block.code], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{block.code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def waiting_trial() -> Trial:
    """Return a trial as the document has it: three people, with a specimen each that waits for three biomarkers."""
    trial = make_trial("calm-sleep", factors={})
    add_biomarkers(trial=trial, biomarkers=("IL6", "CRP", "CORT"), by=PLATFORM)
    for number in (1, 2, 3):
        day = date(2026, 1, 5)
        person = screen_participant(trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=day)
        person = record_consent(participant=person, by=PLATFORM, on=day, version="1.0")
        person = randomize_participant(participant=person, by=PLATFORM, on=day).participant
        register_specimen(
            participant=person,
            visit=trial.visits.first(),
            identifier=f"TEST-00{number}-BL",
            by=PLATFORM,
            drawn_at=datetime(2026, 1, 6, 8, tzinfo=UTC),
        )
    return trial


def token_for(trial: Trial, *, is_sandbox: bool) -> str:
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent Immunology", by=PLATFORM)
    _, token = create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name="t", scopes=SCOPES, is_sandbox=is_sandbox, by=PLATFORM
    )
    return token


@pytest.mark.parametrize("is_sandbox", [False, True])
def test_the_quick_start_works_as_it_is_written(platform: str, tmp_path: Path, is_sandbox: bool) -> None:
    trial = waiting_trial()
    (setup,) = [block for block in blocks() if block.is_setup]
    values = {
        "STUDY_BASE": platform,
        "STUDY_TRIAL": trial.slug,
        "STUDY_TOKEN": token_for(trial, is_sandbox=is_sandbox),
    }
    assert re.findall(r"^export (\w+)=", setup.code, re.MULTILINE) == list(values)
    folder = tmp_path / "laboratory"
    folder.mkdir()
    printed = followed(folder, {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"} | values)
    said = [text for _, text in printed]

    assert [block.language for block, _ in printed] == ["sh", "sh", "sh", "sh", "sh", "sh", "python", "python", "r"]
    assert '"specimen":"TEST-001-BL"' in said[0]
    assert ('"value_ambiguous"' in said[2], '"row":3' in said[2]) == (True, True)
    assert ('"created":3' in said[3], '"submission"' in said[3]) == (True, True)
    assert "3 unchanged" in said[5]
    assert ("TEST-001-BL awaits" in said[6], "2 created" in said[6]) == (True, True)
    assert "201 1 created" in said[7]
    assert '"created":2' in said[8]
    copy = Trial.objects.get(sandbox_of=trial) if is_sandbox else trial
    assert Result.objects.filter(specimen__trial=copy).count() == Result.objects.count() == 8


@pytest.mark.django_db
def test_the_workbook_to_fill_in_is_uploaded_as_the_quick_start_says(signed_in) -> None:
    trial = waiting_trial()
    browser: Client = signed_in(make_member(trial, "lab_manager"))
    offered = browser.get(reverse("upload-new", kwargs={"slug": trial.slug}))
    template = reverse("upload-template", kwargs={"slug": trial.slug})
    assert template in offered.text
    for words in ("Upload results", "Check the file", "Excel file to fill in"):
        assert words in offered.text
        assert f"**{words}**" in DOCUMENT.read_text()

    book = openpyxl.load_workbook(io.BytesIO(browser.get(template).content))
    sheet = book.active
    lines = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert lines[0] == ["specimen", "biomarker", "value", "unit"]
    assert {cell.number_format for row in sheet.iter_rows() for cell in row} == {"@"}
    awaited = [line for line in lines[1:] if line[1] == "IL6"]
    assert [line[0] for line in awaited] == ["TEST-001-BL", "TEST-002-BL", "TEST-003-BL"]
    assert {(value, unit) for _, _, value, unit in awaited} == {(None, "pg/mL")}

    sheet.delete_rows(2, len(lines))
    for (specimen, biomarker, _, unit), value in zip(awaited, ["1.2", "<0.4", "2.10"], strict=True):
        sheet.append([specimen, biomarker, value, unit])
    filled = io.BytesIO()
    book.save(filled)
    filled.seek(0)
    filled.name = "filled.xlsx"
    sent = {
        "file": filled,
        "laboratory": trial.own_laboratories.get(code="site").pk,
        "on_error": "reject_all",
        "unknown_specimen": "reject",
    }
    checked = browser.post(reverse("upload-new", kwargs={"slug": trial.slug}), sent, follow=True)
    assert "Save all 3 rows" in checked.text
    assert not Result.objects.exists()
    reference = checked.redirect_chain[-1][0].rstrip("/").rsplit("/", 1)[1]
    save = reverse("upload-save", kwargs={"slug": trial.slug, "reference": reference})
    assert "3 values were saved" in browser.post(save, {"on_error": "reject_all"}, follow=True).text
    assert sorted(Result.objects.values_list("value_as_sent", flat=True)) == ["1.2", "2.10", "<0.4"]


@pytest.mark.django_db
def test_the_page_that_the_quick_start_leads_to_is_there_for_everybody(client: Client) -> None:
    answer = client.get("/api/v1/docs/")
    assert answer.status_code == 200
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "<script>" not in answer.text
    assert "<style" not in answer.text
    assert "/api/v1/docs/" in DOCUMENT.read_text()
