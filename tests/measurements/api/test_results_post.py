"""Posting results, as lab-api says it."""

IL6 = {"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}
IL10 = {"participant": "T-002", "visit": "six_months", "biomarker": "IL10", "value": "<0.4", "unit": "pg/mL"}


def test_saved(bench, stored):
    answer = bench.post([IL6, IL10 | {"collected_at": "2026-09-01T08:30:00+01:00"}])
    body = answer.json()
    assert (answer.status_code, stored()) == (201, 2)
    counts = {name: body[name] for name in ("received", "created", "unchanged", "corrected", "held", "rejected")}
    assert counts == {"received": 2, "created": 2, "unchanged": 0, "corrected": 0, "held": 0, "rejected": 0}
    bench.trial.refresh_from_db()
    assert body["data_version"] == bench.trial.data_version
    assert body["dry_run"] is False
    assert body["errors"] == []
    assert [warning["code"] for warning in body["warnings"]] == ["specimen_not_received"]
