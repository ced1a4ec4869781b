"""Double data entry: nothing is a result before two people typed it, and neither sees the other's value."""

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from analytics.selectors.tasks import tasks_in
from measurements.models import EntryBatch, EntryPass, EntrySettlement, Result, Submission
from measurements.selectors.double_entry import agree
from tests.making import PASSWORD, PLATFORM, make_member
from trials import audit
from trials.access import Actor
from trials.services.people import create_account, grant_role

BEGIN = "/trials/t/entry/twice/?visit=baseline&biomarker=IL6&biomarker=CRP"


def typist(bench, email, role="coordinator"):
    user = create_account(email=email, name=email.split("@")[0].title(), password=PASSWORD, by=PLATFORM)
    grant_role(trial=bench.trial, user=user, role=role, by=PLATFORM)
    return Actor(user=user)


@pytest.fixture
def people(bench):
    """Two who type and one who settles."""
    return (
        typist(bench, "ada@example.org"),
        typist(bench, "ben@example.org"),
        typist(bench, "cleo@example.org", "data_manager"),
    )


@pytest.fixture
def ada(people, signed_in):
    return signed_in(people[0])


@pytest.fixture
def ben(people, signed_in):
    return signed_in(people[1])


@pytest.fixture
def cleo(people, signed_in):
    return signed_in(people[2])


@pytest.fixture
def url(ada) -> str:
    """The address of a batch that Ada began."""
    return ada.post(BEGIN, {"key": "k"}).url


@pytest.fixture
def name(bench):
    def named(participant: str, biomarker: str) -> str:
        keys = bench.participant(participant).pk, bench.trial.biomarkers.get(code=biomarker).pk
        return "c{}-{}".format(*keys)

    return named


def test_a_batch_is_chosen_shown_and_begun_once(ada, people):
    choice = ada.get("/trials/t/entry/grid/?visit=baseline&biomarker=IL6&twice=on").content.decode()
    assert "Begin double entry" in choice
    first, again = ada.post(BEGIN, {"key": "k"}), ada.post(BEGIN, {"key": "k"})
    assert first.url == again.url
    assert EntryBatch.objects.count() == 1
    assert "Begun" in ada.get("/trials/t/entry/twice/").content.decode()


def test_what_one_person_typed_is_no_result(ada, url, name):
    typed = {name("T-001-F", "IL6"): "1.83", name("T-001-F", "CRP"): "2"}
    for _ in range(2):
        assert ada.post(url, typed).status_code == 302
    assert EntryPass.objects.count() == 2
    assert not Result.objects.exists()
    page = ada.get(url).content.decode()
    assert "1.83" in page
    assert f'name="{name("T-001-F", "IL6")}"' not in page, "the same person types no second entry"
    assert "Awaits the second entry" in ada.get("/trials/t/entry/twice/").content.decode()


def test_the_second_person_sees_nothing_of_the_first(ada, ben, url, name):
    before = ben.get(url).content
    ada.post(url, {name("T-001-F", "IL6"): "7.77"})
    after = ben.get(url).content
    assert b"7.77" not in after
    assert f'name="{name("T-001-F", "IL6")}" value=""'.encode() in after
    assert b"7.77" not in ben.get(f"{url}compare/").content
    assert b"7.77" not in before
    checked = ben.post(f"{url}check/", {name("T-001-F", "IL6"): "1,234"}).json()["cells"]
    assert "7.77" not in str(checked)
    assert checked[name("T-001-F", "IL6")]["state"] == "error"


def test_what_agrees_is_recorded_as_one_submission_and_the_rest_is_settled(ada, ben, cleo, url, name):
    ada.post(url, {name("T-001-F", "IL6"): "1.80", name("T-001-F", "CRP"): "2", name("T-002-D", "IL6"): "3"})
    ben.post(url, {name("T-001-F", "IL6"): "1.8", name("T-001-F", "CRP"): "20"})
    submission = Submission.objects.get()
    assert (submission.channel, submission.created) == ("double", 1)
    assert Result.objects.get().value_as_sent == "1.80"
    page = cleo.get(f"{url}compare/").content.decode()
    assert "50.0%" in page
    assert f'name="{name("T-001-F", "CRP")}-choice"' in page
    assert f'name="{name("T-002-D", "IL6")}-choice"' not in page, "a partial second entry leaves the rest waiting"
    cell = name("T-001-F", "CRP")
    assert cleo.post(f"{url}compare/", {f"{cell}-choice": "first"}).status_code == 422
    assert (
        cleo.post(f"{url}compare/", {f"{cell}-choice": "second", f"{cell}-reason": "Source says 20"}).status_code == 302
    )
    assert sorted(Result.objects.values_list("value_as_sent", flat=True)) == ["1.80", "20"]
    verdicts = EntrySettlement.objects.order_by("id").values_list("choice", "reason")
    assert list(verdicts) == [("agreed", ""), ("second", "Source says 20")]
    ben.post(url, {name("T-002-D", "IL6"): "3.0"})
    assert "Done" in cleo.get("/trials/t/entry/twice/").content.decode()
    assert EntryPass.objects.count() == 6


