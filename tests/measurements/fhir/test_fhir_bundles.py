"""Bundles in: batches entry by entry, transactions as a whole, every value as it was sent."""

import json

import pytest

from measurements.models import HeldRow, IdempotentAnswer, Result, Specimen, Submission
from tests.making import PLATFORM
from tests.measurements.conftest import make_token
from tests.measurements.fhir.conftest import bundle, entry, observation
from trials.models import AuditEvent

OWN = "http://testserver/api/v1/trials/t/fhir"
UCUM = {"unit": "pg/mL", "system": "http://unitsofmeasure.org", "code": "pg/mL"}
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def statuses(answer):
    assert answer.status_code == 200, answer.content
    return [each["response"]["status"][:3] for each in answer.json()["entry"]]


def told(answer, number):
    """Severity and code of each issue of an entry."""
    outcome = answer.json()["entry"][number - 1]["response"].get("outcome", {"issue": []})
    return [(issue["severity"], issue["diagnostics"]) for issue in outcome["issue"]]


def kept():
    result = Result.objects.latest("pk")
    return result.value_as_sent, result.comparator, result.flag, result.status


class TestBatch:
    def test_each_entry_is_answered_on_its_own(self, door):
        answer = door.post(
            bundle(
                entry(observation()),
                entry(observation(specimen={"identifier": {"value": "S-9"}})),
                entry(observation(code={"text": "CRP"}, valueQuantity={"value": 2, "unit": "mg/L"})),
            )
        )
        assert answer["Content-Type"] == "application/fhir+json"
        assert answer.json()["type"] == "batch-response"
        assert statuses(answer) == ["201", "422", "201"]
        [issue] = answer.json()["entry"][1]["response"]["outcome"]["issue"]
        assert issue["code"] == "not-found"
        assert issue["expression"] == ["Bundle.entry[1].resource.specimen"]
        assert '"S-9" is not a specimen of this trial.' in issue["details"]["text"]
        assert "Row 2 was not saved." in issue["details"]["text"]
        assert Result.objects.count() == 2
        submission = Submission.objects.get()
        assert (submission.channel, submission.received, submission.created) == ("fhir", 3, 2)

    def test_the_location_leads_to_the_observation(self, door):
        response = door.post(bundle(entry(observation()))).json()["entry"][0]["response"]
        assert response["etag"] == 'W/"1"'
        assert door.get(response["location"]).json()["valueQuantity"]["value"] == 1.83

    def test_the_same_again_changes_nothing(self, door):
        sent = bundle(entry(observation()))
        door.post(sent)
        answer = door.post(sent)
        assert statuses(answer) == ["200"]
        assert ("information", "already_recorded") in told(answer, 1)
        assert Result.objects.count() == 1

    def test_a_foreign_specimen_reads_like_an_unknown_one(self, door):
        from tests.measurements.conftest import make_bench

        other = make_bench("other")
        foreign = Specimen.objects.get(trial=other.trial, identifier="S-1")
        Specimen.objects.filter(pk=foreign.pk)
        answers = [
            door.post(bundle(entry(observation(specimen={"reference": f"Specimen/{number}"})))).json()
            for number in (foreign.pk, foreign.pk + 100_000)
        ]
        texts = [
            json.dumps(answer).replace(str(number), "#")
            for answer, number in zip(answers, (foreign.pk, foreign.pk + 100_000), strict=True)
        ]
        assert texts[0] == texts[1]
        assert "specimen_unknown" in texts[0]

    def test_an_unknown_specimen_can_be_held(self, door):
        sent = bundle(entry(observation(specimen={"identifier": {"value": "S-9"}})))
        answer = door.post(sent, query="?unknown_specimen=hold")
        assert statuses(answer) == ["202"]
        assert HeldRow.objects.count() == 1

    def test_an_empty_bundle(self, door):
        answer = door.post(bundle())
        assert answer.status_code == 200
        assert answer.json() == {"resourceType": "Bundle", "type": "batch-response"}
        assert not Submission.objects.exists()


