"""Exports: what is in them for whom, hashes that can be checked, and the same hash for the same data."""

import csv
import hashlib
import io
import json
import zipfile
from typing import Any

import pytest
from django.test import Client

from analytics.exports.building import hand_out, requester_of, run_export
from analytics.exports.copying import csv_lines
from analytics.exports.rights import scope_of
from analytics.models import Export
from analytics.selectors.exports import visible_export
from analytics.selectors.work import due_work
from analytics.services.exports import path_of, request_export
from analytics.services.recompute import recompute_estimates
from tests.analytics.filling import CANARIES, fill_trial, post, values_of
from tests.making import PLATFORM, make_member
from trials import audit
from trials.access import Actor
from trials.errors import InConflict, NotAllowed, NotFound
from trials.models import AuditEvent, Membership, Trial
from trials.services.enrollment import record_event
from trials.services.people import end_role, grant_role

pytestmark = pytest.mark.django_db


def built(trial: Trial, by: Actor) -> tuple[Export, dict[str, bytes]]:
    """Request and build an export; return it with its files, the folder taken off their names."""
    export = request_export(trial=trial, by=by)
    run_export(export=export, by=PLATFORM)
    export.refresh_from_db()
    assert export.state == "finished", export.failure
    with zipfile.ZipFile(path_of(export)) as archive:
        return export, {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_the_statisticians_zip_holds_everything_with_hashes() -> None:
    trial = fill_trial()
    export, files = built(trial, make_member(trial, "unblinded_statistician"))
    assert set(files) == {
        "README.md",
        "MANIFEST.json",
        "data/participants.csv",
        "data/results.csv",
        "data/analysis.csv",
        "analysis/estimates.csv",
    }
    manifest = json.loads(files["MANIFEST.json"])
    for listed in manifest["files"]:
        assert hashlib.sha256(files[listed["name"]]).hexdigest() == listed["sha256"]
        assert len(rows_of(files[listed["name"]])) == listed["rows"]
    assert {each["name"]: each["rows"] for each in manifest["files"]} == {
        "data/participants.csv": 16,
        "data/results.csv": 64,
        "data/analysis.csv": 32,
        "analysis/estimates.csv": trial.estimate_runs.get().estimates.count(),
    }
    assert manifest["data_version"] == manifest["estimates_data_version"] == trial.data_version == export.data_version
    assert manifest["data_sha256"] == export.data_sha256
    assert export.data_sha256 in files["README.md"].decode()
    assert hashlib.sha256(path_of(export).read_bytes()).hexdigest() == export.sha256


def test_nobody_else_on_the_machine_reads_an_export() -> None:
    trial = fill_trial(2)
    export, _ = built(trial, make_member(trial, "data_manager"))
    assert path_of(export).stat().st_mode & 0o777 == 0o600
    assert path_of(export).parent.stat().st_mode & 0o777 == 0o700


def test_the_analysis_table_pairs_baseline_and_follow_up() -> None:
    trial = fill_trial(4)
    _, files = built(trial, make_member(trial, "unblinded_statistician"))
    sent = {
        (row["participant"], row["biomarker"], row["visit"]): float(row["value"])
        for visit, factor in (("baseline", 1.0), ("six_months", 1.3))
        for row in values_of(trial, visit, ["IL6", "CRP"], factor=factor)
    }
    table = rows_of(files["data/analysis.csv"])
    assert len(table) == 8
    for row in table:
        assert float(row["baseline"]) == sent[row["participant"], row["biomarker"], "baseline"]
        assert float(row["follow_up"]) == sent[row["participant"], row["biomarker"], "six_months"]
        assert (row["scale"], row["orientation"]) == ("log", "-1")
        assert row["arm"] in CANARIES


def test_estimates_in_the_zip_have_every_digit() -> None:
    trial = fill_trial()
    _, files = built(trial, make_member(trial, "unblinded_statistician"))
    stored = {
        (each.biomarker.code, each.method, each.measure): each
        for each in trial.estimate_runs.get().estimates.select_related("biomarker")
    }
    for row in rows_of(files["analysis/estimates.csv"]):
        wanted = stored[row["biomarker"], row["method"], row["measure"]]
        for name in ("estimate", "standard_error", "p_value", "ci_low"):
            assert (float(row[name]) if row[name] else None) == getattr(wanted, name)
        assert int(row["n_arm"]) == wanted.n[wanted.arm]
        assert int(row["n_randomized_reference_arm"]) == wanted.n_randomized[wanted.reference_arm]


@pytest.mark.parametrize("role", ["blinded_statistician", "data_manager", "export_staff"])
def test_a_blinded_zip_has_no_arm_and_no_estimate(role: str) -> None:
    trial = fill_trial(6)
    recompute_estimates(trial=trial, by=PLATFORM)
    _, files = built(trial, make_member(trial, role))
    assert "analysis/estimates.csv" not in files
    everything = b"".join(files.values()).decode()
    assert [name for name in CANARIES if name in everything] == []
    assert "arm" not in rows_of(files["data/participants.csv"])[0]
    assert "arm" not in rows_of(files["data/analysis.csv"])[0]
    assert json.loads(files["MANIFEST.json"])["blinding"] == {"arms": "left out", "effects": "left out"}


def test_the_same_data_give_the_same_hash_and_other_data_another() -> None:
    trial = fill_trial(6)
    by = make_member(trial, "unblinded_statistician")
    first, _ = built(trial, by)
    second, _ = built(trial, by)
    assert first.pk != second.pk
    assert first.data_sha256 == second.data_sha256
    assert first.sha256 == second.sha256  # fixed times in the zip
    row = values_of(trial, "baseline", ["IL6"])[0]
    post(trial, [row | {"value": "8.25", "status": "corrected", "reason": "Typing error"}])
    third, files = built(trial, by)
    assert third.data_sha256 != first.data_sha256
    corrected = [row for row in rows_of(files["data/results.csv"]) if row["revision"] == "1"]
    assert [(row["value_as_sent"], row["is_current"]) for row in corrected] == [("8.25", "1")]
    assert sum(row["is_current"] == "0" for row in rows_of(files["data/results.csv"])) == 1


def test_results_of_people_who_withdrew_the_use_of_their_data_are_left_out() -> None:
    trial = fill_trial(4)
    leaving = trial.participants.order_by("number").first()
    record_event(participant=leaving, kind="data_use_withdrawn", by=PLATFORM, on=leaving.randomized_on)
    _, files = built(trial, make_member(trial, "blinded_statistician"))
    assert leaving.code not in {row["participant"] for row in rows_of(files["data/results.csv"])}
    left = {row["participant"]: row["data_use_withdrawn"] for row in rows_of(files["data/participants.csv"])}
    assert left[leaving.code] == "1"
    assert {row["baseline"] for row in rows_of(files["data/analysis.csv"]) if row["participant"] == leaving.code} == {
        ""
    }


def test_a_role_at_one_site_takes_that_site_away() -> None:
    trial = fill_trial(6)
    _, files = built(trial, make_member(trial, "blinded_statistician", "leeds"))
    assert {row["site"] for row in rows_of(files["data/participants.csv"])} == {"leeds"}
    assert {row["site"] for row in rows_of(files["data/results.csv"])} == {"leeds"}


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "+1"),
        ("-2.5", "-2.5"),
        ("@x", "'@x"),
        ("-x", "'-x"),
        ("<0.4", "<0.4"),
        ("\tx", "'\tx"),
    ],
)
def test_no_cell_is_a_formula(sent: str, wanted: str) -> None:
    trial = fill_trial(2)
    participant = trial.participants.order_by("number").first()
    with audit.transaction(by=PLATFORM) as event:
        participant.code = sent
        participant.save()
        event.record("test.renamed", trial=trial)
    lines = b"".join(csv_lines("participants", scope_of(PLATFORM, trial)))
    assert rows_of(lines)[0]["participant"] == wanted


