"""Cross-over: only when the comparison has ended, told to the entitled alone, and no estimate moves."""

import json

import pytest
from django.db import connection

from analytics.models import EffectEstimate
from analytics.selectors.analysed import CrossOver
from analytics.selectors.precision import pooled_precision
from analytics.services.recompute import design_of, recompute_estimates
from measurements.selectors.frames import ANALYSIS_VALUES, analysis_frame, excluded_values
from measurements.selectors.schedule import visit_lines
from measurements.services.cross_over import record_cross_over
from measurements.services.results import laboratory_of, record_results
from measurements.services.visits import record_attendance
from measurements.validation import decode_json
from tests.making import PLATFORM, make_member, make_trial
from tests.measurements.following import days_ago, in_arm, make_waitlist_trial
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import AuditEvent, Participant, ParticipantEvent, Trial
from trials.selectors.audit_trail import events_of
from trials.services.enrollment import record_event

pytestmark = pytest.mark.django_db
VISITED = {"baseline": 241, "after": 40, "six_months": 60, "nine_months": 5}


@pytest.fixture
def trial():
    return make_waitlist_trial(16)


@pytest.fixture
def compared(trial):
    """The trial with values of everybody at baseline and six months, attended 60 days ago."""
    for visit in ("baseline", "six_months"):
        measure(trial, visit, trial.participants.all())
    return trial


def measure(trial, visit, participants, *, dated=True):
    """Let these attend a visit and have a value of each biomarker, different for each and always the same."""
    planned, day = trial.visits.get(code=visit), days_ago(VISITED[visit])
    units = dict(trial.biomarkers.values_list("code", "unit"))
    rows = []
    for participant in participants:
        if dated:
            record_attendance(participant=participant, visit=planned, by=PLATFORM, attended_on=day)
        rows += [
            {
                "participant": participant.code,
                "visit": visit,
                "biomarker": code,
                "value": f"{1 + (7 * participant.number + 3 * len(visit)) % 11 / 4:.4f}",
                "unit": unit,
            }
            for code, unit in units.items()
        ]
    record_results(
        trial=trial,
        laboratory=laboratory_of(PLATFORM, trial),
        payload=decode_json(json.dumps({"results": rows}).encode()),
        by=PLATFORM,
        channel="api_json",
    )


def estimates(trial):
    """Every number of a fresh computation, by what it is of; extension visits apart."""
    run = recompute_estimates(trial=Trial.objects.get(pk=trial.pk), by=PLATFORM)
    numbers = ("estimate", "standard_error", "ci_low", "ci_high", "p_value")
    rows = EffectEstimate.objects.filter(run=run, visit__code="six_months").order_by("id")
    return {
        (row.biomarker.code, row.population, row.missing, row.method, row.measure, row.arm, name): getattr(row, name)
        for row in rows.select_related("biomarker")
        for name in numbers
        if getattr(row, name) is not None
    }


def test_no_effect_is_stated_after_the_controlled_comparison(compared):
    """At nine months the waitlist had the therapy, crossed over on paper or not."""
    measure(compared, "nine_months", compared.participants.all())
    run = recompute_estimates(trial=Trial.objects.get(pk=compared.pk), by=PLATFORM)
    later = run.estimates.filter(visit__code="nine_months")
    assert set(later.values_list("not_estimable_code", "p_value", "p_bh")) == {
        ("after_controlled_comparison", None, None)
    }
    assert run.estimates.filter(visit__code="six_months", estimate__isnull=False, p_bh__isnull=False).exists()
    assert run.descriptions.filter(visit__code="nine_months", numbers__available__gt=0).exclude(arm="").exists()
    last = compared.visits.get(code="six_months").position
    assert design_of(compared).after_comparison == {visit.code for visit in compared.visits.filter(position__gt=last)}
    assert design_of(make_trial("parallel")).after_comparison == frozenset()


def test_estimates_before_and_after_cross_overs_and_later_results_are_equal(compared):
    before, version = estimates(compared), Trial.objects.get(pk=compared.pk).data_version
    assert before
    for participant in in_arm(compared, "canary-wait"):
        record_cross_over(participant=participant, on=days_ago(30), by=PLATFORM)
    assert Trial.objects.get(pk=compared.pk).data_version == version
    measure(compared, "nine_months", compared.participants.all())
    after = estimates(compared)
    assert after.keys() == before.keys()
    assert all(abs(after[key] - before[key]) <= 1e-12 for key in before)
    frame = analysis_frame(compared)
    later = set(frame[frame["visit"] == "nine_months"]["participant"])
    assert later == {each.code for each in in_arm(compared, "canary-cbt")}
    assert excluded_values(compared) == {"after_cross_over": 2 * len(in_arm(compared, "canary-wait"))}


