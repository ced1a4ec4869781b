"""The flow to the analysis, recruitment and the baseline table: numbers, and what the blinded are not told."""

import csv
import io
import random
import re
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from analytics.models import EffectEstimate
from analytics.selectors.baseline_table import baseline_table, largest_difference
from analytics.selectors.flow import trial_flow
from analytics.services.plans import DEFAULT_SPECIFICATION, record_plan
from analytics.services.recompute import recompute_estimates
from analytics.views.flow_words import flow_table
from analytics.views.recruitment import progress_words, projection_words
from measurements.selectors.frames import analysis_frame
from measurements.services.catalogue import add_biomarkers
from tests.analytics.filling import CANARIES, INTERVENTION, WAITLIST, fill_trial, post, randomize, today, values_of
from tests.making import PLATFORM, make_member, make_trial
from trials import audit
from trials.models import Attendance, ParticipantEvent, Trial
from trials.permissions import Role
from trials.selectors.recruitment import RecruitmentCounts, recruitment_by_site
from trials.services.design import ArmDesign
from trials.services.enrollment import (
    ExternalParticipant,
    record_consent,
    record_event,
    record_external_participants,
    screen_participant,
)
from trials.services.randomization import randomize_participant

pytestmark = pytest.mark.django_db


def with_primary(trial: Trial) -> Trial:
    record_plan(trial=trial, specification={**DEFAULT_SPECIFICATION, "primary": [["IL6", "six_months"]]}, by=PLATFORM)
    return trial


def happen(trial: Trial, number: int, kind: str, reason: str = "") -> None:
    who = trial.participants.get(number=number)
    record_event(participant=who, kind=kind, by=PLATFORM, on=who.randomized_on, reason=reason)


def eventful(participants: int = 12) -> Trial:
    """A trial in which every kind of reason keeps somebody out of the analysis."""
    trial = with_primary(fill_trial(participants, is_open_label=False))
    happen(trial, 1, "data_use_withdrawn")
    happen(trial, 2, "died")  # with both values, and analysed
    lost = randomize(trial, "leeds")
    record_event(participant=lost, kind="lost_to_follow_up", by=PLATFORM, on=lost.randomized_on, reason="moved")
    unmeasured, only_after = randomize(trial, "leeds"), randomize(trial, "ghent")
    row = values_of(trial, "six_months", ["IL6"])[0]
    post(trial, [row | {"participant": only_after.code}])
    assert unmeasured.number
    return trial


def test_the_analysed_are_those_of_the_engine() -> None:
    trial = eventful()
    recompute_estimates(trial=trial, by=PLATFORM)
    flow = trial_flow(trial, make_member(trial, "unblinded_statistician"))
    estimate = EffectEstimate.objects.get(role="primary", method="ancova_hc3", measure="log_difference")
    assert {arm.counts.code: arm.outcomes[0].analysed for arm in flow.arms} == estimate.n
    assert sum(estimate.n.values()) == 11
    left_out = sum((Counter(dict(arm.outcomes[0].left_out)) for arm in flow.arms), start=Counter())
    assert left_out == {"data_use_withdrawn": 1, "no_baseline": 1, "lost_to_follow_up": 1, "no_value": 1}
    for arm in flow.arms:
        (outcome,) = arm.outcomes
        assert outcome.analysed + sum(n for _reason, n in outcome.left_out) == arm.counts.allocated


def test_what_was_measured_after_a_cross_over_is_not_analysed() -> None:
    trial = with_primary(fill_trial(12, is_open_label=False))
    waiting = trial.participants.filter(allocation__arm__code=WAITLIST).first()
    with audit.transaction(by=PLATFORM) as event:
        crossed = {"trial": trial, "participant": waiting, "kind": "crossed_over", "occurred_on": waiting.randomized_on}
        ParticipantEvent.objects.create(**crossed)
        event.record("participant.crossed_over", trial=trial, target=waiting)
    frame = analysis_frame(trial)
    used = frame[(frame["biomarker"] == "IL6") & (frame["visit"] == "six_months")]["participant_id"]
    baseline = frame[(frame["biomarker"] == "IL6") & (frame["visit"] == "baseline")]["participant_id"]
    flow = trial_flow(trial, make_member(trial, "monitoring_board"))
    assert sum(arm.outcomes[0].analysed for arm in flow.arms) == len(set(used) & set(baseline))
    pooled = trial_flow(trial, make_member(trial, "monitor")).arms[0]
    assert pooled.outcomes[0].analysed == 12
    assert pooled.counts.crossed_over is None