def test_only_the_requester_fetches_an_export_and_every_fetch_is_recorded() -> None:
    trial = fill_trial(4)
    by, other = make_member(trial, "unblinded_statistician"), make_member(trial, "data_manager")
    export, _ = built(trial, by)
    assert hand_out(export=export, by=by) == path_of(export)
    downloaded = AuditEvent.objects.get(verb="export.downloaded")
    assert (downloaded.actor_id, downloaded.detail["sha256"]) == (by.id, export.sha256)
    with pytest.raises(NotFound):
        visible_export(export.reference, other)


def test_an_unblinded_export_is_not_handed_to_somebody_who_is_blinded_since() -> None:
    trial = fill_trial(4)
    by = make_member(trial, "unblinded_statistician")
    export, _ = built(trial, by)
    end_role(membership=Membership.objects.get(trial=trial, user=by.user), by=PLATFORM)
    grant_role(trial=trial, user=by.user, role="blinded_statistician", by=PLATFORM)
    with pytest.raises(NotAllowed) as refused:
        hand_out(export=export, by=Actor(user=by.user))
    assert refused.value.code == "blinded"


def test_a_right_that_ends_before_the_building_fails_the_export_with_its_reason() -> None:
    trial = fill_trial(2)
    by = make_member(trial, "data_manager")
    export = request_export(trial=trial, by=by)
    end_role(membership=Membership.objects.get(trial=trial, user=by.user), by=PLATFORM)
    run_export(export=export, by=PLATFORM)
    export.refresh_from_db()
    assert export.state == "failed"
    assert "no trial" in export.failure
    assert {work.kind for work in due_work()} == {"estimates"}
    with pytest.raises(InConflict):
        hand_out(export=export, by=by)


