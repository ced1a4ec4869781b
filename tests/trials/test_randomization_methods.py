"""Randomizing by every method and of groups: sealed at registration, replayed after unblinding, errors kept."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import psycopg
import pytest
from django.db import ProgrammingError, connection, transaction

from tests.making import PASSWORD, PLATFORM, make_member, make_trial
from trials import audit
from trials.allocation import verify_offline
from trials.allocation.minimization import DRAW_LENGTH
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import (
    Allocation,
    AuditEvent,
    GroupAllocation,
    GroupMember,
    Participant,
    ParticipantEvent,
    TherapyGroup,
    Trial,
)
from trials.selectors.randomization import randomization_of, randomized_in_error
from trials.services.enrollment import record_consent, screen_participant
from trials.services.groups import randomize_group
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant, record_randomized_in_error
from trials.services.verification import replay_file, verify_allocation

DAY = date(2026, 3, 1)
METHODS = ("permuted_blocks", "simple", "minimization")


def consented(trial: Trial, number: int = 0) -> Participant:
    site = list(trial.sites.all())[number % 2]
    person = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=DAY)
    return record_consent(participant=person, by=PLATFORM, on=DAY, version="1.0")


def randomized(trial: Trial, number: int = 0) -> Participant:
    person = consented(trial, number)
    randomize_participant(participant=person, by=PLATFORM, levels={"sex": "FM"[number % 3 % 2]}, on=DAY)
    person.refresh_from_db()
    return person


def closed_group(trial: Trial, code: str, members: int = 3, number: int = 0) -> TherapyGroup:
    """A group of consented people of one site, written as it will stand in the database."""
    people = [consented(trial, number) for _ in range(members)]
    site = list(trial.sites.all())[number % 2]
    with audit.transaction(by=PLATFORM) as event:
        group = TherapyGroup.objects.create(trial=trial, site=site, code=code)
        for person in people:
            GroupMember.objects.create(trial=trial, group=group, participant=person, joined_on=DAY)
        group.closed_on = DAY
        group.save()
        event.record("test.group", trial=trial)
    return group


def unblinded(trial: Trial) -> Trial:
    for to in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    return trial


def as_owner(statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(os.environ["STUDYPLATFORM_TEST_OWNER_URL"], dbname=connection.settings_dict["NAME"]) as owner:
        return owner.execute(statement).fetchall()


def execute(statement: str, *values: object) -> None:
    """Run a statement as the application's role; undone when refused."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def checked_offline(tmp_path: Path, file: str) -> tuple[int, str]:
    path = tmp_path / "allocation-replay.json"
    path.write_text(file)
    command = [sys.executable, "-I", "-S", verify_offline.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_replayed_here_and_offline(committed, tmp_path, method) -> None:
    trial = make_trial(randomization_method=method)
    for number in range(20):
        randomized(trial, number)
    trial = unblinded(trial)
    verdict = verify_allocation(trial=trial, by=PLATFORM)
    assert (verdict.compared, verdict.differences) == (20, ())
    file = replay_file(trial=trial, by=PLATFORM)
    code, said = checked_offline(tmp_path, file)
    assert (code, trial.scheme.commitment in said) == (0, True)
    tampered = json.loads(file)
    line = tampered["register"][4]
    line["arm"] = {"cbt": "waitlist", "waitlist": "cbt"}[line["arm"]]
    code, said = checked_offline(tmp_path, json.dumps(tampered))
    assert (code, line["unit"] in said) == (1, True)


@pytest.mark.parametrize("method", METHODS)
def test_groups_are_replayed_too(committed, tmp_path, method) -> None:
    trial = make_trial(randomization_method=method, randomization_unit="group", factors={})
    for number in range(8):
        randomize_group(group=closed_group(trial, f"g{number}", 2, number), by=PLATFORM)
    trial = unblinded(trial)
    verdict = verify_allocation(trial=trial, by=PLATFORM)
    assert (verdict.compared, verdict.differences) == (8, ())
    assert checked_offline(tmp_path, replay_file(trial=trial, by=PLATFORM))[0] == 0


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["simple", "minimization"])
def test_one_list_serves_the_whole_trial(method) -> None:
    trial = make_trial(randomization_method=method)
    assert list(trial.strata.values_list("key", flat=True)) == ["all"]
    people = [randomized(trial, number) for number in range(6)]
    places = Allocation.objects.filter(trial=trial).order_by("id").values_list("sequence", flat=True)
    assert list(places) == [1, 2, 3, 4, 5, 6]
    assert people[0].strata == {"site": "ghent", "sex": "F"}