def cross_over(who, on: date) -> None:
    with audit.transaction(by=PLATFORM) as event:
        ParticipantEvent.objects.create(trial=who.trial, participant=who, kind="crossed_over", occurred_on=on)
        event.record("participant.crossed_over", trial=who.trial, target=who)


def left_out_of(trial: Trial, role: str) -> Counter:
    flow = trial_flow(trial, make_member(trial, role))
    return sum((Counter(dict(arm.outcomes[0].left_out)) for arm in flow.arms), start=Counter())


def test_after_cross_over_is_who_has_a_value_that_is_left_out_for_it() -> None:
    trial = with_primary(fill_trial(4, is_open_label=False))
    measured, unmeasured = randomize(trial, "leeds"), randomize(trial, "leeds")
    for who in (measured, unmeasured):
        cross_over(who, who.randomized_on + timedelta(days=150))
    row = values_of(trial, "six_months", ["IL6"])[0] | {"participant": measured.code}
    post(trial, [row | {"collected_at": f"{measured.randomized_on + timedelta(days=160)}T08:00:00Z"}])
    assert left_out_of(trial, "monitoring_board") == {"crossed_over": 1, "no_value": 1}
    assert left_out_of(trial, "monitor") == {"no_baseline": 1, "no_value": 1}


@pytest.mark.parametrize("kind", ["died", "follow_up_withdrawn", "lost_to_follow_up"])
def test_who_left_after_the_visit_was_due_did_not_miss_it_for_that(kind) -> None:
    trial = with_primary(fill_trial(2, is_open_label=False))
    for days, came in ((195, False), (196, False), (10, True)):
        who = randomize(trial, "leeds")
        on = who.randomized_on + timedelta(days=days)
        record_event(participant=who, kind=kind, by=PLATFORM, on=on, reason="x")
        if came:
            with audit.transaction(by=PLATFORM) as event:
                visit = trial.visits.get(code="six_months")
                Attendance.objects.create(trial=trial, participant=who, visit=visit, attended_on=on)
                event.record("visit.attended", trial=trial, target=who)
    for role in ("monitoring_board", "monitor"):
        assert left_out_of(trial, role) == {kind: 1, "no_value": 2}


@pytest.mark.parametrize("seed", range(3))
def test_of_what_was_measured_again_the_engine_s_measurement_counts(seed) -> None:
    chance = random.Random(seed)
    trial = with_primary(fill_trial(20, is_open_label=False))
    rows = []
    for visit in ("baseline", "six_months"):
        for row in values_of(trial, visit, ["IL6"]):
            for run in chance.sample(["b", "c"], chance.randint(0, 2)):
                for replicate in range(1, chance.randint(2, 4)):
                    value = chance.choice(["0", "2.5", "3.5", "4.5", "5.5", "1.5"])
                    day = chance.choice([None, today() - timedelta(days=1), today() - timedelta(days=2)])
                    again = row | {"run": run, "replicate": str(replicate), "value": value}
                    rows.append(again | ({"collected_at": f"{day}T08:00:00Z"} if day else {}))
    post(trial, rows)
    recompute_estimates(trial=trial, by=PLATFORM)
    estimate = EffectEstimate.objects.get(role="primary", method="ancova_hc3", measure="log_difference")
    flow = trial_flow(trial, make_member(trial, "unblinded_statistician"))
    assert {arm.counts.code: arm.outcomes[0].analysed for arm in flow.arms} == estimate.n
    assert left_out_of(trial, "monitoring_board") == {"no_logarithm": 20 - sum(estimate.n.values())}
    assert sum(estimate.n.values()) < 20


