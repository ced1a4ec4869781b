"""The registries' records and the differences of versions, from plain documents."""

from datetime import date
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.registry.countries import COUNTRIES
from trials.registry.ctgov import GroupFlow, ctgov_record
from trials.registry.difference import ABSENT, Change, differences, keyed
from trials.registry.document import fingerprint, without_arm_names
from trials.registry.who import FIELDS, NAMES, Progress, State, lines_of, who_document, who_items
from trials.registry.wording import age_range, dose

TODAY = date(2026, 6, 1)
EMPTY_RECORD: dict[str, Any] = {
    "primary_registry": "", "registered_on": None, "secondary_ids": [], "sources_of_support": [], "primary_sponsor": "",
    "secondary_sponsors": [], "public_contact": {}, "scientific_contact": {}, "public_title": "", "acronym": "",
    "conditions": [], "keywords": [], "masked": [], "assignment_model": "parallel", "purpose": "", "minimum_age": None,
    "maximum_age": None, "sex": "all", "healthy_volunteers": False, "ethics_reviews": [],
    "primary_completion_on": None, "completion_on": None, "results_on": None, "results_link": "", "sharing": "",
    "sharing_statement": "", "language": "", "none_of": [],
}  # fmt: skip
CONTACT = {"name": "Dr A", "role": "PI", "email": "a@example.org", "phone": "+44", "affiliation": "Leeds"}
FULL_RECORD = EMPTY_RECORD | {
    "primary_registry": "ISRCTN",
    "registered_on": "2025-12-01",
    "secondary_ids": [{"id": "X-1", "issuer": "Funder"}],
    "sources_of_support": ["Funder"],
    "primary_sponsor": "University",
    "secondary_sponsors": ["Hospital"],
    "public_contact": CONTACT,
    "scientific_contact": CONTACT,
    "public_title": "Sleep",
    "acronym": "CALM",
    "conditions": ["Insomnia"],
    "keywords": ["Sleep"],
    "masked": ["outcomes_assessor", "investigator"],
    "purpose": "treatment",
    "minimum_age": 18,
    "ethics_reviews": [{"committee": "REC", "status": "approved", "date": "2025-10-01", "contact": ""}],
    "primary_completion_on": "2027-06-01",
    "completion_on": "2027-07-01",
    "sharing": "yes",
    "sharing_statement": "On request",
    "results_link": "https://example.org",
    "results_on": "2027-12-01",
}
CBT = {
    "type": "cbt", "delivery": "coach_bot", "name": "Calm", "rationale": "why", "materials": "", "description": "how",
    "provider": "a bot", "setting": "", "sessions_planned": 8, "session_minutes": 50, "weeks": 10, "tailoring": "",
    "fidelity_plan": "logs", "software": "Calm-Bot", "software_version": "2.1", "cost_per_participant": "12.00",
    "currency": "EUR",
}  # fmt: skip


def arm(code: str, kind: str, intervention: Any = None) -> dict[str, Any]:
    return {
        "code": code, "name": code.upper(), "kind": kind, "ratio": 1, "is_reference": kind == "waitlist",
        "crosses_over_to": "", "intervention": intervention,
    }  # fmt: skip


def outcome(code: str, rank: str, visit: str = "six_months") -> dict[str, Any]:
    return {
        "code": code, "rank": rank, "title": f"Outcome {code}", "measure": "pg/mL", "aggregation": "mean",
        "time_frame": "", "biomarker": "IL6", "visit": visit,
    }  # fmt: skip


def document(record: dict[str, Any] = FULL_RECORD) -> dict[str, Any]:
    """Return a protocol as the platform writes it."""
    visit = {"anchor": "randomization", "target_day": 183, "window_from": 168, "window_to": 196}
    return {
        "trial": {
            "slug": "calm", "title": "A trial of sleep", "summary": "Short", "registry_id": "ISRCTN1",
            "planned_participants": 40, "is_open_label": False,
            "recruitment_starts": "2026-01-01", "recruitment_ends": None,
        },
        "randomization": {"randomization_method": "permuted_blocks"},
        "registration": record,
        "arms": [arm("cbt", "intervention", CBT), arm("waitlist", "waitlist")],
        "sites": [{"code": "leeds", "name": "Leeds", "city": "Leeds", "country": "GB"}],
        "visits": [{"code": "six_months", "name": "Six months", "kind": "six_months", **visit}],
        "factors": [],
        "criteria": [
            {"code": "c1", "kind": "inclusion", "text": "Adult"},
            {"code": "x1", "kind": "exclusion", "text": "Infection"},
        ],
        "outcomes": [outcome("o1", "primary"), outcome("o2", "secondary")],
    }  # fmt: skip


