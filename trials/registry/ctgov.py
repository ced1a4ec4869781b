"""A trial's record in the shape of ClinicalTrials.gov (API version 2): protocolSection, and the participant flow.

Names of fields and values of enumerations are the registry's own (study data structure of its data API, version 2).
Fields with nothing to say are left out, as the registry leaves them out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trials.registry.countries import COUNTRIES
from trials.registry.document import Document
from trials.registry.who import Progress
from trials.registry.wording import intervention_text, intervention_title

OVERALL_STATUS = {
    "draft": "NOT_YET_RECRUITING",
    "registered": "NOT_YET_RECRUITING",
    "recruiting": "RECRUITING",
    "follow_up": "ACTIVE_NOT_RECRUITING",
    "locked": "COMPLETED",
    "unblinded": "COMPLETED",
    "archived": "COMPLETED",
}
MASKING = ("NONE", "SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE")
# Ages as the registry groups them: from which year on.
AGE_GROUPS = (("CHILD", 0, 17), ("ADULT", 18, 64), ("OLDER_ADULT", 65, 200))
BEHAVIORAL, OTHER = "BEHAVIORAL", "OTHER"


@dataclass(frozen=True)
class GroupFlow:
    """What became of one arm's participants: each is counted once, or is still followed."""

    code: str
    started: int
    completed: int
    left: Sequence[tuple[str, int]]


def ctgov_record(document: Mapping[str, Any], progress: Progress, flow: Sequence[GroupFlow] | None = None) -> Document:
    """Return the record; `flow` is given only where the reader may see allocations of the whole trial."""
    protocol = {
        "identificationModule": _identification(document),
        "statusModule": _status(document, progress),
        "sponsorCollaboratorsModule": _sponsors(document["registration"]),
        "descriptionModule": {"briefSummary": document["trial"]["summary"]},
        "conditionsModule": _picked(document["registration"], conditions="conditions", keywords="keywords"),
        "designModule": _design(document, progress),
        "armsInterventionsModule": _arms(document["arms"]),
        "outcomesModule": _outcomes(document),
        "eligibilityModule": _eligibility(document),
        "contactsLocationsModule": _contacts(document, progress),
        "ipdSharingStatementModule": _sharing(document["registration"]),
    }
    record: Document = {"protocolSection": _filled(protocol)}
    if flow is not None:
        module = participant_flow(document["arms"], flow, is_over=_is_over(progress))
        record["resultsSection"] = {"participantFlowModule": module}
    return record


def _is_over(progress: Progress) -> bool:
    return OVERALL_STATUS[progress.status] == "COMPLETED"


def participant_flow(arms: Iterable[Mapping[str, Any]], flow: Sequence[GroupFlow], *, is_over: bool) -> Document:
    """Return the flow in one period; in every group, completed and not completed add up to started.

    Who is still followed counts as not completed, with that as the reason: the registry knows the two alone. Once the
    trial `is_over` nobody is, and the reason is that the outcome was not recorded.
    """
    names = {arm["code"]: arm for arm in arms}
    ids = {group.code: f"FG{number:03}" for number, group in enumerate(flow)}
    groups = [
        _filled(
            {
                "id": ids[each.code],
                "title": names[each.code]["name"],
                "description": intervention_text(names[each.code]),
            }
        )
        for each in flow
    ]
    counted = {
        "STARTED": {each.code: each.started for each in flow},
        "COMPLETED": {each.code: each.completed for each in flow},
        "NOT COMPLETED": {each.code: each.started - each.completed for each in flow},
    }
    milestones = [
        {"type": kind, "achievements": [_count(ids[code], count) for code, count in counts.items()]}
        for kind, counts in counted.items()
    ]
    period = {"title": "Overall Study", "milestones": milestones, "dropWithdraws": _drop_withdraws(flow, ids, is_over)}
    return {"groups": groups, "periods": [_filled(period)]}


def _drop_withdraws(flow: Sequence[GroupFlow], ids: Mapping[str, str], is_over: bool) -> list[Document]:
    left = {each.code: _with_the_rest(each, is_over) for each in flow}
    reasons = list(dict.fromkeys(reason for counts in left.values() for reason in counts))
    return [
        {"type": reason, "reasons": [_count(ids[code], counts.get(reason, 0)) for code, counts in left.items()]}
        for reason in reasons
    ]


