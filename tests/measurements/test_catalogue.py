"""The catalogue, and a trial that takes from it."""

import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from measurements.catalogue import CATALOGUE, DIRECTIONS, Definition, render_markdown
from measurements.catalogue.factors import FACTORS
from measurements.catalogue.immune import IMMUNE
from measurements.models import Biomarker
from measurements.services.assays import Limits, add_assay
from measurements.services.catalogue import add_biomarkers
from measurements.units import parse_unit
from measurements.units.spelling import readable_unit
from measurements.validation.nearness import squeezed
from tests.making import PLATFORM, make_member, make_trial
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import Laboratory, Trial
from trials.services.lifecycle import change_status

ATOMIC_WEIGHTS = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999, "S": 32.06}  # IUPAC 2021, abridged
CONFIRMED = {
    "IL6": "26881-3",
    "CRP": "30522-7",
    "IL10": "26848-2",
    "IL1B": "13629-1",
    "IFNG": "27415-9",
    "CD4": "24467-3",
    "HIVRNA": "20447-9",
}


def test_every_class_is_there_with_several():
    counts = Counter(definition.outcome_class for definition in CATALOGUE.values())
    assert set(counts) == set(DIRECTIONS) == set(Biomarker.OutcomeClass.values)
    assert all(counts[outcome_class] >= 3 for outcome_class in list(DIRECTIONS)[:7])
    assert len(CATALOGUE) == len({*IMMUNE, *FACTORS})


def test_what_is_chosen_fits_its_columns():
    for definition in CATALOGUE.values():
        biomarker = Biomarker(trial=Trial(), **{name: getattr(definition, name) for name in ("code", "name", "unit")})
        biomarker.outcome_class, biomarker.specimen_type = definition.outcome_class, definition.specimen_type
        biomarker.direction = definition.effective_direction
        biomarker.clean_fields(exclude=["trial", "event"])


def test_molar_masses_are_those_of_their_molecules():
    molecules = [definition for definition in CATALOGUE.values() if definition.molar_mass or definition.formula]
    for definition in molecules:
        atoms = re.findall(r"([A-Z][a-z]?)([0-9]*)", definition.formula)
        mass = sum(ATOMIC_WEIGHTS[atom] * int(count or 1) for atom, count in atoms)
        assert float(definition.molar_mass) == pytest.approx(mass, abs=0.03), definition.code
    assert {definition.outcome_class for definition in molecules} == {
        "proinflammatory",
        "other_immune",
        "hpa_axis",
        "oxytocin",
    }


def test_scores_and_differences_are_analysed_as_measured():
    for definition in CATALOGUE.values():
        if definition.may_be_negative or definition.unit == "{score}":
            assert definition.analysis_scale == "identity", definition.code


def test_the_page_of_the_documentation_is_made_from_the_table():
    assert (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8") == render_markdown()


@pytest.mark.parametrize("definition", CATALOGUE.values(), ids=list(CATALOGUE))
def test_definition(definition):
    low, high = definition.range_in_numbers()
    assert low < high
    assert low >= 0 or definition.may_be_negative
    assert parse_unit(definition.unit).code == definition.unit
    assert definition.effective_direction in Biomarker.Direction.values


def test_only_confirmed_loinc_codes_say_so():
    assert {
        code: each.loinc.code for code, each in CATALOGUE.items() if each.loinc and each.loinc.is_verified
    } == CONFIRMED


def test_fibrinogen_in_grams_per_litre_called_mg_per_dl_is_asked_about():
    low, _ = CATALOGUE["FIBRIN"].range_in_numbers()
    assert Decimal("4.5") < low  # normal values are 2 to 4 g/L, which are 200 to 400 mg/dL


def test_no_alias_belongs_to_two_biomarkers():
    names = [
        squeezed(name) for each in CATALOGUE.values() for name in {squeezed(each.code), *map(squeezed, each.aliases)}
    ]
    assert len(names) == len(set(names))


@pytest.mark.django_db
class TestTrial:
    def test_takes_codes_and_its_own(self):
        trial = make_trial(status="draft")
        own = Definition("IGGPG", "IgG to P. gingivalis", "antibody", "titer", direction="neutral")
        add_biomarkers(trial=trial, biomarkers=["IL6", own], by=PLATFORM)
        add_biomarkers(trial=trial, biomarkers=["CRP"], by=PLATFORM)
        assert list(trial.biomarkers.values_list("code", "direction", "unit")) == [
            ("IL6", "harmful", "pg/mL"),
            ("IGGPG", "neutral", "{titer}"),
            ("CRP", "harmful", "mg/L"),
        ]

    @pytest.mark.parametrize(
        ("biomarkers", "code"),
        [
            (["XYZ"], "biomarker_unknown"),
            (["IL6", "IL6"], "biomarker_taken"),
            ([Definition("A", "A", "stress", "parsecs")], "unit_unknown"),
        ],
    )
    def test_refuses(self, biomarkers, code):
        trial = make_trial(status="draft")
        with pytest.raises(RuleBroken) as refused:
            add_biomarkers(trial=trial, biomarkers=biomarkers, by=PLATFORM)
        assert refused.value.code == code
        assert not trial.biomarkers.exists()

    def test_those_added_while_it_recruits_belong_among_the_estimates(self):
        draft, recruiting = make_trial("draft", status="draft"), make_trial("recruiting")
        for trial, raised in ((draft, 0), (recruiting, 1)):
            add_biomarkers(trial=trial, biomarkers=["IL6"], by=PLATFORM)
            trial.refresh_from_db()
            assert trial.data_version == raised

    def test_not_after_recruitment(self):
        trial = change_status(trial=make_trial(), to="follow_up", by=PLATFORM)
        with pytest.raises(InConflict):
            add_biomarkers(trial=trial, biomarkers=["IL6"], by=PLATFORM)

    def test_needs_the_right(self):
        trial = make_trial()
        with pytest.raises(NotAllowed):
            add_biomarkers(trial=trial, biomarkers=["IL6"], by=make_member(trial, "monitor"))
        assert add_biomarkers(trial=trial, biomarkers=["IL6"], by=make_member(trial, "data_manager"))

    def test_an_assay_in_a_unit_that_converts(self):
        trial = make_trial()
        [biomarker] = add_biomarkers(trial=trial, biomarkers=["CORT"], by=PLATFORM)
        site = Laboratory.objects.get(trial=trial, code="site")
        limits = Limits(quantification=Decimal("0.1"))
        assay = add_assay(
            trial=trial, laboratory=site, biomarker=biomarker, code="lcms", unit="ug/dL", limits=limits, by=PLATFORM
        )
        assert assay.unit == "ug/dL"
        with pytest.raises(RuleBroken, match="does not convert"):
            add_assay(trial=trial, laboratory=site, biomarker=biomarker, code="x", unit="IU/mL", by=PLATFORM)
        with pytest.raises(RuleBroken, match="already"):
            add_assay(trial=trial, laboratory=site, biomarker=biomarker, code="lcms", unit="ug/dL", by=PLATFORM)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("{cells}/uL", "cells/µL"),
        ("10*9/L", "10⁹/L"),
        ("pg/mL", "pg/mL"),
        ("ug/mL", "µg/mL"),
        ("{score}", "points"),
        ("[IU]/mL", "IU/mL"),
        ("%", "%"),
    ],
)
def test_units_as_people_read_them(code, shown):
    assert readable_unit(code) == shown
