"""The laboratories' settings: tokens shown once, rotated, revoked after typing; the sandbox; nothing foreign."""

import re

import pytest
from django.contrib.sessions.models import Session as BrowserSession
from django.test import Client
from django.urls import reverse

from measurements.services.sandbox import ready_sandbox
from tests.making import PLATFORM, make_administrator, make_member, make_trial
from tests.measurements.conftest import Bench, make_token
from trials.models import AuditEvent, LaboratoryCredential, LaboratoryTrial, PersonalToken, Trial
from trials.services.people import add_laboratory

CODE = "ghent-immunology"
SENT = {"name": "Analyser", "kind": "live", "scopes": ["results:write"], "expires_on": "2030-01-01", "key": "k-1"}
TOKEN = r"(?:lab_live|lab_test|pat)_[\w-]{43}"


def address(name: str, **more: object) -> str:
    return reverse(name, kwargs={"slug": "t", **more})


def shown(answer: object) -> str:
    return re.search(TOKEN, answer.content.decode())[0]


@pytest.fixture
def browser(bench: Bench, signed_in) -> Client:
    return signed_in(make_member(bench.trial, "data_manager"))


@pytest.fixture
def page(bench: Bench) -> str:
    return address("laboratory", code=CODE)


class TestMaking:
    def test_the_token_is_in_one_answer_and_nowhere_else(self, browser, page, caplog):
        made = browser.post(page, SENT)
        token = shown(made)
        assert made.status_code == 201
        assert "no-store" in made.headers["Cache-Control"]
        assert token not in browser.get(page).content.decode()
        assert not [each for each in BrowserSession.objects.all() if token in str(each.get_decoded())]
        assert not [each for each in AuditEvent.objects.values() if token in str(each)]
        assert token not in caplog.text
        assert Client().get("/api/v1/trials/t/", headers={"Authorization": f"Bearer {token}"}).status_code == 200

    def test_the_same_form_sent_again_makes_no_second_token(self, browser, page):
        before = LaboratoryCredential.objects.count()
        browser.post(page, SENT)
        again = browser.post(page, SENT)
        assert (again.status_code, LaboratoryCredential.objects.count()) == (422, before + 1)
        assert "cannot be shown again" in again.content.decode()
        assert not re.search(TOKEN, again.content.decode())

    def test_one_for_the_sandbox_makes_the_copy(self, browser, page, bench):
        assert shown(browser.post(page, SENT | {"kind": "sandbox"})).startswith("lab_test_")
        assert Trial.objects.filter(sandbox_of=bench.trial).count() == 1
        assert "TEST-001-BL" in browser.get(page).content.decode()

    @pytest.mark.parametrize("wrong", [{"scopes": []}, {"scopes": ["x"]}, {"name": ""}, {"expires_on": "2020-01-01"}])
    def test_what_is_wrong_comes_back_with_the_form(self, browser, page, wrong):
        before = LaboratoryCredential.objects.count()
        answer = browser.post(page, SENT | wrong)
        assert (answer.status_code, LaboratoryCredential.objects.count()) == (422, before)
        assert b"Make the credential" in answer.content


class TestRotating:
    def test_the_new_token_is_shown_with_what_becomes_of_the_old(self, browser, bench, page):
        rotate = address("credential-rotate", number=bench.credential.pk)
        assert browser.get(rotate).status_code == 200
        made = browser.post(rotate, {"overlap": "7", "expires_on": "2030-01-01"})
        assert (made.status_code, "no-store" in made.headers["Cache-Control"]) == (201, True)
        token = shown(made)
        assert "works until" in made.content.decode()
        assert token not in browser.get(page).content.decode()
        again = browser.post(rotate, {"overlap": "7", "expires_on": "2030-01-01"})
        assert (again.status_code, LaboratoryCredential.objects.count()) == (422, 2)

    def test_at_once(self, browser, bench):
        rotate = address("credential-rotate", number=bench.credential.pk)
        made = browser.post(rotate, {"overlap": "0", "expires_on": "2030-01-01"})
        assert "has ended" in made.content.decode()
        assert bench.get("").status_code == 401

    def test_an_overlap_that_is_not_offered(self, browser, bench):
        rotate = address("credential-rotate", number=bench.credential.pk)
        assert browser.post(rotate, {"overlap": "400", "expires_on": "2030-01-01"}).status_code == 422


