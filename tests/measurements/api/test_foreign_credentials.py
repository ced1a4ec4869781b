"""Every verb of the laboratories' API with every credential that must not reach the trial: one answer, nothing changed.

The addresses are read from the URL configuration, so that a new one is held against this table by itself.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from measurements.api.urls import urlpatterns
from measurements.models import Result, Session, Specimen, Submission
from measurements.services.sandbox import ready_sandbox
from tests.making import PLATFORM, make_trial
from tests.measurements.conftest import Bench, make_bench, make_token
from trials import audit
from trials.models import AuditEvent, LaboratoryCredential, Trial
from trials.permissions import LABORATORY_SCOPES
from trials.services.credentials import revoke_laboratory_credential
from trials.services.people import add_laboratory, end_delivery

VERBS = ("get", "post", "put", "patch", "delete")
ROW = {"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}
RESULTS = {"results": [ROW]}
SESSIONS = {"sessions": [{"participant": "T-001-F", "occurred_at": "2026-04-01T10:00:00Z"}]}
EVERYTHING = tuple(LABORATORY_SCOPES)

pytestmark = pytest.mark.django_db


def addresses(slug: str, reference: str) -> Iterator[str]:
    """Yield every address of the API that names a trial, as it is for this one."""
    for pattern in urlpatterns:
        route = str(pattern.pattern)
        if not route.startswith("trials/<slug:slug>/"):
            route = _of_expression(route)
        path = route.replace("<slug:slug>", slug)
        for name, value in {
            "uuid": reference,
            "participant_code": "T-001-F",
            "int": "1",
            "slug": "x",
            "str": "x",
        }.items():
            path = _filled(path, name, value)
        yield f"/api/v1/{path}"


def _of_expression(route: str) -> str:
    """Write an address of FHIR, which is given as a regular expression, as one of an example."""
    route = route.removeprefix("^").removesuffix("$").replace("/?", "")
    route = route.replace("(?P<slug>[-a-zA-Z0-9_]+)", "<slug:slug>")
    return re.sub(r"\(\?P<\w+>[^)]*\)", "1", route)


def _filled(path: str, kind: str, value: str) -> str:
    before, found, after = path.partition(f"<{kind}:")
    return f"{before}{value}{_filled(after.partition('>')[2], kind, value)}" if found else path


def of_another_laboratory(bench: Bench) -> str:
    other = make_trial("other")
    laboratory = add_laboratory(trial=other, code="leeds", name="Leeds", by=PLATFORM)
    return make_token(other, laboratory, scopes=EVERYTHING)[1]


def of_another_trial(bench: Bench) -> str:
    other = make_trial("other")
    add_laboratory(trial=other, code="ghent-immunology", name="Ghent Immunology", by=PLATFORM)
    return make_token(other, bench.laboratory, scopes=EVERYTHING)[1]


def ended(bench: Bench) -> str:
    _, token = make_token(bench.trial, bench.laboratory, scopes=EVERYTHING)
    end_delivery(laboratory=bench.laboratory, trial=bench.trial, by=PLATFORM, reason="Closed")
    return token


def ended_sandbox(bench: Bench) -> str:
    _, token = make_token(bench.trial, bench.laboratory, scopes=EVERYTHING, is_sandbox=True)
    ready_sandbox(trial=bench.trial, by=PLATFORM)
    end_delivery(laboratory=bench.laboratory, trial=bench.trial, by=PLATFORM, reason="Closed")
    return token


def sandbox_of_another_trial(bench: Bench) -> str:
    other = make_trial("other")
    laboratory = add_laboratory(trial=other, code="leeds", name="Leeds", by=PLATFORM)
    ready_sandbox(trial=bench.trial, by=PLATFORM)
    return make_token(other, laboratory, scopes=EVERYTHING, is_sandbox=True)[1]


def revoked(bench: Bench) -> str:
    credential, token = make_token(bench.trial, bench.laboratory, scopes=EVERYTHING)
    revoke_laboratory_credential(credential=credential, trial=bench.trial, by=PLATFORM)
    return token


def expired(bench: Bench) -> str:
    credential, token = make_token(bench.trial, bench.laboratory, scopes=EVERYTHING)
    with audit.transaction(by=PLATFORM) as event:
        past = timezone.now() - timedelta(seconds=1)
        LaboratoryCredential.objects.filter(pk=credential.pk).update(expires_at=past)
        event.record("test.expired", trial=bench.trial)
    return token


KEPT_OUT: list[tuple[Callable[[Bench], str], int]] = [
    (of_another_laboratory, 404),
    (of_another_trial, 404),
    (ended, 404),
    (ended_sandbox, 404),
    (sandbox_of_another_trial, 404),
    (revoked, 401),
    (expired, 401),
]


def ask(verb: str, address: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    if verb == "get":
        return Client().get(address, headers=headers)
    body = SESSIONS if "sessions" in address else RESULTS
    return getattr(Client(), verb)(address, body, content_type="application/json", headers=headers)


@pytest.mark.parametrize(("credential", "status"), KEPT_OUT, ids=lambda each: getattr(each, "__name__", each))
def test_no_verb_reaches_the_trial(credential: Callable[[Bench], str], status: int) -> None:
    bench = make_bench()
    submission = bench.post([ROW]).json()["submission"]
    token = credential(bench)
    before = [model.objects.count() for model in (Result, Submission, Session, Specimen, Trial)]
    listed = list(addresses("t", submission))
    assert len(listed) >= 5
    for address in listed:
        missing = address.replace("/t/", "/nowhere/")
        for verb in VERBS:
            answer, of_missing = ask(verb, address, token), ask(verb, missing, token)
            if answer.status_code == 405:
                continue  # the address has no such verb, for nobody
            assert (answer.status_code, address, verb) == (status, address, verb)
            assert answer.content == of_missing.content
    assert [model.objects.count() for model in (Result, Submission, Session, Specimen, Trial)] == before


def test_a_live_credential_never_reaches_the_copy() -> None:
    bench = make_bench()
    copy = ready_sandbox(trial=bench.trial, by=PLATFORM)
    _, token = make_token(bench.trial, bench.laboratory, scopes=EVERYTHING)
    for address in addresses(copy.slug, str(uuid4())):
        for verb in VERBS:
            assert ask(verb, address, token).status_code in {404, 405}
    assert not Result.objects.filter(trial=copy).exists()


def test_a_credential_of_the_sandbox_reaches_the_copy_alone() -> None:
    bench = make_bench()
    submission = bench.post([ROW]).json()["submission"]
    _, token = make_token(bench.trial, bench.laboratory, scopes=EVERYTHING, is_sandbox=True)
    copy = ready_sandbox(trial=bench.trial, by=PLATFORM)
    own = AuditEvent.objects.filter(trial_id=bench.trial.pk).count()
    for address in addresses("t", submission):
        for verb in VERBS:
            content = ask(verb, address, token).content.decode()
            assert not [word for word in ("T-002-D", '"S-2"') if word in content]
    for address in addresses(copy.slug, submission):
        for verb in VERBS:
            assert ask(verb, address, token).status_code in {404, 405}
    assert (Result.objects.filter(trial=bench.trial).count(), Session.objects.filter(trial=bench.trial).count()) == (
        1,
        0,
    )
    assert AuditEvent.objects.filter(trial_id=bench.trial.pk).count() == own


def test_each_scope_opens_its_own_verbs_and_no_other() -> None:
    bench = make_bench()
    wanted = {
        ("post", "results/"): "results:write",
        ("get", "results/"): "results:read",
        ("get", "specimens/"): "specimens:read",
        ("post", "sessions/"): "sessions:write",
    }
    for is_sandbox in (False, True):
        for scope in ("results:write", "results:read", "specimens:read", "sessions:write"):
            _, token = make_token(bench.trial, bench.laboratory, scopes=[scope], is_sandbox=is_sandbox)
            for (verb, path), needed in wanted.items():
                answer = ask(verb, f"/api/v1/trials/t/{path}", token)
                assert (answer.status_code == 403) is (scope != needed), (scope, verb, path, answer.status_code)
