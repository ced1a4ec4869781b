"""Choosing what a trial measures on its page."""

from decimal import Decimal

import pytest
from django.test import Client

from measurements.models import Assay, Biomarker
from tests.making import make_member, make_trial

pytestmark = pytest.mark.django_db
URL = "/trials/t/biomarkers/"


@pytest.fixture
def investigator(client: Client) -> Client:
    client.force_login(make_member(make_trial(), "principal_investigator").user)
    return client


def test_an_empty_list_names_the_next_step(investigator: Client) -> None:
    assert "Choose biomarkers from the catalogue" in investigator.get(URL).content.decode()


def test_from_the_catalogue(investigator: Client) -> None:
    assert investigator.post(URL, {"step": "catalogue", "codes": ["IL6", "CRP"]}).status_code == 302
    assert set(Biomarker.objects.values_list("code", flat=True)) == {"IL6", "CRP"}
    again = investigator.post(URL, {"step": "catalogue", "codes": ["IL6"]})
    assert again.status_code == 422
    assert Biomarker.objects.count() == 2


def own(**changes: str) -> dict[str, str]:
    return {
        "step": "own", "name": "Zonulin", "code": "ZON", "outcome_class": "other_immune", "direction": "harmful",
        "analysis_scale": "log", "unit": "ng/mL", "low": "1", "high": "90",
    } | changes  # fmt: skip


def test_one_of_the_trials_own(investigator: Client) -> None:
    assert investigator.post(URL, own()).status_code == 302
    assert Biomarker.objects.get(code="ZON").direction == "harmful"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"unit": "furlong"}, "is not a unit that is known here"),
        ({"high": ""}, "Give both ends of the range"),
        ({"low": "99"}, "The range ends before it begins"),
    ],
)
def test_what_cannot_be_is_told(investigator: Client, changes: dict[str, str], sentence: str) -> None:
    answer = investigator.post(URL, own(**changes))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Biomarker.objects.exists()


def test_a_method_with_its_limit(investigator: Client) -> None:
    investigator.post(URL, {"step": "catalogue", "codes": ["IL6"]})
    biomarker = Biomarker.objects.get()
    laboratory = biomarker.trial.own_laboratories.get()
    sent = {
        "step": "assay", "biomarker": biomarker.pk, "laboratory": laboratory.pk, "code": "il6-elisa", "unit": "pg/mL",
        "quantification": "0.4",
    }  # fmt: skip
    assert investigator.post(URL, sent).status_code == 302
    assert Assay.objects.get().lower_limit_of_quantification.normalize() == Decimal("0.4")


def test_others_see_the_list_and_no_forms(client: Client) -> None:
    client.force_login(make_member(make_trial(), "monitor").user)
    page = client.get(URL).content.decode()
    assert "Choose from the catalogue" not in page
    assert client.post(URL, {"step": "catalogue", "codes": ["IL6"]}).status_code == 403