@pytest.mark.django_db
def test_minimization_balances_the_margins() -> None:
    trial = make_trial(randomization_method="minimization", planned=60)
    for number in range(40):
        randomized(trial, number)
    for row in randomization_of(trial, PLATFORM).used:
        assert abs(row.by_arm[0] - row.by_arm[1]) <= 5, row.label


@pytest.mark.django_db
def test_minimization_without_factors_is_not_registered() -> None:
    with pytest.raises(RuleBroken) as caught:
        make_trial(randomization_method="minimization", factors={}, stratify_by_site=False)
    assert "factor" in caught.value.sentence


@pytest.mark.django_db
def test_a_group_gets_one_slot_and_every_member_its_arm() -> None:
    trial = make_trial(randomization_unit="group", factors={})
    group = closed_group(trial, "monday")
    given = randomize_group(group=group, by=PLATFORM)
    assert randomize_group(group=group, by=PLATFORM) == given
    members = Allocation.objects.filter(group=given)
    assert {(each.arm_id, each.sequence, each.participant.state) for each in members} == {
        (given.arm_id, None, "randomized")
    }
    assert members.count() == 3
    assert {person.participant.strata["site"] for person in members} == {"ghent"}
    assert given.stratum.allocations.exclude(sequence=None).count() == 0
    given.stratum.refresh_from_db()
    assert given.stratum.next_sequence == 2
    assert ParticipantEvent.objects.filter(trial=trial, kind="randomized").count() == 3


@pytest.mark.django_db
def test_where_groups_are_randomized_nobody_is_alone_and_the_other_way_round() -> None:
    trial, single = make_trial(randomization_unit="group", factors={}), make_trial("single", factors={})
    for refused, code in (
        (lambda: randomize_participant(participant=consented(trial), by=PLATFORM), "randomized_by_group"),
        (lambda: randomize_group(group=closed_group(single, "g"), by=PLATFORM), "randomized_by_participant"),
    ):
        with pytest.raises(InConflict) as caught:
            refused()
        assert caught.value.code == code


@pytest.mark.django_db
def test_an_open_group_an_empty_one_and_one_with_somebody_not_consented_wait() -> None:
    trial = make_trial(randomization_unit="group", factors={})
    site = trial.sites.get(code="leeds")
    screened = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=DAY)
    with audit.transaction(by=PLATFORM) as event:
        opened, empty, early = (
            TherapyGroup.objects.create(trial=trial, site=site, code=code) for code in ("open", "empty", "early")
        )
        GroupMember.objects.create(trial=trial, group=early, participant=screened, joined_on=DAY)
        TherapyGroup.objects.filter(code__in=("empty", "early")).update(closed_on=DAY)
        event.record("test.groups", trial=trial)
    for group, code in ((opened, "group_open"), (empty, "group_empty"), (early, "not_consented")):
        with pytest.raises(InConflict) as caught:
            randomize_group(group=group, by=PLATFORM)
        assert caught.value.code == code
    assert not GroupAllocation.objects.exists()


@pytest.mark.django_db
def test_the_database_keeps_the_slots_of_groups() -> None:
    trial, single = make_trial(randomization_unit="group", factors={}), make_trial("single")
    group = closed_group(trial, "monday")
    person, stratum = consented(trial), trial.strata.get(levels__site="ghent")
    attempts = [
        ("take_allocation_slot", stratum.pk, person.pk, "has no slots"),
        ("take_group_slot", single.strata.first().pk, group.pk, "has no slots"),
        ("take_group_slot", stratum.pk, 0, "waits for no arm"),
        ("next_allocation_slot", stratum.pk, "group", "permission denied"),
    ]
    for function, *values, told in attempts:
        with pytest.raises(ProgrammingError, match=told):
            execute(f"SELECT * FROM {function}(%s, %s)", *values)
    execute("SELECT * FROM take_group_slot(%s, %s)", stratum.pk, group.pk)
    other = closed_group(trial, "tuesday")
    with pytest.raises(ProgrammingError, match="taken and not given"):
        execute("SELECT * FROM take_group_slot(%s, %s)", stratum.pk, other.pk)


@pytest.mark.django_db
def test_nobody_joins_a_group_that_was_closed_to_be_randomized() -> None:
    trial = make_trial(randomization_unit="group", factors={})
    group, late = closed_group(trial, "monday"), consented(trial)
    with pytest.raises(ProgrammingError, match="nobody joins"), audit.transaction(by=PLATFORM):
        GroupMember.objects.create(trial=trial, group=group, participant=late, joined_on=DAY)


