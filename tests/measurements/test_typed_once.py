"""A value that one person typed for double entry waits in the unit that it was typed in."""

from dataclasses import replace

import pytest

from measurements.catalogue import CATALOGUE
from measurements.models import EntryPass
from measurements.services.catalogue import revise_biomarker
from tests.making import PASSWORD, PLATFORM
from trials.access import Actor
from trials.errors import InConflict
from trials.services.people import create_account, grant_role

pytestmark = pytest.mark.django_db


def test_the_unit_stays_between_the_first_entry_and_the_second(bench, signed_in):
    user = create_account(email="ada@example.org", name="Ada", password=PASSWORD, by=PLATFORM)
    grant_role(trial=bench.trial, user=user, role="coordinator", by=PLATFORM)
    ada, biomarker = signed_in(Actor(user=user)), bench.trial.biomarkers.get(code="CRP")
    url = ada.post("/trials/t/entry/twice/?visit=baseline&biomarker=CRP", {"key": "k"}).url
    ada.post(url, {f"c{bench.participant('T-001-F').pk}-{biomarker.pk}": "2"})
    assert EntryPass.objects.get().unit == "mg/L"
    changed = replace(CATALOGUE["CRP"], unit="mg/dL")
    with pytest.raises(InConflict, match="its unit cannot change"):
        revise_biomarker(biomarker=biomarker, definition=changed, by=PLATFORM, reason="The other laboratory's unit")
