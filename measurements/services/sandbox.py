"""The laboratories' sandbox: a copy of a trial's design with made-up participants, and nothing else of the trial.

It holds no arm, no participant, no specimen and no value of the trial. Requests that come with a credential of the
sandbox mean it under the trial's own name (`trials.access`); nobody else can reach it, and nothing is estimated of it.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, models
from django.utils import timezone

from measurements.models import Assay, Biomarker, Specimen
from measurements.selectors.sandbox import sandbox_of
from trials import audit
from trials.access import Actor, require, tries_things_out
from trials.errors import InConflict
from trials.models import Attendance, Participant, Site, Trial, Visit
from trials.permissions import Permission
from trials.services.copying import copied, values_of

PARTICIPANTS = 12
LOCKED, NOT_DRAWN, WITHDRAWN = "TEST-010", "TEST-011", "TEST-012"
"""Those with whom the less usual answers can be had: visits are locked, specimens not drawn, data use withdrawn."""
MARKS = {Visit.Kind.BASELINE: "BL", Visit.Kind.SIX_MONTHS: "6M"}
USUAL_KIND = "serum"
DRAWN_AT = time(8, 0, tzinfo=UTC)
SINCE_LAST_VISIT = timedelta(days=30)
MAKING = 715_006
"""First key of the advisory locks that let one copy be made, or brought up to date, at a time."""

Kept = models.Model | None


@dataclass(frozen=True)
class _Change:
    """A row of the copy that is missing (`kept` is None) or differs, with what it is to say."""

    model: type[models.Model]
    kept: Kept
    values: Mapping[str, Any]


def ready_sandbox(*, trial: Trial, by: Actor) -> Trial:
    """Return the trial's sandbox, made where there is none and brought up to the design as it stands now.

    A credential of the sandbox may for the trials that it is for, people who manage the laboratories. Raises InConflict
    for a rehearsal or a sandbox.
    """
    _require(trial, by)
    copy = sandbox_of(trial)
    if copy is not None and not _is_behind(trial, copy):
        return copy
    with audit.transaction(by=by) as event:
        _hold(trial)
        copy = sandbox_of(trial)
        verb = "sandbox.made" if copy is None else "sandbox.updated"
        copy = _bring_up(trial, copy or _made(trial))
        event.record(verb, trial=copy, target=copy)
    return copy


def empty_sandbox(*, trial: Trial, by: Actor) -> Trial:
    """Put the sandbox with all that laboratories sent to it aside and return a new one; nothing is deleted."""
    _require(trial, by)
    with audit.transaction(by=by) as event:
        _hold(trial)
        Trial.objects.filter(sandbox_of=trial, sandbox_ended_at=None).update(sandbox_ended_at=timezone.now())
        copy = _bring_up(trial, _made(trial))
        event.record("sandbox.emptied", trial=trial, target=trial)
    return copy


def _require(trial: Trial, by: Actor) -> None:
    if tries_things_out(by):
        # Not `require`: it asks about the copy, which is only being made.
        assert by.credential is not None, "it came with a credential"  # noqa: S101 - tells the type checker
        if by.credential.trials.filter(pk=trial.pk).exists():
            return
    require(by, Permission.LABORATORY_MANAGE, trial)
    if trial.rehearsal_of_id is not None or trial.is_sandbox:
        raise InConflict("no_sandbox", "Only trials have a sandbox. Nothing was changed.")


def _hold(trial: Trial) -> None:
    """Wait for whoever else makes this copy. The trial's own row is left alone: laboratories deliver meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [MAKING, trial.pk])


def _made(trial: Trial) -> Trial:
    """Store an empty copy. It is a draft, as designs are filled in drafts only."""
    return copied(
        trial,
        slug=f"{trial.slug[:33]}-sandbox-{secrets.token_hex(4)}",
        title=trial.title,
        status=Trial.Status.DRAFT,
        data_state=Trial.DataState.OPEN,
        data_version=0,
        unlocked_at=None,
        is_demonstration=False,
        randomized_elsewhere=False,
        allocation_provenance="",
        sandbox_of=trial,
    )


def _is_behind(trial: Trial, copy: Trial) -> bool:
    return (
        copy.status != _status_for(trial)
        or any(True for _ in _changes(trial, copy))
        or bool(_missing_specimens(copy, list(copy.participants.order_by("number")[:1])))
    )


def _status_for(trial: Trial) -> str:
    """A draft's copy is a draft, whose visits may still change; everything later recruits for ever."""
    return Trial.Status.DRAFT if trial.status == Trial.Status.DRAFT else Trial.Status.RECRUITING


def _bring_up(trial: Trial, copy: Trial) -> Trial:
    """Write what the copy lacks: visits, biomarkers and assays, then participants and specimens."""
    for part in (_design_changes, _biomarker_changes, _assay_changes):
        for change in list(part(trial, copy)):
            _write(change)
    participants = list(copy.participants.order_by("number")) or _make_participants(copy)
    Specimen.objects.bulk_create(_missing_specimens(copy, participants))
    for status in _steps(copy.status, _status_for(trial)):
        Trial.objects.filter(pk=copy.pk).update(status=status)
    copy.refresh_from_db()
    return copy


def _steps(present: str, wished: str) -> list[str]:
    """The moves of a trial, one after the other: the database lets none be left out."""
    order = [str(each) for each in Trial.Status.values]
    return order[order.index(present) + 1 : order.index(wished) + 1]


