"""Designing, moving on, roles, laboratories and tokens: what is refused, and with which code."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.making import ARMS, PLATFORM, make_administrator, make_member, make_trial
from trials.access import Actor
from trials.errors import InConflict, NotAllowed, NotFound, RuleBroken
from trials.models import RandomizationScheme, Trial
from trials.services.credentials import (
    create_laboratory_credential,
    create_personal_token,
    revoke_laboratory_credential,
    revoke_personal_token,
)
from trials.services.design import BASELINE, SIX_MONTHS, ArmDesign, create_trial
from trials.services.lifecycle import change_status, register_trial
from trials.services.people import add_laboratory, create_account, end_role, grant_role

pytestmark = pytest.mark.django_db
WAITLIST = ArmDesign("waitlist", "Waitlist", "waitlist")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"arms": ARMS[:1]}, "arms_too_few"),
        ({"arms": (ARMS[0], WAITLIST)}, "reference_arm_missing"),
        ({"sites": []}, "sites_missing"),
        ({"visits": [BASELINE]}, "visits_too_few"),
        ({"visits": [SIX_MONTHS]}, "visits_too_few"),
        ({"slug": "taken"}, "slug_taken"),
        ({"arms": (ARMS[1], ArmDesign("waitlist", "Second", "intervention"))}, "design_contradictory"),
    ],
)
def test_a_design_that_cannot_be_estimated_is_refused(changed, code) -> None:
    make_trial("taken", status="draft")
    design = {"slug": "new", "title": "New", "arms": ARMS, "sites": [("leeds", "Leeds")]}
    with pytest.raises(RuleBroken) as caught:
        create_trial(by=PLATFORM, **{**design, **changed})
    assert caught.value.code == code
    assert Trial.objects.count() == 1


def test_registering_by_the_general_move_seals_too() -> None:
    trial = change_status(trial=make_trial(status="draft"), to="registered", by=PLATFORM)
    assert RandomizationScheme.objects.get(trial=trial).commitment


@pytest.mark.parametrize("to", ["draft", "registered", "locked", "unblinded", "nonsense"])
def test_a_recruiting_trial_only_closes_recruitment(to) -> None:
    with pytest.raises(InConflict, match="cannot become"):
        change_status(trial=make_trial(), to=to, by=PLATFORM)


def test_a_stale_look_at_the_trial_gives_no_right_to_lock_it() -> None:
    stale = make_trial()
    manager = make_member(stale, "data_manager")
    change_status(trial=Trial.objects.get(pk=stale.pk), to="follow_up", by=PLATFORM)
    with pytest.raises(NotAllowed):
        change_status(trial=stale, to="locked", by=manager)


@pytest.mark.parametrize("reason", ["", "  "])
def test_locking_and_unblinding_need_a_reason(reason) -> None:
    trial = change_status(trial=make_trial(), to="follow_up", by=PLATFORM)
    for to in ("locked", "unblinded"):
        with pytest.raises(RuleBroken) as caught:
            change_status(trial=trial, to=to, by=PLATFORM, reason=reason)
        assert caught.value.code == "reason_missing"
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")


def test_only_designers_register() -> None:
    trial = make_trial(status="draft")
    with pytest.raises(NotAllowed):
        register_trial(trial=trial, by=make_member(trial, "coordinator"))


def test_roles() -> None:
    trial, other = make_trial(), make_trial("other")
    investigator, monitor = make_member(trial, "principal_investigator"), make_member(trial, "monitor")
    with pytest.raises(NotAllowed):
        grant_role(trial=trial, user=monitor.user, role="coordinator", by=monitor)
    with pytest.raises(NotFound):
        grant_role(trial=other, user=monitor.user, role="coordinator", by=investigator)
    with pytest.raises(RuleBroken) as unknown:
        grant_role(trial=trial, user=monitor.user, role="king", by=investigator)
    with pytest.raises(RuleBroken) as foreign:
        grant_role(trial=trial, user=monitor.user, role="monitor", by=investigator, site=other.sites.first())
    assert (unknown.value.code, foreign.value.code) == ("role_unknown", "site_unknown")
    held = grant_role(trial=trial, user=monitor.user, role="coordinator", by=investigator)
    assert grant_role(trial=trial, user=monitor.user, role="coordinator", by=investigator) == held
    with pytest.raises(NotAllowed):
        end_role(membership=held, by=monitor)
    end_role(membership=held, by=investigator)
    ended = held.ended_at
    end_role(membership=held, by=investigator)
    assert held.ended_at == ended


def refused_role(trial, user, role, by, site=None) -> str:
    with pytest.raises(RuleBroken) as caught:
        grant_role(trial=trial, user=user, role=role, by=by, site=site)
    return caught.value.code


@pytest.mark.parametrize("role", ["unblinded_statistician", "monitoring_board"])
def test_who_decides_over_roles_stays_blinded(role) -> None:
    trial = make_trial()
    first, second = make_member(trial, "principal_investigator"), make_member(trial, "principal_investigator", "leeds")
    statistician, monitor = make_member(trial, role, "ghent"), make_member(trial, "monitor")
    administrator = make_administrator()
    assert refused_role(trial, first.user, role, first) == "self_unblinding"
    assert refused_role(trial, first.user, role, first, trial.sites.first()) == "self_unblinding"
    assert refused_role(trial, administrator.user, role, administrator) == "self_unblinding"
    other = make_administrator("other@example.org")
    assert refused_role(trial, second.user, role, administrator) == "manager_unblinded"
    assert refused_role(trial, other.user, role, administrator) == "manager_unblinded"
    assert refused_role(trial, statistician.user, "principal_investigator", first) == "manager_unblinded"
    assert grant_role(trial=trial, user=monitor.user, role=role, by=administrator).role == role


@pytest.mark.parametrize("role", ["unblinded_statistician", "monitoring_board"])
def test_who_runs_a_trial_does_not_choose_who_is_unblinded_in_it(role) -> None:
    trial = make_trial()
    investigator, administrator = make_member(trial, "principal_investigator"), make_administrator()
    second_address = create_account(email="second@example.org", name="S", password=None, by=PLATFORM)
    assert refused_role(trial, second_address, role, investigator) == "unblinding_role"
    part = grant_role(trial=trial, user=administrator.user, role="monitor", by=investigator)
    assert refused_role(trial, second_address, role, administrator) == "unblinding_role"
    end_role(membership=part, by=investigator)
    assert grant_role(trial=trial, user=second_address, role=role, by=administrator).role == role


def test_from_unblinding_on_managers_may_see_but_not_by_their_own_hand() -> None:
    trial = make_trial()
    first, second = make_member(trial, "principal_investigator"), make_member(trial, "principal_investigator", "leeds")
    for to in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    assert refused_role(trial, first.user, "monitoring_board", first) == "self_unblinding"
    assert grant_role(trial=trial, user=second.user, role="monitoring_board", by=first)


def test_only_administrators_open_accounts() -> None:
    trial = make_trial()
    with pytest.raises(NotAllowed):
        create_account(
            email="n@example.org", name="N", password="x" * 20, by=make_member(trial, "principal_investigator")
        )


def test_credentials_stay_within_their_laboratory_and_trial() -> None:
    trial, other = make_trial(), make_trial("other")
    manager, stranger = make_member(trial, "data_manager"), make_member(other, "lab_manager")
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent", by=manager)

    def refusal(expected, **changed) -> str:
        asked = {"laboratory": laboratory, "trials": [trial], "name": "A", "scopes": ["results:write"], "by": manager}
        with pytest.raises(expected) as caught:
            create_laboratory_credential(**{**asked, **changed})
        return caught.value.code

    assert refusal(NotFound, trials=[trial, other]) == "trial_unknown"
    assert refusal(RuleBroken, by=stranger, trials=[other]) == "laboratory_unknown"
    assert refusal(RuleBroken, trials=[]) == "laboratory_unknown"
    assert refusal(RuleBroken, scopes=["everything"]) == "scope_unknown"
    assert refusal(RuleBroken, scopes=[]) == "scope_unknown"
    assert refusal(RuleBroken, expires_at=timezone.now() - timedelta(days=1)) == "expiry_past"
    credential, token = create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name="A", scopes=["results:write"], by=manager
    )
    assert token.startswith("lab_live_")
    assert token not in str(vars(credential))
    with pytest.raises(NotFound):
        revoke_laboratory_credential(credential=credential, trial=other, by=stranger)
    revoke_laboratory_credential(credential=credential, trial=trial, by=manager)
    assert credential.revoked_at is not None


def test_one_trial_ends_a_shared_credential_for_itself_alone() -> None:
    trial, other = make_trial(), make_trial("other")
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
    add_laboratory(trial=other, code="ghent", name="Ghent", by=PLATFORM)
    credential, _ = create_laboratory_credential(
        laboratory=laboratory, trials=[trial, other], name="A", scopes=["results:write"], by=PLATFORM
    )
    revoke_laboratory_credential(credential=credential, trial=trial, by=make_member(trial, "lab_manager"))
    assert (list(credential.trials.all()), credential.revoked_at) == ([other], None)
    revoke_laboratory_credential(credential=credential, trial=other, by=PLATFORM)
    assert credential.revoked_at is not None


def test_people_make_and_revoke_their_own_tokens_only() -> None:
    trial = make_trial()
    one, two = make_member(trial, "monitor"), make_member(trial, "coordinator")
    with pytest.raises(NotAllowed):
        create_personal_token(user=one.user, name="A", scopes=["read"], by=two)
    with pytest.raises(NotAllowed):
        create_personal_token(
            user=one.user, name="A", scopes=["read"], by=Actor(user=one.user, scopes=frozenset({"read"}))
        )
    token, text = create_personal_token(user=one.user, name="A", scopes=["read"], by=one)
    assert text.startswith("pat_")
    with pytest.raises(NotAllowed):
        revoke_personal_token(token=token, by=two)
    revoke_personal_token(token=token, by=one)
    assert token.revoked_at is not None