def test_another_value_settles_and_is_checked(ada, ben, cleo, url, name):
    cell = name("T-001-F", "CRP")
    ada.post(url, {cell: "2"})
    ben.post(url, {cell: "not done: no blood"})
    wrong = cleo.post(f"{url}compare/", {f"{cell}-choice": "other", f"{cell}-text": "2,5x", f"{cell}-reason": "Source"})
    assert wrong.status_code == 422
    assert "is not a number" in wrong.content.decode()
    assert 'value="2,5x"' in wrong.content.decode()
    cleo.post(f"{url}compare/", {f"{cell}-choice": "other", f"{cell}-text": "2.5", f"{cell}-reason": "Source"})
    assert Result.objects.get().value_as_sent == "2.5"
    assert cleo.post(f"{url}compare/", {f"{cell}-choice": "first", f"{cell}-reason": "x"}).status_code == 422


def test_both_entries_stand_in_the_history(ada, ben, cleo, url, name):
    cell = name("T-001-F", "CRP")
    ada.post(url, {cell: "2"})
    ben.post(url, {cell: "20"})
    cleo.post(f"{url}compare/", {f"{cell}-choice": "second", f"{cell}-reason": "Source says 20"})
    text = cleo.get(f"/trials/t/values/{Result.objects.get().pk}/history/").content.decode()
    for said in ("First entry", "Second entry", "Ada", "Ben", "Cleo", "Source says 20"):
        assert said in text


def test_one_wrong_cell_keeps_the_whole_pass_out(ada, url, name):
    answer = ada.post(url, {name("T-001-F", "IL6"): "1,234", name("T-001-F", "CRP"): "2"})
    assert answer.status_code == 422
    assert "can mean 1.234 or 1234" in answer.content.decode()
    assert not EntryPass.objects.exists()


def test_what_was_recorded_otherwise_meanwhile_is_not_recorded_again(bench, ada, ben, url, name):
    cell = name("T-001-F", "IL6")
    ada.post(url, {cell: "2"})
    ada.post("/trials/t/entry/grid/?visit=baseline&biomarker=IL6", {cell: "3", "key": "k"})
    late = ben.post(url, {cell: "2"})
    assert late.status_code == 422
    assert Result.objects.get().value_as_sent == "3"
    assert EntryPass.objects.count() == 1


def test_the_database_refuses_both_passes_of_one_person(bench, ada, ben, url, name, people):
    ada.post(url, {name("T-001-F", "IL6"): "2"})
    again = {field.attname for field in EntryPass._meta.fields} - {"id", "number", "event_id", "recorded_at"}
    again = EntryPass(number=2, **{name: getattr(EntryPass.objects.get(), name) for name in again})
    with pytest.raises(IntegrityError, match="two_peoples"), transaction.atomic(), audit.transaction(by=people[0]):
        again.save()


def kinds(bench, actor):
    return {task.kind: task.count for task in tasks_in(bench.trial, actor)}


def test_the_second_entry_is_a_task_of_others_and_settling_of_who_corrects(bench, people, ada, ben, url, name):
    first, second, third = people
    ada.post(url, {name("T-001-F", "IL6"): "2"})
    assert "second_entries" not in kinds(bench, first)
    assert kinds(bench, second)["second_entries"] == kinds(bench, third)["second_entries"] == 1
    ben.post(url, {name("T-001-F", "IL6"): "3"})
    assert "second_entries" not in kinds(bench, third)
    assert kinds(bench, third)["entries_to_settle"] == 1
    assert "entries_to_settle" not in kinds(bench, make_member(bench.trial, "lab_manager"))


def test_who_may_not_correct_does_not_settle(bench, ada, ben, url, name, signed_in):
    cell = name("T-001-F", "CRP")
    ada.post(url, {cell: "2"})
    ben.post(url, {cell: "20"})
    manager = signed_in(make_member(bench.trial, "lab_manager"))
    assert b"Record what is chosen" not in manager.get(f"{url}compare/").content
    assert manager.post(f"{url}compare/", {f"{cell}-choice": "first", f"{cell}-reason": "x"}).status_code == 403
    assert signed_in(make_member(bench.trial, "monitor")).get(url).status_code == 403


def test_a_batch_of_another_site_is_unknown(bench, ada, signed_in):
    ghent = ada.post(f"{BEGIN}&site=ghent", {"key": "g"}).url
    leeds = signed_in(make_member(bench.trial, "coordinator", "leeds"))
    assert leeds.get(ghent).status_code == leeds.get("/trials/t/entry/twice/9999/").status_code == 404


DIGITS = st.decimals(min_value=0, max_value=10**6, allow_nan=False, allow_infinity=False, places=3).map(str)


@given(DIGITS, DIGITS, st.sampled_from(["", "<", ">"]), st.sampled_from(["", "<", ">"]))
def test_passes_agree_as_quantities(one, other, mark, second_mark):
    first, second = (EntryPass(text=text, status="final") for text in (f"{mark}{one}", f"{second_mark}{other}"))
    assert agree(first, second) is (mark == second_mark and float(one) == float(other))
    assert agree(first, EntryPass(text=f"{mark}{one}0", status="final"))
    assert not agree(first, EntryPass(text="", status="not_done"))
