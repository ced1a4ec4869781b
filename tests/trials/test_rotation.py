"""Credentials: shown once, rotated with an overlap, revoked at once, warned of before they expire."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from analytics.selectors.tasks import tasks_of
from tests.making import PLATFORM, make_member, make_trial
from trials import audit
from trials.errors import InConflict, NotAllowed, NotFound, RuleBroken
from trials.models import AuditChange, AuditEvent, Laboratory, LaboratoryCredential, Trial
from trials.models.credentials import Standing
from trials.selectors.credentials import expiring_credentials, laboratory_line
from trials.services.credentials import (
    create_laboratory_credential,
    create_personal_token,
    revoke_laboratory_credential,
    rotate_laboratory_credential,
)
from trials.services.people import add_laboratory, end_delivery, grant_role
from trials.tokens import digest

pytestmark = pytest.mark.django_db
WRONG = "This token is unknown, expired or revoked. Ask for a new one."


@pytest.fixture
def trial() -> Trial:
    return make_trial()


@pytest.fixture
def laboratory(trial: Trial) -> Laboratory:
    return add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)


def made(laboratory: Laboratory, *trials: Trial, days: int = 365, **more: object) -> tuple[LaboratoryCredential, str]:
    return create_laboratory_credential(
        laboratory=laboratory,
        trials=trials,
        name="Robot",
        scopes=["results:write", "results:read"],
        by=PLATFORM,
        expires_at=timezone.now() + timedelta(days=days),
        **more,
    )


def status_with(token: str, slug: str = "t") -> int:
    return Client().get(f"/api/v1/trials/{slug}/", headers={"Authorization": f"Bearer {token}"}).status_code


class TestRotation:
    @pytest.mark.parametrize("is_sandbox", [False, True])
    def test_the_successor_may_the_same_and_both_are_good_for_the_overlap(self, trial, laboratory, is_sandbox):
        old, old_token = made(laboratory, trial, is_sandbox=is_sandbox)
        new, token = rotate_laboratory_credential(credential=old, trial=trial, by=PLATFORM, overlap=timedelta(days=7))
        assert (new.name, new.scopes, new.laboratory, new.is_sandbox) == (
            old.name,
            old.scopes,
            laboratory,
            is_sandbox,
        )
        assert list(new.trials.all()) == [trial]
        assert token.startswith("lab_test_" if is_sandbox else "lab_live_")
        assert [status_with(each) for each in (old_token, token)] == [200, 200]
        old.refresh_from_db()
        assert (old.replaced_by, old.standing) == (new, Standing.REPLACED)
        assert timedelta(days=6, hours=23) < old.expires_at - timezone.now() <= timedelta(days=7)

    def test_at_once_the_old_one_ends_with_the_next_request(self, trial, laboratory):
        old, old_token = made(laboratory, trial)
        assert status_with(old_token) == 200
        _, token = rotate_laboratory_credential(credential=old, trial=trial, by=PLATFORM, overlap=timedelta(0))
        assert [status_with(each) for each in (old_token, token)] == [401, 200]

    def test_an_overlap_never_lengthens_a_life(self, trial, laboratory):
        old, _ = made(laboratory, trial, days=2)
        before = old.expires_at
        rotate_laboratory_credential(credential=old, trial=trial, by=PLATFORM, overlap=timedelta(days=7))
        old.refresh_from_db()
        assert old.expires_at == before

    def test_a_second_rotation_and_one_of_what_is_over_are_refused(self, trial, laboratory):
        old, _ = made(laboratory, trial)
        new, _ = rotate_laboratory_credential(credential=old, trial=trial, by=PLATFORM)
        with pytest.raises(InConflict, match="rotated already"):
            rotate_laboratory_credential(credential=old, trial=trial, by=PLATFORM)
        revoke_laboratory_credential(credential=new, trial=trial, by=PLATFORM)
        with pytest.raises(InConflict, match="is over"):
            rotate_laboratory_credential(credential=new, trial=trial, by=PLATFORM)
        assert LaboratoryCredential.objects.count() == 2

    @pytest.mark.parametrize("days", [-1, 31])
    def test_an_overlap_out_of_range_is_refused(self, trial, laboratory, days):
        old, _ = made(laboratory, trial)
        with pytest.raises(RuleBroken, match="0 to 30 days"):
            rotate_laboratory_credential(credential=old, trial=trial, by=PLATFORM, overlap=timedelta(days=days))

    def test_who_manages_one_of_two_trials_does_not_rotate_for_both(self, trial, laboratory):
        other = make_trial("other")
        add_laboratory(trial=other, code="ghent", name="Ghent", by=PLATFORM)
        shared, _ = made(laboratory, trial, other)
        manager = make_member(trial, "lab_manager")
        with pytest.raises(InConflict, match="also for trials"):
            rotate_laboratory_credential(credential=shared, trial=trial, by=manager)
        with pytest.raises(NotFound):
            rotate_laboratory_credential(credential=made(laboratory, other)[0], trial=trial, by=manager)
        with pytest.raises(NotAllowed):
            rotate_laboratory_credential(credential=shared, trial=trial, by=make_member(trial, "monitor"))

    def test_who_is_bound_to_a_site_makes_none_that_reaches_others(self, trial, laboratory):
        bound = make_member(trial, "lab_manager", "leeds")
        asked = {"laboratory": laboratory, "trials": [trial], "name": "Robot", "scopes": ["results:read"], "by": bound}
        with pytest.raises(RuleBroken, match="reaches every site"):
            create_laboratory_credential(**asked)
        with pytest.raises(RuleBroken, match="reaches every site"):
            rotate_laboratory_credential(credential=made(laboratory, trial)[0], trial=trial, by=bound)
        in_sandbox, _ = create_laboratory_credential(**asked, is_sandbox=True)
        rotate_laboratory_credential(credential=in_sandbox, trial=trial, by=bound)
        grant_role(trial=trial, user=bound.user, role="lab_manager", by=PLATFORM, site=trial.sites.get(code="ghent"))
        create_laboratory_credential(**asked)

    def test_the_trail_says_who_rotated_what_and_never_the_token(self, trial, laboratory):
        old, old_token = made(laboratory, trial)
        new, token = rotate_laboratory_credential(credential=old, trial=trial, by=make_member(trial, "data_manager"))
        event = AuditEvent.objects.get(verb="credential.rotated")
        assert (event.actor_name, event.target_id, event.detail["of"]) == ("Data Manager", new.pk, old.prefix)
        kept = [str(each) for model in (AuditEvent, AuditChange) for each in model.objects.values()]
        for secret in (token, old_token, digest(token)):
            assert not [text for text in kept if secret in text]


class TestEnds:
    def test_revocation_counts_from_the_next_request(self, trial, laboratory):
        credential, token = made(laboratory, trial)
        assert status_with(token) == 200
        revoke_laboratory_credential(credential=credential, trial=trial, by=PLATFORM)
        assert status_with(token) == 401

    def test_so_does_the_end_of_a_delivery(self, trial, laboratory):
        _, token = made(laboratory, trial)
        assert status_with(token) == 200
        end_delivery(laboratory=laboratory, trial=trial, by=make_member(trial, "lab_manager"), reason="Closed")
        assert status_with(token) == 404
        add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
        assert status_with(token) == 200

    def test_ending_wants_a_reason_and_spares_what_is_built_in(self, trial, laboratory):
        with pytest.raises(RuleBroken):
            end_delivery(laboratory=laboratory, trial=trial, by=PLATFORM, reason=" ")
        with pytest.raises(InConflict):
            end_delivery(laboratory=trial.own_laboratories.get(), trial=trial, by=PLATFORM, reason="No")
        stranger = add_laboratory(trial=make_trial("other"), code="leeds", name="Leeds", by=PLATFORM)
        with pytest.raises(NotFound):
            end_delivery(laboratory=stranger, trial=trial, by=PLATFORM, reason="No")

    def test_every_wrong_token_is_answered_alike(self, trial, laboratory):
        revoked, revoked_token = made(laboratory, trial)
        revoke_laboratory_credential(credential=revoked, trial=trial, by=PLATFORM)
        expired, expired_token = made(laboratory, trial)
        with audit.transaction(by=PLATFORM) as event:
            LaboratoryCredential.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
            event.record("test", trial=trial)
        member = make_member(trial, "monitor")
        _, personal = create_personal_token(user=member.user, name="R", scopes=["read"], by=member)
        closed = personal
        with audit.transaction(by=PLATFORM) as event:
            type(member.user).objects.filter(pk=member.user.pk).update(is_active=False)
            event.record("test", trial=trial)
        answers = [
            Client().get("/api/v1/trials/t/", headers={"Authorization": f"Bearer {token}"})
            for token in (revoked_token, expired_token, closed, "lab_live_x", "lab_test_x", "pat_x", "x", "")
        ]
        assert {each.content for each in answers} == {answers[0].content}
        assert {each.status_code for each in answers} == {401}
        assert answers[0].json()["detail"] == WRONG
        assert not [each for each in answers if "RateLimit-Limit" in each.headers or "Sandbox" in each.headers]


class TestStanding:
    @pytest.mark.parametrize(
        ("days", "standing"), [(31, Standing.CURRENT), (29, Standing.EXPIRES_SOON), (1, Standing.EXPIRES_SOON)]
    )
    def test_thirty_days_before_its_end_it_expires_soon(self, trial, laboratory, days, standing):
        assert made(laboratory, trial, days=days)[0].standing == standing

    def test_who_manages_laboratories_has_a_task_until_it_is_rotated(self, trial, laboratory):
        manager, monitor = make_member(trial, "lab_manager"), make_member(trial, "monitor")
        credential, _ = made(laboratory, trial, days=10)
        made(laboratory, trial, days=100)
        assert [(task.kind, task.count) for task in tasks_of(manager)] == [("expiring_credentials", 1)]
        assert not [task for task in tasks_of(monitor) if task.kind == "expiring_credentials"]
        rotate_laboratory_credential(credential=credential, trial=trial, by=manager)
        assert not expiring_credentials(trial, manager).exists()

    def test_of_a_laboratory_that_left_nobody_is_reminded(self, trial, laboratory):
        made(laboratory, trial, days=10)
        end_delivery(laboratory=laboratory, trial=trial, by=PLATFORM, reason="Closed")
        assert not expiring_credentials(trial, PLATFORM).exists()
        line = laboratory_line("ghent", trial, PLATFORM)
        assert (line.ended_at is not None, line.in_use, line.soon) == (True, 0, 0)

    def test_last_use_is_the_time_and_nothing_else(self, trial, laboratory):
        credential, token = made(laboratory, trial)
        assert credential.last_used_at is None
        status_with(token)
        credential.refresh_from_db()
        assert timezone.now() - credential.last_used_at < timedelta(minutes=1)
        fields = {field.name for field in LaboratoryCredential._meta.get_fields()}
        assert not fields & {"last_used_ip", "address", "user_agent"}