def progress(status: str = "recruiting", enrolled: int = 7) -> Progress:
    return Progress(status, enrolled, date(2026, 1, 9) if enrolled else None, TODAY)


def test_the_24_items_are_numbered_once_and_in_order() -> None:
    items = who_items(document(), progress())
    assert [item.number for item in items] == list(range(1, 25))
    assert [item.name for item in items] == list(NAMES)
    assert len(set(NAMES)) == len(set(FIELDS)) == 24
    assert {item.state for item in items} == {State.FILLED}
    assert [each["number"] for each in who_document(items)["items"]] == list(range(1, 25))


def test_an_empty_record_says_what_is_missing() -> None:
    empty = document(EMPTY_RECORD) | {"outcomes": [], "criteria": []}
    states = {item.number: item.state for item in who_items(empty, progress("draft", 0))}
    assert {number for number, state in states.items() if state == State.FILLED} == {10, 11, 13, 16, 17, 18}
    assert states[23] == State.NOT_DUE
    assert states[1] == states[24] == State.MISSING


def test_nothing_to_give_is_an_answer_where_the_standard_allows_it() -> None:
    record = EMPTY_RECORD | {"none_of": ["secondary_sponsors", "primary_sponsor"]}
    states = {item.field: item.state for item in who_items(document(record), progress())}
    assert states["secondary_sponsors"] == State.NONE
    assert states["primary_sponsor"] == State.MISSING


@pytest.mark.parametrize(
    ("completed", "state"),
    [(None, State.NOT_DUE), ("2026-06-02", State.NOT_DUE), ("2026-05-31", State.MISSING)],
)
def test_results_are_due_once_the_trial_is_complete(completed, state) -> None:
    items = who_items(document(EMPTY_RECORD | {"completion_on": completed}), progress())
    assert items[22].state == state


def test_a_site_without_a_country_leaves_item_11_open() -> None:
    nowhere = document()
    nowhere["sites"].append({"code": "x", "name": "X", "city": "", "country": ""})
    assert who_items(nowhere, progress())[10].state == State.MISSING
    assert who_items(document(), progress())[10].value == ["United Kingdom"]


def test_a_contact_nobody_can_reach_is_missing() -> None:
    assert who_items(document(FULL_RECORD | {"public_contact": {"name": "A"}}), progress())[6].state == State.MISSING


def test_values_read_as_lines() -> None:
    items = who_items(document(), progress())
    assert lines_of(items[2].value) == ["ID: X-1. Issuer: Funder"]
    assert "Age: 18 years or older" in lines_of(items[13].value)
    assert any("Software: Calm-Bot 2.1" in line for line in lines_of(items[12].value))
    assert "Name: Outcome o1. Metric: pg/mL. Method of aggregation: mean. Time point: Six months" in lines_of(
        items[18].value
    )


def test_countries_are_the_249_of_the_standard() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(code) == 2 and code.isupper() and name == name.strip() for code, name in COUNTRIES.items())


@pytest.mark.parametrize(
    ("planned", "words"),
    [
        ({"sessions_planned": 8, "session_minutes": 50, "weeks": 10}, "8 sessions of 50 minutes over 10 weeks"),
        ({"sessions_planned": 1}, "1 session"),
        ({}, ""),
    ],
)
def test_a_dose_in_words(planned, words) -> None:
    assert dose(planned) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(18, 70, "18 to 70 years"), (18, None, "18 years or older"), (None, 70, "up to 70 years"), (0, 5, "0 to 5 years"),
     (None, None, "no limits")],
)  # fmt: skip
def test_ages_in_words(low, high, words) -> None:
    assert age_range({"minimum_age": low, "maximum_age": high}) == words


