"""The log: lines without the keys that stand in links."""

import logging

import pytest

from studyplatform.logs import WithoutKeys
from studyplatform.up import processes


@pytest.mark.parametrize("address", ["/invitation/inv_Ab-9_z/", "/accounts/password/reset/key/2-Ab-9_z/"])
def test_no_line_and_no_traceback_holds_a_key(address: str) -> None:
    try:
        raise RuntimeError(address)
    except RuntimeError as error:
        fault = (type(error), error, error.__traceback__)
    record = logging.LogRecord("django.request", logging.ERROR, "", 0, "Not found: %s", (address,), fault)
    line = WithoutKeys().format(record)
    assert "Ab-9_z" not in line
    assert "Not found: /" in line


def test_the_web_server_writes_no_addresses(tmp_path) -> None:
    assert "--no-access-log" in processes({}, tmp_path, 8000)[0].argv
