"""The life of a specimen: what may follow what, and that its events and its state say the same."""

from datetime import timedelta

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from measurements.models import Specimen, SpecimenEvent
from measurements.services.specimens import (
    Facts,
    correct_times,
    note_specimen,
    part_specimen,
    receive_specimen,
    register_specimen,
)
from tests.making import PLATFORM, make_member
from tests.measurements.conftest import Bench, make_token
from trials.access import Actor
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.services.lifecycle import change_data_state

pytestmark = pytest.mark.django_db


@pytest.fixture
def specimen(bench: Bench) -> Specimen:
    """The specimen S-1, not drawn yet."""
    return Specimen.objects.get(trial=bench.trial, identifier="S-1")


def kinds(specimen: Specimen) -> list[str]:
    """What happened to it, in order."""
    return list(specimen.events.values_list("kind", flat=True))


def test_the_state_follows_what_is_recorded(specimen: Specimen) -> None:
    now = timezone.now()
    assert specimen.state == "expected"
    drawn = correct_times(
        specimen=specimen, drawn_at=now - timedelta(hours=5), received_at=None, by=PLATFORM, reason="From the paper."
    )
    assert drawn.state == "drawn"
    received = receive_specimen(specimen=specimen, received_at=now, condition="haemolysed", by=PLATFORM)
    assert (received.state, received.condition) == ("received", "haemolysed")
    note_specimen(specimen=specimen, facts=Facts(place="Freezer 2, box 7"), by=PLATFORM)
    gone = note_specimen(specimen=specimen, facts=Facts(destroyed_at=timezone.now()), by=PLATFORM)
    assert gone.state == "destroyed"
    assert kinds(specimen) == ["drawn", "received", "stored", "destroyed"]
    with pytest.raises(InConflict, match="S-1 was destroyed on"):
        note_specimen(specimen=specimen, facts=Facts(condition="ok"), by=PLATFORM)


def test_a_draw_recorded_by_anybody_leaves_an_event(bench: Bench) -> None:
    register_specimen(
        participant=bench.participant("T-001-F"),
        visit=bench.trial.visits.get(code="baseline"),
        identifier="S-9",
        drawn_at=timezone.now(),
        by=PLATFORM,
    )
    assert kinds(Specimen.objects.get(identifier="S-9")) == ["drawn"]


def test_times_in_the_wrong_order_are_named(specimen: Specimen) -> None:
    now = timezone.now()
    correct_times(specimen=specimen, drawn_at=now, received_at=None, by=PLATFORM, reason="x")
    with pytest.raises(RuleBroken, match=r"S-1 cannot be received on .* before it was drawn on .* Nothing was saved"):
        receive_specimen(specimen=specimen, received_at=now - timedelta(days=1), by=PLATFORM)
    with pytest.raises(RuleBroken, match="in the future"):
        receive_specimen(specimen=specimen, received_at=now + timedelta(days=1), by=PLATFORM)
    with pytest.raises(RuleBroken, match="“mouldy” is not a condition"):
        receive_specimen(specimen=specimen, condition="mouldy", by=PLATFORM)
    assert kinds(specimen) == ["drawn"]


def test_the_same_receipt_twice_is_one(specimen: Specimen) -> None:
    now = timezone.now()
    for _ in range(2):
        receive_specimen(specimen=specimen, received_at=now, by=PLATFORM)
    assert kinds(specimen) == ["received"]
    with pytest.raises(InConflict, match="was received on"):
        receive_specimen(specimen=specimen, received_at=now - timedelta(days=1), by=PLATFORM)


def test_a_receipt_recorded_by_mistake_is_struck_with_a_reason(specimen: Specimen) -> None:
    receive_specimen(specimen=specimen, by=PLATFORM)
    with pytest.raises(RuleBroken, match="Say why"):
        correct_times(specimen=specimen, drawn_at=None, received_at=None, by=PLATFORM, reason=" ")
    struck = correct_times(specimen=specimen, drawn_at=None, received_at=None, by=PLATFORM, reason="Wrong tube")
    assert struck.state == "expected"
    assert [event.at is None for event in specimen.events.all()] == [False, True]


def test_another_draw_raises_the_data_version_and_a_receipt_does_not(specimen: Specimen) -> None:
    version = specimen.trial.data_version
    receive_specimen(specimen=specimen, by=PLATFORM)
    specimen.trial.refresh_from_db()
    assert specimen.trial.data_version == version
    drawn = timezone.now() - timedelta(hours=1)
    received = Specimen.objects.get(pk=specimen.pk).received_at
    correct_times(specimen=specimen, drawn_at=drawn, received_at=received, by=PLATFORM, reason="x")
    specimen.trial.refresh_from_db()
    assert specimen.trial.data_version == version + 1