def test_a_draw_of_minimization_is_nowhere_to_be_read(committed) -> None:
    """Neither in what the application's role may read, nor as plain text in the whole database."""
    trial = make_trial(randomization_method="minimization")
    for number in range(4):
        randomized(trial, number)
    draws = drawn(trial)
    assert {len(draw) for draw in draws} == {DRAW_LENGTH}
    with pytest.raises(ProgrammingError, match="permission denied"):
        execute("SELECT ciphertext FROM trials_allocationslot")
    tables = [table for (table,) in as_owner("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    for table in tables:
        everything = str(as_owner(f'SELECT t::text FROM "{table}" t'))
        assert not any(draw in everything for draw in draws), table


def drawn(trial: Trial) -> list[str]:
    """Open the slots as only the key's holder at the owner's desk could."""
    from trials.allocation.slots import decrypt_slot
    from trials.services.sealing import allocation_key

    rows = as_owner("SELECT sequence, ciphertext FROM trials_allocationslot ORDER BY sequence")
    return [
        decrypt_slot(allocation_key(), bytes(sealed), trial=trial.slug, stratum="all", sequence=sequence)
        for sequence, sealed in rows
    ]


@pytest.mark.django_db
def test_two_in_one_transaction_read_no_second_draw() -> None:
    trial = make_trial(randomization_method="minimization")
    first, second = consented(trial), consented(trial)
    take, stratum = "SELECT * FROM take_allocation_slot(%s, %s)", trial.strata.get()
    execute(take, stratum.pk, first.pk)
    with pytest.raises(ProgrammingError, match="taken and not given"):
        execute(take, stratum.pk, second.pk)


@pytest.mark.django_db
def test_the_trail_of_randomization_names_no_arm() -> None:
    trial = make_trial(randomization_method="minimization")
    randomized(trial)
    told = AuditEvent.objects.get(verb="participant.randomized")
    assert told.detail == {"stratum": "all"}


def in_error(person: Participant, **changed: object) -> ParticipantEvent:
    given = {"kind": "not_eligible", "by": PLATFORM, "reason": "takes steroids", "on": DAY} | changed
    return record_randomized_in_error(participant=person, **given)


@pytest.mark.django_db
def test_an_error_changes_neither_arm_nor_place_nor_state() -> None:
    trial = make_trial()
    person = randomized(trial)
    before = Allocation.objects.values().get(participant=person), Participant.objects.values().get(pk=person.pk)
    version = Trial.objects.get(pk=trial.pk).data_version
    in_error(person, kind="wrong_stratum", true_levels={"sex": "M"})
    assert (
        Allocation.objects.values().get(participant=person),
        Participant.objects.values().get(pk=person.pk),
    ) == before
    assert Trial.objects.get(pk=trial.pk).data_version == version
    (listed,) = randomized_in_error(trial, PLATFORM)
    assert (listed.error, dict(listed.true_levels), listed.reason) == (
        "Wrong stratum",
        {"Sex": "M"},
        "takes steroids",
    )


@pytest.mark.django_db
def test_the_same_person_twice_is_recorded_on_the_second_code() -> None:
    trial = make_trial()
    first, second = randomized(trial), randomized(trial, 1)
    in_error(second, kind="randomized_twice", first=first.code)
    (listed,) = randomized_in_error(trial, PLATFORM)
    assert (listed.participant, listed.first) == (second, first.code)
    assert Allocation.objects.filter(trial=trial).count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"reason": "  "}, "reason_missing"),
        ({"kind": "regret"}, "error_unknown"),
        ({"on": date(2026, 2, 1)}, "date_before_randomization"),
        ({"on": date(2999, 1, 1)}, "date_future"),
        ({"kind": "wrong_stratum", "true_levels": {"sex": "F"}}, "levels_unchanged"),
        ({"kind": "wrong_stratum", "true_levels": {"sex": "X"}}, "level_unknown"),
        ({"kind": "randomized_twice", "first": "T-999"}, "first_unknown"),
    ],
)
def test_an_error_that_says_too_little_is_refused(changed, code) -> None:
    person = randomized(make_trial())
    with pytest.raises(RuleBroken) as caught:
        in_error(person, **changed)
    assert caught.value.code == code
    assert not ParticipantEvent.objects.filter(kind="randomized_in_error").exists()


