"""Moving a trial through its life; registration seals design and randomization."""

from base64 import b64decode
from itertools import product

from django.conf import settings

from trials import audit
from trials.access import Actor, require
from trials.allocation.blocks import ArmRatio, Scheme, default_block_sizes, permuted_blocks
from trials.allocation.seed import commitment, new_seed, seal_seed
from trials.allocation.slots import encrypt_slot
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import DATA_STATE_AFTER, NEEDS_REASON, moves_from
from trials.models import AllocationSlot, RandomizationScheme, SealedSeed, Stratum, Trial
from trials.permissions import Permission

# Every stratum gets a list as long as the whole trial: nobody knows where participants will come from.
DEFAULT_LIST_LENGTH = 200


def register_trial(*, trial: Trial, by: Actor) -> Trial:
    """Seal the design and, where the trial randomizes here, its allocation lists; return the registered trial."""
    with audit.transaction(by=by) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        trial = _moved(trial, Trial.Status.REGISTERED)
        strata = _make_strata(trial)
        detail = {}
        if not trial.randomized_elsewhere:
            detail["commitment"] = _seal_lists(trial, strata)
        event.record("trial.registered", trial=trial, target=trial, detail=detail)
    return trial


def change_status(*, trial: Trial, to: str, by: Actor, reason: str = "") -> Trial:
    """Move a trial one step on, as `trials.lifecycle` has it; registering seals the design, locking locks the data.

    Raises InConflict for a move that is not in the table from where the trial stands now, RuleBroken for locking or
    unblinding without a reason.
    """
    if to == Trial.Status.REGISTERED:
        return register_trial(trial=trial, by=by)
    with audit.transaction(by=by, reason=reason) as event:
        before = Trial.objects.select_for_update(no_key=True).values_list("status", flat=True).get(pk=trial.pk)
        require(by, moves_from(before).get(to, Permission.TRIAL_RUN), trial)
        trial = _moved(trial, to)
        if to in NEEDS_REASON and not reason.strip():
            raise RuleBroken("reason_missing", "Say why: this step cannot be taken back.", field="reason")
        event.record("trial.moved", trial=trial, target=trial, detail={"from": before, "to": to})
    return trial


def _moved(trial: Trial, to: str) -> Trial:
    """Lock the trial's row, check that the move is in the table, make it."""
    locked = Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
    if to not in moves_from(locked.status):
        raise InConflict(
            "move_not_possible", f"A trial that is {locked.get_status_display().lower()} cannot become {to}."
        )
    locked.status = to
    locked.data_state = DATA_STATE_AFTER.get(to, locked.data_state)
    locked.save(update_fields=["status", "data_state"])
    return locked


def stratum_key(levels: dict[str, str]) -> str:
    """Return the one spelling of a combination of levels: "site=leeds|sex=F"; "all" without factors."""
    return "|".join(f"{factor}={level}" for factor, level in levels.items()) or "all"


def _make_strata(trial: Trial) -> list[Stratum]:
    factors = list(trial.factors.all())
    combinations = product(*([level["code"] for level in factor.levels] for factor in factors))
    levels = [dict(zip((factor.code for factor in factors), combination, strict=True)) for combination in combinations]
    return Stratum.objects.bulk_create(Stratum(trial=trial, key=stratum_key(each), levels=each) for each in levels)


def allocation_key() -> bytes:
    """Return the key that slots and seeds are encrypted with."""
    return b64decode(settings.ALLOCATION_KEY)


def _seal_lists(trial: Trial, strata: list[Stratum]) -> str:
    """Draw the seed, store commitment, sealed seed and encrypted slots; return the commitment."""
    arms = tuple(ArmRatio(arm.code, arm.ratio) for arm in trial.arms.all())
    specification = Scheme(arms, default_block_sizes(arms))
    seed, key = new_seed(), allocation_key()
    scheme = RandomizationScheme.objects.create(
        trial=trial, specification=specification.canonical_json(), commitment=commitment(seed, specification)
    )
    SealedSeed.objects.create(scheme=scheme, ciphertext=seal_seed(key, seed, trial=trial.slug))
    length = trial.planned_participants or DEFAULT_LIST_LENGTH
    AllocationSlot.objects.bulk_create(
        (
            AllocationSlot(
                trial=trial,
                stratum=stratum,
                sequence=slot.sequence,
                ciphertext=encrypt_slot(
                    key, trial=trial.slug, stratum=stratum.key, sequence=slot.sequence, arm=slot.arm
                ),
            )
            for stratum in strata
            for slot, _ in zip(permuted_blocks(seed, specification, stratum.key), range(length), strict=False)
        ),
        batch_size=5000,
    )
    return scheme.commitment
