"""A delivery of 1,000 rows through the whole request path, against raw COPY of the same rows into the same tables."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.clocks import Cost, best_wall, cost_of, in_turn, median_cpu
from benchmarks.figures import Figure
from benchmarks.installation import analyze

if TYPE_CHECKING:  # models can be imported only once Django is set up
    from benchmarks.trials import Bench, Reply
    from measurements.models import Specimen

ROWS = 1000
# The trail's event number and the event itself: without them the database refuses the rows.
NEXT_EVENT = "SELECT set_config('studyplatform.event_id', nextval('audit_event_number')::text, true)"
EVENT = """
INSERT INTO trials_auditevent
    (id, trial_id, actor_kind, actor_name, verb, target_kind, target_name, reason, detail, sha256)
VALUES (current_setting('studyplatform.event_id')::bigint, %s, 'process', 'bench', 'copied', '', '', '', '{}', '')"""


@dataclass(frozen=True)
class Batches:
    """What each round posts and copies: one specimen of each visit of people of its own, as real deliveries are."""

    bodies: list[bytes]
    copies: list[bytes]
    columns: str


def measure(data_dir: Path, is_quick: bool) -> list[Figure]:
    """Return CPU against COPY, CPU per 1,000 results, and what the same delivery costs the second time."""
    del data_dir
    from benchmarks.trials import make_bench

    rounds = 5 if is_quick else 20
    bench = make_bench("ingest", participants=(2 * rounds + 3) * _people_per_batch())
    batches = _batches(bench, rounds)
    analyze()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as raw:
        copied, first, again = in_turn(
            partial(_copy, raw, bench.trial.pk, batches),
            partial(_post, bench, batches, False),
            partial(_post, bench, batches, True),
            rounds=rounds,
        )
    per_batch = median_cpu(first)
    post, copy = f"POST of {ROWS:,} rows as JSON", f"COPY of the same {ROWS:,} rows"
    seconds = f"best wall {best_wall(copied):.3f} s and {best_wall(first):.3f} s"
    return [
        Figure("ingest, CPU", per_batch / median_cpu(copied), "x", 2.0, reference=copy, candidate=post, note=seconds),
        Figure("ingest, CPU per 1,000 results", per_batch * 1000 / ROWS, "s", 0.1, candidate=post),
        Figure(
            "the same delivery again, CPU",
            median_cpu(again) / per_batch,
            "x",
            0.5,
            reference="first post",
            candidate="second post with the same key",
        ),
    ]


def _batches(bench: "Bench", rounds: int) -> Batches:
    """Make specimens for every round twice, to be posted and to be copied."""
    from benchmarks.trials import PANEL, add_specimens, delivery, rows_of
    from measurements.services.storing import COLUMNS

    people, each = list(bench.trial.participants.order_by("id")), _people_per_batch()
    names = [f"post-{number}" for number in range(-1, rounds + 1)] + [f"copy-{number}" for number in range(rounds + 1)]
    made = [
        add_specimens(bench.trial, name, ROWS // PANEL, people=people[number * each : (number + 1) * each])
        for number, name in enumerate(names)
    ]
    posted, copied = made[: rounds + 2], made[rounds + 2 :]
    bodies = [delivery(rows_of(specimens), run="plate-7") for specimens in posted]
    _require_stored(bench.post(bodies.pop(0)))
    stored, columns = _stored(bench.trial.pk, posted[0]), ", ".join(COLUMNS)
    place = COLUMNS.index("specimen_id")
    order = {str(specimen.pk): number for number, specimen in enumerate(posted[0])}
    copies = [_moved(stored, place, {key: str(batch[number].pk) for key, number in order.items()}) for batch in copied]
    return Batches(bodies, copies, columns)


def _people_per_batch() -> int:
    from benchmarks.trials import DAYS, PANEL

    return ROWS // PANEL // len(DAYS)


def _stored(trial: int, specimens: list["Specimen"]) -> list[list[bytes]]:
    """Return the columns of stored results as COPY writes them."""
    from django.db import connection

    from measurements.services.storing import COLUMNS

    query = f"COPY (SELECT {', '.join(COLUMNS)} FROM measurements_result WHERE trial_id = %s ORDER BY id) TO STDOUT"
    connection.ensure_connection()
    with connection.connection.cursor() as cursor, cursor.copy(query, [trial]) as copy:
        lines = [line.split(b"\t") for line in b"".join(copy).splitlines()]
    if len(lines) != ROWS or not specimens:
        raise RuntimeError(f"{len(lines)} of {ROWS} rows were stored")
    return lines


def _moved(lines: list[list[bytes]], place: int, specimens: dict[str, str]) -> bytes:
    """Return the same results for other specimens."""
    return b"".join(
        b"\t".join([*line[:place], specimens[line[place].decode()].encode(), *line[place + 1 :]]) + b"\n"
        for line in lines
    )


def _copy(raw: psycopg.Connection[Any], trial: int, batches: Batches, number: int) -> Cost:
    def copy() -> None:
        with raw.transaction(), raw.cursor() as cursor:
            cursor.execute(NEXT_EVENT)
            with cursor.copy(f"COPY measurements_result ({batches.columns}) FROM STDIN") as stream:
                stream.write(batches.copies[number])
            cursor.execute(EVENT, [trial])

    return cost_of(copy, [raw.info.backend_pid])


def _post(bench: "Bench", batches: Batches, is_repeated: bool, number: int) -> Cost:
    from django.db import connection

    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    replies: list[Reply] = []
    cost = cost_of(lambda: replies.append(bench.post(batches.bodies[number], f"round-{number}")), [backend])
    _require_stored(replies[0], is_repeated=is_repeated)
    if connection.connection.info.backend_pid != backend:
        raise RuntimeError("the request used another database connection than was measured")
    return cost


def _require_stored(reply: "Reply", *, is_repeated: bool = False) -> None:
    """Only work that was done is measured."""
    if (reply.status, reply.body.get("created"), reply.is_replay) != (201, ROWS, is_repeated):
        raise RuntimeError(f"{reply.status} {str(reply.body)[:500]}")
