"""The harness of benchmarks: its arithmetic, its verdicts, its records; and a small run of every proof."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from benchmarks.clocks import Cost, best_wall, cost_of, in_turn, median_cpu
from benchmarks.exports import _memory, _reset_peak
from benchmarks.figures import Figure, has_failed, summary, table, write_json
from benchmarks.installation import CHECKOUT
from benchmarks.prove import __main__ as proving
from benchmarks.prove import duplicates, randomizations, records
from benchmarks.prove.records import Proof, is_proven, keep
from benchmarks.revision import Revision, revision
from benchmarks.trials import Reply


def test_reference_and_candidate_take_turns_and_the_first_round_warms_up() -> None:
    order: list[str] = []

    def work(name: str, number: int) -> Cost:
        order.append(f"{name}{number}")
        return Cost(cpu=float(number), wall=10.0 - number)

    reference, candidate = in_turn(lambda n: work("A", n), lambda n: work("B", n), rounds=3)
    assert order == ["A0", "B0", "A1", "B1", "A2", "B2", "A3", "B3"]
    assert [cost.cpu for cost in reference] == [1, 2, 3]
    assert (median_cpu(candidate), best_wall(candidate)) == (2, 7)


def test_the_cpu_of_a_backend_counts_and_sleep_does_not() -> None:
    with psycopg.connect(os.environ["STUDYPLATFORM_TEST_OWNER_URL"]) as database:
        backend = database.info.backend_pid
        query = "SELECT sum(sqrt(n)) FROM generate_series(1, 300000) n"
        with_backend = cost_of(lambda: database.execute(query), [backend])
        without = cost_of(lambda: database.execute(query))
    asleep = cost_of(lambda: time.sleep(0.2))
    assert with_backend.cpu > 5 * without.cpu
    assert asleep.wall >= 0.2
    assert asleep.cpu < 0.1


def test_memory_that_was_given_back_counts_as_growth() -> None:
    before = _reset_peak()
    held = bytearray(b"x" * 60_000_000)
    del held
    assert _memory("VmHWM") - before > 50


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (Figure("f", 2.0, "x", at_most=2.0), "passed"),
        (Figure("f", 2.1, "x", at_most=2.0), "failed"),
        (Figure("f", 3.9, "s", at_most=2.0, slack=2.0), "passed"),
        (Figure("f", 4.1, "s", at_most=2.0, slack=2.0), "failed"),
        (Figure("f", 10.0, "x", at_least=20.0, slack=2.0), "passed"),
        (Figure("f", 9.9, "x", at_least=20.0, slack=2.0), "failed"),
        (Figure("f", 9.9, "x"), "told"),
        (Figure("f", None, "x", at_most=1.0), "not measured"),
    ],
)
def test_verdicts(figure: Figure, verdict: str) -> None:
    assert figure.verdict == verdict
    assert has_failed([figure]) == (verdict == "failed")


def test_the_report_counts_only_what_was_measured_against_a_goal(tmp_path: Path) -> None:
    figures = [
        Figure("a", 1.0, "x", at_most=2.0),
        Figure("b", 3.0, "x", at_most=2.0, note="slow"),
        Figure("c", None, "x", at_most=2.0, note="no R here"),
        Figure("d", 4.0, "s"),
    ]
    assert summary(figures) == "1 passed, 1 failed"
    assert "| b |  |  | 3 x | ≤ 2 | **failed**: slow |" in table(figures)
    write_json(figures, tmp_path / "out.json", is_quick=True)
    written = json.loads((tmp_path / "out.json").read_text())
    assert [line["verdict"] for line in written["figures"]] == ["passed", "failed", "not measured", "told"]


def test_a_proof_is_kept_once_a_day_and_counts_for_the_same_clean_code_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = revision().commit
    changed_since = {commit: False, "another": True}
    monkeypatch.setattr(records, "changes_since", changed_since.__getitem__)
    sound, broken = (
        Proof("storm", "2 rounds", {"201": 64}, []),
        Proof("storm", "2 rounds", {}, ["round 1: answers differ"]),
    )
    assert not is_proven("storm", tmp_path)
    for proof, at, proven in (
        (sound, Revision(commit, is_clean=False), False),
        (sound, Revision("another", is_clean=True), False),
        (broken, Revision(commit, is_clean=True), False),
        (sound, Revision(commit, is_clean=True), True),
    ):
        keep(proof, at, 1.0, tmp_path)
        assert is_proven("storm", tmp_path) == proven
    assert (tmp_path / "README.md").read_text().count("| storm |") == 1
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_a_part_with_a_problem_fails_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Proof("storm", "1 round", {}, ["round 0: 2 posts were not replays"])
    monkeypatch.setitem(proving.PARTS, "storm", lambda _: found)
    assert not proving.run("storm", True, Path("/nonexistent"))
    assert "2 posts were not replays" in capsys.readouterr().out


def test_the_storm_sees_a_second_answer_a_refusal_and_a_difference() -> None:
    first, replay = Reply(201, {"created": 10}, False), Reply(201, {"created": 10}, True)
    assert duplicates._problems_of([replay, first, replay]) == []
    assert duplicates._problems_of([first, first]) == ["2 posts were not replays"]
    assert duplicates._problems_of([first, Reply(201, {"created": 9}, True)]) == ["answers differ"]
    assert duplicates._problems_of([first, Reply(409, {}, True)]) == ["409 {}", "answers differ"]


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ([(1, "cbt"), (2, "waitlist"), (3, "cbt")], []),
        (
            [(1, "cbt"), (2, "waitlist"), (2, "waitlist")],
            ["slots in the order [1, 2, 2]", "not those of the sealed list"],
        ),
        ([(1, "cbt"), (3, "cbt")], ["slots in the order [1, 3]", "not those of the sealed list"]),
        ([(2, "cbt"), (1, "waitlist")], ["slots in the order [2, 1]"]),
        ([(1, "waitlist")], ["not those of the sealed list"]),
    ],
)
def test_the_register_is_compared_with_the_sealed_list(
    given: list[tuple[int, str]], problems: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = ["cbt", "waitlist", "cbt"]
    monkeypatch.setattr(randomizations, "_sealed_arms", lambda trial, stratum, count: sealed[:count])
    stratum = SimpleNamespace(key="sex=F")
    allocations = [SimpleNamespace(stratum=stratum, sequence=n, arm=SimpleNamespace(code=arm)) for n, arm in given]
    found = randomizations._problems_of(SimpleNamespace(), allocations)
    assert len(found) == len(problems)
    assert all(
        said.startswith("sex=F: ") and said.endswith(problem) for said, problem in zip(found, problems, strict=True)
    )


def test_every_part_runs_small_on_servers_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.prove", "--small", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("3 passed, 0 failed\n")
    assert "'201 replayed': 93, '201': 3" in done.stdout
    assert not list(tmp_path.iterdir())
