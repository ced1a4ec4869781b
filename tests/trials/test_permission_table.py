"""Every role and every permission, by both faces of the rule: `has_permission` for buttons, `require` for services."""

import pytest

from tests.making import PLATFORM, make_member, make_trial
from trials.access import Actor, has_permission, require
from trials.errors import NotAllowed, NotFound
from trials.models import User
from trials.permissions import Permission, Role
from trials.services.lifecycle import change_status
from trials.services.people import create_account, end_role

P = Permission
SEES = {P.TRIAL_VIEW, P.PARTICIPANT_VIEW, P.RESULT_VIEW, P.SPECIMEN_VIEW, P.SAFETY_VIEW, P.QUERY_VIEW}
ENROLS = {P.PARTICIPANT_ENROLL, P.PARTICIPANT_RANDOMIZE, P.PARTICIPANT_WITHDRAW, P.SPECIMEN_MANAGE, P.SPECIMEN_RECEIVE}
RECORDS = {P.RESULT_RECORD, P.RESULT_CORRECT, P.VISIT_RECORD}
CARES = {
    P.IDENTITY_VIEW,
    P.IDENTITY_RECORD,
    P.ALLOCATION_UNBLIND,
    P.SESSION_RECORD,
    P.SAFETY_RECORD,
    P.QUERY_ANSWER,
}
RUNS = {P.TRIAL_DESIGN, P.TRIAL_RUN, P.TRIAL_LOCK, P.PEOPLE_MANAGE, P.AUDIT_VIEW, P.LABORATORY_MANAGE}
LOCKS = {P.TRIAL_UNLOCK, P.VISIT_LOCK}
# Everybody with an account may design a trial.
MAY = {
    Role.PRINCIPAL_INVESTIGATOR: SEES | ENROLS | RECORDS | RUNS | CARES | LOCKS,
    Role.COORDINATOR: SEES | ENROLS | RECORDS | CARES,
    Role.DATA_MANAGER: SEES
    | RECORDS
    | LOCKS
    | {P.TRIAL_RUN, P.SPECIMEN_MANAGE, P.SPECIMEN_RECEIVE, P.LABORATORY_MANAGE, P.AUDIT_VIEW, P.EXPORT}
    | {P.QUERY_MANAGE, P.QUERY_ANSWER},
    Role.MONITOR: SEES | {P.AUDIT_VIEW, P.QUERY_MANAGE, P.SOURCE_VERIFY},
    Role.UNBLINDED_STATISTICIAN: SEES | {P.ALLOCATION_VIEW, P.EFFECTS_VIEW, P.EXPORT},
    Role.BLINDED_STATISTICIAN: SEES | {P.EXPORT},
    Role.MONITORING_BOARD: SEES | {P.ALLOCATION_VIEW, P.EFFECTS_VIEW},
    Role.LAB_MANAGER: {
        P.TRIAL_VIEW,
        P.RESULT_VIEW,
        P.RESULT_RECORD,
        P.SPECIMEN_VIEW,
        P.SPECIMEN_MANAGE,
        P.SPECIMEN_RECEIVE,
        P.LABORATORY_MANAGE,
        P.QUERY_VIEW,
        P.QUERY_ANSWER,
    },
    Role.EXPORT_STAFF: {P.TRIAL_VIEW, P.PARTICIPANT_VIEW, P.RESULT_VIEW, P.EXPORT},
}
UNBLINDED = {P.ALLOCATION_VIEW, P.EFFECTS_VIEW}


def refused(by, permission, trial, site=None) -> bool:
    """Ask both faces, which must agree."""
    may = has_permission(by, permission, trial, site=site)
    try:
        require(by, permission, trial, site=site)
    except (NotAllowed, NotFound):
        assert not may
        return True
    assert may
    return False


def granted(by, trial, site=None) -> set[P]:
    return {permission for permission in P if not refused(by, permission, trial, site)} - {P.TRIAL_CREATE}


@pytest.mark.django_db
@pytest.mark.parametrize("role", list(Role))
def test_what_each_role_may_before_unblinding(role) -> None:
    trial = make_trial()
    assert granted(make_member(trial, role), trial) == MAY[role]


@pytest.mark.django_db
@pytest.mark.parametrize("role", list(Role))
def test_from_unblinding_on_everybody_but_the_laboratory_sees_arms(role) -> None:
    trial = make_trial()
    for to in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    more = set() if role == Role.LAB_MANAGER else UNBLINDED
    assert granted(make_member(trial, role), trial) == MAY[role] | more