def _with_the_rest(group: GroupFlow, is_over: bool) -> dict[str, int]:
    counts = {reason: count for reason, count in group.left if count}
    rest = group.started - group.completed - sum(counts.values())
    return counts | ({"Outcome not recorded" if is_over else "Still in follow-up": rest} if rest else {})


def _count(group: str, count: int) -> Document:
    return {"groupId": group, "numSubjects": str(count)}


def _identification(document: Mapping[str, Any]) -> Document:
    trial, registration = document["trial"], document["registration"]
    sponsor = registration["primary_sponsor"]
    is_nct = trial["registry_id"].startswith("NCT")
    others = [{"id": each["id"], "type": "OTHER", "domain": each["issuer"]} for each in registration["secondary_ids"]]
    if trial["registry_id"] and not is_nct:
        others.insert(0, {"id": trial["registry_id"], "type": "REGISTRY", "domain": registration["primary_registry"]})
    return {
        "nctId": trial["registry_id"] if is_nct else "",
        "orgStudyIdInfo": {"id": trial["slug"]},
        "secondaryIdInfos": [_filled(each) for each in others],
        "organization": {"fullName": sponsor, "class": "OTHER"} if sponsor else {},
        "briefTitle": registration["public_title"] or trial["title"],
        "officialTitle": trial["title"],
        "acronym": registration["acronym"],
    }


def _status(document: Mapping[str, Any], progress: Progress) -> Document:
    registration, started = document["registration"], progress.first_enrolled_on
    return {
        "statusVerifiedDate": f"{progress.today:%Y-%m}",
        "overallStatus": OVERALL_STATUS[progress.status],
        "startDateStruct": {"date": str(started), "type": "ACTUAL"}
        if started
        else _dated(document["trial"]["recruitment_starts"], progress, may_be_past=False),
        "primaryCompletionDateStruct": _dated(registration["primary_completion_on"], progress),
        "completionDateStruct": _dated(registration["completion_on"], progress),
    }


def _dated(day: str | None, progress: Progress, *, may_be_past: bool = True) -> Document:
    if not day:
        return {}
    is_past = may_be_past and day <= str(progress.today)
    return {"date": day, "type": "ACTUAL" if is_past else "ESTIMATED"}


def _sponsors(registration: Mapping[str, Any]) -> Document:
    return {
        "responsibleParty": {"type": "SPONSOR"} if registration["primary_sponsor"] else {},
        "leadSponsor": _sponsor(registration["primary_sponsor"]),
        "collaborators": [
            _sponsor(name)
            for name in dict.fromkeys([*registration["secondary_sponsors"], *registration["sources_of_support"]])
            if name != registration["primary_sponsor"]
        ],
    }


def _sponsor(name: str) -> Document:
    return {"name": name, "class": "OTHER"} if name else {}


def _design(document: Mapping[str, Any], progress: Progress) -> Document:
    registration = document["registration"]
    info = {
        "allocation": "RANDOMIZED",
        "interventionModel": registration["assignment_model"].upper(),
        "primaryPurpose": registration["purpose"].upper(),
        "maskingInfo": _masking(document),
    }
    is_full = OVERALL_STATUS[progress.status] in {"ACTIVE_NOT_RECRUITING", "COMPLETED"}
    count = progress.enrolled if is_full else document["trial"]["planned_participants"]
    enrolment = {"count": count, "type": "ACTUAL" if is_full else "ESTIMATED"} if count is not None else {}
    return {"studyType": "INTERVENTIONAL", "phases": ["NA"], "designInfo": _filled(info), "enrollmentInfo": enrolment}


def _masking(document: Mapping[str, Any]) -> Document:
    """Return who is masked; that nobody is only of an open-label trial whose design was described."""
    registration = document["registration"]
    who = [each.upper() for each in registration["masked"]]
    if not who and not (document["trial"]["is_open_label"] and registration["purpose"]):
        return {}
    return {"masking": MASKING[len(who)], "whoMasked": who}


def _arm_type(arm: Mapping[str, Any]) -> str:
    """Usual care with a described treatment is a comparator; without one, as the waitlist, no intervention."""
    if arm["kind"] == "intervention":
        return "EXPERIMENTAL"
    if arm["kind"] == "active_control" or (arm["kind"] == "usual_care" and arm.get("intervention")):
        return "ACTIVE_COMPARATOR"
    return "NO_INTERVENTION"


