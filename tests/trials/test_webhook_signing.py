"""Signatures of webhooks agree with the published specification, and with another reading of it."""

import base64
import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from trials.outbound.signing import SECRET_BYTES, new_secret, signature, signed_headers

# https://github.com/standard-webhooks/standard-webhooks, of the specification's examples
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}'
PUBLISHED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example() -> None:
    assert signature(SECRET, MESSAGE, TIMESTAMP, BODY) == PUBLISHED


def test_headers_carry_one_signature_for_each_secret() -> None:
    other = new_secret()
    headers = signed_headers([other, SECRET], MESSAGE, TIMESTAMP, BODY)
    assert headers == {
        "webhook-id": MESSAGE,
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"{signature(other, MESSAGE, TIMESTAMP, BODY)} {PUBLISHED}",
    }


def test_a_new_secret_has_the_length_that_the_specification_asks_for() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert {len(base64.b64decode(each.removeprefix("whsec_"))) for each in secrets} == {SECRET_BYTES}
    assert 24 <= SECRET_BYTES <= 64


@given(st.text(), st.integers(0, 2**40), st.binary(min_size=24, max_size=64))
def test_any_body_is_signed_as_utf_8(body: str, timestamp: int, key: bytes) -> None:
    body = body.encode(errors="replace").decode()
    secret = "whsec_" + base64.b64encode(key).decode()
    expected = hmac.new(key, b"msg_1.%d." % timestamp + body.encode(), hashlib.sha256).digest()
    assert signature(secret, "msg_1", timestamp, body) == "v1," + base64.b64encode(expected).decode()


def test_every_part_changes_the_signature() -> None:
    changed = [
        (new_secret(), MESSAGE, TIMESTAMP, BODY),
        (SECRET, "msg_q5jXN8AQM9LWM0D4loKWxJek", TIMESTAMP, BODY),
        (SECRET, MESSAGE, TIMESTAMP + 1, BODY),
        (SECRET, MESSAGE, TIMESTAMP, BODY + " "),
    ]
    assert PUBLISHED not in {signature(*each) for each in changed}
