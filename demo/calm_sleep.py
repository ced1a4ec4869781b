"""CALM-Sleep, a simulated trial: CBT for insomnia against waitlist, recruiting, 86 of 120 randomized.

Nobody here is real. Who is screened, when, and what their blood will show is fixed by a seed; the arm is not, because
the platform draws it by its own concealed randomization: it is an input of `results_for`. All dates are relative to
`today`, so that the demonstration is always ten and a half months into recruitment (in November: since January).
"""

import math
import random
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from trials.allocation.study_codes import format_code

SEED = "CALM-Sleep"
CODE_PREFIX = "PNI"
PLANNED = 120
RECRUITING_FOR_DAYS = 320

SITES = {"leeds": ZoneInfo("Europe/London"), "ghent": ZoneInfo("Europe/Brussels")}

EXCLUDED = {
    "ineligible": (51, ("No insomnia disorder", "Anti-inflammatory medication", "Acute infection", "Shift work")),
    "declined": (22, ("No time for the sessions", "Does not want blood drawn", "Does not want to wait")),
    "other": (5, ("Moved away", "Could not be reached")),
}
"""Reason to number of people and what was written down."""

# 80 people in a first wave, whose six months are due, and six in a second one, whose are not.
FIRST_WAVE = [286 - round(100 * place / 79) for place in range(80)]
SECOND_WAVE = [118, 96, 71, 49, 27, 9]

SIX_MONTHS_TARGET_DAY = 183
SIX_MONTHS_MISSED = {
    8: "Moved abroad",
    23: "Declined the blood draw",
    41: "Could not be reached",
    58: "Ill on the day, did not want a new one",
    69: "Could not be reached",
}
DATA_USE_WITHDRAWN = 37
OUT_OF_WINDOW = 10
AWAITED = 80
"""Order of randomization (from 1) of those with a story; the last is due and has not come yet."""


@dataclass(frozen=True)
class Marker:
    """How a biomarker is simulated: lognormal around `typical`, with `spread` as the standard deviation of logarithms.

    `effect` is the intervention's, in such standard deviations at six months; `correlation` is that of the two visits.
    """

    outcome_class: str
    unit: str
    typical: float
    spread: float
    effect: float
    decimals: int
    correlation: float = 0.6
    floor: float = 0.0
    ceiling: float = math.inf


MARKERS = {
    "IL6": Marker("proinflammatory", "pg/mL", 1.8, 0.70, -0.40, 2, floor=0.4),
    "CRP": Marker("proinflammatory", "mg/L", 1.6, 0.95, -0.30, 2, floor=0.15),
    "TNF": Marker("proinflammatory", "pg/mL", 1.6, 0.45, -0.20, 2, floor=0.3),
    "IL10": Marker("antiinflammatory", "pg/mL", 1.2, 0.80, 0.25, 2, floor=0.4),
    "FLUA": Marker("antibody", "{titer}", 60.0, 0.80, 0.30, 0, correlation=0.7),
    "CD4": Marker("immune_cell_count", "cells/uL", 780.0, 0.28, 0.0, 0, correlation=0.7),
    "NK": Marker("nk_cytotoxicity", "%", 24.0, 0.40, 0.35, 1, correlation=0.5, ceiling=95.0),
    "EBVVCA": Marker("viral_load", "{titer}", 160.0, 0.70, -0.25, 0, correlation=0.7),
    "NEOPT": Marker("other_immune", "nmol/L", 6.0, 0.30, -0.15, 1),
    "CORT": Marker("hpa_axis", "nmol/L", 380.0, 0.32, -0.20, 0, correlation=0.4),
    "OXT": Marker("oxytocin", "pg/mL", 4.5, 0.45, 0.15, 2, correlation=0.5),
    "PSS10": Marker("stress", "{score}", 20.0, 0.26, -0.60, 0, ceiling=40.0),
}

# NK cells need fresh blood, which only Ghent can work on; the EBV assay was dropped after the first participants.
ONLY_AT = {"NK": "ghent"}
ONLY_FIRST = {"EBVVCA": 8}