class TestTransaction:
    def test_all_entries(self, door):
        answer = door.post(bundle(entry(observation()), kind="transaction"))
        assert answer.json()["type"] == "transaction-response"
        assert statuses(answer) == ["201"]

    def test_one_wrong_row_undoes_all_and_every_wrong_one_is_told(self, door):
        before = AuditEvent.objects.count()
        answer = door.post(
            bundle(
                entry(
                    {
                        "resourceType": "Specimen",
                        "identifier": [{"value": "S-1"}],
                        "receivedTime": "2026-03-02T08:00:00Z",
                    }
                ),
                entry(observation()),
                entry(observation(code={"text": "CRP"}, valueQuantity={"value": 2, "unit": "lightyear"})),
                entry(observation(status="registered")),
                kind="transaction",
            )
        )
        assert answer.status_code == 422
        assert answer["Content-Type"] == "application/fhir+json"
        outcome = answer.json()
        assert outcome["resourceType"] == "OperationOutcome"
        wrong = {
            issue["expression"][0]: issue["diagnostics"] for issue in outcome["issue"] if issue["severity"] == "error"
        }
        assert wrong == {
            "Bundle.entry[2].resource.value.unit": "unit_not_convertible",
            "Bundle.entry[3].resource.status": "status_not_taken",
        }
        assert not Result.objects.exists()
        assert not Submission.objects.exists()
        assert Specimen.objects.get(identifier="S-1").received_at is None
        assert AuditEvent.objects.count() == before