@pytest.mark.django_db
def test_an_error_is_recorded_once_by_those_who_randomize_and_not_before() -> None:
    trial = make_trial()
    person = randomized(trial)
    in_error(person)
    for refused, code in ((person, "already_recorded"), (consented(trial), "not_randomized")):
        with pytest.raises(InConflict) as caught:
            in_error(refused)
        assert caught.value.code == code
    with pytest.raises(NotAllowed):
        in_error(person, kind="other", by=make_member(trial, "monitor"))


@pytest.mark.django_db
def test_counts_by_arm_are_for_those_who_see_all_allocations() -> None:
    trial = make_trial()
    for number in range(4):
        randomized(trial, number)
    told = {
        role: randomization_of(trial, make_member(trial, role))
        for role in ("coordinator", "monitor", "monitoring_board")
    }
    assert [bool(told[role].arms) for role in told] == [False, False, True]
    assert {each.total.total for each in told.values()} == {4}
    assert Counter(len(row.by_arm) for row in told["coordinator"].used) == {0: 4}
    assert [row.label for row in told["monitor"].used] == ["Leeds, F", "Leeds, M", "Ghent, F", "Ghent, M"]


@pytest.mark.django_db
def test_the_page_tells_nobody_sizes_of_blocks(signed_in) -> None:
    trial = make_trial(randomization_method="permuted_blocks")
    randomized(trial)
    for role in ("coordinator", "monitor", "monitoring_board", "lab_manager", "principal_investigator"):
        page = signed_in(make_member(trial, role)).get("/trials/t/randomization/").content.decode()
        assert trial.scheme.commitment[:8] in page
        assert "block_sizes" not in page
        assert "[4" not in page
    for path in ("replay/", "allocation-replay.json"):
        answer = signed_in(make_member(trial, "monitoring_board")).get(f"/trials/t/randomization/{path}")
        assert answer.status_code == 409
        assert signed_in(make_member(trial, "monitor")).get(f"/trials/t/randomization/{path}").status_code == 403


def test_after_unblinding_everybody_but_the_laboratory_replays(committed, signed_in, tmp_path) -> None:
    trial = make_trial()
    people = [randomized(trial, number) for number in range(6)]
    trial = unblinded(trial)
    assert signed_in(make_member(trial, "lab_manager")).get("/trials/t/randomization/replay/").status_code == 403
    client = signed_in(make_member(trial, "monitor"))
    page = client.get("/trials/t/randomization/replay/").content.decode()
    assert "Confirmed." in page
    assert all(person.code in page for person in people)
    file = client.get("/trials/t/randomization/allocation-replay.json").content.decode()
    script = client.get("/trials/t/randomization/verify_allocation.py").content
    assert script == Path(verify_offline.__file__).read_bytes()
    assert checked_offline(tmp_path, file)[0] == 0
    at_one_site = signed_in(make_member(trial, "coordinator", "leeds"))
    scoped = at_one_site.get("/trials/t/randomization/allocation-replay.json").content.decode()
    elsewhere = [person.code for person in people if person.site.code == "ghent"]
    assert elsewhere
    assert not any(code in scoped for code in elsewhere)
    assert checked_offline(tmp_path, scoped)[0] == 0


@pytest.mark.django_db
def test_the_form_asks_for_the_password_and_shows_what_is_refused(signed_in) -> None:
    trial = make_trial()
    person = randomized(trial)
    client = signed_in(make_member(trial, "coordinator"))
    address = f"/trials/t/participants/{person.code}/randomized-in-error/"
    given = {"kind": "wrong_stratum", "reason": "misread", "on": "2026-03-02", "level_sex": "M", "first": ""}
    assert client.get(address).status_code == 200
    wrong = client.post(address, given | {"password": "another"})
    assert (wrong.status_code, "This is not your password" in wrong.content.decode()) == (422, True)
    assert not ParticipantEvent.objects.filter(kind="randomized_in_error").exists()
    assert client.post(address, given | {"password": PASSWORD}).status_code == 302
    again = client.post(address, given | {"password": PASSWORD})
    assert (again.status_code, "already recorded" in again.content.decode()) == (422, True)
    listed = client.get("/trials/t/randomization/").content.decode()
    assert "misread" in listed
    csv = b"".join(client.get("/trials/t/randomization/errors.csv").streaming_content).decode()
    assert csv.splitlines()[1].startswith(person.code)
    assert signed_in(make_member(trial, "monitor")).get(address).status_code == 403
