"""Units, validation and plates can be read and used alone: they pull in neither Django nor pandas."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = "import {package}, sys; print(sorted({{'django', 'pandas', 'numpy', 'rest_framework'}} & set(sys.modules)))"


@pytest.mark.parametrize("name", ["fhir", "labels", "plates", "questionnaires", "units", "validation"])
def test_package_needs_no_framework(name: str) -> None:
    program = [sys.executable, "-c", PROGRAM.format(package=f"measurements.{name}")]
    found = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