def test_frozen_data_let_specimens_move_and_keep_their_draw(bench: Bench, specimen: Specimen) -> None:
    change_data_state(trial=bench.trial, to="frozen", by=PLATFORM, reason="An interim look")
    assert receive_specimen(specimen=specimen, by=PLATFORM).state == "received"
    with pytest.raises(InConflict):
        correct_times(specimen=specimen, drawn_at=timezone.now(), received_at=None, by=PLATFORM, reason="x")


def test_aliquots_are_numbered_on_and_have_none_themselves(specimen: Specimen) -> None:
    made = [
        *part_specimen(specimen=specimen, count=2, by=PLATFORM),
        *part_specimen(specimen=specimen, count=1, by=PLATFORM),
    ]
    assert [each.identifier for each in made] == ["S-1-A1", "S-1-A2", "S-1-A3"]
    with pytest.raises(RuleBroken, match=r"S-1-A1 is an aliquot itself\. Part S-1"):
        part_specimen(specimen=made[0], count=1, by=PLATFORM)
    with pytest.raises(RuleBroken, match="1 to 50"):
        part_specimen(specimen=specimen, count=0, by=PLATFORM)


def test_aliquots_have_the_draw_of_their_specimen_also_when_it_is_put_right(specimen: Specimen) -> None:
    first, second = timezone.now() - timedelta(hours=5), timezone.now() - timedelta(hours=2)
    correct_times(specimen=specimen, drawn_at=first, received_at=None, by=PLATFORM, reason="x")
    [aliquot] = part_specimen(specimen=specimen, count=1, by=PLATFORM)
    correct_times(specimen=specimen, drawn_at=second, received_at=None, by=PLATFORM, reason="Wrong hour")
    aliquot.refresh_from_db()
    assert aliquot.drawn_at == second
    receive_specimen(specimen=aliquot, by=PLATFORM)
    with pytest.raises(RuleBroken, match=r"S-1-A1 cannot be received on .*, before it was drawn on"):
        correct_times(
            specimen=specimen, drawn_at=timezone.now() + timedelta(minutes=2), received_at=None, by=PLATFORM, reason="x"
        )


def test_a_row_of_an_aliquot_is_asked_about_its_visits_window(bench: Bench, specimen: Specimen) -> None:
    drawn = timezone.now() - timedelta(hours=5)
    correct_times(specimen=specimen, drawn_at=drawn, received_at=None, by=PLATFORM, reason="x")
    part_specimen(specimen=specimen, count=1, by=PLATFORM)
    row = {"biomarker": "IL6", "value": "1.8", "unit": "pg/mL"}
    said = [bench.post([row | {"specimen": known}]).json()["warnings"] for known in ("S-1", "S-1-A1")]
    assert [[each["code"] for each in warnings] for warnings in said] == [["outside_window"]] * 2
    early = {"specimen": "S-1-A1", "biomarker": "CRP", "value": "1", "unit": "mg/L", "performed_on": "2026-01-05"}
    assert [each["code"] for each in bench.post([early]).json()["errors"]] == ["date_before_draw"]


def test_a_laboratory_receives_with_the_scope_for_it(bench: Bench, specimen: Specimen) -> None:
    reads = make_token(bench.trial, bench.laboratory, scopes=["specimens:read"])[0]
    writes = make_token(bench.trial, bench.laboratory, scopes=["specimens:write"])[0]
    with pytest.raises(NotAllowed):
        receive_specimen(specimen=specimen, by=Actor(credential=reads))
    assert receive_specimen(specimen=specimen, by=Actor(credential=writes)).state == "received"
    with pytest.raises(NotAllowed):
        note_specimen(specimen=specimen, facts=Facts(condition="ok"), by=Actor(credential=writes))


def test_a_site_keeps_its_own_specimens(bench: Bench, specimen: Specimen) -> None:
    with pytest.raises(NotAllowed):
        receive_specimen(specimen=specimen, by=make_member(bench.trial, "coordinator", "ghent"))


def test_events_are_written_by_the_database_alone(specimen: Specimen) -> None:
    receive_specimen(specimen=specimen, by=PLATFORM)
    for statement in (
        "INSERT INTO measurements_specimenevent (specimen_id, kind) VALUES (1, 'drawn')",
        "UPDATE measurements_specimenevent SET kind = 'drawn'",
        "DELETE FROM measurements_specimenevent",
    ):
        with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert SpecimenEvent.objects.count() == 1