def test_a_second_request_while_one_waits_is_the_same_export() -> None:
    trial = fill_trial(2)
    by = make_member(trial, "data_manager")
    first = request_export(trial=trial, by=by)
    assert request_export(trial=trial, by=by) == first
    assert ("export", first.pk) in {work.key for work in due_work()}
    run_export(export=first, by=PLATFORM)
    assert request_export(trial=trial, by=by) != first


def test_an_export_is_built_once() -> None:
    trial = fill_trial(2)
    export, _ = built(trial, make_member(trial, "data_manager"))
    finished_at = export.finished_at
    run_export(export=export, by=PLATFORM)
    export.refresh_from_db()
    assert export.finished_at == finished_at


def test_a_tokens_scopes_bound_what_its_export_holds() -> None:
    trial = fill_trial(4)
    user = make_member(trial, "unblinded_statistician").user
    with pytest.raises(NotAllowed):
        request_export(trial=trial, by=Actor(user=user, scopes=frozenset({"read"})))
    export = request_export(trial=trial, by=Actor(user=user, scopes=frozenset({"export"})))
    assert requester_of(export).scopes == {"export"}


def ask(client: Client, by: Actor, path: str, method: str = "get") -> Any:
    client.force_login(by.user)
    return getattr(client, method)(f"/api/v1{path}")


def test_an_export_is_requested_followed_and_fetched_over_the_api(client: Client) -> None:
    trial = fill_trial(4)
    by = make_member(trial, "blinded_statistician")
    asked = ask(client, by, f"/trials/{trial.slug}/exports/", "post")
    assert asked.status_code == 202
    place = asked["Location"]
    assert client.get(place).json()["state"] == "queued"
    waiting = client.get(f"{place}download/")
    assert (waiting.status_code, waiting.json()["code"]) == (409, "export_not_finished")
    run_export(export=Export.objects.get(), by=PLATFORM)
    state = client.get(place).json()
    assert (state["state"], state["progress"]) == ("finished", 100)
    fetched = client.get(state["download"], HTTP_ACCEPT="application/zip")
    content = b"".join(fetched.streaming_content)
    assert hashlib.sha256(content).hexdigest() == state["sha256"]
    assert ask(client, make_member(trial, "data_manager"), place.removeprefix("/api/v1")).status_code == 404


@pytest.mark.parametrize("table", ["participants", "results", "analysis", "estimates"])
def test_a_table_is_streamed_as_it_is_in_the_zip(client: Client, table: str) -> None:
    trial = fill_trial(6)
    by = make_member(trial, "unblinded_statistician")
    _, files = built(trial, by)
    answer = ask(client, by, f"/trials/{trial.slug}/{table}.csv")
    assert answer["Content-Type"].startswith("text/csv")
    folder = "analysis" if table == "estimates" else "data"
    assert b"".join(answer.streaming_content) == files[f"{folder}/{table}.csv"]
    event = AuditEvent.objects.get(verb="table.downloaded")
    assert (event.actor_id, event.detail) == (by.id, {"table": table})