NOT_DONE = {
    (14, "baseline", "IL10"): "Tube broken",
    (30, "six_months", "CORT"): "Sample haemolysed",
    (52, "six_months", "CRP"): "Not enough serum",
    (52, "six_months", "TNF"): "Not enough serum",
}
CORRECTED = (12, "baseline", "CRP")
CORRECTION_REASON = "Dilution factor of 10 not applied; read again from the plate file"


@dataclass(frozen=True)
class ScreenedPerson:
    """Somebody assessed for eligibility, with everything that happens to them until `today`, except their arm.

    Either `excluded` (`ineligible`, `declined`, `other`) with `exclusion_reason`, or consented and randomized on days;
    `enrolment` is then the order of randomization, from 1. Days that have not come are None.
    """

    site: str
    sex: str
    age: int
    screened_on: date
    number: int = 0
    code: str = ""
    excluded: str | None = None
    exclusion_reason: str = ""
    enrolment: int | None = None
    consented_on: date | None = None
    baseline_on: date | None = None
    randomized_on: date | None = None
    six_months_on: date | None = None
    six_months_missed: str = ""
    data_use_withdrawn_on: date | None = None


Row = dict[str, str]
"""One result as the labs' JSON API takes it."""


def recruitment_starts(today: date) -> date:
    """Return the day on which recruitment began; nobody was screened before."""
    return today - timedelta(days=RECRUITING_FOR_DAYS)


def screening(today: date) -> list[ScreenedPerson]:
    """Return the 164 people assessed until `today`, numbered in order of screening: 86 randomized, 78 excluded."""
    people = sorted(_enrolled(today) + _excluded(today), key=lambda person: person.screened_on)
    return [
        replace(person, number=number, code=format_code(CODE_PREFIX, number))
        for number, person in enumerate(people, start=1)
    ]


def results_for(person: ScreenedPerson, arm_kind: str, visit: str, today: date) -> list[Row]:
    """Return the rows that the laboratory sends for a visit (`baseline`, `six_months`), drawn before `today`.

    Empty for people not randomized and visits not attended. `arm_kind` (`intervention`, `waitlist`) moves the values of
    six months. One row holds an error that `corrections_for` puts right; a few are `not_done` with a reason.
    """
    drawn_on = person.baseline_on if visit == "baseline" else person.six_months_on
    if person.enrolment is None or drawn_on is None or drawn_on >= today:
        return []
    return [
        _row(person, arm_kind, visit, drawn_on, biomarker) for biomarker in MARKERS if _is_measured(person, biomarker)
    ]


def corrections_for(person: ScreenedPerson, arm_kind: str, visit: str, today: date) -> list[Row]:
    """Return the rows sent later to put right what `results_for` held: one row for one participant, else none."""
    if (person.enrolment, visit) != CORRECTED[:2]:
        return []
    (wrong,) = [row for row in results_for(person, arm_kind, visit, today) if row["biomarker"] == CORRECTED[2]]
    value = _value_text(MARKERS[CORRECTED[2]], _value(person, arm_kind, visit, CORRECTED[2]))
    return [wrong | {"value": value, "status": "corrected", "reason": CORRECTION_REASON}]


def _enrolled(today: date) -> list[ScreenedPerson]:
    rng = random.Random(f"{SEED} recruitment")
    waves = sorted((days + rng.randint(0, 2) for days in FIRST_WAVE + SECOND_WAVE), reverse=True)
    return [_enrolled_person(enrolment, days, today) for enrolment, days in enumerate(waves, start=1)]


def _enrolled_person(enrolment: int, days_ago: int, today: date) -> ScreenedPerson:
    rng = random.Random(f"{SEED} enrolled {enrolment}")
    site, sex, age = _traits(rng)
    randomized_on = _working_day(today - timedelta(days=days_ago))
    baseline_on = _working_day(randomized_on - timedelta(days=rng.randint(0, 6)))
    consented_on = _working_day(baseline_on - timedelta(days=rng.randint(0, 4)))
    screened_on = _working_day(consented_on - timedelta(days=rng.randint(2, 12)))
    person = ScreenedPerson(
        site=site,
        sex=sex,
        age=age,
        screened_on=screened_on,
        enrolment=enrolment,
        consented_on=consented_on,
        baseline_on=baseline_on,
        randomized_on=randomized_on,
    )
    return _followed_up(person, enrolment, randomized_on + timedelta(days=SIX_MONTHS_TARGET_DAY - 1), today, rng)


