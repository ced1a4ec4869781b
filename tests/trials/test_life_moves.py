"""The life of a trial: every move from every state, two signatures, and what is written when."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import RequestFactory
from django.utils import timezone

from measurements.services.visits import record_attendance
from tests.making import PASSWORD, PLATFORM, make_member, make_trial
from trials.access import Actor
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.forms.signing import SignedForm
from trials.lifecycle import GATES, MOVES, Writing, data_diagram, gates_table, may_write, moves_diagram
from trials.models import AuditEvent, Participant, Trial, TwoPersonMove, User
from trials.selectors.moves import waiting_move
from trials.services.consent import decline_reconsent
from trials.services.enrollment import (
    exclude_participant,
    record_consent,
    record_event,
    screen_participant,
)
from trials.services.lifecycle import ask_for_move, change_data_state, change_status, refuse_move, sign_move
from trials.services.people import create_account, end_role, grant_role
from trials.services.randomization import randomize_participant
from trials.services.retraction import retract_event
from trials.services.writing import require_writable

pytestmark = pytest.mark.django_db

STATUSES = list(Trial.Status)
# A way to every state that there is.
WAYS = {
    ("draft", "open"): (),
    ("registered", "open"): ("registered",),
    ("recruiting", "open"): ("registered", "recruiting"),
    ("recruiting", "frozen"): ("registered", "recruiting", "frozen"),
    ("follow_up", "open"): ("registered", "recruiting", "follow_up"),
    ("follow_up", "frozen"): ("registered", "recruiting", "follow_up", "frozen"),
    ("locked", "locked"): ("registered", "recruiting", "follow_up", "locked"),
    ("unblinded", "locked"): ("registered", "recruiting", "follow_up", "locked", "unblinded"),
    ("archived", "locked"): ("registered", "recruiting", "follow_up", "locked", "unblinded", "archived"),
}


def go(trial: Trial, way: tuple[str, ...]) -> Trial:
    for to in way:
        service = change_data_state if to == "frozen" else change_status
        trial = service(trial=trial, to=to, by=PLATFORM, reason="planned")
    return trial


def trial_in(state: tuple[str, str]) -> Trial:
    return go(make_trial(status="draft"), WAYS[state])


@pytest.mark.parametrize("state", WAYS, ids="-".join)
def test_only_the_moves_of_the_table_are_made(state) -> None:
    trial = trial_in(state)
    assert (trial.status, trial.data_state) == state
    for to in STATUSES:
        if (trial.status, to) not in MOVES:
            with pytest.raises(InConflict):
                change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    trial.refresh_from_db()
    assert (trial.status, trial.data_state) == state


@pytest.mark.parametrize("move", [move for move, needs in MOVES.items() if needs.needs_reason], ids="-".join)
def test_what_needs_a_reason_is_not_done_without(move) -> None:
    before, to = move
    trial = trial_in((before, "locked" if before in {"locked", "unblinded"} else "open"))
    with pytest.raises((RuleBroken, InConflict)):
        change_status(trial=trial, to=to, by=PLATFORM, reason="  ")


def test_unlocking_opens_the_data_and_is_remembered() -> None:
    trial = trial_in(("locked", "locked"))
    manager, coordinator = make_member(trial, "data_manager"), make_member(trial, "coordinator")
    with pytest.raises(NotAllowed):
        change_status(trial=trial, to="follow_up", by=coordinator, reason="A value was missed")
    trial = change_status(trial=trial, to="follow_up", by=manager, reason="A value was missed")
    assert (trial.status, trial.data_state) == ("follow_up", "open")
    assert trial.unlocked_at is not None
    assert AuditEvent.objects.filter(verb="trial.moved", reason="A value was missed").count() == 1


def test_frozen_values_are_opened_for_a_reason_and_locked_with_the_trial() -> None:
    trial = trial_in(("follow_up", "frozen"))
    with pytest.raises(RuleBroken):
        change_data_state(trial=trial, to="open", by=PLATFORM, reason="")
    assert change_data_state(trial=trial, to="open", by=PLATFORM, reason="typo").data_state == "open"
    for to in ("open", "locked"):
        with pytest.raises(InConflict):
            change_data_state(trial=trial, to=to, by=PLATFORM, reason="planned")
    frozen = change_data_state(trial=trial, to="frozen", by=PLATFORM, reason="planned")
    assert change_status(trial=frozen, to="locked", by=PLATFORM, reason="planned").data_state == "locked"


def two_people(trial: Trial) -> tuple[Actor, Actor]:
    return make_member(trial, "principal_investigator"), make_member(trial, "data_manager")


def test_an_unblinded_trial_is_unlocked_by_two_people() -> None:
    trial = trial_in(("unblinded", "locked"))
    first, second = two_people(trial)
    with pytest.raises(InConflict) as caught:
        change_status(trial=trial, to="follow_up", by=first, reason="alone")
    assert caught.value.code == "second_signature_missing"
    asked = ask_for_move(trial=trial, to="follow_up", reason="Laboratory recalibrated", by=first)
    assert ask_for_move(trial=trial, to="follow_up", reason="Again", by=first) == asked
    with pytest.raises(NotAllowed) as same:
        sign_move(move=asked, by=first)
    assert same.value.code == "same_person"
    with pytest.raises(NotAllowed):
        sign_move(move=asked, by=make_member(trial, "coordinator"))
    trial.refresh_from_db()
    assert trial.status == "unblinded"
    trial = sign_move(move=asked, by=second)
    assert (trial.status, trial.data_state) == ("follow_up", "open")
    assert sign_move(move=asked, by=second).status == "follow_up"
    moved = AuditEvent.objects.filter(verb="trial.moved").latest("id")
    assert moved.detail == {
        "from": "unblinded",
        "to": "follow_up",
        "asked_by": first.user.name,
        "signed_by": second.user.name,
    }


def test_a_signature_comes_within_a_week_and_before_a_refusal(monkeypatch) -> None:
    trial = trial_in(("unblinded", "locked"))
    first, second = two_people(trial)
    asked = ask_for_move(trial=trial, to="follow_up", reason="Recalibrated", by=first)
    now = timezone.now()
    with monkeypatch.context() as later:
        later.setattr("django.utils.timezone.now", lambda: now + timedelta(days=7, minutes=1))
        with pytest.raises(InConflict) as caught:
            sign_move(move=asked, by=second)
    assert caught.value.code == "move_expired"
    with pytest.raises(RuleBroken):
        refuse_move(move=asked, by=second, reason=" ")
    refuse_move(move=asked, by=second, reason="Not needed")
    with pytest.raises(InConflict):
        sign_move(move=asked, by=second)
    trial.refresh_from_db()
    assert trial.status == "unblinded"
    assert ask_for_move(trial=trial, to="follow_up", reason="After all", by=first) != asked


def test_the_first_signature_stands_only_while_its_person_may_take_the_step() -> None:
    trial = trial_in(("unblinded", "locked"))
    first, second = two_people(trial)
    asked = ask_for_move(trial=trial, to="follow_up", reason="Recalibrated", by=first)
    assert waiting_move(trial) == asked
    end_role(membership=trial.memberships.get(user=first.user), by=PLATFORM)
    assert waiting_move(trial) is None
    with pytest.raises(InConflict) as caught:
        sign_move(move=asked, by=second)
    assert caught.value.code == "asker_may_no_longer"
    trial.refresh_from_db()
    assert trial.status == "unblinded"
    third = make_member(trial, "data_manager", "leeds")
    again = ask_for_move(trial=trial, to="follow_up", reason="Recalibrated", by=third)
    assert again != asked
    assert sign_move(move=again, by=second).status == "follow_up"


def test_the_pages_ask_for_the_right_password(signed_in) -> None:
    trial = trial_in(("unblinded", "locked"))
    first, second = two_people(trial)
    move = {"to": "follow_up", "reason": "Recalibrated"}
    assert signed_in(first).post("/trials/t/move/", move | {"password": "wrong"}).status_code == 422
    assert not TwoPersonMove.objects.exists()
    assert signed_in(first).post("/trials/t/move/", move | {"password": "a long enough password"}).status_code == 302
    asked = TwoPersonMove.objects.get()
    sign = f"/trials/t/move/{asked.pk}/sign/"
    assert signed_in(second).post(sign, {"password": "wrong"}).status_code == 422
    assert signed_in(first).post(sign, {"password": "a long enough password"}).status_code == 403
    assert signed_in(second).post(sign, {"password": "a long enough password"}).status_code == 302
    trial.refresh_from_db()
    assert trial.status == "follow_up"


def test_wrong_passwords_run_out(signed_in) -> None:
    trial = trial_in(("unblinded", "locked"))
    first, _ = two_people(trial)
    browser = signed_in(first)
    move = {"to": "follow_up", "reason": "Recalibrated"}
    for _attempt in range(5):
        browser.post("/trials/t/move/", move | {"password": "wrong"})
    answer = browser.post("/trials/t/move/", move | {"password": "a long enough password"})
    assert answer.status_code == 422
    assert "Too many wrong passwords" in answer.content.decode()


def form_of(by: Actor, password: str) -> SignedForm:
    request = RequestFactory().post("/")
    request.user = by.user
    return SignedForm(request, {"password": password})


def test_wrong_passwords_at_the_same_moment_run_out_too(monkeypatch) -> None:
    first, _ = two_people(trial_in(("unblinded", "locked")))
    looked_at = []

    def meanwhile_another(_user, password: str) -> bool:
        looked_at.append(password)
        if len(looked_at) < 20:
            form_of(first, "wrong").is_valid()
        return False

    monkeypatch.setattr(User, "check_password", meanwhile_another)
    assert not form_of(first, "wrong").is_valid()
    assert len(looked_at) == 5


def test_right_passwords_do_not_run_out() -> None:
    first, _ = two_people(trial_in(("unblinded", "locked")))
    assert all(form_of(first, PASSWORD).is_valid() for _ in range(7))


@pytest.mark.parametrize("state", WAYS, ids="-".join)
@pytest.mark.parametrize("writing", Writing)
def test_the_gates_of_writing(state, writing) -> None:
    trial = trial_in(state)
    if may_write(writing, *state):
        require_writable(trial, writing)
        return
    with pytest.raises(InConflict) as caught:
        require_writable(trial, writing)
    assert caught.value.code in {GATES[writing].code, "trial_locked"}


def people_in(trial: Trial):
    """Return one screened, one consented and two randomized people."""
    day = timezone.localdate() - timedelta(days=30)
    site = trial.sites.get(code="leeds")
    screened, consented, *randomized = (
        screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=day) for _ in range(4)
    )
    consented, *randomized = (
        record_consent(participant=each, by=PLATFORM, on=day, version="1.0") for each in (consented, *randomized)
    )
    for each in randomized:
        randomize_participant(participant=each, by=PLATFORM, levels={"sex": "F"}, on=day)
    return screened, consented, *randomized, day


@pytest.mark.parametrize(
    ("state", "works"),
    [
        (
            ("recruiting", "open"),
            {"screen", "exclude", "consent", "randomize", "agree", "happen", "withdraw", "attend"},
        ),
        (("recruiting", "frozen"), {"screen", "exclude", "consent", "randomize", "agree", "withdraw"}),
        (("follow_up", "open"), {"exclude", "agree", "happen", "withdraw", "attend"}),
        (("follow_up", "frozen"), {"exclude", "agree", "withdraw"}),
        (("locked", "locked"), set()),
        (("unblinded", "locked"), set()),
        (("archived", "locked"), set()),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_what_services_write_in_every_state(state, works) -> None:
    trial = make_trial()
    screened, consented, randomized, leaving, day = people_in(trial)
    site, baseline = trial.sites.get(code="leeds"), trial.visits.get(code="baseline")
    trial = go(trial, WAYS[state][2:])
    consented_too = randomized
    services = {
        "attend": lambda: record_attendance(participant=consented_too, visit=baseline, by=PLATFORM, attended_on=day),
        "happen": lambda: record_event(participant=randomized, kind="completed", by=PLATFORM, on=day),
        "agree": lambda: decline_reconsent(participant=leaving, by=PLATFORM, on=day, version="1.0"),
        "withdraw": lambda: record_event(participant=leaving, kind="data_use_withdrawn", by=PLATFORM, on=day),
        "randomize": lambda: randomize_participant(participant=consented, by=PLATFORM, levels={"sex": "F"}),
        "consent": lambda: record_consent(participant=screened, by=PLATFORM, on=day, version="1.0"),
        "exclude": lambda: exclude_participant(participant=screened, reason="declined", by=PLATFORM, on=day),
        "screen": lambda: screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=day),
    }
    worked = set()
    for name, service in services.items():
        try:
            service()
        except InConflict as refused:
            assert refused.code in {"not_recruiting", "trial_closed", "trial_locked"}  # noqa: PT017 - each is tried
        else:
            worked.add(name)
    assert worked == works


@pytest.mark.parametrize(
    ("kind", "is_recorded"),
    [
        ("follow_up_withdrawn", True),
        ("data_use_withdrawn", True),
        ("lost_to_follow_up", True),
        ("died", True),
        ("completed", False),
        ("intervention_started", False),
    ],
)
def test_nobody_waits_with_leaving_until_frozen_data_are_open(kind, is_recorded) -> None:
    trial = make_trial()
    *_, leaving, day = people_in(trial)
    trial = go(trial, ("frozen",))
    leaving = Participant.objects.get(pk=leaving.pk)
    if not is_recorded:
        with pytest.raises(InConflict) as refused:
            record_event(participant=leaving, kind=kind, by=PLATFORM, on=day)
        assert refused.value.code == "trial_locked"
        return
    record_event(participant=leaving, kind=kind, by=PLATFORM, on=day)
    number = leaving.events.get(kind=kind).pk
    struck = retract_event(participant=leaving, number=number, by=PLATFORM, reason="The wrong person")
    assert (struck.state, struck.data_use_withdrawn) == ("randomized", False)


def test_the_documentation_draws_what_the_tables_say() -> None:
    text = (Path(__file__).parents[2] / "docs" / "life-of-a-trial.md").read_text()
    for generated in (moves_diagram(), data_diagram(), gates_table()):
        assert generated in text


def test_the_page_shows_steps_to_everybody_and_forms_to_some(signed_in) -> None:
    trial = trial_in(("follow_up", "open"))
    for role, shown in (("principal_investigator", True), ("monitor", False)):
        page = signed_in(make_member(trial, role)).get("/trials/t/life/").content.decode()
        assert ("Lock the data" in page.replace("Locked", "")) is shown
        assert "Follow-up" in page
    stranger = create_account(email="s@example.org", name="S", password="x" * 20, by=PLATFORM)
    assert signed_in(Actor(user=stranger)).get("/trials/t/life/").status_code == 404
    grant_role(trial=trial, user=stranger, role="monitor", by=PLATFORM)
    assert (
        signed_in(Actor(user=stranger)).post("/trials/t/data-move/", {"to": "frozen", "reason": "x"}).status_code == 403
    )
