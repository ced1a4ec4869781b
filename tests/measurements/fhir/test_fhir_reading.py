"""What is read in FHIR: valid by an independent validator, fit to be posted back, and telling no arm."""

import json
import re

import pytest
from fhir.resources.R4B import get_fhir_model_class

from measurements.models import Result, Specimen
from measurements.selectors.fhir import confirmed_loinc
from tests.making import PLATFORM
from tests.measurements.conftest import make_bench, make_token
from tests.measurements.fhir.conftest import bundle, entry, observation
from trials.models import Participant
from trials.services.people import add_laboratory

OWN = "http://testserver/api/v1/trials/t/fhir"
SENT = [
    {
        "specimen": "S-1",
        "biomarker": "IL6",
        "value": "1.80",
        "unit": "pg/mL",
        "collected_at": "2026-03-02T08:00:00+01:00",
    },
    {
        "specimen": "S-1",
        "biomarker": "CRP",
        "value": "<0.4",
        "unit": "mg/L",
        "run": "plate-7",
        "performed_on": "2026-03-03",
    },
    {"specimen": "S-1", "biomarker": "CRP", "value": "0.5", "unit": "mg/L", "replicate": 2},
    {"specimen": "S-1", "biomarker": "IL10", "value": "OOR <", "unit": "pg/mL", "assay": "luminex"},
    {"specimen": "S-2", "biomarker": "IL10", "value": "*1.23", "unit": "pg/mL"},
    {"specimen": "S-2", "biomarker": "CRP", "value": "---", "unit": "mg/L"},
    {"specimen": "S-2", "biomarker": "CORT", "value": "***"},
    {"specimen": "S-2", "biomarker": "IL6", "status": "not_done", "reason": "Tube broken"},
    {"specimen": "S-2", "biomarker": "PSS10", "value": "1.7e1", "unit": "{score}", "status": "preliminary"},
]


def valid(resource):
    """Read a resource with the models of fhir.resources (R4B), then look at what R4 has otherwise or asks beyond."""
    get_fhir_model_class(resource["resourceType"]).model_validate_json(json.dumps(resource))
    for each in everything_in(resource):
        assert each not in ({}, [], "", None), "FHIR has no empty elements"
    if "id" in resource:
        assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", resource["id"])
    INVARIANTS.get(resource["resourceType"], lambda _: None)(resource)
    return resource


def everything_in(element):
    yield element
    inner = element.values() if isinstance(element, dict) else element if isinstance(element, list) else []
    for each in inner:
        yield from everything_in(each)


def quantities_are_whole(resource):
    for each in everything_in(resource):
        if isinstance(each, dict) and "code" in each and "unit" in each:
            assert each["system"], "qty-3: a code has a system"


def is_good_observation(resource):
    has_value = any(name.startswith("value") for name in resource)
    assert not (has_value and "dataAbsentReason" in resource), "obs-6"
    assert resource["status"] in {"registered", "preliminary", "final", "amended", "corrected", "cancelled"}
    assert set(resource["subject"]) == {"type", "identifier"}
    assert resource["subject"]["type"] in {"Patient", "Group", "Device", "Location"}, "R4 knows no other subjects"
    quantities_are_whole(resource)


def is_good_subject(resource):
    """R4, and not R5: `individual` and one status; of the value set research-subject-status."""
    assert {"study", "individual", "status"} <= set(resource)
    assert resource["status"] in {"screening", "candidate", "on-study", "off-study", "withdrawn", "not-registered"}


def is_good_study(resource):
    known = {"in-review", "approved", "active", "closed-to-accrual", "closed-to-accrual-and-intervention", "completed"}
    assert resource["status"] in known


def is_good_bundle(resource):
    for each in resource.get("entry", []):
        assert ("resource" in each) is (resource["type"] == "searchset")
        if "resource" in each:
            assert each["fullUrl"].endswith(f"{each['resource']['resourceType']}/{each['resource']['id']}"), "bdl-7, -8"
            valid(each["resource"])
        else:
            assert re.match(r"[1-5][0-9]{2} ", each["response"]["status"])
            if "outcome" in each["response"]:
                valid(each["response"]["outcome"])


def is_good_outcome(resource):
    for issue in resource["issue"]:
        assert issue["details"]["text"]
        assert "location" not in issue


INVARIANTS = {
    "Observation": is_good_observation,
    "ResearchSubject": is_good_subject,
    "ResearchStudy": is_good_study,
    "Bundle": is_good_bundle,
    "OperationOutcome": is_good_outcome,
}


def found(answer):
    assert answer.status_code == 200, answer.content
    return [each["resource"] for each in valid(answer.json()).get("entry", [])]


@pytest.fixture
def results(bench):
    assert bench.post(SENT).status_code == 201
    return list(Result.objects.order_by("pk"))