def test_where_groups_were_randomized_nothing_is_called_analysed(client: Client) -> None:
    trial = make_trial(factors={}, sites=("leeds",), randomization_unit="group")
    add_biomarkers(trial=trial, biomarkers=["IL6"], by=PLATFORM)
    flow = trial_flow(with_primary(trial), make_member(trial, "monitoring_board"))
    headings = [row[0] for row in flow_table(flow).rows]
    assert any(heading.startswith("With both values: ") for heading in headings)
    client.force_login(make_member(trial, "monitor").user)
    page = read(client, "/trials/t/flow/")
    assert "nalysed:" not in page
    assert "of 0 analysed" not in page
    assert client.get("/api/v1/trials/t/consort/").json()["is_analysed"] is False


def test_page_and_api_agree_on_what_was_received_and_what_became_of_everybody(client: Client) -> None:
    trial = eventful()
    board = make_member(trial, "monitoring_board")
    client.force_login(board.user)
    told = [arm["received"] for arm in client.get("/api/v1/trials/t/consort/").json()["arms"]]
    assert told == [None, None]
    treated = trial.participants.filter(allocation__arm__code=INTERVENTION).order_by("-number").first()
    happen(trial, treated.number, "intervention_started")
    answer = client.get("/api/v1/trials/t/consort/").json()
    table = flow_table(trial_flow(trial, board)).rows
    follow_up = [row[0] for row in table].index("Follow-up")
    analysis = next(number for number, row in enumerate(table) if row[0].startswith("Analysed"))
    rows = {row[0]: row[1:] for row in table[:analysis]}
    assert follow_up < [row[0] for row in table].index("Completed") < analysis
    by_name = {"Received as allocated": "received", "Still in follow-up": "followed", "Completed": "completed"}
    by_name["Use of data withdrawn"] = "data_use_withdrawn"
    assert answer["arms"][0]["received"] == 1
    assert answer["arms"][1]["received"] == answer["arms"][1]["allocated"]
    for words, name in by_name.items():
        assert rows[words] == [str(arm[name]) for arm in answer["arms"]]


def test_who_is_still_awaited_is_not_missing() -> None:
    trial = with_primary(make_trial(factors={}, sites=("leeds",)))
    add_biomarkers(trial=trial, biomarkers=["IL6"], by=PLATFORM)
    with_primary(trial)
    new, old = randomize(trial, "leeds"), randomize(trial, "leeds")
    with audit.transaction(by=PLATFORM) as event:
        visit = trial.visits.get(code="six_months")
        Attendance.objects.create(trial=trial, participant=old, visit=visit, missed_category="ill", missed_reason="flu")
        event.record("visit.missed", trial=trial, target=old)
    (pooled,) = trial_flow(trial, make_member(trial, "monitor")).arms
    assert new.randomized_on + timedelta(days=195) < today()
    assert dict(pooled.outcomes[0].left_out) == {"missed": 1, "no_value": 1}
    assert (pooled.visits[0].missed, pooled.visits[0].missed_reasons) == (1, (("ill", 1),))


def test_an_empty_trial_has_a_flow_of_zeros(client: Client) -> None:
    trial = make_trial(factors={}, sites=("leeds",))
    client.force_login(make_member(trial, "monitoring_board").user)
    for page in ("flow", "recruitment", "baseline-table"):
        assert client.get(f"/trials/t/{page}/").status_code == 200
    flow = trial_flow(trial, make_member(trial, "monitoring_board"))
    assert [arm.counts.allocated for arm in flow.arms] == [0, 0]
    assert flow.arms[0].outcomes[0].analysed == 0


def test_the_flow_takes_the_same_queries_for_few_and_many() -> None:
    few, many = with_primary(fill_trial(2, slug="few")), with_primary(fill_trial(20, slug="many"))
    found = []
    for trial in (few, many):
        member = make_member(trial, "monitoring_board")
        with CaptureQueriesContext(connection) as queries:
            trial_flow(Trial.objects.get(pk=trial.pk), member)
        found.append(len(queries))
    assert found[0] == found[1] < 30