def _write(change: _Change) -> None:
    if change.kept is None:
        change.model._default_manager.create(**change.values)
    else:
        change.model._default_manager.filter(pk=change.kept.pk).update(**change.values)


def _changes(trial: Trial, copy: Trial) -> Iterator[_Change]:
    yield from _design_changes(trial, copy)
    yield from _biomarker_changes(trial, copy)
    yield from _assay_changes(trial, copy)


def _design_changes(trial: Trial, copy: Trial) -> Iterator[_Change]:
    if not copy.sites.exists() and not trial.sites.exists():
        yield _Change(Site, None, {"trial": copy, "code": "site", "name": "Site"})
    for model in (Site, Visit):
        kept = {row.code: row for row in model.objects.filter(trial=copy)}
        for row in model.objects.filter(trial=trial):
            yield from _change(row, kept.get(row.code), trial_id=copy.pk)


def _biomarker_changes(trial: Trial, copy: Trial) -> Iterator[_Change]:
    kept = {row.code: row for row in Biomarker.objects.filter(trial=copy)}
    for row in Biomarker.objects.filter(trial=trial):
        yield from _change(row, kept.get(row.code), trial_id=copy.pk)


def _assay_changes(trial: Trial, copy: Trial) -> Iterator[_Change]:
    measured = dict(Biomarker.objects.filter(trial=copy).values_list("code", "pk"))
    kept = {(row.laboratory_id, row.code, row.version): row for row in Assay.objects.filter(trial=copy)}
    for row in Assay.objects.filter(trial=trial).select_related("biomarker").order_by("pk"):
        biomarker = measured.get(row.biomarker.code)  # None while only differences are looked for
        twin = kept.get((row.laboratory_id, row.code, row.version))
        yield from _change(row, twin, trial_id=copy.pk, biomarker_id=biomarker)


def _change(row: models.Model, kept: Kept, **of_copy: Any) -> Iterator[_Change]:
    wished = values_of(row) | of_copy
    if kept is None or values_of(kept) != wished:
        yield _Change(type(row), kept, wished)


def _make_participants(copy: Trial) -> list[Participant]:
    """Make TEST-001 to TEST-012, randomized so long ago that every visit is over. Nobody has an arm."""
    sites = list(copy.sites.order_by("pk"))
    last = max((visit.target_day for visit in copy.visits.all()), default=0)
    since = timezone.localdate() - timedelta(days=max(0, last)) - SINCE_LAST_VISIT
    participants = Participant.objects.bulk_create(
        Participant(
            trial=copy,
            site=sites[number % len(sites)],
            code=f"TEST-{number:03}",
            number=number,
            state=Participant.State.RANDOMIZED,
            screened_on=since,
            randomized_on=since,
            data_use_withdrawn=f"TEST-{number:03}" == WITHDRAWN,
        )
        for number in range(1, PARTICIPANTS + 1)
    )
    locked = next(each for each in participants if each.code == LOCKED)
    Attendance.objects.bulk_create(
        Attendance(
            trial=copy,
            participant=locked,
            visit=visit,
            attended_on=_day_of(visit, since),
            completed_at=timezone.now(),
            locked_at=timezone.now(),
            locked_by="Sandbox",
        )
        for visit in copy.visits.all()
    )
    return participants


def _day_of(visit: Visit, randomized_on: date) -> date:
    return min(visit.window(randomized_on).target, timezone.localdate() - timedelta(days=1))


def _missing_specimens(copy: Trial, participants: Iterable[Participant]) -> list[Specimen]:
    """Return the specimens that these participants should have and have not: one a visit and kind that is measured."""
    people = list(participants)
    kinds = list(dict.fromkeys(Biomarker.objects.filter(trial=copy).values_list("specimen_type", flat=True)))
    held = dict(Specimen.objects.filter(participant__in=people).values_list("identifier", "specimen_type"))
    missing = []
    for visit, mark in _marks(copy).items():
        for participant in people:
            plain = f"{participant.code}-{mark}"
            main = held.get(plain) or (kinds or [USUAL_KIND])[0]
            wished = {plain: main} | {f"{plain}-{kind.upper()}": kind for kind in kinds if kind != main}
            missing += [
                _specimen(participant, visit, identifier, kind)
                for identifier, kind in wished.items()
                if identifier not in held
            ]
    return missing


def _specimen(participant: Participant, visit: Visit, identifier: str, kind: str) -> Specimen:
    drawn_at = None
    if participant.code != NOT_DRAWN and participant.randomized_on is not None:
        drawn_at = datetime.combine(_day_of(visit, participant.randomized_on), DRAWN_AT)
    return Specimen(
        trial_id=participant.trial_id,
        participant=participant,
        visit=visit,
        identifier=identifier,
        specimen_type=kind,
        drawn_at=drawn_at,
    )


def _marks(copy: Trial) -> dict[Visit, str]:
    """Return how each visit is written in the ids of specimens: BL, 6M, else its code in capitals."""
    marks: dict[Visit, str] = {}
    for visit in copy.visits.all():
        mark = MARKS.get(Visit.Kind(visit.kind), "")
        marks[visit] = mark if mark and mark not in marks.values() else visit.code.upper().replace("_", "-")
    return marks
