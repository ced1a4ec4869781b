"""Where the reference inputs are that are not part of this repository."""

import os
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def reference_folder() -> Path | None:
    """The reference folder's statistics; None, said aloud, where it is away; a failure where `CI` is set."""
    folder = Path(os.environ.get("REFERENCE_DIR", ROOT.parent / "shared" / "reference")) / "statistics"
    if folder.is_dir():
        return folder
    sentence = f"No reference inputs in {folder}: the demonstration data are not compared with them. Set REFERENCE_DIR."
    if os.environ.get("CI"):
        pytest.fail(sentence)
    warnings.warn(sentence, stacklevel=1)
    return None
