"""What the first page and the files say of who is counted, and of which arm is which."""

import csv
import io
from dataclasses import replace

import pytest
from django.test import Client

from analytics.exports.copying import csv_lines
from analytics.exports.rights import scope_of
from analytics.figures.forest import forest_plot
from analytics.selectors.overview import Progress, chosen_follow_up, visit_progress
from analytics.selectors.precision import pooled_precision
from analytics.services.recompute import recompute_estimates
from tests.analytics.figures.examples import FOREST
from tests.analytics.filling import WAITLIST, fill_trial, post, randomize, values_of
from tests.making import PLATFORM, make_member, make_trial
from trials import audit
from trials.models import Attendance, Trial
from trials.services.design import ArmDesign
from trials.services.enrollment import record_event

pytestmark = pytest.mark.django_db


def rows_of(table: str, trial: Trial) -> list[dict[str, str]]:
    content = b"".join(csv_lines(table, scope_of(PLATFORM, trial))).decode()
    return list(csv.DictReader(io.StringIO(content, newline="")))


def test_everybody_randomized_is_counted_once_and_a_preliminary_value_is_not_analysed() -> None:
    trial = fill_trial(4)
    visit = chosen_follow_up(trial)
    leaving = trial.participants.order_by("number").first()
    record_event(participant=leaving, kind="data_use_withdrawn", by=PLATFORM, on=leaving.randomized_on)
    preliminary, missing = randomize(trial, "leeds"), randomize(trial, "leeds")
    rows = [row for row in values_of(trial, "six_months", ["CRP"]) if row["participant"] == preliminary.code]
    post(trial, [rows[0] | {"status": "preliminary"}])
    with audit.transaction(by=PLATFORM) as event:
        Attendance.objects.create(trial=trial, participant=missing, visit=visit, missed_reason="Ill")
        event.record("test.missed", trial=trial)
    (progress,) = visit_progress(trial, visit, PLATFORM, by_arm=False).values()
    assert replace(progress, not_yet_due=0) == Progress(randomized=6, measured=3, withdrawn=1, missed=1)


def test_with_three_arms_the_width_is_that_of_the_smallest_against_the_reference() -> None:
    arms = (
        ArmDesign("a", "A", "intervention", ratio=2, intervention_type="cbt"),
        ArmDesign("b", "B", "intervention", ratio=1, intervention_type="cbt"),
        ArmDesign("w", "W", "waitlist", is_reference=True, ratio=1),
    )
    trial = make_trial(arms=arms)
    assert pooled_precision(trial, chosen_follow_up(trial), PLATFORM).factor == pytest.approx(1 / 0.25 + 1 / 0.25)


def test_the_analysis_table_names_the_reference_arm_for_the_entitled() -> None:
    assert {row["reference_arm"] for row in rows_of("analysis", fill_trial(2))} == {WAITLIST}


def test_notes_are_in_the_file_and_beside_the_model(client: Client) -> None:
    trial = fill_trial(8)
    randomize(trial, "leeds")
    recompute_estimates(trial=trial, by=PLATFORM)
    assert {row["notes"].split(":")[0] for row in rows_of("estimates", trial)} == {"1 left out"}
    client.force_login(make_member(trial, "unblinded_statistician").user)
    assert "1 left out: no value" in client.get(f"/trials/{trial.slug}/effects/").content.decode()


def test_the_published_effect_stands_beside_immune_outcomes_alone(client: Client) -> None:
    trial = fill_trial(12)
    recompute_estimates(trial=trial, by=PLATFORM)
    client.force_login(make_member(trial, "unblinded_statistician").user)
    assert "Shields" in client.get(f"/trials/{trial.slug}/").content.decode()
    with audit.transaction(by=PLATFORM) as event:
        trial.biomarkers.update(outcome_class="clinical")
        event.record("test.changed", trial=trial)
    assert "Shields" not in client.get(f"/trials/{trial.slug}/").content.decode()


def test_without_an_oriented_row_no_side_is_named_after_an_arm() -> None:
    assert "favours" in forest_plot(FOREST)
    assert "favours" not in forest_plot(replace(FOREST, is_oriented=False))