@pytest.mark.django_db
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("is_open_label", [True, False])
def test_open_label_shows_arms_to_site_staff_at_their_own_site(role, is_open_label) -> None:
    trial = make_trial(is_open_label=is_open_label)
    leeds, ghent = trial.sites.get(code="leeds"), trial.sites.get(code="ghent")
    member = make_member(trial, role, "leeds")
    always = role in {Role.UNBLINDED_STATISTICIAN, Role.MONITORING_BOARD}
    site_staff = role in {Role.COORDINATOR, Role.PRINCIPAL_INVESTIGATOR}
    assert has_permission(member, P.ALLOCATION_VIEW, trial, site=leeds) == (always or (site_staff and is_open_label))
    assert refused(member, P.ALLOCATION_VIEW, trial, ghent)
    assert not site_staff or refused(member, P.EFFECTS_VIEW, trial, leeds)


@pytest.mark.django_db
def test_a_role_at_one_site_counts_there_alone() -> None:
    trial = make_trial()
    coordinator = make_member(trial, "coordinator", "leeds")
    assert not refused(coordinator, P.PARTICIPANT_ENROLL, trial, trial.sites.get(code="leeds"))
    assert refused(coordinator, P.PARTICIPANT_ENROLL, trial, trial.sites.get(code="ghent"))


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.UNBLINDED_STATISTICIAN, Role.MONITORING_BOARD])
def test_arms_and_effects_of_the_whole_trial_need_a_role_in_the_whole_trial(role) -> None:
    trial = make_trial()
    member, leeds = make_member(trial, role, "leeds"), trial.sites.get(code="leeds")
    assert granted(member, trial) == MAY[role] - UNBLINDED
    assert not refused(member, P.ALLOCATION_VIEW, trial, leeds)


@pytest.mark.django_db
def test_the_administrator_sees_neither_arms_nor_effects() -> None:
    trial = make_trial()
    user = create_account(email="a@example.org", name="A", password="x" * 20, by=PLATFORM, is_administrator=True)
    may = granted(Actor(user=user), trial)
    assert P.PEOPLE_MANAGE in may
    assert not may & {P.ALLOCATION_VIEW, P.EFFECTS_VIEW, P.PARTICIPANT_VIEW, P.RESULT_VIEW}


@pytest.mark.django_db
def test_a_stranger_is_told_that_there_is_no_such_trial() -> None:
    trial = make_trial()
    stranger = Actor(user=create_account(email="s@example.org", name="S", password="x" * 20, by=PLATFORM))
    for permission in set(P) - {P.TRIAL_CREATE}:
        with pytest.raises(NotFound):
            require(stranger, permission, trial)


@pytest.mark.django_db
def test_a_token_gives_never_more_than_its_holder_and_its_scopes() -> None:
    trial = make_trial()
    member = make_member(trial, "blinded_statistician").user
    everything = frozenset({"read", "export", "estimates:read", "participants:write"})
    assert granted(Actor(user=member, scopes=everything), trial) == MAY[Role.BLINDED_STATISTICIAN]
    assert granted(Actor(user=member, scopes=frozenset({"estimates:read"})), trial) == {P.TRIAL_VIEW}
    assert granted(Actor(user=member, scopes=frozenset()), trial) == set()


@pytest.mark.django_db
def test_an_inactive_account_may_nothing() -> None:
    trial = make_trial()
    user = make_member(trial, "principal_investigator").user
    assert granted(Actor(user=User(pk=user.pk, email=user.email, is_active=False)), trial) == set()


@pytest.mark.django_db
def test_roles_are_asked_once_a_request_and_an_ended_one_acts_at_once(django_assert_num_queries) -> None:
    trial = make_trial()
    user = make_member(trial, "monitor").user
    request_actor = Actor(user=user, remembered={})
    with django_assert_num_queries(1):
        assert has_permission(request_actor, P.AUDIT_VIEW, trial)
        assert not has_permission(request_actor, P.EXPORT, trial)
    end_role(membership=trial.memberships.get(user=user), by=PLATFORM)
    with pytest.raises(NotFound):
        require(request_actor, P.AUDIT_VIEW, trial)
    assert not has_permission(Actor(user=user, remembered={}), P.AUDIT_VIEW, trial)


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role)
def test_from_unblinding_on_members_of_one_site_see_all_but_the_laboratorys(role) -> None:
    trial = make_trial()
    member = make_member(trial, role, "leeds")
    trial.status = "unblinded"
    for permission in (P.ALLOCATION_VIEW, P.EFFECTS_VIEW):
        assert has_permission(member, permission, trial) == (role != Role.LAB_MANAGER)
