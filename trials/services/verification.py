"""Proving after unblinding that arms were drawn as committed to: rebuild the lists, compare, and let anyone do so."""

import json
from dataclasses import dataclass

from django.db import connection
from django.db.models import F

from trials import audit
from trials.access import Actor, require, sites_where
from trials.allocation.arms import ArmRatio
from trials.allocation.replay import Place, differences, rebuilt_arms
from trials.allocation.schemes import Scheme, scheme_from_json
from trials.allocation.sealing import SealBrokenError
from trials.allocation.seed import commitment, open_seed
from trials.errors import InConflict
from trials.models import Allocation, GroupAllocation, RandomizationScheme, Trial
from trials.permissions import Permission
from trials.services.sealing import allocation_key

FORMAT = "allocation replay"
FORMAT_VERSION = 1


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


@dataclass(frozen=True)
class Replay:
    """The opened list: seed and scheme in plain, the register with the arm that the seed gives, and the verdict."""

    verdict: AllocationVerdict
    seed: str
    scheme: str
    places: tuple[tuple[Place, str], ...]


def verify_allocation(*, trial: Trial, by: Actor) -> AllocationVerdict:
    """Rebuild every list from the sealed seed and compare it with the register, place by place.

    Raises InConflict before unblinding, when the database does not give the seed out, and for a trial that was
    randomized elsewhere.
    """
    return replay_allocation(trial=trial, by=by).verdict


def replay_allocation(*, trial: Trial, by: Actor) -> Replay:
    """Open the seed and rebuild every list; return it with the register and the verdict. Refused like the above."""
    with audit.transaction(by=by) as event:
        sealed = _sealed_scheme(trial, by)
        replay = _replay(trial, sealed, _revealed_seed(trial), by)
        event.record(
            "allocation.verified",
            trial=trial,
            target=trial,
            row_count=replay.verdict.compared,
            detail={"differences": len(replay.verdict.differences)},
        )
    return replay


def replay_file(*, trial: Trial, by: Actor) -> str:
    """Return the JSON that `verify_allocation.py` checks without the platform; refused like the above."""
    with audit.transaction(by=by) as event:
        sealed = _sealed_scheme(trial, by)
        seed = _opened(trial, _revealed_seed(trial))
        if seed is None:
            raise InConflict(
                "seed_broken", f"The sealed seed of {trial.title} does not open; there is nothing to replay."
            )
        register = _register(trial, by)
        file = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "trial": trial.slug,
            "unit": trial.randomization_unit,
            "commitment": sealed.commitment,
            "seed": seed.hex(),
            "scheme": json.loads(sealed.specification),
            "taken": _taken(trial),
            "register": [vars(place) for place in register],
        }
        event.record("allocation.downloaded", trial=trial, target=trial, row_count=len(register))
    return json.dumps(file, indent=1)


def _sealed_scheme(trial: Trial, by: Actor) -> RandomizationScheme:
    require(by, Permission.ALLOCATION_VIEW, trial)
    scheme = RandomizationScheme.objects.filter(trial=trial).first()
    if scheme is None:
        raise InConflict("nothing_sealed", f"No allocation list was sealed for {trial.title}.")
    return scheme


def _revealed_seed(trial: Trial) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reveal_sealed_seed(%s)", [trial.pk])
        sealed = cursor.fetchone()[0]
    if sealed is None:
        raise InConflict("still_blinded", f"The seed of {trial.title} stays sealed until the trial is unblinded.")
    return bytes(sealed)


def _opened(trial: Trial, sealed_seed: bytes) -> bytes | None:
    try:
        return open_seed(allocation_key(), sealed_seed, trial=trial.slug)
    except SealBrokenError:
        return None


def _replay(trial: Trial, sealed: RandomizationScheme, sealed_seed: bytes, by: Actor) -> Replay:
    scheme, seed = scheme_from_json(sealed.specification), _opened(trial, sealed_seed)
    if seed is None:
        verdict = AllocationVerdict(
            sealed.commitment, 0, ("The sealed seed does not open: it or the key was changed.",)
        )
        return Replay(verdict, "", sealed.specification, ())
    register = _register(trial, by)
    found = [
        *_scheme_differences(trial, scheme),
        *_commitment_differences(seed, scheme, sealed.commitment),
        *differences(seed, scheme, register, _taken(trial)),
        *_member_differences(trial, by),
    ]
    rebuilt = rebuilt_arms(seed, scheme, register)
    return Replay(
        AllocationVerdict(sealed.commitment, len(register), tuple(found)),
        seed.hex(),
        sealed.specification,
        tuple((place, rebuilt[place.stratum, place.sequence]) for place in register),
    )


def _commitment_differences(seed: bytes, scheme: Scheme, published: str) -> list[str]:
    is_kept = commitment(seed, scheme) == published
    return [] if is_kept else ["Seed and scheme do not give the commitment that was published."]


def _scheme_differences(trial: Trial, scheme: Scheme) -> list[str]:
    arms = tuple(ArmRatio(arm.code, arm.ratio) for arm in trial.arms.all())
    return [] if arms == scheme.arms else ["The trial's arms or ratio are not those of the sealed scheme."]


def _member_differences(trial: Trial, by: Actor) -> list[str]:
    """Return who is in another arm than the group they were randomized with."""
    members = Allocation.objects.filter(trial=trial).exclude(group=None).exclude(arm=F("group__arm"))
    sites = sites_where(by, Permission.PARTICIPANT_VIEW, trial)
    rows = members.values_list("participant__code", "group__group__code", "participant__site")
    return [
        f"{code if site in sites else 'Somebody'} is not in the arm of group {group}." for code, group, site in rows
    ]


def _taken(trial: Trial) -> dict[str, int]:
    return {key: following - 1 for key, following in trial.strata.values_list("key", "next_sequence")}


def _register(trial: Trial, by: Actor) -> list[Place]:
    """Return who took which place, participants or groups, by list and place.

    Codes are those of sites whose participants `by` may see; for the others the places stand without.
    """
    sites = sites_where(by, Permission.PARTICIPANT_VIEW, trial)
    ordered = ("stratum__key", "sequence")
    if trial.randomization_unit == Trial.RandomizationUnit.GROUP:
        groups = GroupAllocation.objects.filter(trial=trial).order_by(*ordered)
        rows = list(groups.values_list(*ordered, "group__code", "arm__code", "levels", "group__site"))
    else:
        people = Allocation.objects.filter(trial=trial, sequence__isnull=False).order_by(*ordered)
        rows = list(
            people.values_list(*ordered, "participant__code", "arm__code", "participant__strata", "participant__site")
        )
    return [
        Place(stratum, sequence, code if site in sites else "", arm, levels)
        for stratum, sequence, code, arm, levels, site in rows
    ]
