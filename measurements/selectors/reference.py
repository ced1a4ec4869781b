"""What the row checker needs to know of a trial, loaded for the ids that a batch names, in a fixed number of queries.

The SQL is plain because 20,000 rows as model objects would cost more than their check.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any

from django.db import connection

from measurements.selectors.places import Sites
from measurements.validation import (
    AssayRef,
    BiomarkerRef,
    ParticipantRef,
    RecordedRef,
    Reference,
    RowAsSent,
    SpecimenRef,
    VisitRef,
)
from measurements.validation.reference import NaturalKey
from measurements.validation.texts import LONGEST, has_only_kept_characters, tidied
from trials.models import Laboratory, Trial, Visit

_EXACT = Context(prec=100)
NEAR_MISSES = 5000
"""How many ids a misspelt one is compared with."""


@dataclass(frozen=True)
class Recorded:
    """Of a stored result, what its correction takes over: its place, its revision, its days."""

    assay: int | None
    run: str
    replicate: int
    revision: int
    status: str
    performed_on: date | None
    collected_at: datetime | None


@dataclass(frozen=True)
class Known:
    """The reference of a batch, and the stored results in it by primary key."""

    reference: Reference
    data_version: int
    recorded: dict[int, Recorded]


@dataclass
class _Found:
    """Participants and specimens, as the queries bring them."""

    participants: dict[str, ParticipantRef] = field(default_factory=dict)
    anchors: dict[str, date | None] = field(default_factory=dict)
    specimens: dict[str, SpecimenRef] = field(default_factory=dict)
    by_place: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))


def reference_for(
    rows: Sequence[RowAsSent],
    *,
    trial: Trial,
    laboratory: Laboratory,
    sites: Sites,
    now: datetime,
    closed: Sequence[int] = (),
) -> Known:
    """Return what `rows` are checked against; participants of other sites are as unknown as foreign ones.

    At `closed` sites values that tell the arm are withheld from the sender.
    """
    state, version = _one("SELECT data_state, data_version FROM trials_trial WHERE id = %s", [trial.pk])
    found = _Found()
    _load_participants(found, trial, sites, _texts(rows, "participant"))
    named = _load_specimens(found, trial, sites, _texts(rows, "specimen"))
    visits = list(trial.visits.all())
    recorded, details = _recorded(trial, laboratory, named)
    reference = Reference(
        now=now,
        biomarkers=_biomarkers(trial, laboratory, now.date()),
        specimens=found.specimens,
        participants=found.participants,
        visits=_visits(visits, trial, found),
        trial_state=state,
        by_participant_visit={place: tuple(ids) for place, ids in found.by_place.items()},
        windows=_windows(visits, found, rows),
        recorded=recorded,
        held=_held(trial, laboratory, sites, named, rows),
        withheld_of=_participants_at(closed, found) if closed else None,
    )
    return Known(reference, version, details)


def _all(sql: str, parameters: Sequence[Any] | dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        lines: list[Any] = cursor.fetchall()
        return lines


def _one(sql: str, parameters: Sequence[Any]) -> Any:
    return _all(sql, parameters)[0]


def _texts(rows: Iterable[RowAsSent], name: str) -> list[str]:
    """The different texts of a field that could be ids at all; others are no use in a query."""
    return sorted({_possible_id(text, name) for text in {getattr(row, name) for row in rows}} - {""})


def _possible_id(text: str | None, name: str) -> str:
    """The text as the checker reads it; empty where nothing can have that id (the database refuses a NUL)."""
    if not text or len(text) > 4 * LONGEST[name]:
        return ""
    text = tidied(text, name)
    return text if len(text) <= LONGEST[name] and has_only_kept_characters(text, name) else ""


PARTICIPANTS = """
SELECT p.id, p.code, p.data_use_withdrawn, p.randomized_on FROM trials_participant p
WHERE p.trial_id = %(trial)s AND (%(sites)s::bigint[] IS NULL OR p.site_id = ANY(%(sites)s))"""

SPECIMENS = """
SELECT s.id, s.identifier, s.specimen_type, s.drawn_at, s.parent_id, v.code, p.id, p.code,
       p.data_use_withdrawn, p.randomized_on
