"""Two who act at once: one invitation makes one account, and of two roles that exclude each other one is given."""

import threading

from django.db import connections

from tests.making import PLATFORM, make_administrator, make_member, make_trial
from trials.errors import InConflict, NotFound, RuleBroken
from trials.models import Membership, User
from trials.services.invitations import accept_invitation, invite_person
from trials.services.people import create_account, grant_role

GOOD = "correct horse battery staple"


def at_once(*actions) -> list[object]:
    """Do all in threads of their own, started together; return each's answer or refusal."""
    barrier, answers = threading.Barrier(len(actions)), [None] * len(actions)

    def run(place: int) -> None:
        barrier.wait()
        try:
            answers[place] = actions[place]()
        except RuleBroken as error:
            answers[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_taken_up_by_two_at_once_it_makes_one_account(committed: str) -> None:
    trial = make_trial()
    by = make_member(trial, "principal_investigator")
    token = invite_person(trial=trial, email="new@example.org", role="monitor", by=by, link=str)
    answers = at_once(*[lambda: accept_invitation(token=token, name="New", password=GOOD)] * 6)
    assert len([each for each in answers if isinstance(each, User)]) == 1
    assert all(isinstance(each, User | NotFound | InConflict) for each in answers)
    assert Membership.objects.filter(user__email="new@example.org").count() == 1


def test_of_two_conflicting_roles_at_once_one_is_given(committed: str) -> None:
    trial = make_trial()
    by = make_administrator()
    for number in range(6):
        user = create_account(email=f"u{number}@example.org", name="U", password=None, by=PLATFORM)
        answers = at_once(
            *(
                lambda role=role, user=user: grant_role(trial=trial, user=user, role=role, by=by)
                for role in ("principal_investigator", "unblinded_statistician")
            )
        )
        assert sorted(type(each).__name__ for each in answers) == ["Membership", "RuleBroken"]
        assert Membership.objects.filter(user=user).count() == 1
