"""CALM-Sleep: simulated people, screened, consented and randomized through the platform's own services."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from analytics.services.registration import register_trial
from demo import calm_sleep as simulation
from demo.calm_sleep import ScreenedPerson
from measurements.catalogue import CATALOGUE
from measurements.services.assays import Limits, add_assay
from measurements.services.catalogue import add_biomarkers
from measurements.services.visits import record_attendance
from studyplatform.demonstration.laboratory import Row
from studyplatform.demonstration.people import PLATFORM
from studyplatform.demonstration.registrations import describe_calm_sleep
from trials.models import Laboratory, Participant, Site, Trial
from trials.selectors.consent import Scope, scopes_of, valid_form
from trials.services.consent import add_consent_form
from trials.services.design import ArmDesign, CriterionDesign, FactorDesign, SiteDesign, create_trial
from trials.services.enrollment import exclude_participant, record_consent, record_event, screen_participant
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant

CRITERIA = (
    CriterionDesign("age", "Aged 18 to 70"),
    CriterionDesign("insomnia", "Insomnia disorder by clinical interview"),
    CriterionDesign("infection", "Acute infection or anti-inflammatory medication", "exclusion"),
    CriterionDesign("shift_work", "Shift work", "exclusion"),
)
# The laboratory sends its own short name; the platform knows it as an alias.
CATALOGUE_CODE = {"NK": "NKC"}
# One site cannot work on fresh blood, so nobody waits for NK cells; antibodies are measured in saliva.
CHANGED = {
    "NKC": replace(CATALOGUE["NKC"], is_awaited=False),
    "EBVVCA": replace(CATALOGUE["EBVVCA"], specimen_type="saliva", loinc=None),
}
UNMET = {
    "No insomnia disorder": "insomnia",
    "Anti-inflammatory medication": "infection",
    "Acute infection": "infection",
    "Shift work": "shift_work",
}
"""What was written down, and the criterion that it is about."""

# Of those allocated to the therapy, some did not begin it, and some stopped; all stay in follow-up.
NOT_STARTED = (5, 33)
DISCONTINUED = {12: "No time for the sessions", 47: "Felt better"}
DISCONTINUED_AFTER = timedelta(days=24)
NEW_CONSENT_AFTER = timedelta(days=150)
OPTIONAL_SCOPES = (
    Scope("biobank", "Samples may be kept for later research"),
    Scope("contact", "May be asked about later studies"),
)


class Enrolled(NamedTuple):
    """A simulated person, the participant that they became, and the kind of arm that the platform drew for them."""

    person: ScreenedPerson
    participant: Participant
    arm_kind: str


def make_calm_sleep(today: date) -> Trial:
    """Register CALM-Sleep and open its recruitment."""
    trial = create_trial(
        slug="calm-sleep",
        title="CALM-Sleep",
        summary="CBT for insomnia against waitlist, two arms 1:1, baseline and six months",
        by=PLATFORM,
        arms=(
            ArmDesign("cbt_i", "CBT for insomnia", "intervention", intervention_type="cbt"),
            ArmDesign("waitlist", "Waitlist", "waitlist", is_reference=True, crosses_over_to="cbt_i"),
        ),
        sites=(SiteDesign("leeds", "Leeds", "Leeds", "GB"), SiteDesign("ghent", "Ghent", "Ghent", "BE")),
        factors=(FactorDesign("sex", "Sex", (("F", "Female"), ("M", "Male"))),),
        code_prefix=simulation.CODE_PREFIX,
        planned_participants=simulation.PLANNED,
        is_open_label=True,
        criteria=CRITERIA,
        recruitment_starts=simulation.recruitment_starts(today),
        recruitment_ends=today.replace(month=12, day=31),
        is_demonstration=True,
    )
    codes = (CATALOGUE_CODE.get(code, code) for code in simulation.MARKERS)
    add_biomarkers(trial=trial, biomarkers=tuple(CHANGED.get(code, code) for code in codes), by=PLATFORM)
    describe_calm_sleep(trial, today)
    add_consent_form(
        trial=trial,
        version="2.0",
        scopes=OPTIONAL_SCOPES,
        valid_from=simulation.recruitment_starts(today) + NEW_CONSENT_AFTER,
        asks_again=True,
        by=PLATFORM,
    )
    trial = register_trial(trial=trial, by=PLATFORM)
    return change_status(trial=trial, to="recruiting", by=PLATFORM)


def enrol(trial: Trial, today: date) -> None:
    """Screen everybody in order of time, and randomize those who consent."""
    sites = {site.code: site for site in trial.sites.all()}
    consented = []
    for person in simulation.screening(today):
        participant = _screened(trial, sites[person.site], person)
        if person.consented_on is not None:
            consented.append((person, participant))
    consented.sort(key=lambda pair: pair[0].enrolment or 0)
    for person, participant in consented:
        _randomize(person, participant)


def _screened(trial: Trial, site: Site, person: ScreenedPerson) -> Participant:
    unmet = [UNMET[person.exclusion_reason]] if person.excluded == "ineligible" else []
    participant = screen_participant(
        trial=trial,
        site=site,
        by=PLATFORM,
        screened_on=person.screened_on,
        eligibility={each.code: (each.kind == "inclusion") is (each.code not in unmet) for each in CRITERIA},
    )
    if person.excluded:
        return exclude_participant(
            participant=participant,
            reason=person.excluded,
            by=PLATFORM,
            on=person.screened_on,
            note=person.exclusion_reason,
            unmet=unmet,
        )
    return participant


def _randomize(person: ScreenedPerson, participant: Participant) -> None:
    """Consent, in the order of randomization, so that study codes count in the order that people know."""
    if person.consented_on is None or person.randomized_on is None:
        raise ValueError(f"{person.code} was not enrolled")
    participant = _consented(person, participant, person.consented_on)
    allocation = randomize_participant(
        participant=participant, by=PLATFORM, levels={"sex": person.sex}, on=person.randomized_on
    )
    if allocation.arm.kind == "intervention":
        kind = "intervention_not_started" if person.enrolment in NOT_STARTED else "intervention_started"
        record_event(participant=participant, kind=kind, by=PLATFORM, on=person.randomized_on)
        if person.enrolment in DISCONTINUED:
            record_event(
                participant=participant,
                kind="intervention_discontinued",
                by=PLATFORM,
                on=person.randomized_on + DISCONTINUED_AFTER,
                reason=DISCONTINUED[person.enrolment],
            )


def _consented(person: ScreenedPerson, participant: Participant, on: date) -> Participant:
    """Record consent to the version of that day; most agree to every part of it."""
    form = valid_form(participant.trial, on)
    if form is None:
        raise ValueError(f"no consent form was valid on {on}")
    agreed = [each.code for each in scopes_of(form) if each.required or (person.enrolment or 0) % 4]
    return record_consent(participant=participant, by=PLATFORM, on=on, version=form.version, scope=agreed)


def treated(enrolled: list[Enrolled]) -> list[Participant]:
    """Return those who began the therapy."""
    return [
        each.participant
        for each in enrolled
        if each.arm_kind == "intervention" and each.person.enrolment not in NOT_STARTED
    ]


def describe_assays(trial: Trial, laboratory: Laboratory) -> None:
    """Record the laboratory's methods with the limits that it reports by."""
    if trial.assays.exists():
        return
    biomarkers = {biomarker.code: biomarker for biomarker in trial.biomarkers.all()}
    for code, marker in simulation.MARKERS.items():
        if marker.floor:
            add_assay(
                trial=trial,
                laboratory=laboratory,
                biomarker=biomarkers[code],
                code=f"{code.lower()}-elisa",
                method="Enzyme-linked immunosorbent assay",
                unit=marker.unit,
                limits=Limits(quantification=Decimal(str(marker.floor))),
                by=PLATFORM,
            )


