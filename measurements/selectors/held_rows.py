"""Rows that wait, for those who may settle them: what was sent, what was probably meant, and why they wait still."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from measurements.models import Biomarker, HeldRow, Specimen
from measurements.selectors.places import closed_sites, sites_open_to
from measurements.selectors.reference import NEAR_MISSES, reference_for
from measurements.validation import Options, RowAsSent, check_rows
from measurements.validation.findings import Finding
from measurements.validation.nearness import Nearness
from trials.access import Actor, has_permission, require
from trials.errors import NotAllowed, NotFound
from trials.models import Participant, Trial, Visit
from trials.permissions import Permission


def may_settle(by: Actor, trial: Trial) -> bool:
    """Return whether `by` may see and settle rows that wait: they belong to no site, so it takes all sites."""
    return (
        has_permission(by, Permission.SPECIMEN_MANAGE, trial)
        and sites_open_to(by, Permission.SPECIMEN_MANAGE, trial) is None
    )


def require_settling(by: Actor, trial: Trial) -> None:
    """Raise NotAllowed unless `by` may settle rows that wait."""
    require(by, Permission.SPECIMEN_MANAGE, trial)
    if not may_settle(by, trial):
        raise NotAllowed("not_allowed", "Rows that wait belong to no site yet: who manages all sites settles them.")


def unsettled(trial: Trial) -> QuerySet[HeldRow]:
    """Return the rows that wait. It asks for no permission."""
    return HeldRow.objects.filter(trial=trial, settled=None)


def waiting_for(by: Actor, trial: Trial) -> QuerySet[HeldRow]:
    """Return the rows that wait and that `by` may see once they may settle any: they have no site, so it takes all."""
    return unsettled(trial).filter(_seen_by(by, trial))


def _seen_by(by: Actor, trial: Trial) -> Q:
    if not closed_sites(by, trial):
        return Q()
    telling = Biomarker.objects.filter(trial=trial, tells_arm=True).values_list("pk", flat=True)
    return ~Q(row__biomarker_pk__in=list(telling))


def held_rows_of(by: Actor, trial: Trial, *, code: str = "", laboratory: str = "") -> QuerySet[HeldRow]:
    """Return the rows that wait, the oldest first, narrowed by why they wait and by the code of their laboratory."""
    require_settling(by, trial)
    found = waiting_for(by, trial).select_related("laboratory", "submission").order_by("id")
    if code:
        found = found.filter(code=code)
    return found.filter(laboratory__code=laboratory) if laboratory else found


def waiting_row(by: Actor, trial: Trial, number: int) -> HeldRow:
    """Return one row that was held, settled or not; NotFound in the same words for a missing and a foreign one."""
    require_settling(by, trial)
    known = HeldRow.objects.filter(_seen_by(by, trial), trial=trial, pk=number)
    found = known.select_related("laboratory", "submission", "trial").first()
    if found is None:
        raise NotFound("held_row_unknown", "There is no such row that you may see.")
    return found


@dataclass(frozen=True)
class HeldLine:
    """A row that waits, as the page shows it."""

    held: HeldRow
    specimen: str
    biomarker: str
    value: str
    unit: str
    near: str
    reason: str
    is_ready: bool


def held_lines(trial: Trial, rows: Sequence[HeldRow]) -> list[HeldLine]:
    """Return the rows with the nearest specimen of the trial and what the checker would say of them now."""
    sent = rows_as_sent(rows)
    said = _said_now(trial, rows, sent)
    named = [sent[row.pk].specimen for row in rows if row.code == "specimen_held"]
    known = Specimen.objects.filter(trial=trial).order_by("id").values_list("identifier", flat=True)
    nearness = Nearness(list(known[:NEAR_MISSES]) if named else [])
    return [_line(row, said.get(row.pk, ""), nearness) for row in rows]


def _line(row: HeldRow, reason: str, nearness: Nearness) -> HeldLine:
    kept = row.row
    near = nearness.nearest(kept["specimen"]) if row.code == "specimen_held" else None
    return HeldLine(
        row,
        specimen=kept["specimen"],
        biomarker=kept["biomarker"],
        value=kept["value"] or kept["status"].replace("_", " "),
        unit=kept["unit"],
        near="" if near in (None, kept["specimen"]) else str(near),
        reason=reason,
        is_ready=not reason,
    )


def _said_now(trial: Trial, rows: Sequence[HeldRow], sent: dict[int, RowAsSent]) -> dict[int, str]:
    """The checker's sentence about each row that would not join now, by the row's key."""
    by_laboratory: dict[int, list[HeldRow]] = defaultdict(list)
    for row in rows:
        by_laboratory[row.laboratory_id].append(row)
    said: dict[int, str] = {}
    for own in by_laboratory.values():
        texts = [sent[row.pk] for row in own]
        known = reference_for(texts, trial=trial, laboratory=own[0].laboratory, sites=None, now=timezone.now())
        for row, text in zip(own, texts, strict=True):  # each by itself: a row and its correction may both wait
            errors = check_rows([text], known.reference, Options(dry_run=True)).errors
            if errors:
                said[row.pk] = _said_of_waiting(errors[0])
    return said


def _said_of_waiting(error: Finding) -> str:
    """The checker's sentence without what it advises a sender: the row was sent, and is settled here."""
    return error.message.split(f" {error.fix}")[0] if error.fix else error.message


def rows_as_sent(rows: Iterable[HeldRow]) -> dict[int, RowAsSent]:
    """Return held rows as their laboratories sent them, by key.

    One that named a participant and a visit names them again: its specimen was never made.
    """
    listed = list(rows)
    placed = [row.row for row in listed if row.row["participant_pk"] and not row.row["specimen_pk"]]
    people = dict(
        Participant.objects.filter(pk__in={row["participant_pk"] for row in placed}).values_list("pk", "code")
    )
    visits = dict(Visit.objects.filter(pk__in={row["visit_pk"] for row in placed}).values_list("pk", "code"))
    return {row.pk: _as_sent(row.row, people, visits) for row in listed}


def _as_sent(kept: dict[str, Any], people: dict[int, str], visits: dict[int, str]) -> RowAsSent:
    is_placed = kept["participant_pk"] and not kept["specimen_pk"]
    corrects = kept.get("corrects")
    # What it corrected waited beside it, under an id that goes with the waiting.
    is_of_held = corrects is not None and corrects.startswith("held-")
    return RowAsSent(
        specimen=None if is_placed else kept["specimen"],
        participant=people[kept["participant_pk"]] if is_placed else None,
        visit=visits[kept["visit_pk"]] if is_placed else None,
        biomarker=kept["biomarker"],
        value=kept["value"] or None,
        unit=kept["unit"] or None,
        assay=kept["assay"],
        replicate=str(kept["replicate"]),
        collected_at=kept["collected_at"],
        status="corrected" if is_of_held and kept["status"] == "final" else kept["status"],
        reason=kept["reason"],
        corrects=None if is_of_held else corrects,
        run=kept["run"],
        performed_on=kept["performed_on"],
    )