# The documented structure of a study (ClinicalTrials.gov data API, version 2), as far as the record uses it.
def texts(*names: str, required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    properties = {name: {"type": "string", "minLength": 1} for name in names} | more
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


def one_of(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


TEXT = {"type": "string", "minLength": 1}
STATUS = one_of("NOT_YET_RECRUITING", "RECRUITING", "ACTIVE_NOT_RECRUITING", "COMPLETED")
DATED = texts("date", required=("date",), type=one_of("ACTUAL", "ESTIMATED"))
SPONSOR = texts("name", required=("name",), **{"class": one_of("OTHER")})
COUNTS = many(
    texts("groupId", required=("groupId", "numSubjects"), numSubjects={"type": "string", "pattern": r"^\d+$"})
)
OUTCOMES = many(texts("measure", "description", "timeFrame", required=("measure",)))
CTGOV = texts(
    required=("protocolSection",),
    protocolSection=texts(
        identificationModule=texts(
            "nctId", "briefTitle", "officialTitle", "acronym",
            orgStudyIdInfo=texts("id"),
            organization=texts("fullName", required=("fullName",), **{"class": one_of("OTHER")}),
            secondaryIdInfos=many(texts("id", "domain", type=one_of("REGISTRY", "OTHER"))),
        ),
        statusModule=texts(
            "statusVerifiedDate", overallStatus=STATUS, startDateStruct=DATED, primaryCompletionDateStruct=DATED,
            completionDateStruct=DATED,
        ),
        sponsorCollaboratorsModule=texts(
            responsibleParty=texts(type=one_of("SPONSOR")), leadSponsor=SPONSOR, collaborators=many(SPONSOR)
        ),
        descriptionModule=texts("briefSummary"),
        conditionsModule=texts(conditions=many(TEXT), keywords=many(TEXT)),
        designModule=texts(
            studyType=one_of("INTERVENTIONAL"),
            phases=many(one_of("NA")),
            designInfo=texts(
                allocation=one_of("RANDOMIZED"),
                interventionModel=one_of("PARALLEL", "CROSSOVER", "FACTORIAL", "SEQUENTIAL"),
                primaryPurpose=one_of(
                    "TREATMENT", "PREVENTION", "SUPPORTIVE_CARE", "HEALTH_SERVICES_RESEARCH", "BASIC_SCIENCE", "OTHER"
                ),
                maskingInfo=texts(
                    masking=one_of("NONE", "SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"),
                    whoMasked=many(one_of("PARTICIPANT", "CARE_PROVIDER", "INVESTIGATOR", "OUTCOMES_ASSESSOR")),
                ),
            ),
            enrollmentInfo=texts(count={"type": "integer"}, type=one_of("ACTUAL", "ESTIMATED")),
        ),
        armsInterventionsModule=texts(
            armGroups=many(
                texts(
                    "label", "description", required=("label", "type"),
                    type=one_of("EXPERIMENTAL", "ACTIVE_COMPARATOR", "NO_INTERVENTION"), interventionNames=many(TEXT),
                )
            ),
            interventions=many(
                texts("name", "description", type=one_of("BEHAVIORAL", "OTHER"), armGroupLabels=many(TEXT))
            ),
        ),
        outcomesModule=texts(primaryOutcomes=OUTCOMES, secondaryOutcomes=OUTCOMES, otherOutcomes=OUTCOMES),
        eligibilityModule=texts(
            "eligibilityCriteria", "minimumAge", "maximumAge",
            healthyVolunteers={"type": "boolean"},
            sex=one_of("ALL", "FEMALE", "MALE"),
            stdAges=many(one_of("CHILD", "ADULT", "OLDER_ADULT")),
        ),
        contactsLocationsModule=texts(
            centralContacts=many(texts("name", "phone", "email", role=one_of("CONTACT"))),
            overallOfficials=many(texts("name", "affiliation", role=one_of("PRINCIPAL_INVESTIGATOR"))),
            locations=many(texts("facility", "city", "country", status=STATUS)),
        ),
        ipdSharingStatementModule=texts("description", ipdSharing=one_of("YES", "NO", "UNDECIDED")),
    ),
    resultsSection=texts(
        participantFlowModule=texts(
            groups=many(texts("id", "title", "description", required=("id", "title"))),
            periods=many(
                texts(
                    "title", required=("title", "milestones"),
                    milestones=many(
                        texts(type=one_of("STARTED", "COMPLETED", "NOT COMPLETED"), achievements=COUNTS)
                    ),
                    dropWithdraws=many(texts("type", reasons=COUNTS)),
                )
            ),
        )
    ),
)  # fmt: skip
FLOW = (GroupFlow("cbt", 4, 1, (("Withdrawal by Subject", 1), ("Death", 0))), GroupFlow("waitlist", 3, 3, ()))


@pytest.mark.parametrize("record", [FULL_RECORD, EMPTY_RECORD])
@pytest.mark.parametrize("status", ["draft", "recruiting", "follow_up", "unblinded"])
@pytest.mark.parametrize("flow", [None, FLOW])
def test_the_record_has_the_shape_of_clinicaltrials_gov(record, status, flow) -> None:
    made = ctgov_record(document(record), progress(status), flow)
    jsonschema.validate(made, CTGOV)
    assert ("resultsSection" in made) == (flow is not None)


def test_what_the_record_says() -> None:
    protocol = ctgov_record(document(), progress())["protocolSection"]
    arms = protocol["armsInterventionsModule"]
    assert [(each["label"], each["type"]) for each in arms["armGroups"]] == [
        ("CBT", "EXPERIMENTAL"),
        ("WAITLIST", "NO_INTERVENTION"),
    ]
    assert arms["armGroups"][0]["interventionNames"] == ["Behavioral: Calm"]
    assert protocol["designModule"]["designInfo"]["maskingInfo"]["masking"] == "DOUBLE"
    assert protocol["designModule"]["enrollmentInfo"] == {"count": 40, "type": "ESTIMATED"}
    assert protocol["eligibilityModule"]["stdAges"] == ["ADULT", "OLDER_ADULT"]
    assert protocol["statusModule"]["startDateStruct"] == {"date": "2026-01-09", "type": "ACTUAL"}
    assert protocol["identificationModule"]["secondaryIdInfos"][0]["type"] == "REGISTRY"
    assert "nctId" not in protocol["identificationModule"]


@pytest.mark.parametrize(
    ("is_open_label", "purpose", "masking"),
    [(False, "", None), (False, "treatment", None), (True, "", None), (True, "treatment", {"masking": "NONE"})],
)
def test_who_was_not_asked_about_is_not_unmasked(is_open_label, purpose, masking) -> None:
    given = document(EMPTY_RECORD | {"purpose": purpose})
    given["trial"]["is_open_label"] = is_open_label
    made = ctgov_record(given, progress())
    jsonschema.validate(made, CTGOV)
    assert made["protocolSection"]["designModule"]["designInfo"].get("maskingInfo") == masking


@pytest.mark.parametrize("status", ["recruiting", "follow_up", "locked"])
@pytest.mark.parametrize(("day", "kind"), [("2026-05-31", "ACTUAL"), ("2026-06-02", "ESTIMATED")])
def test_a_completion_in_the_past_is_actual(status, day, kind) -> None:
    made = ctgov_record(document(FULL_RECORD | {"primary_completion_on": day}), progress(status))
    assert made["protocolSection"]["statusModule"]["primaryCompletionDateStruct"] == {"date": day, "type": kind}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("recruiting", "Still in follow-up"),
        ("follow_up", "Still in follow-up"),
        ("locked", "Outcome not recorded"),
        ("unblinded", "Outcome not recorded"),
    ],
)
def test_nobody_is_followed_once_the_trial_is_over(status, reason) -> None:
    made = ctgov_record(document(), progress(status), FLOW)
    (period,) = made["resultsSection"]["participantFlowModule"]["periods"]
    reasons = {each["type"]: [int(one["numSubjects"]) for one in each["reasons"]] for each in period["dropWithdraws"]}
    assert reasons == {"Withdrawal by Subject": [1, 0], reason: [2, 0]}