FROM measurements_specimen s
JOIN trials_participant p ON p.id = s.participant_id
JOIN trials_visit v ON v.id = s.visit_id
WHERE s.trial_id = %(trial)s AND (%(sites)s::bigint[] IS NULL OR p.site_id = ANY(%(sites)s))"""


def _load_participants(found: _Found, trial: Trial, sites: Sites, codes: list[str]) -> None:
    scope = {"trial": trial.pk, "sites": sites, "codes": codes, "most": NEAR_MISSES}
    if codes:
        _keep_participants(found, _all(f"{PARTICIPANTS} AND p.code = ANY(%(codes)s)", scope))
    if any(code not in found.participants for code in codes):
        _keep_participants(found, _all(f"{PARTICIPANTS} ORDER BY p.id LIMIT %(most)s", scope))


def _keep_participants(found: _Found, lines: Iterable[Any]) -> None:
    for key, code, is_withdrawn, randomized_on in lines:
        found.participants[code] = ParticipantRef(key, is_withdrawn)
        found.anchors[code] = randomized_on


def _participants_at(closed: Sequence[int], found: _Found) -> frozenset[int]:
    keys = [participant.pk for participant in found.participants.values()]
    sql = "SELECT id FROM trials_participant WHERE id = ANY(%s) AND site_id = ANY(%s)"
    return frozenset(key for (key,) in _all(sql, [keys, list(closed)]))


def _load_specimens(found: _Found, trial: Trial, sites: Sites, ids: list[str]) -> dict[int, str]:
    """Load the specimens that rows name, and all of the participants that rows name; return these by key."""
    participants = [participant.pk for participant in found.participants.values()]
    scope = {"trial": trial.pk, "sites": sites, "ids": ids, "participants": participants, "most": NEAR_MISSES}
    lines = _all(f"{SPECIMENS} AND s.identifier = ANY(%(ids)s)", scope) if ids else []
    if participants:
        lines += _all(f"{SPECIMENS} AND s.participant_id = ANY(%(participants)s)", scope)
    _keep_specimens(found, lines)
    named = {line[0]: line[1] for line in lines}
    if any(identifier not in found.specimens for identifier in ids):
        _keep_specimens(found, _all(f"{SPECIMENS} ORDER BY s.id LIMIT %(most)s", scope))
    return named


def _keep_specimens(found: _Found, lines: Iterable[Any]) -> None:
    for key, identifier, kind, drawn_at, parent, visit, *participant in lines:
        if identifier in found.specimens:
            continue
        code = participant[1]
        found.specimens[identifier] = SpecimenRef(key, code, visit, kind, drawn_at)
        if parent is None:  # a row of participant and visit means the specimen, whatever was parted from it
            found.by_place[code, visit].append(identifier)
        if code not in found.participants:
            _keep_participants(found, [participant])


def _visits(visits: Sequence[Visit], trial: Trial, found: _Found) -> dict[str, VisitRef]:
    lines = _all(
        "SELECT visit_id, participant_id FROM trials_attendance"
        " WHERE trial_id = %s AND locked_at IS NOT NULL AND participant_id = ANY(%s)",
        [trial.pk, [participant.pk for participant in found.participants.values()]],
    )
    locked: dict[int, set[int]] = defaultdict(set)
    for visit, participant in lines:
        locked[visit].add(participant)
    return {visit.code: VisitRef(visit.pk, frozenset(locked[visit.pk])) for visit in visits}


def _windows(
    visits: Sequence[Visit], found: _Found, rows: Iterable[RowAsSent]
) -> dict[tuple[str, str], tuple[date, date]]:
    """Windows of the places that rows can name; those anchored at the end of an intervention are not known yet."""
    anchored = {visit.code: visit for visit in visits if visit.anchor == Visit.Anchor.RANDOMIZATION}
    places = {(row.participant or "", row.visit or "") for row in rows}
    places |= {(specimen.participant, specimen.visit) for specimen in found.specimens.values()}  # aliquots too
    windows = {}
    for participant, visit in places:
        anchor = found.anchors.get(participant)
        if anchor is not None and visit in anchored:
            first, _, last = anchored[visit].window(anchor)
            windows[participant, visit] = (first, last)
    return windows


BIOMARKERS = """
SELECT b.id, b.code, b.name, b.unit, b.aliases, b.molar_mass, b.plausible_low, b.plausible_high, b.may_be_negative,
       b.specimen_type, b.tells_arm, a.id, a.code, a.unit, a.lower_limit_of_detection, a.lower_limit_of_quantification,
       a.upper_limit_of_quantification, a.valid_from, a.valid_to
FROM measurements_biomarker b
LEFT JOIN measurements_assay a ON a.biomarker_id = b.id AND a.laboratory_id = %(laboratory)s
WHERE b.trial_id = %(trial)s ORDER BY b.position, b.code, a.valid_from NULLS FIRST, a.id"""


def _biomarkers(trial: Trial, laboratory: Laboratory, today: date) -> dict[str, BiomarkerRef]:
    lines = _all(BIOMARKERS, {"trial": trial.pk, "laboratory": laboratory.pk})
    assays: dict[int, dict[str, AssayRef]] = defaultdict(dict)
    for line in lines:
        if line[11] is not None:  # the versions of a code come in the order of time
            of_biomarker, (key, code, unit, *limits, first, last) = assays[line[0]], line[11:]
            before = of_biomarker.get(code)
            earlier = (before, *before.earlier) if before else ()
            llod, lloq, uloq = map(_plain, limits)
            of_biomarker[code] = AssayRef(key, code, unit, llod, lloq, uloq, first, last, earlier)
    return {line[1]: _biomarker(line, assays[line[0]], today) for line in lines}


def _biomarker(line: Sequence[Any], assays: dict[str, AssayRef], today: date) -> BiomarkerRef:
    key, code, name, unit, aliases, molar_mass, low, high, may_be_negative, specimen_type, tells_arm = line[:11]
    in_use = [each for each, assay in assays.items() if assay.is_valid_on(today)]
    return BiomarkerRef(
        pk=key,
        code=code,
        name=name,
        unit=unit,
        aliases=tuple(_json(aliases)),
        molar_mass=_plain(molar_mass),
        plausible_low=_plain(low),
        plausible_high=_plain(high),
        allows_negative=may_be_negative,
        specimen_kind=specimen_type,
        tells_arm=tells_arm,
        assays=assays,
        usual_assay=in_use[0] if len(in_use) == 1 else None,
        has_dated_assays=any(assay.earlier or assay.valid_from or assay.valid_to for assay in assays.values()),
    )


# Without `r.trial_id = ...`: specimens belong to one trial, and where statistics are missing that condition would make
# the planner read every result of the trial.
CURRENT = """
SELECT r.id, r.specimen_id, b.code, a.code, r.assay_id, r.run, r.replicate, r.revision, r.value, r.value_as_sent,
       r.unit_as_sent, r.comparator, r.flag, r.status, r.performed_on, r.collected_at