class TestValidity:
    def test_everything_that_is_shown(self, door, results, member_token):
        person = member_token("unblinded_statistician")
        for path in ("Observation", "Specimen", "ResearchSubject", "ResearchStudy"):
            listed = found(door.get(path, token=person))
            assert listed, path
            for each in listed:
                assert valid(door.get(f"{path}/{each['id']}", token=person).json()) == each
        valid(door.get("metadata").json())

    def test_answers_and_refusals(self, door, results):
        valid(door.post(bundle(entry(observation()), entry(observation(status="done")), 3)).json())
        for answer in (
            door.post(bundle(3, kind="transaction")),
            door.post(b"{"),
            door.get("Observation?colour=red"),
            door.get("Observation/1"),
            door.get("Patient/1"),
            door.get("metadata", token="none"),
        ):
            assert answer.status_code >= 400
            assert answer["Content-Type"] == "application/fhir+json"
            assert valid(answer.json())["resourceType"] == "OperationOutcome"


class TestRoundTrip:
    def test_what_is_shown_can_be_posted_back(self, door, results):
        shown = found(door.get("Observation")) + found(door.get("Specimen"))
        answer = door.post(bundle(*(entry(each) for each in shown)))
        outcomes = [each["response"] for each in answer.json()["entry"]]
        assert {each["status"] for each in outcomes} == {"200 OK"}, outcomes
        told = [issue["diagnostics"] for each in outcomes for issue in each.get("outcome", {"issue": []})["issue"]]
        assert told == ["already_recorded"] * len(SENT)
        assert Result.objects.count() == len(SENT)

    def test_decimals_are_written_as_they_were_sent(self, door, results):
        text = door.get("Observation").content.decode()
        for number in ("1.80", "0.4", "0.5", "1.23"):
            assert f'"value":{number},' in text
        shown = [each["resource"] for each in json.loads(text, parse_float=str, parse_int=str)["entry"]]
        values = {each["valueQuantity"].get("value") for each in shown if "valueQuantity" in each}
        assert values == {"1.80", "0.4", "0.5", "1.23", "17", None}

    def test_a_corrected_observation_posted_back(self, door):
        door.post(bundle(entry(observation())))
        door.post(
            bundle(
                entry(
                    observation(
                        status="amended", note=[{"text": "Dilution"}], valueQuantity={"value": 3, "unit": "pg/mL"}
                    )
                )
            )
        )
        [shown] = found(door.get("Observation"))
        answer = door.post(bundle(entry(shown)))
        assert answer.json()["entry"][0]["response"]["status"] == "200 OK"
        assert Result.objects.count() == 2


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("", 9),
            ("?code=IL6", 2),
            ("?code=IL6,CRP", 5),
            (f"?code={OWN}/CodeSystem/biomarker|IL6", 2),
            ("?code=http://loinc.org|26881-3", 2),
            ("?code=http://loinc.org|IL6", 0),
            ("?code=unknown", 0),
            ("?specimen:identifier=S-1", 4),
            ("?specimen:identifier=urn:x|S-1", 0),
            ("?subject:identifier=T-002-D&code=CRP", 1),
            ("?subject=T-002-D", 5),
            ("?_lastUpdated=ge2026-01-01T00:00:00Z", 9),
            ("?_lastUpdated=ge2026-01-01T00:00:00+01:00", 9),
            ("?_id=0", 0),
            ("?_format=json", 9),
        ],
    )
    def test_observations(self, door, results, query, count):
        assert len(found(door.get(f"Observation{query}"))) == count

    def test_by_the_reference_of_a_specimen(self, door, results):
        key = Specimen.objects.get(identifier="S-1").pk
        for text in (f"Specimen/{key}", str(key), f"{OWN}/Specimen/{key}"):
            assert len(found(door.get(f"Observation?specimen={text}"))) == 4

    def test_by_id(self, door, results):
        wanted = f"{results[0].pk},{results[1].pk}"
        assert len(found(door.get(f"Observation?_id={wanted}"))) == 2

    def test_others(self, door, results, member_token):
        assert [each["identifier"][0]["value"] for each in found(door.get("Specimen?identifier=S-2"))] == ["S-2"]
        assert len(found(door.get("Specimen?subject=T-001-F"))) == 1
        person = member_token("monitor")
        assert len(found(door.get("ResearchSubject?identifier=T-001-F", token=person))) == 1
        assert found(door.get("ResearchSubject?identifier=T-009-X", token=person)) == []

    def test_pages(self, door, results):
        seen, address = [], "Observation?_count=4"
        while address:
            answer = door.get(address)
            seen += [each["id"] for each in found(answer)]
            links = {link["relation"]: link["url"] for link in answer.json()["link"]}
            assert links["self"].startswith("http://testserver/")
            address = links.get("next")
        assert seen == [str(result.pk) for result in results]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("_count=0", "parameter_wrong"),
            ("_count=x", "parameter_wrong"),
            ("_count=1001", "parameter_wrong"),
            ("colour=red", "parameter_unknown"),
            ("code=a&code=b", "parameter_wrong"),
            ("_lastUpdated=2026-01-01", "parameter_wrong"),
            ("_lastUpdated=ge2026-01-01", "parameter_wrong"),
            ("_lastUpdated=gt2026-01-01T00:00:00Z", "parameter_wrong"),
            ("_lastUpdated=ge2099-01-01T00:00:00Z", "parameter_wrong"),
        ],
    )
    def test_refused(self, door, query, code):
        answer = door.get(f"Observation?{query}")
        assert (answer.status_code, answer.json()["issue"][0]["diagnostics"]) == (422, code)


