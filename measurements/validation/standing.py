"""What a checked row is beside what is stored already: new, known, a correction, or a contradiction."""

from collections import defaultdict

from msgspec import Struct

from measurements.validation.findings import Disposition, Note, NotedError
from measurements.validation.places import Place
from measurements.validation.quantities import Quantity, as_kept
from measurements.validation.reference import Key, NaturalKey, RecordedRef, Reference, Status
from measurements.validation.sent import RowAsSent
from measurements.validation.status_moves import STATUS_MOVES, Step

AFTER_PRELIMINARY = "Final value after a preliminary one."
AFTER_HOLD = "Accepted after it was held."


class Candidate(Struct, frozen=True):
    """A row whose fields were found good, not yet compared with what is stored."""

    row: RowAsSent
    place: Place
    quantity: Quantity
    status: Status
    reason: str | None
    held: bool


class Standing(Struct, frozen=True):
    """What becomes of a candidate; `supersedes` is the key of the result that it replaces."""

    disposition: Disposition
    supersedes: Key | None = None
    reason: str | None = None
    remark: Note | None = None


class Records:
    """Compares candidates with the results that are stored."""

    def __init__(self, reference: Reference) -> None:
        self._recorded = reference.recorded
        self._held = reference.held
        self._by_place: dict[tuple[str, str, str | None, int], list[RecordedRef]] | None = None
        self._by_run: dict[tuple[str, str, str | None, int], list[tuple[str | None, RecordedRef]]] | None = None

    def standing(self, key: NaturalKey, candidate: Candidate) -> Standing:
        """Raises `NotedError`: `differs_from_recorded`, `corrects_unknown`, `status_goes_back`, `field_missing`."""
        if candidate.row.corrects or candidate.status == "corrected":
            return self._correction(key, candidate)
        held, recorded = self._held.get(key), self._known(key, candidate.row)
        if candidate.held:
            return _against(key, candidate, held or recorded)
        if held is not None and recorded is None and _is_same(held, candidate):
            return Standing("created", held.pk, candidate.reason or AFTER_HOLD)
        return _against(key, candidate, recorded)

    def _correction(self, key: NaturalKey, candidate: Candidate) -> Standing:
        old = self._to_correct(key, candidate)
        if old is not None and _is_same(old, candidate) and not _settles(old, candidate):
            return _already(key, candidate)
        if old is not None and STATUS_MOVES[old.status][candidate.status] is Step.NEVER:
            raise NotedError(_goes_back(key, candidate, old))
        if candidate.reason is None:
            raise NotedError(Note("field_missing", "reason", details={"needed_by": "a correction"}))
        if candidate.held:
            # What is held must not take an analysed value away, so it replaces only what is held itself.
            waiting = self._held.get(key)
            return Standing("held", waiting.pk if waiting else None, candidate.reason)
        if old is None:
            return Standing("created", None, candidate.reason)
        return Standing("corrected", old.pk, candidate.reason)

    def _to_correct(self, key: NaturalKey, candidate: Candidate) -> RecordedRef | None:
        """The result a correction means: that of its natural key or, if it names no run, the only one there is."""
        old = (self._held.get(key) if candidate.held else None) or self._known(key, candidate.row)
        named = candidate.row.corrects
        others = [old] if old else self._without_run(key) if key[3] is None else []
        fitting = [other for other in others if named is None or other.id == named.strip()]
        if len(fitting) == 1:
            return fitting[0]
        if named is None and not others:
            return None
        details = {"biomarker": key[1], "specimen": key[0]}
        raise NotedError(Note("corrects_unknown", "corrects", named or candidate.row.value, details=details))

    def _known(self, key: NaturalKey, row: RowAsSent) -> RecordedRef | None:
        """What is recorded under the key, or of a row that names no assay, the only one beside it in another assay.

        Which assay such a row means changes when assays are described, so that the same row would be a second result.
        Only days of validity tell two assays apart.
        """
        recorded = self._recorded.get(key)
        if recorded is not None or (row.assay or "").strip():
            return recorded
        is_dated = bool(row.performed_on or row.collected_at)
        others = [other for assay, other in self._in_any_assay(key) if key[2] is None or assay is None or not is_dated]
        return others[0] if len(others) == 1 else None

    def _in_any_assay(self, key: NaturalKey) -> list[tuple[str | None, RecordedRef]]:
        if self._by_run is None:
            self._by_run = defaultdict(list)
            for (specimen, biomarker, assay, run, replicate), recorded in self._recorded.items():
                self._by_run[specimen, biomarker, run, replicate].append((assay, recorded))
        return self._by_run.get((key[0], key[1], key[3], key[4]), [])

    def _without_run(self, key: NaturalKey) -> list[RecordedRef]:
        if self._by_place is None:
            self._by_place = defaultdict(list)
            for (specimen, biomarker, assay, _, replicate), recorded in self._recorded.items():
                self._by_place[specimen, biomarker, assay, replicate].append(recorded)
        return self._by_place.get((*key[:3], key[4]), [])


def _against(key: NaturalKey, candidate: Candidate, old: RecordedRef | None) -> Standing:
    """The standing of a row that does not say it is a correction."""
    disposition: Disposition = "held" if candidate.held else "created"
    if old is None:
        return Standing(disposition, None, candidate.reason)
    if _settles(old, candidate) and not candidate.held:
        return Standing("corrected", old.pk, candidate.reason or AFTER_PRELIMINARY)
    if _is_same(old, candidate):
        return _already(key, candidate)
    details = {"recorded": f"{old.text} {old.unit}".strip(), "biomarker": key[1], "specimen": key[0]}
    # Nothing measured after all: the row has its reason already, and has to say which result it takes away.
    named = old.id if candidate.status == "not_done" else None
    raise NotedError(Note("differs_from_recorded", "value", _sent(candidate), named, details))


def _settles(old: RecordedRef, candidate: Candidate) -> bool:
    """Whether the row settles a preliminary value, which is a step also where the number stays the same."""
    return old.status == "preliminary" and candidate.status != "preliminary"


def _goes_back(key: NaturalKey, candidate: Candidate, old: RecordedRef) -> Note:
    details = {"recorded": old.status.replace("_", " "), "biomarker": key[1], "specimen": key[0]}
    return Note("status_goes_back", "status", candidate.status, details=details)


def _already(key: NaturalKey, candidate: Candidate) -> Standing:
    details = {"biomarker": key[1], "specimen": key[0]}
    return Standing("unchanged", remark=Note("already_recorded", "value", _sent(candidate), details=details))


def _is_same(old: RecordedRef, candidate: Candidate) -> bool:
    """The same quantity, however its digits and unit were written; or the very same text."""
    if "not_done" in (old.status, candidate.status):
        return old.status == candidate.status
    row, quantity = candidate.row, candidate.quantity
    if old.text == (row.value or "").strip() and old.unit == (row.unit or "").strip():
        return True
    parsed = quantity.parsed
    same_mark = old.comparator == parsed.comparator and old.flag == parsed.flag
    return same_mark and old.value is not None and as_kept(old.value) == as_kept(quantity.number)


def _sent(candidate: Candidate) -> str:
    return candidate.row.value or candidate.status
