"""`verify_allocation`: confirmed when nothing was touched, different when the register was."""

import os
from datetime import date

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.making import PLATFORM, make_member, make_trial
from trials.errors import InConflict, NotAllowed
from trials.models import Allocation
from trials.services.enrollment import record_consent, screen_participant
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant
from trials.services.verification import verify_allocation

DAY = date(2026, 3, 1)


def unblinded_trial(count: int = 9):
    trial = make_trial()
    for number in range(count):
        site = list(trial.sites.all())[number % 2]
        participant = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=DAY)
        participant = record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")
        randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "FM"[number % 3 % 2]}, on=DAY)
    for to in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    return trial


def as_owner(table: str, statement: str) -> None:
    """Tamper as only the database's owner could, with the triggers of the table off."""
    with psycopg.connect(os.environ["STUDYPLATFORM_TEST_OWNER_URL"], dbname=connection.settings_dict["NAME"]) as owner:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute(statement)


def test_an_untouched_register_is_confirmed(committed, capsys) -> None:
    trial = unblinded_trial()
    call_command("verify_allocation", "t")
    printed = capsys.readouterr().out
    assert trial.scheme.commitment in printed
    assert "9 allocations" in printed
    assert "CONFIRMED" in printed


@pytest.mark.django_db
def test_the_seed_stays_sealed_before_unblinding() -> None:
    trial = make_trial()
    with pytest.raises(InConflict) as caught:
        verify_allocation(trial=trial, by=PLATFORM)
    assert caught.value.code == "still_blinded"
    with pytest.raises(NotAllowed):
        verify_allocation(trial=trial, by=make_member(trial, "coordinator"))
    with pytest.raises(CommandError, match="no trial of this name"):
        call_command("verify_allocation", "missing")


@pytest.mark.parametrize(
    ("table", "change", "told"),
    [
        (
            "trials_allocation",
            "UPDATE {} SET arm_id = (SELECT id FROM trials_arm WHERE id <> arm_id) WHERE id = (SELECT min(id) FROM {})",
            "the list says",
        ),
        ("trials_allocation", "DELETE FROM {} WHERE sequence = 1", "have a gap"),
        ("trials_stratum", "UPDATE {} SET next_sequence = next_sequence + 1", "places taken"),
        ("trials_randomizationscheme", "UPDATE {} SET commitment = repeat('0', 64)", "do not give the commitment"),
        ("trials_arm", "UPDATE {} SET ratio = 2 WHERE code = 'cbt'", "not those of the sealed scheme"),
        ("trials_sealedseed", "UPDATE {} SET ciphertext = ciphertext || '\\x00'", "does not open"),
    ],
)
def test_tampering_shows(committed, table, change, told) -> None:
    unblinded_trial()
    as_owner(table, change.replace("{}", table))
    assert Allocation.objects.exists()
    with pytest.raises(CommandError, match=told):
        call_command("verify_allocation", "t")