class TestWhoSeesWhat:
    def test_a_laboratory_sees_its_own_results(self, door, bench, results):
        other = add_laboratory(trial=bench.trial, code="lyon", name="Lyon", by=PLATFORM)
        token = make_token(bench.trial, other)[1]
        assert found(door.get("Observation", token=token)) == []
        assert door.get(f"Observation/{results[0].pk}", token=token).status_code == 404
        missing = door.get(f"Observation/{results[-1].pk + 1000}", token=token)
        assert door.get(f"Observation/{results[0].pk}", token=token).content == missing.content

    def test_scopes(self, door, bench, results):
        token = make_token(bench.trial, bench.laboratory, scopes=["results:read"])[1]
        assert door.get("Observation", token=token).status_code == 200
        assert door.get("Specimen", token=token).status_code == 403
        assert door.get("ResearchSubject", token=token).status_code == 403
        assert door.post(bundle(entry(observation())), token=token).status_code == 403

    def test_a_person_of_one_site_sees_its_participants(self, door, results, member_token):
        token = member_token("coordinator", "leeds")
        assert {each["subject"]["identifier"]["value"] for each in found(door.get("Observation", token=token))} == {
            "T-001-F"
        }
        assert [each["identifier"][0]["value"] for each in found(door.get("Specimen", token=token))] == ["S-1"]
        assert len(found(door.get("ResearchSubject", token=token))) == 1
        elsewhere = Participant.objects.get(code="T-002-D")
        assert door.get(f"ResearchSubject/{elsewhere.pk}", token=token).status_code == 404

    def test_arms_only_for_those_who_see_them(self, door, member_token):
        blinded, entitled = member_token("monitor"), member_token("unblinded_statistician")
        for path in ("ResearchSubject", "ResearchStudy"):
            assert "Waitlist" not in door.get(path, token=blinded).content.decode()
        assert {each["assignedArm"] for each in found(door.get("ResearchSubject", token=entitled))} <= {
            "CBT",
            "Waitlist",
        }
        [study] = found(door.get("ResearchStudy", token=entitled))
        assert [arm["name"] for arm in study["arm"]] == ["CBT", "Waitlist"]
        assert all("assignedArm" not in each for each in found(door.get("ResearchSubject", token=blinded)))

    def test_a_site_sees_the_arms_of_its_own_participants_in_an_open_label_trial(self, door, member_token):
        listed = found(door.get("ResearchSubject", token=member_token("coordinator", "leeds")))
        assert all("assignedArm" in each for each in listed)

    def test_a_foreign_trial_is_a_missing_one(self, door):
        make_bench("other")
        answers = [
            door.get("metadata"),
            *(door.get(f"http://testserver/api/v1/trials/{slug}/fhir/metadata") for slug in ("other", "none")),
        ]
        assert [answer.status_code for answer in answers] == [200, 404, 404]
        assert answers[1].content == answers[2].content

    def test_a_code_that_nobody_confirmed_is_not_given_on(self, door, bench, results):
        assert confirmed_loinc(bench.trial)["26881-3"] == "IL6"
        bench.trial.biomarkers.all()
        systems = {
            coding["system"] for each in found(door.get("Observation?code=PSS10")) for coding in each["code"]["coding"]
        }
        assert "http://loinc.org" not in systems


class TestCapabilities:
    def test_the_statement_is_what_works(self, door, results, member_token):
        token = member_token("monitor")
        [rest] = door.get("metadata").json()["rest"]
        assert {each["code"] for each in rest["interaction"]} == {"batch", "transaction"}
        for kind in ("batch", "transaction"):
            assert door.post(bundle(kind=kind)).status_code == 200
        for resource in rest["resource"]:
            path = resource["type"]
            if "interaction" not in resource:
                assert door.get(path).status_code == 404
                continue
            [first, *_] = found(door.get(path, token=token))
            assert door.get(f"{path}/{first['id']}", token=token).status_code == 200
            for parameter in resource["searchParam"]:
                value = "ge2026-01-01T00:00:00Z" if parameter["type"] == "date" else "1"
                answer = door.get(f"{path}?{parameter['name']}={value}", token=token)
                assert answer.status_code == 200, parameter
            assert door.get(f"{path}?anything=1", token=token).status_code == 422

    def test_with_and_without_a_slash(self, door):
        assert door.get("metadata/").content == door.get("metadata").content

    def test_forms_of_the_answer(self, door):
        assert door.get("metadata", accept="application/fhir+json; fhirVersion=4.0").status_code == 200
        assert door.get("metadata", accept="application/fhir+xml").status_code == 406
        assert door.get("metadata?_format=xml").status_code == 406