class TestValues:
    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (b"1.80", "1.80"),
            (b"0.000000000000000001", "0.000000000000000001"),
            (b"12e-1", "12e-1"),
            (b"3", "3"),
            (b"12345678901234567.5", "12345678901234567.5"),
        ],
    )
    def test_digits_are_kept(self, door, number, text):
        body = json.dumps(bundle(entry(observation(valueQuantity={"value": "@", "unit": "pg/mL"})))).encode()
        assert statuses(door.post(body.replace(b'"@"', number))) == ["201"]
        assert kept()[0] == text

    @pytest.mark.parametrize(
        ("elements", "expected"),
        [
            ({"valueQuantity": UCUM | {"value": 0.4, "comparator": "<"}}, ("<0.4", "<", "", "final")),
            ({"valueQuantity": UCUM | {"value": 500, "comparator": ">"}}, (">500", ">", "", "final")),
            (
                {"valueQuantity": UCUM, "interpretation": [{"coding": [{"system": INTERPRETATION, "code": "<"}]}]},
                ("OOR <", "<", "out_of_range", "final"),
            ),
            (
                {
                    "valueQuantity": UCUM | {"value": 0.4},
                    "interpretation": [{"coding": [{"system": INTERPRETATION, "code": "<"}]}],
                },
                ("<0.4", "<", "", "final"),
            ),
            (
                {
                    "valueQuantity": UCUM | {"value": 7},
                    "interpretation": [{"coding": [{"system": INTERPRETATION, "code": "H"}]}],
                },
                ("7", "", "", "final"),
            ),
            (
                {
                    "valueQuantity": UCUM | {"value": 1.23},
                    "interpretation": [{"coding": [{"system": f"{OWN}/CodeSystem/flag", "code": "extrapolated"}]}],
                },
                ("*1.23", "", "extrapolated", "final"),
            ),
            (
                {"valueQuantity": None, "dataAbsentReason": {"coding": [{"system": ABSENT, "code": "error"}]}},
                ("---", "", "not_measured", "final"),
            ),
            (
                {"valueQuantity": None, "dataAbsentReason": {"coding": [{"system": ABSENT, "code": "not-a-number"}]}},
                ("***", "", "not_measured", "final"),
            ),
            (
                {
                    "valueQuantity": None,
                    "dataAbsentReason": {"coding": [{"code": "not-performed"}], "text": "Tube broken"},
                },
                ("", "", "", "not_done"),
            ),
            (
                {"status": "cancelled", "valueQuantity": None, "note": [{"text": "Tube broken"}]},
                ("", "", "", "not_done"),
            ),
            ({"valueQuantity": None, "valueString": "OOR >"}, ("OOR >", ">", "out_of_range", "final")),
            ({"status": "preliminary"}, ("1.83", "", "", "preliminary")),
        ],
    )
    def test_marks_and_statuses(self, door, elements, expected):
        answer = door.post(bundle(entry(observation(**elements))))
        assert statuses(answer) == ["201"], answer.content
        assert kept() == expected

    @pytest.mark.parametrize(
        ("elements", "code"),
        [
            ({"valueQuantity": UCUM | {"value": 0.4, "comparator": "<="}}, "value_not_number"),
            ({"valueQuantity": UCUM | {"value": 0.4, "comparator": "-"}}, "comparator_unknown"),
            (
                {
                    "valueQuantity": UCUM | {"value": 0.4, "comparator": ">"},
                    "interpretation": [{"coding": [{"system": INTERPRETATION, "code": "<"}]}],
                },
                "value_contradicts",
            ),
            ({"valueQuantity": UCUM | {"value": "1,234"}}, "value_ambiguous"),
            ({"valueQuantity": UCUM | {"value": [1]}}, "element_unreadable"),
            ({"valueQuantity": UCUM}, "value_empty"),
            ({"valueQuantity": {"value": 1}}, "unit_missing"),
            ({"valueQuantity": None, "valueBoolean": True}, "element_not_read"),
            ({"valueString": "2"}, "value_twice"),
            ({"dataAbsentReason": {"coding": [{"code": "error"}]}}, "value_contradicts"),
            ({"valueQuantity": None, "dataAbsentReason": {"coding": [{"code": "masked"}]}}, "absent_reason_not_read"),
            ({"valueQuantity": None, "dataAbsentReason": {"coding": [{"code": "not-performed"}]}}, "field_missing"),
            ({"status": "cancelled"}, "value_contradicts"),
            ({"status": "entered-in-error"}, "status_not_taken"),
            ({"status": "done"}, "status_unknown"),
            ({"status": None}, "status_missing"),
            ({"component": [{"valueQuantity": {"value": 1}}]}, "element_not_read"),
            ({"modifierExtension": [{"url": "urn:x"}]}, "element_not_read"),
            ({"contained": [{"resourceType": "Patient"}]}, "element_not_read"),
            ({"code": {"text": "Interleukin-99"}}, "biomarker_unknown"),
            ({"code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}}, "biomarker_unknown"),
            (
                {
                    "code": {
                        "coding": [
                            {"system": "http://loinc.org", "code": "26881-3"},
                            {"system": f"{OWN}/CodeSystem/biomarker", "code": "CRP"},
                        ]
                    }
                },
                "code_contradicts",
            ),
            ({"specimen": {"reference": "urn:uuid:none"}}, "reference_unknown"),
            ({"specimen": {"reference": "https://elsewhere.example/fhir/Specimen/1"}}, "reference_unknown"),
            ({"specimen": None}, "field_missing"),
            ({"effectivePeriod": {"start": "2026-03-02"}}, "element_not_read"),
            ({"effectiveDateTime": "2026-03-02"}, "date_no_zone"),
            (
                {"subject": {"identifier": {"system": f"{OWN}/identifier/participant", "value": "T-002-D"}}},
                "specimen_mismatch",
            ),
        ],
    )
    def test_refused(self, door, elements, code):
        answer = door.post(bundle(entry(observation(**elements))))
        assert statuses(answer) == ["422"]
        assert ("error", code) in told(answer, 1), answer.content
        assert not Result.objects.exists()

    def test_loinc_and_the_host_do_not_matter(self, door):
        code = {
            "coding": [
                {"system": "http://loinc.org", "code": "26881-3"},
                {
                    "system": OWN.replace("http://testserver", "https://other.example") + "/CodeSystem/biomarker",
                    "code": "IL6",
                },
            ]
        }
        assert statuses(door.post(bundle(entry(observation(code=code))))) == ["201"]
        assert Result.objects.get().biomarker.code == "IL6"

    def test_an_unknown_element_is_told(self, door):
        answer = door.post(bundle(entry(observation(valuequantity={"value": 2}))))
        assert ("warning", "column_unknown") in told(answer, 1)

    def test_a_hospitals_patient_is_not_looked_at(self, door):
        subject = {
            "reference": "Patient/81",
            "display": "Jane Roe",
            "identifier": {"system": "urn:mrn", "value": "12345"},
        }
        assert statuses(door.post(bundle(entry(observation(subject=subject))))) == ["201"]
        assert "Jane" not in json.dumps(Submission.objects.get().report)

    def test_participant_and_visit_in_place_of_a_specimen(self, door):
        sent = observation(
            specimen=None,
            subject={"identifier": {"system": f"{OWN}/identifier/participant", "value": "T-001-F"}},
            encounter={"identifier": {"system": f"{OWN}/identifier/visit", "value": "six_months"}},
        )
        assert statuses(door.post(bundle(entry(sent)))) == ["201"]
        assert Result.objects.get().specimen.identifier == "T-001-F-six_months-1"

    def test_a_correction(self, door):
        first = door.post(bundle(entry(observation()))).json()["entry"][0]["response"]
        new = observation(status="corrected", note=[{"text": "Dilution"}], valueQuantity=UCUM | {"value": 3})
        answer = door.post(bundle(entry(new)))
        response = answer.json()["entry"][0]["response"]
        assert (response["status"], response["location"], response["etag"]) == ("200 OK", first["location"], 'W/"2"')
        shown = door.get(first["location"]).json()
        assert (shown["status"], shown["meta"]["versionId"], shown["note"]) == (
            "corrected",
            "2",
            [{"text": "Dilution"}],
        )
        assert [each["resource"]["id"] for each in door.get("Observation").json()["entry"]] == [shown["id"]]

    def test_a_value_taken_back(self, door):
        door.post(bundle(entry(observation())))
        corrects = {"url": f"{OWN}/StructureDefinition/corrects", "valueString": str(Result.objects.get().pk)}
        sent = observation(status="cancelled", valueQuantity=None, note=[{"text": "Wrong tube"}], extension=[corrects])
        assert statuses(door.post(bundle(entry(sent)))) == ["200"]
        assert kept()[3] == "not_done"


class TestRuns:
    REPORT = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "identifier": [{"value": "plate-7"}],
        "issued": "2026-03-03T10:00:00Z",
    }

    def test_a_report_gives_its_observations_their_run(self, door):
        report = self.REPORT | {"result": [{"reference": "urn:uuid:a"}]}
        answer = door.post(bundle(entry(report), entry(observation(), fullUrl="urn:uuid:a")))
        assert statuses(answer) == ["200", "201"]
        result = Result.objects.get()
        assert (result.run, str(result.performed_on)) == ("plate-7", "2026-03-03")

    @pytest.mark.parametrize(
        "report",
        [
            REPORT | {"identifier": None},
            REPORT | {"result": [{"reference": "Observation/a"}, {"reference": "urn:uuid:gone"}]},
            REPORT | {"status": "entered-in-error"},
            REPORT | {"contained": [{"resourceType": "Observation"}]},
        ],
    )
    def test_without_its_report_an_observation_is_not_saved(self, door, report):
        report = {"result": [{"reference": "Observation/a"}]} | report
        answer = door.post(bundle(entry(report), entry(observation(id="a"))))
        assert statuses(answer) == ["422", "422"]
        assert told(answer, 2) == [("error", "report_not_taken")]

    def test_the_run_beside_the_observation(self, door):
        own = [
            {"url": f"{OWN}/StructureDefinition/run", "valueString": "plate-8"},
            {"url": f"{OWN}/StructureDefinition/replicate", "valuePositiveInt": 2},
        ]
        assert statuses(door.post(bundle(entry(observation(extension=own))))) == ["201"]
        assert (Result.objects.get().run, Result.objects.get().replicate) == ("plate-8", 2)


class TestSpecimens:
    ARRIVED = {
        "resourceType": "Specimen",
        "identifier": [{"value": "S-1"}],
        "receivedTime": "2026-03-02T08:00:00Z",
        "condition": [{"coding": [{"code": "HEM"}]}],
    }

    def test_arrival_and_result_in_one(self, door):
        answer = door.post(
            bundle(entry(self.ARRIVED, fullUrl="urn:uuid:s"), entry(observation(specimen={"reference": "urn:uuid:s"})))
        )
        assert statuses(answer) == ["200", "201"]
        specimen = Specimen.objects.get(identifier="S-1")
        assert (specimen.condition, specimen.received_at.isoformat()) == ("haemolysed", "2026-03-02T08:00:00+00:00")
        assert answer.json()["entry"][0]["response"]["location"] == f"Specimen/{specimen.pk}"

    def test_the_same_again_and_another_time(self, door):
        assert statuses(door.post(bundle(entry(self.ARRIVED), entry(self.ARRIVED)))) == ["200", "200"]
        answer = door.post(bundle(entry(self.ARRIVED | {"receivedTime": "2026-03-02T09:00:00Z"})))
        assert statuses(answer) == ["409"]
        assert told(answer, 1) == [("error", "received_already")]

    @pytest.mark.parametrize(
        ("elements", "code"),
        [
            ({"identifier": [{"value": "S-9"}]}, "specimen_unknown"),
            ({"identifier": []}, "identifier_missing"),
            ({"identifier": [{"value": "S-1"}, {"value": "S-2"}]}, "identifier_ambiguous"),
            ({"identifier": [{"value": "S-1\u0000"}]}, "character_refused"),
            ({"receivedTime": "2099-01-01T00:00:00Z"}, "date_future"),
            ({"receivedTime": None}, "field_missing"),
            ({"condition": [{"text": "purple"}]}, "condition_unknown"),
            ({"status": "entered-in-error"}, "status_not_taken"),
        ],
    )
    def test_refused(self, door, elements, code):
        answer = door.post(bundle(entry(self.ARRIVED | elements)))
        assert statuses(answer) == ["422"]
        assert told(answer, 1) == [("error", code)], answer.content

    def test_without_the_scope(self, door, bench):
        answer = door.post(bundle(entry(self.ARRIVED), entry(observation())), token=bench.token)
        assert statuses(answer) == ["403", "201"]


class TestOnce:
    def test_a_repeated_key_gets_the_first_answer(self, door):
        sent = bundle(entry(observation()), entry(observation(status="done")))
        first = door.post(sent, Idempotency_Key="k")
        second = door.post(sent, Idempotency_Key="k")
        assert second["Idempotent-Replay"] == "true"
        assert (first.content, first.status_code) == (second.content, second.status_code)
        assert Submission.objects.count() == 1

    def test_the_key_of_another_body(self, door):
        door.post(bundle(entry(observation())), Idempotency_Key="k")
        answer = door.post(bundle(entry(observation(status="preliminary"))), Idempotency_Key="k")
        assert answer.status_code == 422
        assert answer.json()["issue"][0]["diagnostics"] == "idempotency_key_reused"

    @pytest.mark.parametrize("kind", ["batch", "transaction"])
    def test_a_failed_attempt_leaves_no_key(self, door, kind):
        door.post(bundle(entry(observation(status="done")), kind=kind), Idempotency_Key="k")
        assert not IdempotentAnswer.objects.exists()

    def test_a_credential_of_another_laboratory_has_its_own_keys(self, door, bench):
        from trials.services.people import add_laboratory

        other = add_laboratory(trial=bench.trial, code="lyon", name="Lyon", by=PLATFORM)
        token = make_token(bench.trial, other)[1]
        sent = bundle(entry(observation()))
        door.post(sent, Idempotency_Key="k")
        assert statuses(door.post(sent, Idempotency_Key="k", token=token)) == ["201"]
