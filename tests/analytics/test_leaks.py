"""Every address as every blinded role: no answer names an arm, and none differs when the arms are swapped.

Addresses come from Django's resolver. One that needs nothing but a trial, a participant or a visit is tried by itself;
for every other parameter the table below says what to put in, and a new one fails until it does.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from analytics.models import Export
from measurements.models import EntryBatch, Query, Session, Specimen, Submission
from tests.analytics.canaries import WAITLIST, Canaries, administrator, release
from tests.making import make_member
from trials.access import Actor
from trials.converters import ParticipantCode
from trials.models import (
    AdverseEvent,
    Deviation,
    GroupMember,
    Invitation,
    LaboratoryCredential,
    Membership,
    OutgoingMessage,
    Webhook,
    WebhookMessage,
)
from trials.permissions import ROLE_PERMISSIONS, Permission, Role

CANARY = re.compile(rb"canary", re.IGNORECASE)
SEES_ARMS = {Role.UNBLINDED_STATISTICIAN, Role.MONITORING_BOARD}
BLINDED = [role for role in Role if role not in SEES_ARMS]
METHODS = ("get", "head", "options", "post")

# Pages of the sign-in library know no trial.
OF_SIGN_IN = ("account_", "mfa_")

# What goes into a parameter, everywhere or at one address. Both arms, wherever a participant is asked for.
EVERYWHERE: dict[str, Callable[[Canaries], list[Any]]] = {
    "slug": lambda made: [made.trial.slug],
    "participant": lambda made: [made.treated.code, made.waiting.code],
    "visit": lambda made: ["six_months"],
}
AT: dict[tuple[str, str], Callable[[Canaries], list[Any]]] = {
    ("enrol-person", "number"): lambda made: [made.treated.number, made.waiting.number, 9, 10],
    ("role-end", "number"): lambda made: [Membership.objects.earliest("pk").pk],
    **{
        (f"credential-{what}", "number"): lambda made: [LaboratoryCredential.objects.earliest("pk").pk]
        for what in ("revoke", "rotate")
    },
    **{
        (name, "code"): lambda made: [LaboratoryCredential.objects.earliest("pk").laboratory.code]
        for name in ("laboratory", "laboratory-end")
    },
    ("token-revoke", "number"): lambda made: [1],
    **{
        (f"webhook{name}", "number"): lambda made: list(Webhook.objects.values_list("pk", flat=True))
        for name in ("", "-csv", "-rotate", "-test", "-pause", "-resume", "-resend", "-end")
    },
    ("webhook-resend", "message"): lambda made: list(WebhookMessage.objects.values_list("pk", flat=True)),
    ("invitation", "token"): lambda made: ["inv_unknown"],
    ("invitation-resend", "number"): lambda made: [Invitation.objects.get(trial=made.trial).pk],
    ("invitation-revoke", "number"): lambda made: [Invitation.objects.get(trial=made.trial).pk],
    ("platform-invitation-resend", "number"): lambda made: [Invitation.objects.get(trial=None).pk],
    ("platform-invitation-revoke", "number"): lambda made: [Invitation.objects.get(trial=None).pk],
    ("outbox-message", "number"): lambda made: list(OutgoingMessage.objects.values_list("pk", flat=True)),
    ("outbox-resend", "number"): lambda made: [OutgoingMessage.objects.earliest("pk").pk],
    ("trial-move-sign", "number"): lambda made: [1],
    ("trial-move-refuse", "number"): lambda made: [1],
    ("rehearsal-retry", "number"): lambda made: [1],
    ("rehearsal-archive", "number"): lambda made: [1],
    ("participant-happening", "kind"): lambda made: ["intervention_started", "crossed_over", "withdrew"],
    ("participant-event-retract", "number"): lambda made: event_numbers(made),
    ("export-file", "reference"): lambda made: [Export.objects.get().reference],
    ("api-export", "reference"): lambda made: [Export.objects.get().reference],
    ("api-export-download", "reference"): lambda made: [Export.objects.get().reference],
    ("submission", "reference"): lambda made: [Submission.objects.earliest("pk").reference],
    ("specimen", "number"): lambda made: list(Specimen.objects.values_list("pk", flat=True)[:4]),
    ("shipment", "number"): lambda made: [1],
    ("held-row", "number"): lambda made: [1],
    ("api-submission", "reference"): lambda made: [Submission.objects.earliest("pk").reference],
    **{
        (name, "reference"): lambda made: [Submission.objects.earliest("pk").reference]
        for name in (
            *(f"submission-{part}" for part in ("report", "file", "returned")),
            *("api-submission-report", "upload", "upload-columns", "upload-save", "upload-returned"),
        )
    },
    ("registration-file", "name"): lambda made: ["who.csv", "ctgov.json"],
    ("therapy-group", "code"): lambda made: ["G1"],
    ("randomize-group", "code"): lambda made: ["G1"],
    ("therapy-leave", "code"): lambda made: ["G1"],
    ("therapy-leave", "number"): lambda made: [GroupMember.objects.get().pk],
    ("therapist-active", "code"): lambda made: ["TH1"],
    ("session-group", "code"): lambda made: ["G1"],
    ("session-retract", "number"): lambda made: [Session.objects.earliest("pk").pk],
    ("adverse-event", "number"): lambda made: list(AdverseEvent.objects.values_list("number", flat=True)[:1]),
    ("deviation", "number"): lambda made: list(Deviation.objects.values_list("pk", flat=True)),
    ("deviation-confirm", "rule"): lambda made: ["baseline_after_first_session", "out_of_window"],
    ("query", "number"): lambda made: list(Query.objects.values_list("pk", flat=True)),
    ("biomarker-change", "biomarker"): lambda made: ["IL6"],
    ("questionnaire", "instrument"): lambda made: ["PSS10", "WAISR"],
    ("assay", "number"): lambda made: [1],
    ("plate", "laboratory"): lambda made: [made.trial.own_laboratories.get().pk],
    ("control-material", "number"): lambda made: [1],
    **{(name, "reference"): lambda made: [UUID(int=1)] for name in ("plate-layout", "plate-layout-csv")},
    ("visit-value", "biomarker"): lambda made: [made.trial.biomarkers.get(code="IL6").pk],
    ("fhir-observation", "number"): lambda made: list(made.trial.results.values_list("pk", flat=True)[:2]),
    ("fhir-specimen", "number"): lambda made: list(made.trial.specimens.values_list("pk", flat=True)[:2]),
    ("fhir-subject", "number"): lambda made: [made.treated.pk, made.waiting.pk],
    ("fhir-study", "number"): lambda made: [made.trial.pk],
    ("fhir-elsewhere", "rest"): lambda made: ["Patient/1"],
    **{
        (name, "number"): lambda made: [EntryBatch.objects.get().pk]
        for name in ("entry-batch", "entry-batch-check", "entry-compare")
    },
    ("result-history", "number"): lambda made: list(made.trial.results.order_by("pk").values_list("pk", flat=True)[:2]),
}


def event_numbers(made: Canaries) -> list[int]:
    """Every event of somebody treated and of somebody who waits: what tells an arm is not there for the blinded."""
    return [event.pk for person in (made.treated, made.waiting) for event in person.events.order_by("pk")]


def patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern)
        else:
            yield pattern


def named() -> dict[str, dict[str, str]]:
    """Return the parameters of every address by its name; no address is without one."""
    known = get_resolver().reverse_dict
    names = [pattern.name for pattern in patterns(get_resolver())]
    assert all(names), "every address has a name"
    assert len(set(names)) == len(names), "a name leads to one address"
    return {name: parameters_of(known.getlist(name)[0]) for name in names if not name.startswith(OF_SIGN_IN)}


def parameters_of(known: Any) -> dict[str, str]:
    """Return what stands for each parameter in the tables: its name, or `participant` for what is one's code."""
    possibilities, _, _, converters = known
    (_, parameters), *_ = possibilities
    return {name: "participant" if isinstance(converters.get(name), ParticipantCode) else name for name in parameters}