def _followed_up(
    person: ScreenedPerson, enrolment: int, target: date, today: date, rng: random.Random
) -> ScreenedPerson:
    """Add what came of six months, once its target day has come."""
    if target > today or enrolment == AWAITED:
        return person
    if enrolment == DATA_USE_WITHDRAWN:
        return replace(person, data_use_withdrawn_on=_working_day(target - timedelta(days=75)))
    if enrolment in SIX_MONTHS_MISSED:
        return replace(person, six_months_missed=SIX_MONTHS_MISSED[enrolment])
    days_off = 19 if enrolment == OUT_OF_WINDOW else rng.randint(-9, 9)
    return replace(
        person, six_months_on=_working_day(min(target + timedelta(days=days_off), today - timedelta(days=1)))
    )


def _excluded(today: date) -> list[ScreenedPerson]:
    rng = random.Random(f"{SEED} exclusions")
    reasons = [reason for reason, (people, _) in EXCLUDED.items() for _ in range(people)]
    rng.shuffle(reasons)
    return [_excluded_person(reason, place, today, rng) for place, reason in enumerate(reasons)]


def _excluded_person(reason: str, place: int, today: date, rng: random.Random) -> ScreenedPerson:
    # Eight of them in the second wave.
    days_ago = rng.randint(198, 316) if place >= 8 else rng.randint(8, 135)
    site, sex, age = _traits(rng)
    return ScreenedPerson(
        site=site,
        sex=sex,
        age=age,
        screened_on=_working_day(today - timedelta(days=days_ago)),
        excluded=reason,
        exclusion_reason=rng.choice(EXCLUDED[reason][1]),
    )


def _traits(rng: random.Random) -> tuple[str, str, int]:
    return rng.choice(list(SITES)), "F" if rng.random() < 0.62 else "M", rng.randint(21, 68)


def _working_day(day: date) -> date:
    """The day itself, or the Friday before a weekend."""
    return day - timedelta(days=max(0, day.weekday() - 4))


def _is_measured(person: ScreenedPerson, biomarker: str) -> bool:
    at_site = ONLY_AT.get(biomarker, person.site) == person.site
    return at_site and (person.enrolment or 0) <= ONLY_FIRST.get(biomarker, PLANNED)


def _row(person: ScreenedPerson, arm_kind: str, visit: str, drawn_on: date, biomarker: str) -> Row:
    row = {
        "participant": person.code,
        "visit": visit,
        "biomarker": biomarker,
        "collected_at": _drawn_at(person, visit, drawn_on),
    }
    place = (person.enrolment or 0, visit, biomarker)
    if place in NOT_DONE:
        return row | {"status": "not_done", "reason": NOT_DONE[place]}
    value = _value(person, arm_kind, visit, biomarker) * (10 if place == CORRECTED else 1)
    return row | {"value": _value_text(MARKERS[biomarker], value), "unit": MARKERS[biomarker].unit}


def _drawn_at(person: ScreenedPerson, visit: str, drawn_on: date) -> str:
    """A morning hour at the site, with the offset that its clocks had on that day."""
    minutes = random.Random(f"{SEED} {person.enrolment} {visit} draw").randint(0, 24) * 5
    return datetime.combine(drawn_on, time(8 + minutes // 60, minutes % 60), SITES[person.site]).isoformat()


def _value(person: ScreenedPerson, arm_kind: str, visit: str, biomarker: str) -> float:
    """Two visits share a part of their deviation, so that they correlate as declared."""
    marker = MARKERS[biomarker]
    rng = random.Random(f"{SEED} {person.enrolment} {biomarker}")
    shared, at_baseline, at_six_months = rng.gauss(), rng.gauss(), rng.gauss()
    own = at_baseline if visit == "baseline" else at_six_months
    deviation = math.sqrt(marker.correlation) * shared + math.sqrt(1 - marker.correlation) * own
    if visit != "baseline" and arm_kind == "intervention":
        deviation += marker.effect
    return min(marker.typical * math.exp(marker.spread * deviation), marker.ceiling)


def _value_text(marker: Marker, value: float) -> str:
    if value < marker.floor:
        return f"<{marker.floor:g}"
    return f"{value:.{marker.decimals}f}"