def test_the_table_of_the_flow_says_every_number_beside_its_arm() -> None:
    trial = eventful()
    table = flow_table(trial_flow(trial, make_member(trial, "monitoring_board")))
    rows = {row[0].replace("\N{NO-BREAK SPACE}", ""): row[1:] for row in table.rows}
    assert rows["Randomized"][0] == "15"
    assert sum(map(int, rows["Lost to follow-up"])) == 1
    assert sum(map(int, rows["Died"])) == 1
    assert all(len(row) == len(table.columns) for row in table.rows)


# Recruitment


def plan(**changes: object) -> RecruitmentCounts:
    values = {"points": (), "undated": 0, "starts": date(2026, 1, 1), "ends": date(2026, 12, 31), "planned": 120}
    return RecruitmentCounts(**{**values, **changes})


def test_the_projection_carries_the_present_rate_on() -> None:
    # 30 in the last 90 days, 60 remain: 180 days more.
    counts = plan(points=((date(2026, 3, 1), 30), (date(2026, 6, 1), 60)))
    found = counts.projection(date(2026, 6, 1))
    assert (found.days, found.remaining, found.reached_on) == (90, 60, date(2026, 6, 1) + timedelta(days=180))
    assert found.rate == pytest.approx(30 * 365.25 / 12 / 90)


@pytest.mark.parametrize(
    "counts",
    [
        plan(),
        plan(planned=None, points=((date(2026, 2, 1), 3),)),
        plan(points=((date(2026, 1, 20), 120),)),
        plan(points=((date(2026, 5, 20), 5),), starts=date(2026, 5, 15)),
        plan(points=((date(2026, 1, 2), 5),)),
    ],
    ids=["nobody", "no plan", "reached", "too early", "standstill"],
)
def test_without_a_rate_nothing_is_projected(counts) -> None:
    assert counts.projection(date(2026, 6, 1)) is None


def test_each_site_counts_its_own(client: Client) -> None:
    trial = fill_trial(6)
    leeds, ghent = (
        next(s for s in recruitment_by_site(trial, PLATFORM) if s.code == code) for code in ("leeds", "ghent")
    )
    assert (leeds.screened, leeds.eligible, leeds.consented, leeds.randomized) == (3, 3, 3, 3)
    assert leeds.share == pytest.approx(3 / 40)
    assert leeds.rate == pytest.approx(3 * 365.25 / 12 / 200)
    assert sum(month.randomized for month in ghent.months) == 3
    own = recruitment_by_site(trial, make_member(trial, "coordinator", "leeds"))
    assert [site.code for site in own] == ["leeds"]
    client.force_login(make_member(trial, "coordinator", "leeds").user)
    page = client.get("/trials/t/recruitment/").content.decode()
    assert "Your own site alone" in page
    assert "Ghent" not in page
    rows = list(csv.DictReader(io.StringIO(read(client, "/api/v1/trials/t/recruitment.csv"))))
    assert {row["site"] for row in rows} == {"leeds"}
    assert sum(int(row["randomized"]) for row in rows) == 3


def test_a_site_without_anybody_is_listed() -> None:
    trial = make_trial(factors={})
    assert [(site.code, site.randomized, site.rate) for site in recruitment_by_site(trial, PLATFORM)] == [
        ("ghent", 0, None),
        ("leeds", 0, None),
    ]


def test_progress_is_said_in_words() -> None:
    trial = make_trial()
    counts = plan(points=((today() - timedelta(days=40), 10),), starts=today() - timedelta(days=80), ends=today())
    assert progress_words(trial, counts).endswith("The plan wanted 120 by today: 110 behind.")
    assert "assumes that the rate stays" in projection_words(trial, counts)
    assert "months after the planned end" in projection_words(trial, counts)


