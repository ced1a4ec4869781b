"""Proving after unblinding that arms were drawn as committed to: rebuild the lists and compare."""

from dataclasses import dataclass
from itertools import islice

from django.db import connection

from trials import audit
from trials.access import Actor, require
from trials.allocation.blocks import ArmRatio, Scheme, permuted_blocks
from trials.allocation.sealing import SealBrokenError
from trials.allocation.seed import commitment, open_seed
from trials.errors import InConflict
from trials.models import Allocation, RandomizationScheme, Stratum, Trial
from trials.permissions import Permission
from trials.services.sealing import allocation_key


@dataclass(frozen=True)
class AllocationVerdict:
    """How many allocations were compared with the rebuilt lists, and every difference as a sentence."""

    commitment: str
    compared: int
    differences: tuple[str, ...]

    @property
    def is_confirmed(self) -> bool:
        """Whether the register is what the commitment fixed before the first enrolment."""
        return not self.differences


def verify_allocation(*, trial: Trial, by: Actor) -> AllocationVerdict:
    """Rebuild every stratum's list from the sealed seed and compare it with the register, place by place.

    Raises InConflict before unblinding, when the database does not give the seed out, and for a trial that was
    randomized elsewhere.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.ALLOCATION_VIEW, trial)
        scheme = RandomizationScheme.objects.filter(trial=trial).first()
        if scheme is None:
            raise InConflict("nothing_sealed", f"No allocation list was sealed for {trial.title}.")
        verdict = _verdict(trial, scheme, _revealed_seed(trial))
        event.record(
            "allocation.verified",
            trial=trial,
            target=trial,
            row_count=verdict.compared,
            detail={"differences": len(verdict.differences)},
        )
    return verdict


def _revealed_seed(trial: Trial) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reveal_sealed_seed(%s)", [trial.pk])
        sealed = cursor.fetchone()[0]
    if sealed is None:
        raise InConflict("still_blinded", f"The seed of {trial.title} stays sealed until the trial is unblinded.")
    return bytes(sealed)


def _verdict(trial: Trial, sealed_scheme: RandomizationScheme, sealed_seed: bytes) -> AllocationVerdict:
    scheme = Scheme.from_json(sealed_scheme.specification)
    try:
        seed = open_seed(allocation_key(), sealed_seed, trial=trial.slug)
    except SealBrokenError as error:
        return AllocationVerdict(sealed_scheme.commitment, 0, (f"The sealed seed does not open: {error}.",))
    differences = [*_scheme_differences(trial, scheme)]
    if commitment(seed, scheme) != sealed_scheme.commitment:
        differences.append("Seed and scheme do not give the commitment that was published.")
    compared = 0
    for stratum in Stratum.objects.filter(trial=trial).order_by("key"):
        given = _given(stratum)
        compared += len(given)
        differences += _stratum_differences(stratum, given, seed, scheme)
    return AllocationVerdict(sealed_scheme.commitment, compared, tuple(differences))


def _scheme_differences(trial: Trial, scheme: Scheme) -> list[str]:
    arms = tuple(ArmRatio(arm.code, arm.ratio) for arm in trial.arms.all())
    return [] if arms == scheme.arms else ["The trial's arms or ratio are not those of the sealed scheme."]


def _given(stratum: Stratum) -> list[tuple[int, str, str]]:
    given = Allocation.objects.filter(stratum=stratum).order_by("sequence").select_related("arm", "participant")
    return [(each.sequence or 0, each.arm.code, each.participant.code) for each in given]


def _stratum_differences(stratum: Stratum, given: list[tuple[int, str, str]], seed: bytes, scheme: Scheme) -> list[str]:
    """Return what is not as rebuilt: a place skipped, an arm that differs, a counter that ran ahead."""
    differences = []
    if [sequence for sequence, _, _ in given] != list(range(1, len(given) + 1)):
        differences.append(f"{stratum.key}: the places used have a gap.")
    if stratum.next_sequence != len(given) + 1:
        differences.append(f"{stratum.key}: {stratum.next_sequence - 1} places taken, {len(given)} in the register.")
    last = max((sequence for sequence, _, _ in given), default=0)
    rebuilt = {slot.sequence: slot.arm for slot in islice(permuted_blocks(seed, scheme, stratum.key), last)}
    differences += [
        f"{stratum.key}, place {sequence}: {code} is in {arm}, the list says {rebuilt[sequence]}."
        for sequence, arm, code in given
        if rebuilt[sequence] != arm
    ]
    return differences
