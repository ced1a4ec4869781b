"""A NUL in an address: one answer, no traceback, and no download that breaks off."""

import pytest

from tests.making import make_member, make_trial

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    [
        "participants/?site=%00",
        "deviations/?category=a%00b",
        "deviations/deviations.csv?sort=%00",
        "audit/?verb=%00",
        "participants/?%00=1",
        "participants/%00/",
    ],
)
def test_pages_and_lists_answer_400(signed_in, path) -> None:
    trial = make_trial()
    answer = signed_in(make_member(trial, "coordinator")).get(f"/trials/t/{path}")
    assert answer.status_code == 400
    assert "NUL character" in answer.content.decode()


def test_the_interface_for_machines_answers_a_problem(with_token) -> None:
    trial = make_trial()
    answer = with_token(make_member(trial, "coordinator")).get("/api/v1/trials/t/participants?cursor=%00")
    assert (answer.status_code, answer.json()["code"]) == (400, "address_unreadable")
    assert answer["Content-Type"] == "application/problem+json"