def read(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return content.decode()


# Table 1


def test_table_1_equals_numpy_on_the_same_values() -> None:
    trial = fill_trial(14, biomarkers=("IL6", "PSS10"))
    recompute_estimates(trial=trial, by=PLATFORM)
    table = baseline_table(trial, make_member(trial, "unblinded_statistician"))
    assert table.randomized[INTERVENTION] + table.randomized[WAITLIST] == table.randomized[""] == 14
    frame = analysis_frame(trial).query("visit == 'baseline'")
    arm_of = dict(trial.allocations.values_list("participant_id", "arm__code"))
    for row in table.biomarkers:
        values = frame[frame["biomarker"] == row.biomarker.code].set_index("participant_id")["value"]
        scaled = np.log(values) if row.is_log else values
        total = row.numbers[""]["geometric" if row.is_log else "moments"]
        assert total["mean"] == pytest.approx(np.exp(scaled.mean()) if row.is_log else scaled.mean())
        first, second = (scaled[[arm_of[who] == code for who in scaled.index]] for code in (INTERVENTION, WAITLIST))
        wanted = (first.mean() - second.mean()) / np.sqrt((first.var() + second.var()) / 2)
        (difference,) = row.differences
        assert (difference.arm, difference.other) == (INTERVENTION, WAITLIST)
        assert difference.value == pytest.approx(wanted, rel=1e-9)
        assert largest_difference(row.differences) == pytest.approx(abs(wanted))
    assert {row.is_log for row in table.biomarkers} == {True, False}


def test_of_four_arms_the_largest_difference_is_shown(client: Client) -> None:
    arms = [ArmDesign("a0", "Arm 0", "waitlist", is_reference=True)]
    arms += [ArmDesign(f"a{n}", f"Arm {n}", "intervention", intervention_type="cbt") for n in range(1, 4)]
    trial = make_trial(arms=arms, factors={"sex": ("F", "M")}, sites=("leeds", "ghent"))
    for number in range(16):
        site = trial.sites.get(code="leeds" if number % 2 else "ghent")
        who = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=today())
        who = record_consent(participant=who, by=PLATFORM, on=today(), version="1.0")
        randomize_participant(participant=who, by=PLATFORM, levels={"sex": "FM"[number // 8]}, on=today())
    table = baseline_table(trial, make_member(trial, "monitoring_board"))
    site, sex = table.factors
    assert (site.code, sex.code) == ("site", "sex")
    assert len(sex.differences) == 6
    assert sum(sum(sex.counts[arm.code].values()) for arm in table.arms) == 16 == sum(sex.counts[""].values())
    client.force_login(make_member(trial, "monitoring_board").user)
    page = read(client, "/trials/t/baseline-table/")
    assert "Largest absolute standardized mean difference" in page
    assert page.count('scope="col"') == 7


def test_somebody_at_one_site_is_not_told_of_the_others() -> None:
    trial = fill_trial(4)
    table = baseline_table(trial, make_member(trial, "coordinator", "leeds"))
    assert (table.arms, table.factors, table.hides_sites) == ((), (), True)


def test_the_administrator_sees_no_values() -> None:
    trial = fill_trial(4)
    recompute_estimates(trial=trial, by=PLATFORM)
    administrator = make_member(trial, "export_staff")
    administrator.user.is_administrator = True
    administrator.user.save = None  # in memory alone
    assert baseline_table(trial, administrator).biomarkers
    outsider = make_member(make_trial("other"), "coordinator", "leeds")
    outsider.user.is_administrator = True
    table = baseline_table(trial, outsider)
    assert (table.biomarkers, table.hides_values) == ((), True)


def test_the_file_has_the_page_and_the_api_every_digit(client: Client) -> None:
    trial = fill_trial(8)
    recompute_estimates(trial=trial, by=PLATFORM)
    client.force_login(make_member(trial, "unblinded_statistician").user)
    page = list(csv.reader(io.StringIO(read(client, "/trials/t/baseline-table.csv"))))
    assert page[0] == ["Characteristic", "Canary Intervention", "Canary Waitlist", "Total", "SMD"]
    assert page[1][3] == "8"
    tidy = list(csv.DictReader(io.StringIO(read(client, "/api/v1/trials/t/baseline-table.csv"))))
    answer = client.get("/api/v1/trials/t/baseline-table/").json()
    il6 = next(each for each in answer["biomarkers"] if each["biomarker"] == "IL6")
    (row,) = [each for each in tidy if (each["characteristic"], each["statistic"]) == ("IL6", "smd")]
    assert float(row["value"]) == il6["smd"]
    assert set(il6["numbers"]["by_arm"]) == {INTERVENTION, WAITLIST}


# Blinding

BLINDED_PATHS = (
    "/trials/t/",
    "/trials/t/flow/",
    "/trials/t/flow.svg",
    "/trials/t/recruitment/",
    "/trials/t/baseline-table/",
    "/trials/t/baseline-table.csv",
    "/api/v1/trials/t/consort/",
    "/api/v1/trials/t/recruitment/",
    "/api/v1/trials/t/recruitment.csv",
    "/api/v1/trials/t/baseline-table/",
    "/api/v1/trials/t/baseline-table.csv",
)


class UndoneError(Exception):
    """Raised to take a whole trial back."""


def read_by(role: str, *, swapped: bool) -> dict[str, str]:
    """What this role reads of a trial whose arms are swapped or not, everything else being equal."""
    answers: dict[str, str] = {}
    try:
        with transaction.atomic():
            trial = external_trial(swapped=swapped)
            recompute_estimates(trial=trial, by=PLATFORM)
            client = Client()
            client.force_login(make_member(trial, role).user)
            answers = {path: told(read(client, path)) for path in BLINDED_PATHS}
            raise UndoneError
    except UndoneError:
        return answers


def external_trial(*, swapped: bool) -> Trial:
    trial = make_trial(
        arms=(
            ArmDesign(INTERVENTION, "Canary Intervention", "intervention", intervention_type="cbt"),
            ArmDesign(WAITLIST, "Canary Waitlist", "waitlist", is_reference=True),
        ),
        factors={},
        is_open_label=False,
        allocation_provenance="made up",
    )
    add_biomarkers(trial=trial, biomarkers=["IL6", "PSS10"], by=PLATFORM)
    arms = (WAITLIST, INTERVENTION) if swapped else (INTERVENTION, WAITLIST)
    people = [
        ExternalParticipant(f"X-{n}", ("leeds", "ghent")[n % 2], arms[n % 3 == 0], {"site": ("leeds", "ghent")[n % 2]})
        for n in range(12)
    ]
    record_external_participants(trial=trial, participants=people, by=PLATFORM)
    for visit in ("baseline", "six_months"):
        post(trial, values_of(trial, visit, ["IL6", "PSS10"]))
    with_primary(trial)
    for number, who in enumerate(trial.participants.select_related("allocation__arm").order_by("number")):
        if who.allocation.arm.kind == "intervention":
            record_event(participant=who, kind="intervention_started", by=PLATFORM, on=today())
        if number < 3:
            record_event(
                participant=who, kind="lost_to_follow_up", by=PLATFORM, on=today(), reason=f"{arms[0]} was bad"
            )
    return trial


def told(page: str) -> str:
    """The page without what is new in every answer: tokens, times, and numbers of rows."""
    for pattern in (
        r'"x-csrftoken": "\w+"',
        r"csrfmiddlewaretoken[^>]+",
        r"<time.*?</time>",
        r"(Computed|Counted) on [^.;]+",
    ):
        page = re.sub(pattern, "", page)
    return re.sub(r'seen=[\w.-]+|"computed_at":"[^"]+"|"plan":"[^"]+"', "", page)


@pytest.mark.parametrize("role", [Role.MONITOR, Role.DATA_MANAGER, Role.BLINDED_STATISTICIAN])
def test_swapped_arms_give_the_blinded_the_same_bytes(role) -> None:
    one, other = read_by(role, swapped=False), read_by(role, swapped=True)
    assert set(one) == set(BLINDED_PATHS)
    for path in BLINDED_PATHS:
        assert one[path] == other[path], path
        assert [name for name in CANARIES if name in one[path]] == [], path


def test_the_entitled_are_told_apart_what_the_blinded_are_not() -> None:
    one, other = (read_by(Role.MONITORING_BOARD, swapped=swapped) for swapped in (False, True))
    same = {path for path in BLINDED_PATHS if one[path] == other[path]}
    assert same == {path for path in BLINDED_PATHS if "recruitment" in path}