def test_a_value_at_a_controlled_visit_collected_after_the_cross_over_is_out(compared):
    participant = in_arm(compared, "canary-wait")[0]
    record_cross_over(participant=participant, on=days_ago(30), by=PLATFORM)
    before = len(analysis_frame(compared))
    for visit, days, out in (("baseline", 20, True), ("six_months", 30, False)):
        row = {
            "participant": participant.code,
            "visit": visit,
            "biomarker": "IL6",
            "value": "4",
            "unit": "pg/mL",
            "collected_at": f"{days_ago(days)}T08:00:00Z",
            "run": "again",
        }
        record_results(
            trial=compared,
            laboratory=laboratory_of(PLATFORM, compared),
            payload=decode_json(json.dumps({"results": [row]}).encode()),
            by=PLATFORM,
            channel="api_json",
        )
        frame = analysis_frame(compared)
        assert len(frame) == before
        is_used = (frame["participant"] == participant.code) & (frame["value"] == 4.0) & (frame["visit"] == visit)
        assert is_used.any() != out
    assert excluded_values(compared) == {"after_cross_over": 1}


def test_without_any_date_the_place_in_the_plan_decides(compared):
    crossed = in_arm(compared, "canary-wait")[0]
    record_cross_over(participant=crossed, on=days_ago(30), by=PLATFORM)
    measure(compared, "nine_months", compared.participants.all(), dated=False)
    frame = analysis_frame(compared)
    later = set(frame[frame["visit"] == "nine_months"]["participant"])
    assert later == set(compared.participants.values_list("code", flat=True)) - {crossed.code}


class TestVisitsAfterAnIntervention:
    """A visit that counts from the end of an intervention, planned before the last controlled one."""

    @pytest.fixture
    def trial(self):
        return make_waitlist_trial(16, after_at=0)

    @pytest.fixture
    def crossed(self, compared):
        participant = in_arm(compared, "canary-wait")[0]
        record_cross_over(participant=participant, on=days_ago(30), by=PLATFORM)
        return participant

    def line(self, participant, by=PLATFORM):
        return next(line for line in visit_lines(participant, by) if line.visit.code == "after")

    def test_an_undated_value_is_out_for_those_who_crossed_over_alone(self, compared, crossed):
        measure(compared, "after", compared.participants.all(), dated=False)
        frame = analysis_frame(compared)
        kept = set(frame[frame["visit"] == "after"]["participant"])
        assert kept == set(compared.participants.values_list("code", flat=True)) - {crossed.code}
        assert excluded_values(compared) == {"after_cross_over": 2}
        after = compared.visits.get(code="after")
        assert not CrossOver(after, {crossed.pk: days_ago(30)}, True).is_past(-1, None, after)
        assert CrossOver(after, {crossed.pk: days_ago(30)}, True).is_past(crossed.pk, None, after)

    @pytest.mark.parametrize(("ago", "is_extension"), [(31, False), (30, True), (10, True)])
    def test_an_end_from_the_cross_over_on_dates_an_extension(self, crossed, ago, is_extension):
        record_event(participant=crossed, kind="intervention_ended", by=PLATFORM, on=days_ago(ago))
        assert self.line(crossed).is_extension is is_extension
        assert self.line(crossed).window.first == days_ago(ago)

    def test_it_tells_the_blinded_nothing(self, compared, crossed):
        blinded = make_member(compared, "data_manager")
        assert not self.line(crossed, blinded).is_extension
        assert self.line(crossed, blinded).is_hidden

    def test_others_have_no_extension(self, compared):
        assert not self.line(in_arm(compared, "canary-cbt")[0]).is_extension

    def test_a_cross_over_waits_for_the_day_of_compared_values(self, compared):
        participant = in_arm(compared, "canary-wait")[0]
        measure(compared, "after", [participant], dated=False)
        before = len(analysis_frame(compared))
        with pytest.raises(InConflict, match="Values of After have no day"):
            record_cross_over(participant=participant, on=days_ago(30), by=PLATFORM)
        after = compared.visits.get(code="after")
        record_attendance(participant=participant, visit=after, by=PLATFORM, attended_on=days_ago(40))
        record_cross_over(participant=participant, on=days_ago(30), by=PLATFORM)
        assert len(analysis_frame(compared)) == before


def test_readers_who_may_not_see_arms_get_one_rule_for_everybody(compared):
    measure(compared, "nine_months", compared.participants.all())

    def visits_by_participant(arm_sites):
        with connection.cursor() as cursor:
            cursor.execute(ANALYSIS_VALUES, {"trial": compared.pk, "arm_sites": arm_sites})
            return {(row[1], row[2]) for row in cursor.fetchall()}

    before = visits_by_participant([])
    assert {visit for _, visit in before} == {"baseline", "six_months"}
    record_cross_over(participant=in_arm(compared, "canary-wait")[0], on=days_ago(30), by=PLATFORM)
    assert visits_by_participant([]) == before
    assert visits_by_participant(None) > before


