"""Sealing how arms are drawn: strata, the concealed lists, the seed and its commitment."""

from base64 import b64decode
from itertools import product

from django.conf import settings

from trials.allocation.blocks import ArmRatio, Scheme, default_block_sizes, permuted_blocks
from trials.allocation.seed import commitment, new_seed, seal_seed
from trials.allocation.slots import encrypt_slot
from trials.models import AllocationSlot, RandomizationScheme, SealedSeed, Stratum, Trial

# Every stratum gets a list as long as the whole trial: nobody knows where participants will come from.
DEFAULT_LIST_LENGTH = 200


def stratum_key(levels: dict[str, str]) -> str:
    """Return the one spelling of a combination of levels: "site=leeds|sex=F"; "all" without factors."""
    return "|".join(f"{factor}={level}" for factor, level in levels.items()) or "all"


def make_strata(trial: Trial) -> list[Stratum]:
    """Store and return every combination of the factors' levels. Called inside an audited transaction."""
    factors = list(trial.factors.all())
    combinations = product(*([level["code"] for level in factor.levels] for factor in factors))
    levels = [dict(zip((factor.code for factor in factors), combination, strict=True)) for combination in combinations]
    return Stratum.objects.bulk_create(Stratum(trial=trial, key=stratum_key(each), levels=each) for each in levels)


def allocation_key() -> bytes:
    """Return the key that slots and seeds are encrypted with."""
    return b64decode(settings.ALLOCATION_KEY)


def seal_lists(trial: Trial, strata: list[Stratum]) -> str:
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
