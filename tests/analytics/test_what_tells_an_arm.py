"""A value that only somebody with a therapy can have changes no answer to the blinded, at any address."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.utils import timezone

from analytics.exports.rights import scope_of
from analytics.exports.tables import TABLES, parameters
from measurements.models import Submission
from measurements.selectors.fhir import observations_visible_to
from measurements.selectors.listings import results_visible_to
from measurements.services.catalogue import add_biomarkers
from measurements.services.questionnaires import record_answers
from measurements.services.results import laboratory_of, record_results
from measurements.validation import decode_json
from tests.analytics.canaries import release
from tests.analytics.test_leaks import addresses, read, signed_in
from tests.making import PLATFORM, make_member
from trials.access import Actor
from trials.permissions import Role

ROLES = (Role.DATA_MANAGER, Role.LAB_MANAGER)
ALWAYS_NEW = ("/readyz", "/metrics", "/uploads/template.xlsx", "/specimens/register/")
MOMENT = re.compile(rb'"datetime-local" name="\w+" value="[^"]+"')


@pytest.fixture
def made(db):
    found = release()
    add_biomarkers(trial=found.trial, biomarkers=["PSS10", "WAISR", "CARE"], by=PLATFORM)
    return found


def answer(made) -> Submission:
    """Record that somebody treated answered about their therapist, and a laboratory's value with a query."""
    visit = made.trial.visits.get(code="six_months")
    answers = dict.fromkeys(range(1, 13), "3")
    sheet = record_answers(participant=made.treated, visit=visit, instrument="WAISR", entered=answers, by=PLATFORM)
    row = {
        "participant": made.treated.code,
        "visit": "six_months",
        "biomarker": "CARE",
        "value": "77",
        "unit": "{score}",
    }
    sent = record_results(
        trial=made.trial,
        laboratory=laboratory_of(PLATFORM, made.trial),
        payload=decode_json(json.dumps({"results": [row]}).encode()),
        by=PLATFORM,
        channel="api_json",
    )
    assert sent.status == 201
    return sheet.submission


def of_it(made, delivery: Submission) -> Iterator[str]:
    """The addresses of what was recorded: they must be as unknown as any that was never given out."""
    result = delivery.results.get()
    slug, specimen = made.trial.slug, result.specimen
    yield f"/trials/{slug}/values/{result.pk}/history/"
    yield f"/trials/{slug}/specimens/{specimen.pk}/"
    yield f"/trials/{slug}/submissions/{delivery.reference}/"
    yield f"/api/v1/trials/{slug}/submissions/{delivery.reference}/"
    yield f"/api/v1/trials/{slug}/submissions/{delivery.reference}/report/"


def lists(made) -> list[str]:
    """Lists as they are asked for what would show it."""
    slug = made.trial.slug
    telling = made.trial.biomarkers.get(code="WAISR").pk
    visit = made.trial.visits.get(code="six_months").pk
    entry = urlencode({"visit": visit, "biomarker": telling, "everybody": "on"})
    return [
        f"/trials/{slug}/specimens/?kind=questionnaire",
        f"/trials/{slug}/entry/grid/?{entry}",
        f"/api/v1/trials/{slug}/results/?biomarker=WAISR",
        f"/trials/{slug}/participants/{made.treated.code}/visits/six_months/questionnaires/WAISR/",
    ]


def timeless(said: bytes) -> bytes:
    return MOMENT.sub(b"", said)


def test_the_blinded_read_the_same_whether_it_is_recorded_or_not(made, monkeypatch):
    clients = {role: signed_in(make_member(made.trial, role)) for role in ROLES}
    at_a_site = signed_in(make_member(made.trial, Role.COORDINATOR, made.treated.site.code))
    paths = [path for path in (*addresses(made), *lists(made)) if not path.endswith(ALWAYS_NEW)]
    moment = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)
    clients |= {"at one site": at_a_site}
    before = read(clients, paths)
    delivery = answer(made)
    after = read(clients, paths)
    assert [
        f"{role} {path}" for role, path in before if timeless(before[role, path]) != timeless(after[role, path])
    ] == []
    hidden = read(clients, list(of_it(made, delivery)))
    assert {said[:3] for said in hidden.values()} <= {b"404", b"403"}


def test_who_sees_arms_sees_it(made):
    delivery = answer(made)
    client = signed_in(make_member(made.trial, Role.UNBLINDED_STATISTICIAN))
    found = read({"seen": client}, [*of_it(made, delivery), *lists(made)])
    assert b"WAISR" in found["seen", f"/api/v1/trials/{made.trial.slug}/results/?biomarker=WAISR"]
    assert found["seen", next(of_it(made, delivery))].startswith(b"200")


def exported(made, by: Actor) -> str:
    scope = scope_of(by, made.trial)
    with connection.cursor() as cursor:
        rows = [cursor.execute(TABLES[name](scope), parameters(scope)).fetchall() for name in ("results", "analysis")]
    return str(rows)


def test_it_leaves_only_with_those_who_see_arms(made):
    answer(made)
    blinded, told = (make_member(made.trial, role) for role in (Role.DATA_MANAGER, Role.UNBLINDED_STATISTICIAN))
    assert "CARE" not in exported(made, blinded)
    assert "CARE" in exported(made, told)
    for read_by in (results_visible_to, observations_visible_to):
        codes = {by.name: {row["named_biomarker"] for row in read_by(by, made.trial)} for by in (blinded, told)}
        assert codes == {blinded.name: {"IL6", "CRP"}, told.name: {"IL6", "CRP", "CARE", "WAISR"}}


def test_the_blinded_are_refused_in_the_same_words_whatever_is_recorded(made):
    by = make_member(made.trial, Role.DATA_MANAGER)
    said = []
    for value in ("77", "36"):
        for person in (made.treated, made.waiting):
            row = {"participant": person.code, "visit": "six_months", "biomarker": "CARE", "value": value}
            sent = record_results(
                trial=made.trial,
                laboratory=laboratory_of(by, made.trial),
                payload=decode_json(json.dumps({"results": [row | {"unit": "{score}"}]}).encode()),
                by=by,
                channel="form",
            )
            said.append((sent.status, sent.body["errors"]))
        if value == "77":
            answer(made)
    assert [status for status, _ in said] == [422] * 4
    assert all(errors == said[0][1] for _, errors in said)
    assert said[0][1][0]["code"] == "arm_hidden"