def test_a_closed_trial_tells_how_many_there_were() -> None:
    enrolment = ctgov_record(document(), progress("follow_up"))["protocolSection"]["designModule"]["enrollmentInfo"]
    assert enrolment == {"count": 7, "type": "ACTUAL"}


counts = st.integers(min_value=0, max_value=9)


@given(st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=4))
def test_completed_and_not_completed_add_up_and_every_reason_is_counted(groups) -> None:
    arms = [arm(f"a{number}", "intervention", CBT) for number in range(len(groups))]
    flow = [
        GroupFlow(f"a{number}", sum(group), group[0], (("Withdrawal by Subject", group[1]), ("Death", group[2])))
        for number, group in enumerate(groups)
    ]
    made = ctgov_record(document() | {"arms": arms}, progress(), flow)
    (period,) = made["resultsSection"]["participantFlowModule"]["periods"]
    by_kind = {each["type"]: [int(one["numSubjects"]) for one in each["achievements"]] for each in period["milestones"]}
    assert [a + b for a, b in zip(by_kind["COMPLETED"], by_kind["NOT COMPLETED"], strict=True)] == by_kind["STARTED"]
    given_reasons = [[int(one["numSubjects"]) for one in each["reasons"]] for each in period.get("dropWithdraws", [])]
    assert [sum(column) for column in zip(*given_reasons, strict=True)] in ([], by_kind["NOT COMPLETED"])
    if not given_reasons:
        assert not any(by_kind["NOT COMPLETED"])


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=3)
names = st.sampled_from(["a", "b", "c", "d"])
rows = st.lists(
    st.fixed_dictionaries({"code": names}, optional={"name": leaves, "x": leaves}),
    max_size=4,
    unique_by=lambda row: row["code"],
)
documents = st.dictionaries(
    names,
    st.recursive(leaves | rows, lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8),
    max_size=4,
)