FROM measurements_result r JOIN measurements_biomarker b ON b.id = r.biomarker_id
LEFT JOIN measurements_assay a ON a.id = r.assay_id
WHERE r.specimen_id = ANY(%(specimens)s) AND r.laboratory_id = %(laboratory)s
  AND NOT EXISTS (SELECT 1 FROM measurements_result later WHERE later.supersedes_id = r.id)"""


def _recorded(
    trial: Trial, laboratory: Laboratory, named: dict[int, str]
) -> tuple[dict[NaturalKey, RecordedRef], dict[int, Recorded]]:
    if not named:
        return {}, {}
    scope = {"specimens": list(named), "laboratory": laboratory.pk, "trial": trial.pk}
    recorded, details = {}, {}
    for line in _all(CURRENT, scope):
        key, specimen, biomarker, assay, assay_key, run, replicate, revision, value, text, unit, *rest = line
        mark, flag, status, performed_on, collected_at = rest
        recorded[named[specimen], biomarker, assay, run or None, replicate] = RecordedRef(
            key, str(key), _plain(value), text, unit, mark or None, flag or None, status
        )
        details[key] = Recorded(assay_key, run, replicate, revision, status, performed_on, collected_at)
    return recorded, details


HELD = """
SELECT h.id, h.row FROM measurements_heldrow h LEFT JOIN measurements_heldrowoutcome o ON o.held_row_id = h.id
WHERE h.trial_id = %(trial)s AND h.laboratory_id = %(laboratory)s AND h.row ->> 'specimen' = ANY(%(specimens)s)
  AND (o.id IS NULL OR (o.outcome = 'joined' AND h.row ->> 'specimen' <> ALL(%(known)s)))
  AND (%(sites)s::bigint[] IS NULL OR coalesce((
    SELECT p.site_id = ANY(%(sites)s) FROM trials_participant p WHERE p.id = coalesce(
        (h.row ->> 'participant_pk')::bigint,
        (SELECT s.participant_id FROM measurements_result r JOIN measurements_specimen s ON s.id = r.specimen_id
         WHERE r.id = o.result_id))), true))
ORDER BY h.id"""


def _held(
    trial: Trial, laboratory: Laboratory, sites: Sites, named: dict[int, str], rows: Iterable[RowAsSent]
) -> dict[NaturalKey, RecordedRef]:
    """Rows that wait, the newest of each natural key; their specimens may be unknown to the trial.

    Those of participants at other sites are as unknown as their specimens are. One that joined under another specimen's
    id is among them, so that it is known when it is sent again as it was.
    """
    specimens = sorted({*named.values(), *_texts(rows, "specimen"), *_made_ids(rows)})
    if not specimens:
        return {}
    held = {}
    scope = {"trial": trial.pk, "laboratory": laboratory.pk, "sites": sites, "specimens": specimens}
    for key, kept in _all(HELD, scope | {"known": list(named.values())}):
        row = _json(kept)
        value = None if row["canonical_value"] is None else Decimal(row["canonical_value"])
        held[row["specimen"], row["biomarker"], row["assay"], row["run"], row["replicate"]] = RecordedRef(
            key, f"held-{key}", value, row["value"], row["unit"], row["comparator"], row["flag"], row["status"]
        )
    return held


def _made_ids(rows: Iterable[RowAsSent]) -> set[str]:
    """The ids of specimens that rows of participant and visit would have made, had the trial not been closed."""
    places = {(row.participant, row.visit) for row in rows if not row.specimen}
    named = ((_possible_id(participant, "participant"), _possible_id(visit, "visit")) for participant, visit in places)
    return {f"{participant}-{visit}-1" for participant, visit in named if participant and visit}


def _json(value: Any) -> Any:
    """A column that psycopg gives as text because Django decodes JSON itself."""
    return json.loads(value) if isinstance(value, str) else value


def _plain(number: Decimal | None) -> Decimal | None:
    """Without the zeros that the column's scale adds, so that 0.4 compares and reads as 0.4."""
    return None if number is None else number.normalize(_EXACT)
