"""Bundles that meet: the same key, the same entries, arrivals and results crossing. Transactions commit."""

import pytest

from measurements.models import Result, Specimen, Submission
from tests.measurements.api.test_results_at_once import at_once
from tests.measurements.conftest import Bench, make_bench
from tests.measurements.fhir.conftest import bundle, entry, observation


@pytest.fixture
def bench(committed: str) -> Bench:
    """A laboratory at work, in a database in which transactions commit."""
    return make_bench()


def crossing(kind, identifiers):
    """Arrivals and results of these specimens, in this order."""
    arrived = [
        {"resourceType": "Specimen", "identifier": [{"value": each}], "receivedTime": "2026-03-02T08:00:00Z"}
        for each in identifiers
    ]
    measured = [observation(specimen={"identifier": {"value": each}}) for each in identifiers]
    return bundle(*map(entry, arrived + measured), kind=kind)


def test_8_with_the_same_key_are_one_submission_and_one_identical_answer(door):
    sent = crossing("transaction", ["S-1", "S-2"])
    answers = at_once([lambda: door.post(sent, Idempotency_Key="k")] * 8)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert (Result.objects.count(), Submission.objects.count()) == (2, 1)


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_8_without_a_key_make_one_set_of_rows(door, kind):
    bundles = [crossing(kind, order) for order in (["S-1", "S-2"], ["S-2", "S-1"])] * 4
    answers = at_once([lambda sent=sent: door.post(sent) for sent in bundles])
    assert {answer.status_code for answer in answers} == {200}
    statuses = [each["response"]["status"] for answer in answers for each in answer.json()["entry"]]
    assert (statuses.count("201 Created"), statuses.count("200 OK")) == (2, 30)
    assert Result.objects.count() == 2
    assert not Specimen.objects.filter(received_at=None).exists()
