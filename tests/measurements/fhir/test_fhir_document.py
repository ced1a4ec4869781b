"""docs/fhir.md, followed literally: its blocks are run as they stand, against a trial and against its sandbox."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from measurements.api.fhir_searches import SEARCHES
from measurements.fhir.observing import COMPARATORS, STATUSES
from measurements.models import Result
from tests.flows.test_quick_start import token_for, waiting_trial

DOCUMENT = Path("docs/fhir.md").read_text()
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("is_sandbox", [False, True])
def test_the_blocks_work_as_they_are_written(platform: str, tmp_path: Path, is_sandbox: bool) -> None:
    trial = waiting_trial()
    values = {
        "STUDY_BASE": platform,
        "STUDY_TRIAL": trial.slug,
        "STUDY_TOKEN": token_for(trial, is_sandbox=is_sandbox),
    }
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | values
    blocks = BLOCK.findall(DOCUMENT)
    assert len(blocks) == 2
    posted, read = (
        subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", block],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        for block in blocks
    )
    assert [each["response"]["status"] for each in json.loads(posted)["entry"]] == ["201 Created", "200 OK"], posted
    [shown] = json.loads(read)["entry"]
    assert shown["fullUrl"].startswith(platform)
    assert '"value":1.80,' in read
    result = Result.objects.get()
    assert (result.value_as_sent, result.run) == ("1.80", "plate-7")
    assert result.trial.is_sandbox is is_sandbox


def test_the_tables_name_what_there_is() -> None:
    for kind, parameters in SEARCHES.items():
        [line] = [line for line in DOCUMENT.splitlines() if line.startswith(f"| `{kind}` | `_id`")]
        told = {name.partition("=")[0] for name in re.findall(r"`([^`]+)`", line.split("|")[2])}
        assert told == set(parameters), kind
    for word in (*STATUSES, *COMPARATORS):
        assert f"`{word}`" in DOCUMENT
