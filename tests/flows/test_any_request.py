"""Whatever is sent to any operation that the schema describes is answered, and never with a server's fault."""

import os
from collections.abc import Iterator

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case

from tests.making import PLATFORM, make_member, make_trial
from trials.access import Actor
from trials.models import Trial
from trials.services.credentials import create_laboratory_credential, create_personal_token
from trials.services.enrollment import record_consent, screen_participant
from trials.services.people import add_laboratory, grant_role
from trials.services.randomization import randomize_participant

# Enough to meet each kind of bad input in every run; the soak asks for more.
EXAMPLES = int(os.environ.get("REQUESTS_PER_OPERATION", "8"))
SCHEMA = "/api/v1/schema/?format=json"


@pytest.fixture
def trial(committed: str) -> Trial:
    """A recruiting trial with a few people, so that some of what is sent hits something."""
    trial = make_trial()
    for number in range(4):
        participant = screen_participant(
            trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=trial.recruitment_starts
        )
        if number:
            participant = record_consent(
                participant=participant, by=PLATFORM, on=participant.screened_on, version="1.0"
            )
        if number > 1:
            randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"})
    return trial


def laboratory_token(trial: Trial) -> str:
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
    scopes = ["results:write", "results:read", "specimens:read", "sessions:write"]
    return create_laboratory_credential(laboratory=laboratory, trials=[trial], name="t", scopes=scopes, by=PLATFORM)[1]


def personal_token(trial: Trial) -> str:
    """One person with every way to read and write."""
    member: Actor = make_member(trial, "principal_investigator")
    grant_role(trial=trial, user=member.user, role="data_manager", by=PLATFORM)
    scopes = ["read", "estimates:read", "export", "participants:write", "sessions:write"]
    return create_personal_token(user=member.user, name="t", scopes=scopes, by=PLATFORM)[1]


def cases(token: str, trial: Trial) -> Iterator[tuple[str, st.SearchStrategy[Case]]]:
    """Yield each operation of the schema with what may be sent to it; the trial's name is mostly right."""
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_wsgi(SCHEMA, get_wsgi_application(), headers=headers)
    for found in schema.get_all_operations():
        operation = found.ok()
        yield operation.label, operation.as_strategy(headers=headers)


@pytest.mark.parametrize("holder", [laboratory_token, personal_token])
def test_no_operation_answers_with_a_fault(trial, holder) -> None:
    token = holder(trial)
    answers = [answer for _, strategy in cases(token, trial) for answer in sent(strategy, trial.slug, token)]
    assert [answer for answer in answers if answer[0] >= 500] == []
    # It reached the trial, and was let in and refused for more than one reason.
    assert {status for status, _, _ in answers} >= {200, 404, 422}


def sent(strategy: st.SearchStrategy[Case], slug: str, token: str) -> list[tuple[int, str, str]]:
    """Send examples of one operation; return each with its status, and how to send it again."""
    answers = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, is_known=st.booleans())
    def send(case: Case, is_known: bool) -> None:
        if is_known and "slug" in case.path_parameters:
            case.path_parameters["slug"] = slug
        answer = case.call(headers={"Authorization": f"Bearer {token}"})
        answers.append((answer.status_code, case.as_curl_command(), answer.text[:300]))

    send()
    return answers
