"""Rows that wait join the results by themselves or by hand, each exactly once, or are dismissed with a reason."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from msgspec.structs import replace

from measurements.models import HeldRow, HeldRowOutcome, Result, Specimen, Submission
from measurements.selectors.held_rows import held_lines, held_rows_of
from measurements.services.held_rows import assign_held_row, dismiss_held_row, release_held_rows
from measurements.services.results import record_results
from measurements.services.specimens import register_specimen
from measurements.services.visits import record_attendance
from measurements.validation import Options, Payload, RowAsSent, RunAsSent
from tests.making import PLATFORM, make_member
from tests.measurements.conftest import Bench, make_bench, make_participant
from trials.access import Actor
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import Laboratory, Trial
from trials.services.lifecycle import change_data_state

IL6 = {"specimen": "NEW-1", "biomarker": "IL6", "value": "1.830", "unit": "pg/mL", "run": "plate-7"}
HOLD = "?unknown_specimen=hold"


def register(bench: Bench, identifier: str = "NEW-1", by: Any = PLATFORM) -> Specimen:
    """Let a specimen of the first participant's baseline be known."""
    return register_specimen(
        participant=bench.participant("T-001-F"),
        visit=bench.trial.visits.get(code="baseline"),
        identifier=identifier,
        by=by,
    )


def hold(bench: Bench, *rows: dict[str, str]) -> HeldRow:
    """Post rows whose specimens the trial does not know; return the newest held row."""
    answer = bench.post(list(rows) or [IL6], query=HOLD)
    assert answer.json()["held"] == max(len(rows), 1), answer.json()
    return HeldRow.objects.latest("id")


def version(bench: Bench) -> int:
    """The trial's data version now."""
    return Trial.objects.get(pk=bench.trial.pk).data_version


@pytest.mark.django_db
class TestJoining:
    def test_a_row_joins_when_its_specimen_is_registered(self, bench: Bench) -> None:
        held, before = hold(bench), version(bench)
        register(bench)
        result = Result.objects.get()
        assert (result.value_as_sent, result.unit_as_sent, result.run) == ("1.830", "pg/mL", "plate-7")
        assert result.laboratory == bench.laboratory
        assert result.submission.channel == Submission.Channel.RELEASED
        outcome = HeldRowOutcome.objects.get()
        assert (outcome.held_row, outcome.result, outcome.outcome) == (held, result, "joined")
        assert version(bench) == before + 1
        again = bench.post([IL6])
        assert (again.status_code, again.json()["warnings"][0]["code"]) == (200, "already_recorded")

    def test_a_row_that_no_longer_passes_goes_on_waiting_with_its_reason(self, bench: Bench) -> None:
        hold(bench, IL6, IL6 | {"biomarker": "CRP", "unit": "mg/L", "collected_at": "2026-01-01T08:00:00Z"})
        register_specimen(
            participant=bench.participant("T-001-F"),
            visit=bench.trial.visits.get(code="baseline"),
            identifier="NEW-1",
            drawn_at=timezone.now(),
            by=PLATFORM,
        )
        assert list(Result.objects.values_list("biomarker__code", flat=True)) == ["IL6"]
        [line] = held_lines(bench.trial, list(held_rows_of(PLATFORM, bench.trial)))
        assert "2026-01-01" in line.reason
        assert not line.is_ready

    def test_a_correction_that_waited_follows_the_row_it_corrects(self, bench: Bench) -> None:
        hold(bench)
        hold(bench, IL6 | {"value": "2.5", "status": "corrected", "reason": "Read again"})
        register(bench)
        first, second = Result.objects.order_by("id")
        assert (first.value_as_sent, second.value_as_sent) == ("1.830", "2.5")
        assert second.supersedes == first
        assert HeldRowOutcome.objects.count() == 2

    def test_a_site_coordinator_joins_what_waited_for_the_own_specimen(self, bench: Bench) -> None:
        hold(bench)
        register(bench, by=make_member(bench.trial, "coordinator", "leeds"))
        assert Result.objects.get().submission.channel == Submission.Channel.RELEASED

    def test_a_lab_manager_may_not_correct_but_joins_what_a_laboratory_corrected(self, bench: Bench) -> None:
        hold(bench)
        hold(bench, IL6 | {"value": "2.5", "status": "corrected", "reason": "Read again"})
        register(bench, by=make_member(bench.trial, "lab_manager"))
        assert Result.objects.count() == 2

    def test_a_row_joins_when_the_draw_of_a_visit_registers_its_specimen(self, bench: Bench) -> None:
        hold(bench, IL6 | {"specimen": "T-001-F-six_months-1"})
        visit, now = bench.trial.visits.get(code="six_months"), timezone.now()
        record_attendance(
            participant=bench.participant("T-001-F"),
            visit=visit,
            attended_on=timezone.localdate(now),
            drawn_at=now,
            by=make_member(bench.trial, "coordinator", "leeds"),
        )
        assert Result.objects.get().specimen.identifier == "T-001-F-six_months-1"

    def test_unknown_and_foreign_specimens_are_one_to_the_laboratory(self, bench: Bench) -> None:
        other = make_bench("other")
        register(other, "FOREIGN-1")
        answers = []
        for specimen in ("FOREIGN-1", "NOWHERE-1"):
            for query in (HOLD, HOLD, ""):
                answer = bench.post([IL6 | {"specimen": specimen}], query=query)
                body = answer.json() | {"submission": None}
                answers.append((answer.status_code, str(body).replace(specimen, "X")))
        assert answers[:3] == answers[3:]
        assert Result.objects.count() == 0