def _intervention_type(arm: Mapping[str, Any]) -> str:
    return OTHER if arm["intervention"]["type"] == "non_psychosocial" else BEHAVIORAL


def _arms(arms: Sequence[Mapping[str, Any]]) -> Document:
    treated = [arm for arm in arms if arm.get("intervention")]
    return {
        "armGroups": [
            _filled(
                {
                    "label": arm["name"],
                    "type": _arm_type(arm),
                    "description": intervention_text(arm),
                    "interventionNames": [f"{_intervention_type(arm).capitalize()}: {intervention_title(arm)}"]
                    if arm.get("intervention")
                    else [],
                }
            )
            for arm in arms
        ],
        "interventions": [
            {
                "type": _intervention_type(arm),
                "name": intervention_title(arm),
                "description": intervention_text(arm),
                "armGroupLabels": [arm["name"]],
            }
            for arm in treated
        ],
    }


def _outcomes(document: Mapping[str, Any]) -> Document:
    visits = {visit["code"]: visit["name"] for visit in document["visits"]}
    made: dict[str, list[Document]] = {"primary": [], "secondary": [], "other": []}
    for each in document["outcomes"]:
        described = ". ".join(part for part in (each["measure"], each["aggregation"]) if part)
        frame = each["time_frame"] or visits.get(each["visit"], "")
        made[each["rank"]].append(_filled({"measure": each["title"], "description": described, "timeFrame": frame}))
    return {f"{rank}Outcomes": outcomes for rank, outcomes in made.items()}


def _eligibility(document: Mapping[str, Any]) -> Document:
    registration = document["registration"]
    low, high = registration["minimum_age"], registration["maximum_age"]
    first, last = low if low is not None else 0, high if high is not None else 200
    return {
        "eligibilityCriteria": _criteria_text(document["criteria"]),
        "healthyVolunteers": registration["healthy_volunteers"],
        "sex": registration["sex"].upper(),
        "minimumAge": f"{low} Years" if low is not None else "",
        "maximumAge": f"{high} Years" if high is not None else "",
        "stdAges": [group for group, youngest, oldest in AGE_GROUPS if first <= oldest and last >= youngest],
    }


def _criteria_text(criteria: Iterable[Mapping[str, Any]]) -> str:
    given = list(criteria)
    parts = []
    for kind in ("inclusion", "exclusion"):
        texts = [f"* {each['text']}" for each in given if each["kind"] == kind]
        if texts:
            parts.append("\n".join([f"{kind.capitalize()} Criteria:", "", *texts]))
    return "\n\n".join(parts)


def _contacts(document: Mapping[str, Any], progress: Progress) -> Document:
    registration = document["registration"]
    public, scientific = registration["public_contact"], registration["scientific_contact"]
    central = {
        "name": public.get("name"),
        "role": "CONTACT",
        "phone": public.get("phone"),
        "email": public.get("email"),
    }
    official = {
        "name": scientific.get("name"),
        "affiliation": scientific.get("affiliation"),
        "role": "PRINCIPAL_INVESTIGATOR",
    }
    return {
        "centralContacts": [_filled(central)] if public.get("name") else [],
        "overallOfficials": [_filled(official)] if scientific.get("name") else [],
        "locations": [
            _filled(
                {
                    "facility": site["name"],
                    "status": OVERALL_STATUS[progress.status],
                    "city": site["city"],
                    "country": COUNTRIES.get(site["country"], ""),
                }
            )
            for site in document["sites"]
        ],
    }


def _sharing(registration: Mapping[str, Any]) -> Document:
    return {"ipdSharing": registration["sharing"].upper(), "description": registration["sharing_statement"]}


def _picked(source: Mapping[str, Any], **names: str) -> Document:
    return {theirs: source[ours] for theirs, ours in names.items()}


def _filled(fields: Mapping[str, Any]) -> Document:
    """Leave out what says nothing, inside as well; False and 0 say something."""
    cleaned = {key: _filled(value) if isinstance(value, Mapping) else value for key, value in fields.items()}
    return {key: value for key, value in cleaned.items() if value is not None and value not in ("", [], {})}
