"""docs/webhooks.md: its code checks real signatures and refuses all else; its tables name what there is."""

import re
import time
from pathlib import Path

import pytest

from trials.models import Webhook
from trials.outbound.signing import new_secret, signed_headers
from trials.services.webhook_delivery import RETRY_AFTER

DOCUMENT = Path("docs/webhooks.md").read_text()
BODY = '{"type": "submission.completed", "data": {"trial": "é"}}'


def written_check():
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict = {}
    exec(code, names)  # noqa: S102 - it is our own document
    return names["is_genuine"]


@pytest.mark.parametrize("number_of_secrets", [1, 2])
def test_the_code_accepts_what_the_platform_signs(number_of_secrets: int) -> None:
    secrets = [new_secret() for _ in range(number_of_secrets)]
    headers = signed_headers(secrets, "msg_1", int(time.time()), BODY)
    for secret in secrets:
        assert written_check()(secret, headers, BODY.encode())


def test_the_code_refuses_what_was_changed_is_old_or_is_signed_by_another() -> None:
    secret, is_genuine, now = new_secret(), written_check(), int(time.time())
    headers = signed_headers([secret], "msg_1", now, BODY)
    assert not is_genuine(new_secret(), headers, BODY.encode())
    assert not is_genuine(secret, headers, BODY.encode() + b" ")
    assert not is_genuine(secret, headers | {"webhook-id": "msg_2"}, BODY.encode())
    assert not is_genuine(secret, headers | {"webhook-timestamp": str(now + 1)}, BODY.encode())
    assert not is_genuine(secret, signed_headers([secret], "msg_1", now - 3600, BODY), BODY.encode())
    assert not is_genuine(secret, {}, BODY.encode())


def test_the_document_names_every_event_and_failure_and_the_number_of_attempts() -> None:
    sources = " ".join(
        Path(f"trials/{name}.py").read_text() for name in ("outbound/posting", "services/webhook_delivery")
    )
    failures = set(re.findall(r'failure = "(\w+)"', sources)) | set(re.findall(r'Posted\(None, "(\w+)"', sources))
    assert len(failures) == 7
    for word in failures | set(Webhook.Event.values):
        assert f"`{word}`" in DOCUMENT, word
    assert "5 seconds, 5 and 30 minutes, and 2, 5, 10, 14, 20 and 24 hours" in DOCUMENT
    assert [each.total_seconds() for each in RETRY_AFTER] == [
        5, 300, 1800, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)),
    ]  # fmt: skip