@pytest.mark.django_db
class TestByHand:
    @pytest.mark.parametrize("is_released", [False, True])
    def test_rows_of_other_sites_wait_unseen(self, bench: Bench, is_released: bool) -> None:
        """A specimen of another site and one of nobody read the same, whatever waits of the former."""
        own = Laboratory.objects.get(trial=bench.trial)
        row = RowAsSent(specimen="S-1", biomarker="IL6", value="1.83", unit="pg/mL")

        def sent(specimen: str, by: Actor, value: str, **more: Any) -> dict[str, Any]:
            rows = (replace(row, specimen=specimen, value=value),)
            options = Options(unknown_specimen="hold", **more)
            asked = {"trial": bench.trial, "laboratory": own, "payload": Payload(RunAsSent(), rows), "channel": "form"}
            body = record_results(**asked, by=by, options=options).body
            told = json.dumps(body | {"submission": None})
            return json.loads(told.replace(specimen, "S").replace("S-1", "S"))

        here, there = (make_member(bench.trial, "coordinator", site) for site in ("leeds", "ghent"))
        change_data_state(trial=bench.trial, to="frozen", reason="Looked at", by=PLATFORM)
        assert sent("S-1", here, "1.83")["held"] == 1
        if is_released:
            change_data_state(trial=bench.trial, to="open", reason="Done", by=PLATFORM)
            release_held_rows(trial=bench.trial, by=PLATFORM)
        for more in ({"dry_run": True}, {}, {}):
            foreign, unknown = (sent(specimen, there, "2", **more) for specimen in ("S-1", "S-7"))
            assert foreign == unknown
        assert (foreign["unchanged"], HeldRow.objects.count()) == (1, 3)

    def test_a_misspelt_specimen_is_assigned_with_a_reason(self, bench: Bench) -> None:
        register(bench, "SERUM-1")
        held = hold(bench, IL6 | {"specimen": "SERUM-l"})
        [line] = held_lines(bench.trial, [held])
        assert line.near == "SERUM-1"
        specimen = Specimen.objects.get(trial=bench.trial, identifier="SERUM-1")
        with pytest.raises(RuleBroken, match="Say why"):
            assign_held_row(held_row=held, specimen=specimen, by=PLATFORM, reason=" ")
        assign_held_row(held_row=held, specimen=specimen, by=PLATFORM, reason="An l for a 1")
        assert Result.objects.get().specimen == specimen
        again = bench.post([IL6 | {"specimen": "SERUM-l"}], query=HOLD)
        assert (again.status_code, again.json()["warnings"][0]["code"]) == (200, "already_recorded")
        with pytest.raises(InConflict, match="settled meanwhile"):
            assign_held_row(held_row=held, specimen=specimen, by=PLATFORM, reason="Again")

    def test_a_specimen_of_another_trial_is_refused(self, bench: Bench) -> None:
        held = hold(bench)
        foreign = register(make_bench("other"), "FOREIGN-1")
        with pytest.raises(RuleBroken, match="specimen of this trial"):
            assign_held_row(held_row=held, specimen=foreign, by=PLATFORM, reason="x")

    def test_a_row_that_contradicts_a_result_is_told_so_and_waits(self, bench: Bench) -> None:
        held = hold(bench, IL6 | {"specimen": "S-l", "run": ""})
        bench.post([IL6 | {"specimen": "S-1", "value": "9", "run": ""}])
        specimen = Specimen.objects.get(trial=bench.trial, identifier="S-1")
        with pytest.raises(RuleBroken, match="It goes on waiting"):
            assign_held_row(held_row=held, specimen=specimen, by=PLATFORM, reason="x")
        assert not HeldRowOutcome.objects.exists()

    def test_a_dismissed_row_is_kept_and_is_new_when_sent_again(self, bench: Bench) -> None:
        held = hold(bench)
        with pytest.raises(RuleBroken, match="Say why"):
            dismiss_held_row(held_row=held, by=PLATFORM, reason="")
        dismiss_held_row(held_row=held, by=PLATFORM, reason="No such tube")
        with pytest.raises(InConflict):
            dismiss_held_row(held_row=held, by=PLATFORM, reason="Again")
        assert hold(bench) != held
        register(bench)
        assert Result.objects.count() == 1
        assert HeldRowOutcome.objects.filter(outcome="joined").get().held_row != held

    def test_only_who_manages_all_sites_settles(self, bench: Bench) -> None:
        held = hold(bench)
        for role, site in (("coordinator", "leeds"), ("monitor", None), ("blinded_statistician", None)):
            with pytest.raises(NotAllowed):
                dismiss_held_row(held_row=held, by=make_member(bench.trial, role, site), reason="x")
            with pytest.raises(NotAllowed):
                release_held_rows(trial=bench.trial, by=make_member(bench.trial, role, site))
        dismiss_held_row(held_row=held, by=make_member(bench.trial, "data_manager"), reason="x")


