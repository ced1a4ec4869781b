"""Settings that would be unsafe: the platform does not start with them, and says why."""

import os
import subprocess
import sys
from base64 import b64encode

import pytest

ONE, OTHER = b64encode(bytes(32)).decode(), b64encode(bytes(31) + b"1").decode()


def started_with(**environment: str) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of its own."""
    given = {
        "STUDYPLATFORM_LOCAL": "1",
        "DJANGO_SECRET_KEY": "x",
        "DATABASE_URL": "postgresql://nobody@/none",
        "STUDYPLATFORM_ALLOCATION_KEY": ONE,
    }
    return subprocess.run(
        [sys.executable, "-c", "import studyplatform.settings"],
        env={**os.environ, **given, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("identifiers", ["", OTHER])
def test_keys_of_their_own_or_none_for_identifiers_start(identifiers: str) -> None:
    assert started_with(STUDYPLATFORM_IDENTIFIER_KEY=identifiers).returncode == 0


@pytest.mark.parametrize(
    ("unsafe", "said"),
    [
        ({"STUDYPLATFORM_IDENTIFIER_KEY": ONE}, "same as STUDYPLATFORM_ALLOCATION_KEY"),
        ({"STUDYPLATFORM_IDENTIFIER_KEY": f" {ONE} "}, "same as STUDYPLATFORM_ALLOCATION_KEY"),
        ({"STUDYPLATFORM_BIND": "0.0.0.0"}, "loopback only"),  # noqa: S104 - refused
    ],
)
def test_unsafe_settings_are_refused_with_the_reason(unsafe: dict[str, str], said: str) -> None:
    started = started_with(**unsafe)
    assert started.returncode != 0
    assert "ImproperlyConfigured" in started.stderr
    assert said in started.stderr
    assert ONE not in started.stderr
