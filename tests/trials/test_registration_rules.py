"""Designing drafts, sealing, amending with reasons and versions: what is stored, and what is refused."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from django.db import ProgrammingError, connection, transaction

from tests.making import ARMS, PLATFORM, make_member, make_trial
from trials import audit
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import AuditEvent, Intervention, PlannedOutcome, ProtocolVersion, Registration, Trial
from trials.permissions import Role
from trials.registry.document import fingerprint
from trials.selectors.protocol_versions import difference_between, version_of
from trials.selectors.registry import participant_flows, protocol_document
from trials.services.design import (
    BASELINE,
    SIX_MONTHS,
    ArmDesign,
    CriterionDesign,
    FactorDesign,
    SiteDesign,
    create_trial,
    revise_design,
)
from trials.services.enrollment import record_consent, record_event, screen_participant
from trials.services.lifecycle import ask_for_move, change_status, sign_move
from trials.services.protocol_versions import record_protocol_version
from trials.services.randomization import randomize_participant
from trials.services.registry import Amendment, OutcomeDesign, amend_protocol

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)
SITES = (SiteDesign("leeds", "Leeds", "Leeds", "GB"), SiteDesign("ghent", "Ghent"))
THREE = (
    ArmDesign("bot", "Bot", "intervention", 2, intervention_type="cbt", delivery="coach_bot", sessions_planned=12,
              session_minutes=10, weeks=12, software="Calm-Bot", software_version="2.1"),
    ArmDesign("cbt", "CBT", "intervention", 2, intervention_type="cbt"),
    ArmDesign("waitlist", "Waitlist", "waitlist", is_reference=True, crosses_over_to="cbt"),
)  # fmt: skip


def design(**changed):
    return {
        "arms": THREE,
        "sites": SITES,
        "visits": (BASELINE, SIX_MONTHS),
        "factors": (FactorDesign("sex", "Sex", (("F", "Female"), ("M", "Male"))),),
        "criteria": (CriterionDesign("c1", "Adult"), CriterionDesign("x1", "Infection", "exclusion")),
    } | changed


def registered(**options) -> Trial:
    trial = make_trial(status="registered", **options)
    record_protocol_version(trial=trial, by=PLATFORM, reason="Registration")
    return trial


def test_a_draft_becomes_what_the_design_says_row_by_row() -> None:
    trial = make_trial(status="draft")
    kept = trial.visits.get(code="baseline").pk
    revise_design(
        trial=trial, by=PLATFORM, **design(), title="New", randomization_method="minimization", is_open_label=False
    )
    document = protocol_document(Trial.objects.get(pk=trial.pk))
    assert [(arm["code"], arm["ratio"], arm["crosses_over_to"]) for arm in document["arms"]] == [
        ("bot", 2, ""),
        ("cbt", 2, ""),
        ("waitlist", 1, "cbt"),
    ]
    assert document["arms"][0]["intervention"]["software_version"] == "2.1"
    assert [(each["code"], each["kind"]) for each in document["criteria"]] == [("c1", "inclusion"), ("x1", "exclusion")]
    assert [factor["code"] for factor in document["factors"]] == ["site", "sex"]
    assert document["sites"][1] == {"code": "leeds", "name": "Leeds", "city": "Leeds", "country": "GB"}
    assert document["randomization"]["randomization_method"] == "minimization"
    assert trial.visits.get(code="baseline").pk == kept


def test_revising_twice_the_same_changes_nothing_more() -> None:
    trial = make_trial(status="draft")
    revise_design(trial=trial, by=PLATFORM, **design())
    before = protocol_document(trial)
    revise_design(trial=trial, by=PLATFORM, **design())
    assert protocol_document(trial) == before


def test_the_reference_arm_and_the_baseline_may_move_to_another_row() -> None:
    trial = make_trial(status="draft")
    arms = (replace(ARMS[0], is_reference=True), replace(ARMS[1], is_reference=False))
    visits = (replace(BASELINE, kind="other"), replace(SIX_MONTHS, kind="baseline"))
    revise_design(trial=trial, by=PLATFORM, **design(arms=arms, visits=visits))
    assert trial.arms.get(is_reference=True).code == "cbt"
    assert trial.visits.get(kind="baseline").code == "six_months"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"arms": (replace(THREE[0], software_version=""), THREE[1], THREE[2])}, "software_missing"),
        ({"arms": (*THREE[:2], replace(THREE[2], crosses_over_to="nowhere"))}, "cross_over_impossible"),
        ({"arms": (*THREE[:2], replace(THREE[2], crosses_over_to="waitlist"))}, "cross_over_impossible"),
        ({"arms": (THREE[0], replace(THREE[1], crosses_over_to="bot"), THREE[2])}, "cross_over_impossible"),
        ({"sites": (SiteDesign("x", "X", "", "XX"),)}, "country_unknown"),
        ({"sites": (*SITES, SITES[0])}, "design_contradictory"),
        (
            {"randomization_method": "minimization", "factors": (), "stratify_by_site": False},
            "factors_missing",
        ),
        ({"visits": (BASELINE,)}, "visits_too_few"),
    ],
)
def test_a_design_that_contradicts_itself_is_refused_and_nothing_saved(changed, code) -> None:
    trial = make_trial(status="draft")
    before = protocol_document(trial)
    for save in (
        lambda: revise_design(trial=trial, by=PLATFORM, **design(**changed)),
        lambda: create_trial(slug="new", title="New", by=PLATFORM, **design(**changed)),
    ):
        with pytest.raises(RuleBroken) as caught:
            save()
        assert caught.value.code == code
    assert protocol_document(trial) == before


def test_a_site_that_somebody_has_a_role_at_stays() -> None:
    trial = make_trial(status="draft")
    make_member(trial, Role.COORDINATOR, "ghent")
    with pytest.raises(InConflict) as caught:
        revise_design(trial=trial, by=PLATFORM, **design(sites=SITES[:1]))
    assert caught.value.code == "design_in_use"


def test_from_registration_on_the_design_is_sealed() -> None:
    trial = registered()
    with pytest.raises(InConflict) as caught:
        revise_design(trial=trial, by=PLATFORM, **design())
    assert (caught.value.code, caught.value.status) == ("design_sealed", 409)


SEALED = (
    "INSERT INTO trials_arm (trial_id, code, name, kind, ratio, position, is_reference)"
    " VALUES (%(trial)s, 'z', 'Z', 'waitlist', 1, 9, false)",
    "UPDATE trials_arm SET ratio = 7 WHERE trial_id = %(trial)s",
    "UPDATE trials_arm SET name = 'Other' WHERE trial_id = %(trial)s",
    "DELETE FROM trials_arm WHERE trial_id = %(trial)s",
    "UPDATE trials_arm SET trial_id = %(draft)s, code = code || '2', is_reference = false WHERE trial_id = %(trial)s",
    "UPDATE trials_arm SET trial_id = %(trial)s, code = code || '2', is_reference = false WHERE trial_id = %(draft)s",
    "UPDATE trials_visit SET window_to = 400 WHERE trial_id = %(trial)s",
    "DELETE FROM trials_visit WHERE trial_id = %(trial)s",
    "UPDATE trials_stratificationfactor SET levels = '[]' WHERE trial_id = %(trial)s",
    "DELETE FROM trials_stratificationfactor WHERE trial_id = %(trial)s",
    "INSERT INTO trials_criterion (trial_id, code, kind, text, position) VALUES (%(trial)s, 'z', 'inclusion', 'Z', 9)",
    "UPDATE trials_site SET code = 'elsewhere' WHERE trial_id = %(trial)s",
    "DELETE FROM trials_site WHERE trial_id = %(trial)s",
    "DELETE FROM trials_intervention",
    "UPDATE trials_intervention SET type = 'psychoeducation'",
    "UPDATE trials_intervention SET arm_id ="
    " (SELECT id FROM trials_arm WHERE trial_id = %(draft)s AND code = 'waitlist')"
    " WHERE arm_id IN (SELECT id FROM trials_arm WHERE trial_id = %(trial)s)",
    "UPDATE trials_trial SET randomization_method = 'simple' WHERE id = %(trial)s",
    "UPDATE trials_trial SET is_open_label = NOT is_open_label WHERE id = %(trial)s",
    "UPDATE trials_trial SET status = 'draft' WHERE id = %(trial)s",
    "UPDATE trials_protocolversion SET document = '{}'",
    "DELETE FROM trials_protocolversion",
)


@pytest.mark.parametrize("statement", SEALED)
def test_the_database_seals_the_design_too(statement) -> None:
    trial, draft = registered(), make_trial("draft", status="draft")
    with (
        pytest.raises(ProgrammingError, match=r"sealed|no move|append-only|permission denied"),
        transaction.atomic(),
        audit.transaction(by=PLATFORM),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, {"trial": trial.pk, "draft": draft.pk})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trials_visit SET name = 'Later'",
        "UPDATE trials_criterion SET text = 'Better said'",
        "UPDATE trials_site SET name = 'Renamed', city = 'There'",
        "UPDATE trials_intervention SET provider = 'Nurses'",
        "UPDATE trials_trial SET title = 'New', planned_participants = 99",
    ],
)
def test_words_may_still_change(statement) -> None:
    registered()
    with audit.transaction(by=PLATFORM) as event, connection.cursor() as cursor:
        cursor.execute(statement)
        event.record("test", trial=None)


def test_a_draft_is_described_without_a_reason_or_a_version() -> None:
    trial = make_trial(status="draft")
    amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(record={"primary_sponsor": "University"}))
    assert Registration.objects.get(trial=trial).primary_sponsor == "University"
    assert not ProtocolVersion.objects.exists()


def test_an_amendment_of_everything_makes_one_version_that_says_what_changed() -> None:
    trial = registered(factors={})
    amendment = Amendment(
        texts={"title": "Better title", "planned_participants": 60},
        record={"primary_sponsor": "University", "masked": ["participant"]},
        outcomes=[OutcomeDesign("o1", "primary", "IL-6", visit="six_months", biomarker="IL6")],
        interventions={"cbt": {"provider": "Nurses", "cost_per_participant": Decimal("9.50"), "currency": "EUR"}},
        visit_names={"six_months": "Half a year"},
        sites=[SiteDesign("leeds", "Leeds", "Leeds", "GB")],
    )
    amend_protocol(trial=trial, by=PLATFORM, amendment=amendment, reason="Because")
    first, second = version_of(trial, PLATFORM, 1), version_of(trial, PLATFORM, 2)
    assert (second.reason, second.sha256) == ("Because", fingerprint(protocol_document(Trial.objects.get(pk=trial.pk))))
    said = {(line.kind, line.where, line.before, line.after) for line in difference_between(first, second)}
    assert said == {
        ("changed", "Title", "T", "Better title"),
        ("changed", "Planned participants", "40", "60"),
        ("added", "Primary sponsor", "", "University"),
        ("added", "Who is masked", "", "Participant"),
        ("added", "Arm “CBT”, Intervention, Who provides it, with what training", "", "Nurses"),
        ("added", "Arm “CBT”, Intervention, Cost per participant", "", "9.50"),
        ("added", "Arm “CBT”, Intervention, Currency", "", "EUR"),
        ("changed", "Visit “Half a year”, Name", "Six months", "Half a year"),
        ("added", "Site “Leeds”, City", "", "Leeds"),
        ("added", "Site “Leeds”, Country", "", "GB"),
        (
            "added",
            "Outcome “IL-6”",
            "",
            "Title: IL-6; Rank: Primary; Visit: six_months; Biomarker: IL6",
        ),
    }
    assert AuditEvent.objects.filter(verb="protocol.amended").latest("id").reason == "Because"


def test_an_outcome_that_goes_stays_in_the_version_before() -> None:
    trial = registered()
    outcome = OutcomeDesign("o1", "primary", "IL-6")
    amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(outcomes=[outcome]), reason="Added")
    amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(outcomes=[]), reason="Gone")
    assert not PlannedOutcome.objects.exists()
    (line,) = difference_between(version_of(trial, PLATFORM, 2), version_of(trial, PLATFORM, 3))
    assert (line.kind, line.where) == ("removed", "Outcome “IL-6”")


PRIMARY_OUTCOME = OutcomeDesign("o1", "primary", "IL-6", visit="six_months", biomarker="IL6")
SECOND_OUTCOME = OutcomeDesign("o2", "secondary", "CRP", visit="six_months", biomarker="CRP")


def unblinded_trial() -> Trial:
    """A trial with a primary and a secondary outcome planned, unblinded."""
    trial = make_trial(status="draft")
    planned = Amendment(outcomes=[PRIMARY_OUTCOME, SECOND_OUTCOME])
    amend_protocol(trial=trial, by=PLATFORM, amendment=planned)
    for to in ("registered", "recruiting", "follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="Next")
    return trial


@pytest.mark.parametrize(
    "outcomes",
    [
        [],
        [replace(PRIMARY_OUTCOME, biomarker="TNFA"), SECOND_OUTCOME],
        [replace(PRIMARY_OUTCOME, rank="secondary"), SECOND_OUTCOME],
        [PRIMARY_OUTCOME, replace(SECOND_OUTCOME, rank="primary")],
    ],
)
def test_primary_outcomes_stay_once_the_trial_was_unblinded(outcomes) -> None:
    trial = unblinded_trial()
    with pytest.raises(InConflict) as caught:
        amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(outcomes=outcomes), reason="Better")
    assert caught.value.code == "outcomes_fixed"
    stored = PlannedOutcome.objects.filter(trial=trial).values_list("code", "rank", "biomarker")
    assert list(stored) == [("o1", "primary", "IL6"), ("o2", "secondary", "CRP")]


def test_secondary_outcomes_may_change_after_unblinding_and_unlocking_frees_no_primary_one() -> None:
    trial = unblinded_trial()
    added = OutcomeDesign("o3", "other", "Sleep")
    amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(outcomes=[PRIMARY_OUTCOME, added]), reason="New")
    assert set(trial.planned_outcomes.values_list("code", flat=True)) == {"o1", "o3"}
    asked = ask_for_move(
        trial=trial, to="follow_up", reason="A value was missed", by=make_member(trial, "principal_investigator")
    )
    trial = sign_move(move=asked, by=make_member(trial, "data_manager"))  # whoever changes them now knows the arms
    assert trial.status == "follow_up"
    with pytest.raises(InConflict):
        amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(outcomes=[added]), reason="New")


def test_before_unblinding_primary_outcomes_are_amended_with_a_reason() -> None:
    blinded = registered()
    amend_protocol(trial=blinded, by=PLATFORM, amendment=Amendment(outcomes=[PRIMARY_OUTCOME]), reason="New")
    amend_protocol(trial=blinded, by=PLATFORM, amendment=Amendment(outcomes=[SECOND_OUTCOME]), reason="New")
    assert [outcome.code for outcome in blinded.planned_outcomes.all()] == ["o2"]


def test_an_amendment_that_changes_nothing_makes_no_version() -> None:
    trial = registered()
    amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(texts={"title": trial.title}), reason="Nothing")
    assert ProtocolVersion.objects.filter(trial=trial).count() == 1


@pytest.mark.parametrize(
    ("amendment", "reason", "code"),
    [
        (Amendment(texts={"title": "New"}), "  ", "reason_missing"),
        (Amendment(texts={"recruitment_ends": date(2025, 1, 1)}), "x", "dates_contradictory"),
        (Amendment(record={"minimum_age": 30, "maximum_age": 20}), "x", "ages_contradictory"),
        (Amendment(record={"completion_on": date(2025, 1, 1)}), "x", "dates_contradictory"),
        (Amendment(outcomes=[OutcomeDesign("o1", "primary", "X", visit="never")]), "x", "visit_unknown"),
        (Amendment(interventions={"waitlist": {"provider": "x"}}), "x", "intervention_missing"),
        (Amendment(interventions={"cbt": {"cost_per_participant": Decimal(1)}}), "x", "currency_missing"),
        (Amendment(sites=[SiteDesign("york", "York")]), "x", "site_is_stratum"),
        (Amendment(sites=[SiteDesign("leeds", "Leeds", "", "ZZ")]), "x", "country_unknown"),
    ],
)
def test_a_wrong_amendment_is_refused_and_nothing_saved(amendment, reason, code) -> None:
    trial = registered()
    before = protocol_document(trial)
    with pytest.raises(RuleBroken) as caught:
        amend_protocol(trial=trial, by=PLATFORM, amendment=amendment, reason=reason)
    assert caught.value.code == code
    assert protocol_document(Trial.objects.get(pk=trial.pk)) == before
    assert ProtocolVersion.objects.count() == 1


def test_what_is_sealed_is_no_field_of_an_amendment() -> None:
    trial = registered()
    for amendment in (Amendment(texts={"slug": "x"}), Amendment(interventions={"cbt": {"type": "cbt_plus"}})):
        with pytest.raises(ValueError, match="not amendable"):
            amend_protocol(trial=trial, by=PLATFORM, amendment=amendment, reason="x")


@pytest.mark.parametrize("role", [role for role in Role if role != Role.PRINCIPAL_INVESTIGATOR])
def test_only_who_designs_the_trial_amends_it(role) -> None:
    trial = registered()
    member = make_member(trial, role)
    with pytest.raises(NotAllowed):
        amend_protocol(trial=trial, by=member, amendment=Amendment(texts={"title": "x"}), reason="x")


def test_interventions_are_described_by_those_who_may_name_arms() -> None:
    trial = registered(is_open_label=False)
    investigator = make_member(trial, Role.PRINCIPAL_INVESTIGATOR)
    with pytest.raises(NotAllowed) as caught:
        amend_protocol(
            trial=trial, by=investigator, amendment=Amendment(interventions={"cbt": {"provider": "x"}}), reason="x"
        )
    assert caught.value.code == "blinded"
    assert not Intervention.objects.exclude(provider="").exists()


def test_the_flow_counts_every_participant_once_in_their_arm() -> None:
    trial = make_trial(factors={})
    site, ends = trial.sites.first(), ("completed", "died", "lost_to_follow_up", "follow_up_withdrawn", "")
    for end in ends:
        person = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=DAY)
        person = record_consent(participant=person, by=PLATFORM, on=DAY, version="1.0")
        person = randomize_participant(participant=person, by=PLATFORM, levels={}, on=DAY).participant
        if end:
            record_event(participant=person, kind=end, by=PLATFORM, on=DAY, reason="x")
    flows = participant_flows(trial)
    assert [flow.code for flow in flows] == ["cbt", "waitlist"]
    assert sum(flow.started for flow in flows) == 5
    assert sum(flow.completed for flow in flows) == 1
    totals: dict[str, int] = {}
    for flow in flows:
        for reason, count in flow.left:
            totals[reason] = totals.get(reason, 0) + count
    assert totals == {"Withdrawal by Subject": 1, "Lost to Follow-up": 1, "Death": 1}


def test_a_recruiting_trial_is_amended_as_a_registered_one() -> None:
    trial = change_status(trial=registered(), to="recruiting", by=PLATFORM)
    amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(texts={"summary": "New"}), reason="Clearer")
    assert ProtocolVersion.objects.filter(trial=trial).count() == 2