def enrolled_in(trial: Trial, today: date) -> list[Enrolled]:
    """Return who is enrolled already: the n-th study code is the n-th simulated person in order of randomization."""
    people = {person.enrolment: person for person in simulation.screening(today) if person.enrolment}
    participants = trial.participants.filter(number__isnull=False).select_related("allocation__arm").order_by("number")
    return [Enrolled(people[each.number or 0], each, each.allocation.arm.kind) for each in participants]


def attend(trial: Trial, enrolled: list[Enrolled], today: date) -> None:
    """Record which visits were attended, when samples were drawn, and why visits were missed."""
    visits = {visit.code: visit for visit in trial.visits.all()}
    for each in enrolled:
        person = each.person
        for code, on, missed in (
            ("baseline", person.baseline_on, ""),
            ("six_months", person.six_months_on, person.six_months_missed),
        ):
            if on or missed:
                record_attendance(
                    participant=each.participant,
                    visit=visits[code],
                    by=PLATFORM,
                    attended_on=on,
                    missed_reason=missed,
                    drawn_at=_drawn_at(each, code, today),
                )


def _drawn_at(each: Enrolled, visit: str, today: date) -> datetime | None:
    rows = simulation.results_for(each.person, each.arm_kind, visit, today)
    return datetime.fromisoformat(rows[0]["collected_at"]) if rows else None


def results(enrolled: list[Enrolled], visit: str, today: date) -> Iterator[Row]:
    """Yield a visit's rows as the laboratory sends them, under the codes that the platform gave."""
    for each in enrolled:
        for row in simulation.results_for(each.person, each.arm_kind, visit, today):
            yield row | {"participant": each.participant.code}


def corrections(enrolled: list[Enrolled], today: date) -> Iterator[Row]:
    """Yield the rows that put an earlier one right."""
    for each in enrolled:
        for row in simulation.corrections_for(each.person, each.arm_kind, "baseline", today):
            yield row | {"participant": each.participant.code}


def withdraw(enrolled: list[Enrolled]) -> None:
    """Record the one who withdrew the use of their data."""
    for each in enrolled:
        if each.person.data_use_withdrawn_on is not None and not each.participant.data_use_withdrawn:
            record_event(
                participant=each.participant,
                kind="data_use_withdrawn",
                by=PLATFORM,
                on=each.person.data_use_withdrawn_on,
                reason="Asked for their data not to be used",
            )
