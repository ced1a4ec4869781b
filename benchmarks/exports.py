"""Results as a CSV stream through the whole request path, against raw COPY of the same columns."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.clocks import Cost, best_wall, cost_of, in_turn, median_cpu
from benchmarks.figures import WALL_SLACK, Figure
from benchmarks.installation import analyze

if TYPE_CHECKING:  # models can be imported only once Django is set up
    from benchmarks.trials import Bench

STORED = 1000
PARTICIPANTS = 20
RESERVED_MEGABYTES = 32
MEBIBYTE = 1024

# What `results.csv` holds, without what the platform adds: cells made harmless for spreadsheets, rights, the trail.
RAW = """
COPY (SELECT r.id, p.code, site.code, v.code, b.code, s.identifier, l.code, assay.code, r.run, r.replicate, r.revision,
        later.id, r.status, r.value_as_sent, r.unit_as_sent, r.comparator, r.flag, r.value, r.unit,
        r.limit_of_quantification, r.collected_at, r.reason
    FROM measurements_result r
    JOIN measurements_specimen s ON s.id = r.specimen_id
    JOIN trials_participant p ON p.id = s.participant_id
    JOIN trials_site site ON site.id = p.site_id
    JOIN trials_visit v ON v.id = s.visit_id
    JOIN measurements_biomarker b ON b.id = r.biomarker_id
    JOIN trials_laboratory l ON l.id = r.laboratory_id
    LEFT JOIN measurements_assay assay ON assay.id = r.assay_id
    LEFT JOIN measurements_result later ON later.supersedes_id = r.id
    WHERE r.trial_id = %s ORDER BY r.id) TO STDOUT WITH (FORMAT csv, HEADER true)"""


def measure(data_dir: Path, is_quick: bool) -> list[Figure]:
    """Return wall and CPU against COPY, and by how much the memory of the process grew."""
    del data_dir
    from django.db import connection

    rows = 50_000 if is_quick else 1_000_000
    bench, token = _filled(rows)
    connection.ensure_connection()
    grown: list[float] = []
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as raw:
        copied, streamed = in_turn(
            lambda _: cost_of(partial(_copy, raw, bench.trial.pk, rows), [raw.info.backend_pid]),
            lambda _: _streamed(bench, token, rows, grown),
            rounds=3,
        )
    names = {"reference": f"COPY of {rows:,} rows by psycopg", "candidate": "GET results.csv"}
    return [
        Figure("CSV export, wall", best_wall(streamed) / best_wall(copied), "x", 1.3, slack=WALL_SLACK, **names),
        Figure("CSV export, CPU", median_cpu(streamed) / median_cpu(copied), "x", **names),
        Figure("CSV export, growth of memory", max(grown), "MB", RESERVED_MEGABYTES, candidate="GET results.csv"),
    ]


def _filled(rows: int) -> "tuple[Bench, str]":
    """Make a trial with this many results, and the token of somebody who may export them."""
    from benchmarks.trials import PANEL, add_specimens, delivery, make_bench, rows_of
    from tests.making import make_member
    from trials.services.credentials import create_personal_token

    bench = make_bench("export", participants=PARTICIPANTS)
    reply = bench.post(delivery(rows_of(add_specimens(bench.trial, "export", STORED // PANEL)), run="plate-7"))
    if reply.status != 201:
        raise RuntimeError(f"{reply.status} {reply.body}")
    _repeat_stored(bench, rows // STORED)
    user = make_member(bench.trial, "data_manager").user
    _, token = create_personal_token(user=user, name="export", scopes=("read", "export"), by=_platform())
    return bench, token


def _platform() -> Any:
    from tests.making import PLATFORM

    return PLATFORM


def _repeat_stored(bench: "Bench", times: int) -> None:
    """Store every result again as further replicates."""
    from django.db import connection

    from measurements.services.storing import COLUMNS
    from trials import audit

    values = ", ".join("further" if name == "replicate" else name for name in COLUMNS)
    with audit.transaction(by=_platform()) as event, connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(
            f"INSERT INTO measurements_result ({', '.join(COLUMNS)})"
            f" SELECT {values} FROM measurements_result, generate_series(2, %s) further WHERE trial_id = %s",
            [times, bench.trial.pk],
        )
        event.record("results.copied", trial=bench.trial, row_count=cursor.rowcount)
    analyze()


def _copy(raw: psycopg.Connection[Any], trial: int, rows: int) -> None:
    lines = 0
    with raw.cursor() as cursor, cursor.copy(RAW, [trial]) as copy:
        for piece in copy:
            lines += bytes(piece).count(b"\n")
    _require_all(lines, rows)


def _streamed(bench: "Bench", token: str, rows: int, grown: list[float]) -> Cost:
    """Read the whole stream as a web server does, and note by how much the process grew at its largest."""
    from django.db import connection

    from benchmarks.trials import stream

    before = _reset_peak()
    counted: list[int] = []

    def read() -> None:
        counted.append(sum(piece.count(b"\n") for piece in stream(bench.trial.slug, "results.csv", token)))

    cost = cost_of(read, [connection.connection.info.backend_pid])
    grown.append(_memory("VmHWM") - before)
    _require_all(counted[0], rows)
    return cost


def _require_all(lines: int, rows: int) -> None:
    if lines != rows + 1:
        raise RuntimeError(f"{lines} lines came for {rows} results and a header")


def _reset_peak() -> float:
    """Let the kernel note this process's largest memory anew; return its present size in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> float:
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) / MEBIBYTE