class TestEnding:
    def test_revoking_wants_the_beginning_typed(self, browser, bench):
        revoke = address("credential-revoke", number=bench.credential.pk)
        assert browser.get(revoke).status_code == 200
        assert browser.post(revoke, {"typed": "lab_live_"}).status_code == 422
        assert bench.get("").status_code == 200
        assert browser.post(revoke, {"typed": f"{bench.credential.prefix}…", "reason": "Lost"}).status_code == 302
        assert bench.get("").status_code == 401
        assert AuditEvent.objects.get(verb="credential.revoked").reason == "Lost"

    def test_the_delivery_ends_with_a_reason(self, browser, bench, page):
        end = address("laboratory-end", code=CODE)
        assert (browser.get(end).status_code, browser.post(end).status_code) == (200, 422)
        assert browser.post(end, {"reason": "Closed"}).status_code == 302
        assert bench.get("").status_code == 404
        assert b"delivered until" in browser.get(page).content
        assert LaboratoryTrial.objects.filter(laboratory=bench.laboratory, ended_at=None).count() == 0
        assert browser.post(page, SENT).status_code == 422

    def test_the_sandbox_is_emptied_after_the_word(self, browser, bench):
        ready_sandbox(trial=bench.trial, by=PLATFORM)
        empty = address("sandbox-empty")
        assert (browser.get(empty).status_code, browser.post(empty, {"typed": "yes"}).status_code) == (200, 422)
        assert Trial.objects.filter(sandbox_of=bench.trial).count() == 1
        assert browser.post(empty, {"typed": "EMPTY"}).status_code == 302
        assert Trial.objects.filter(sandbox_of=bench.trial).count() == 2


class TestSeeing:
    def test_the_list_and_its_file(self, browser, bench):
        listed = browser.get(address("laboratories")).content.decode()
        assert ("Ghent Immunology" in listed, "Built in" in listed) == (True, True)
        content = b"".join(browser.get(address("laboratories-csv"))).decode()
        assert bench.credential.prefix in content
        assert (bench.token not in content, bench.credential.sha256 not in content) == (True, True)

    def test_adding_leads_to_the_page_of_the_laboratory(self, browser):
        answer = browser.post(address("laboratories"), {"name": "Leeds", "code": "leeds"})
        assert (answer.status_code, answer.headers["Location"]) == (302, address("laboratory", code="leeds"))

    def test_deliveries_are_shown_to_those_who_may_see_results(self, bench, browser, page, signed_in):
        bench.post([{"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}])
        assert b"API, JSON" in browser.get(page).content
        assert b"API, JSON" not in signed_in(make_administrator()).get(page).content

    @pytest.mark.parametrize(
        ("name", "more"),
        [
            ("laboratories", {}),
            ("laboratories-csv", {}),
            ("laboratory", {"code": CODE}),
            ("laboratory-end", {"code": CODE}),
            ("credential-rotate", {"number": 0}),
            ("credential-revoke", {"number": 0}),
            ("sandbox-empty", {}),
        ],
    )
    def test_monitors_and_strangers_are_kept_out(self, bench, signed_in, name, more):
        if "number" in more:
            more = {"number": bench.credential.pk}
        for verb in ("get", "post"):
            if (name, verb) == ("laboratories-csv", "post"):
                continue
            monitor = signed_in(make_member(bench.trial, "monitor"))
            stranger = signed_in(make_member(make_trial(f"o{verb}"), "data_manager"))
            sent = SENT | {"typed": "EMPTY", "reason": "R", "overlap": "7", "code": "x"}
            if name == "sandbox-empty" and verb == "get":
                sent = {}
            assert getattr(monitor, verb)(address(name, **more), sent).status_code == 403
            assert getattr(stranger, verb)(address(name, **more), sent).status_code == 404

    def test_what_is_of_another_trial_is_missing(self, bench, browser):
        other = make_trial("other")
        laboratory = add_laboratory(trial=other, code="leeds", name="Leeds", by=PLATFORM)
        foreign, _ = make_token(other, laboratory)
        for name, more in (
            ("laboratory", {"code": "leeds"}),
            ("laboratory", {"code": "site"}),
            ("credential-rotate", {"number": foreign.pk}),
            ("credential-revoke", {"number": foreign.pk}),
        ):
            assert browser.get(address(name, **more)).status_code == 404


def test_a_personal_token_s_form_makes_one(bench, browser) -> None:
    sent = {"name": "R", "scopes": ["read"], "expires_on": "2030-01-01", "key": "k"}
    assert shown(browser.post(reverse("tokens"), sent)).startswith("pat_")
    assert (browser.post(reverse("tokens"), sent).status_code, PersonalToken.objects.count()) == (422, 1)