@given(documents)
def test_equal_documents_do_not_differ(one) -> None:
    assert differences(one, one) == ()


@given(documents, documents)
def test_the_changes_lead_from_one_document_to_the_other(before, after) -> None:
    assert simplified(applied(keyed(before), differences(before, after))) == simplified(keyed(after))


@given(documents, documents)
def test_differences_turn_round(before, after) -> None:
    there, back = differences(before, after), differences(after, before)
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(turned[change.kind], change.path) for change in there} == {(change.kind, change.path) for change in back}


def applied(value: Any, changes: tuple[Change, ...]) -> Any:
    """Return the value after the changes, by the paths alone."""
    for change in changes:
        value = _set(value, change.path, change.after)
    return value


def _set(value: Any, path: tuple[str, ...], after: Any) -> Any:
    if not path:
        return after
    inside = dict(value) if isinstance(value, dict) else {}
    inside[path[0]] = _set(inside.get(path[0], ABSENT), path[1:], after)
    return inside


def simplified(value: Any) -> Any:
    """Leave out what says nothing: a reader is shown no difference between an empty and a missing field."""
    if isinstance(value, dict):
        inside = {key: simplified(each) for key, each in value.items()}
        return {key: each for key, each in inside.items() if each is not None} or None
    return None if value is None or value in ("", []) or value is ABSENT else value


def test_a_row_put_between_others_is_one_addition() -> None:
    before, after = document(), document()
    after["outcomes"] = [outcome("o3", "primary"), *after["outcomes"]]
    (change,) = differences(before, after)
    assert (change.kind, change.path) == ("added", ("outcomes", "o3"))


def test_a_fingerprint_follows_the_content_not_the_order_of_keys() -> None:
    one = document()
    assert fingerprint(dict(reversed(one.items()))) == fingerprint(one)
    assert fingerprint(one | {"factors": [{"code": "sex"}]}) != fingerprint(one)


def test_for_the_blinded_nothing_names_an_arm() -> None:
    shown = without_arm_names(document())["arms"]
    assert shown == [
        {"code": "arm-1", "name": "Arm 1", "kind": "intervention", "ratio": 1, "is_reference": False,
         "intervention": {"type": "cbt", "delivery": "coach_bot", "sessions_planned": 8, "session_minutes": 50,
                          "weeks": 10}},
        {"code": "arm-2", "name": "Arm 2", "kind": "waitlist", "ratio": 1, "is_reference": True},
    ]  # fmt: skip
    jsonschema.validate(ctgov_record(without_arm_names(document()), progress()), CTGOV)