class TestRefusals:
    def test_an_arm_that_does_not_cross_over(self, compared):
        with pytest.raises(InConflict, match="does not cross over"):
            record_cross_over(participant=in_arm(compared, "canary-cbt")[0], on=days_ago(30), by=PLATFORM)

    def test_before_the_last_controlled_visit_is_attended_or_missed(self, trial):
        participant = in_arm(trial, "canary-wait")[0]
        with pytest.raises(InConflict, match="attended or missed Six months"):
            record_cross_over(participant=participant, on=days_ago(1), by=PLATFORM)
        record_attendance(
            participant=participant,
            visit=trial.visits.get(code="six_months"),
            by=PLATFORM,
            missed_category="not_reached",
        )
        assert record_cross_over(participant=participant, on=days_ago(1), by=PLATFORM).kind == "crossed_over"

    @pytest.mark.parametrize(("ago", "code"), [(-1, "date_future"), (61, "date_too_early")])
    def test_a_day_to_come_or_before_what_is_compared(self, compared, ago, code):
        with pytest.raises(RuleBroken) as refused:
            record_cross_over(participant=in_arm(compared, "canary-wait")[0], on=days_ago(ago), by=PLATFORM)
        assert refused.value.code == code

    def test_a_second_one_on_another_day(self, compared):
        participant = in_arm(compared, "canary-wait")[0]
        first = record_cross_over(participant=participant, on=days_ago(30), by=PLATFORM)
        assert record_cross_over(participant=participant, on=days_ago(30), by=PLATFORM) == first
        with pytest.raises(InConflict, match="already"):
            record_cross_over(participant=participant, on=days_ago(29), by=PLATFORM)
        assert ParticipantEvent.objects.filter(kind="crossed_over").count() == 1

    def test_the_blinded_are_refused_in_the_same_words_whatever_the_arm(self, compared, client):
        by = make_member(compared, "data_manager")
        client.force_login(by.user, backend="allauth.account.auth_backends.AuthenticationBackend")
        told = set()
        for participant in Participant.objects.filter(trial=compared):
            with pytest.raises(NotAllowed) as refused:
                record_cross_over(participant=participant, on=days_ago(1), by=by)
            url = f"/trials/t/participants/{participant.code}/cross-over/"
            statuses = client.get(url).status_code, client.post(url, {"on": days_ago(1), "confirm": "on"}).status_code
            told.add((refused.value.code, refused.value.sentence, *statuses))
        assert len(told) == 1
        assert told.pop()[2:] == (403, 403)

    def test_staff_of_another_site_and_statisticians_do_not_record_it(self, compared):
        participant = next(each for each in in_arm(compared, "canary-wait") if each.site.code == "leeds")
        for by in (make_member(compared, "coordinator", "ghent"), make_member(compared, "unblinded_statistician")):
            with pytest.raises(NotAllowed):
                record_cross_over(participant=participant, on=days_ago(1), by=by)


def test_the_form_offers_it_to_the_entitled_at_the_last_controlled_visit(compared, client):
    by = make_member(compared, "coordinator", "leeds")
    client.force_login(by.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    participant = next(each for each in in_arm(compared, "canary-wait") if each.site.code == "leeds")
    form = f"/trials/t/participants/{participant.code}/visits/six_months/"
    assert "cross-over" in client.get(form).content.decode()
    url = f"/trials/t/participants/{participant.code}/cross-over/"
    assert client.post(url, {"on": days_ago(30)}).status_code == 422
    assert client.post(url, {"on": days_ago(30), "confirm": "on"}).status_code == 302
    assert "cross-over/" not in client.get(form).content.decode()
    other = next(each for each in in_arm(compared, "canary-cbt") if each.site.code == "leeds")
    assert "cross-over" not in client.get(form.replace(participant.code, other.code)).content.decode()


def test_the_trail_tells_the_blinded_nothing_of_it(compared):
    record_cross_over(participant=in_arm(compared, "canary-wait")[0], on=days_ago(30), by=PLATFORM)
    assert AuditEvent.objects.filter(verb="participant.crossed_over").exists()
    told = events_of(compared, make_member(compared, "monitor"))
    assert not told.filter(verb="participant.crossed_over").exists()


def test_what_a_run_says_of_itself_tells_the_blinded_nothing(compared):
    """One more value of one participant after the comparison: whoever it is, counts stay and the hash changes."""
    crossed, other = in_arm(compared, "canary-wait")[0], in_arm(compared, "canary-cbt")[0]
    record_cross_over(participant=crossed, on=days_ago(30), by=PLATFORM)
    nine_months, by = compared.visits.get(code="nine_months"), make_member(compared, "data_manager")

    def told():
        trial = Trial.objects.get(pk=compared.pk)
        run = recompute_estimates(trial=trial, by=PLATFORM)
        return run.result_count, run.inputs_sha256, pooled_precision(trial, nine_months, by).outcomes

    seen = [told()]
    for participant in (crossed, other):
        measure(compared, "nine_months", [participant])
        seen.append(told())
    counts, hashes, outcomes = zip(*seen, strict=True)
    assert len(set(counts)) == 1
    assert len(set(hashes)) == 3
    assert set(outcomes) == {()}