def samples(name: str, parameters: dict[str, str], made: Canaries) -> Iterator[str]:
    """Yield the addresses that are tried under a name."""
    choices = []
    for parameter, stands_for in parameters.items():
        give = AT.get((name, parameter)) or EVERYWHERE.get(stands_for)
        assert give is not None, f"say in AT what to put in for {parameter} of {name}"
        choices.append(give(made))
        assert choices[-1], f"nothing was made for {parameter} of {name}"
    for values in product(*choices):
        yield reverse(name, kwargs=dict(zip(parameters, values, strict=True)))


def addresses(made: Canaries) -> list[str]:
    return [path for name, parameters in named().items() for path in samples(name, parameters, made)]


def told(answer: HttpResponse) -> bytes:
    """Everything that an answer says: status, headers, where it leads, body."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    head = "".join(f"{name}: {value}\n" for name, value in sorted(answer.headers.items()))
    return f"{answer.status_code}\n{head}".encode() + body


def ask(client: Client, method: str, path: str) -> bytes:
    """Ask, and undo what that did."""
    client.raise_request_exception = False
    cookies = client.cookies.copy()
    with transaction.atomic():
        answer = told(getattr(client, method)(path))
        transaction.set_rollback(True)
    client.cookies = cookies
    return answer


def signed_in(by: Actor) -> Client:
    client = Client()
    client.force_login(by.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.django_db
def test_no_row_of_the_table_is_left_over() -> None:
    known = named()
    assert [key for key in AT if key[1] not in known.get(key[0], {})] == []


@pytest.mark.django_db
@pytest.mark.parametrize("role", [*BLINDED, "administrator"])
def test_no_answer_names_an_arm_to_the_blinded(role: str, caplog: pytest.LogCaptureFixture) -> None:
    records_safety = Permission.SAFETY_RECORD in ROLE_PERMISSIONS.get(role, ())
    made = release(telling_event="plain" if records_safety else "canary")
    client = signed_in(administrator() if role == "administrator" else make_member(made.trial, role))
    caplog.set_level(logging.INFO)
    leaks, faults = [], []
    for path in addresses(made):
        for method in METHODS:
            answer = ask(client, method, path)
            leaks += [f"{method} {path}: {answer[found.start() - 60 : found.end() + 40]!r}" for found in first(answer)]
            faults += [f"{method} {path}"] if answer.startswith(b"5") else []
    assert leaks == []
    assert faults == []
    assert CANARY.search(caplog.text.encode()) is None


def first(answer: bytes) -> list[re.Match[bytes]]:
    found = CANARY.search(answer)
    return [found] if found else []


@pytest.mark.django_db
@pytest.mark.parametrize("role", sorted(SEES_ARMS))
def test_the_canaries_are_there_to_be_found(role: str) -> None:
    made = release()
    client = signed_in(make_member(made.trial, role))
    found = [path for path in addresses(made) if CANARY.search(ask(client, "get", path))]
    assert len(found) > 20


# What is new in every answer. Time stands still.
CHANGING = re.compile(
    rb'"x-csrftoken": "\w+"|name="csrfmiddlewaretoken" value="\w+"|csrftoken=\w+|name="key" value="[\w-]+"'
    rb'|name="identifier" value="[\w-]+"'  # one that nobody has: drawn anew each time
    rb"|Expires: [^\n]+"
)


def test_with_the_arms_swapped_the_blinded_read_the_same(committed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = release()
    clients = {role: signed_in(make_member(made.trial, role)) for role in Role}
    paths, moment = addresses(made), timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)
    before = read(clients, paths)
    swap_arms()
    assert made.treated.__class__.objects.get(pk=made.treated.pk).allocation.arm.code == WAITLIST
    after = read(clients, paths)
    changed = [(role, path) for role, path in before if before[role, path] != after[role, path]]
    assert [f"{role} {path}" for role, path in changed if role in BLINDED] == []
    assert {role for role, _ in changed} == SEES_ARMS


def read(clients: dict[str, Client], paths: list[str]) -> dict[tuple[str, str], bytes]:
    return {(role, path): CHANGING.sub(b"", ask(clients[role], "get", path)) for role in clients for path in paths}


def swap_arms() -> None:
    """Give everybody the other arm, as the owner: no door of the platform leads there."""
    swapped = """
        UPDATE trials_allocation SET arm_id = (
            SELECT other.id FROM trials_arm other
            WHERE other.trial_id = trials_allocation.trial_id AND other.id <> trials_allocation.arm_id)
    """
    owner_url, database = os.environ["STUDYPLATFORM_TEST_OWNER_URL"], connection.settings_dict["NAME"]
    with psycopg.connect(owner_url, dbname=database, autocommit=True) as owner:
        owner.execute("ALTER TABLE trials_allocation DISABLE TRIGGER USER")
        owner.execute(swapped)
        owner.execute("ALTER TABLE trials_allocation ENABLE TRIGGER USER")