@pytest.mark.django_db
class TestAfterALock:
    def test_rows_of_a_frozen_trial_are_released_when_it_is_open_and_never_by_themselves(self, bench: Bench) -> None:
        change_data_state(trial=bench.trial, to="frozen", by=PLATFORM, reason="Interim")
        placed = {"participant": "T-002-D", "visit": "six_months", "biomarker": "CRP", "value": "3", "unit": "mg/L"}
        assert bench.post([IL6 | {"specimen": "S-1"}, placed]).json()["held"] == 2
        with pytest.raises(InConflict):
            release_held_rows(trial=bench.trial, by=PLATFORM)
        change_data_state(trial=bench.trial, to="open", by=PLATFORM, reason="Over")
        assert Result.objects.count() == 0
        first = HeldRow.objects.earliest("id")
        assert release_held_rows(trial=bench.trial, by=PLATFORM, numbers=[first.pk]).joined == 1
        assert release_held_rows(trial=bench.trial, by=PLATFORM).joined == 1
        assert release_held_rows(trial=bench.trial, by=PLATFORM).joined == 0
        assert Result.objects.filter(specimen__identifier="T-002-D-six_months-1").exists()
        assert bench.post([placed]).json()["unchanged"] == 1

    def test_a_correction_of_a_stored_result_keeps_what_it_corrects(self, bench: Bench) -> None:
        bench.post([IL6 | {"specimen": "S-1"}])
        old = Result.objects.get()
        change_data_state(trial=bench.trial, to="frozen", by=PLATFORM, reason="Interim")
        row = IL6 | {"specimen": "S-1", "value": "2", "corrects": str(old.pk), "reason": "Read again"}
        assert bench.post([row]).json()["held"] == 1
        change_data_state(trial=bench.trial, to="open", by=PLATFORM, reason="Over")
        assert release_held_rows(trial=bench.trial, by=PLATFORM).joined == 1
        assert Result.objects.get(supersedes=old).value_as_sent == "2"

    def test_a_laboratory_that_sends_the_row_again_settles_it(self, bench: Bench) -> None:
        change_data_state(trial=bench.trial, to="frozen", by=PLATFORM, reason="Interim")
        row = IL6 | {"specimen": "S-1"}
        bench.post([row])
        change_data_state(trial=bench.trial, to="open", by=PLATFORM, reason="Over")
        assert bench.post([row]).json()["created"] == 1
        assert HeldRowOutcome.objects.get().result == Result.objects.get()
        assert release_held_rows(trial=bench.trial, by=PLATFORM).joined == 0


def at_once(call: Callable[[], Any], times: int) -> list[Any]:
    """Make the same call in so many threads at the same moment."""
    start, answers = threading.Barrier(times), []

    def run() -> None:
        try:
            start.wait()
            answers.append(call())
        except InConflict as refused:
            answers.append(refused)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_two_who_release_the_same_row_at_once_make_one_result(committed: str) -> None:
    bench = make_bench()
    make_participant(bench.trial, "leeds")
    change_data_state(trial=bench.trial, to="frozen", by=PLATFORM, reason="Interim")
    bench.post([IL6 | {"specimen": "S-1"}, IL6 | {"specimen": "S-2"}])
    change_data_state(trial=bench.trial, to="open", by=PLATFORM, reason="Over")
    answers = at_once(lambda: release_held_rows(trial=bench.trial, by=PLATFORM), 6)
    assert not [answer for answer in answers if isinstance(answer, InConflict)]
    assert (Result.objects.count(), HeldRowOutcome.objects.count()) == (2, 2)
