"""Sealing how arms are drawn: strata, the concealed lists, the seed and its commitment; and opening one place."""

from base64 import b64decode
from itertools import islice, product

from django.conf import settings
from django.db import connection

from trials.allocation import blocks
from trials.allocation.schemes import Scheme, contents
from trials.allocation.seed import commitment, new_seed, seal_seed
from trials.allocation.slots import encrypt_slot
from trials.errors import RuleBroken
from trials.models import AllocationSlot, RandomizationScheme, SealedSeed, Stratum, Trial
from trials.selectors.randomization import designed_scheme

# Every list could serve the whole trial, as nobody knows where participants will come from, and as much again: what is
# sealed cannot grow when the planned number is amended.
RESERVE = 2
SHORTEST_LIST = 200

WHOLE_TRIAL = "all"


def stratum_key(levels: dict[str, str]) -> str:
    """Return the one spelling of a combination of levels: "site=leeds|sex=F"; "all" without factors."""
    return "|".join(f"{factor}={level}" for factor, level in levels.items()) or WHOLE_TRIAL


def has_one_list(trial: Trial) -> bool:
    """Return whether one list serves the whole trial: blocks alone are drawn for each stratum apart."""
    return not trial.randomized_elsewhere and trial.randomization_method != blocks.METHOD


def list_for(trial: Trial, levels: dict[str, str]) -> Stratum:
    """Return the stratum whose list serves a participant or group with these levels."""
    return Stratum.objects.get(trial=trial, key=WHOLE_TRIAL if has_one_list(trial) else stratum_key(levels))


def make_strata(trial: Trial) -> list[Stratum]:
    """Store and return every combination of the factors' levels, or the one list's. Inside an audited transaction."""
    factors = [] if has_one_list(trial) else list(trial.factors.all())
    combinations = product(*([level["code"] for level in factor.levels] for factor in factors))
    levels = [dict(zip((factor.code for factor in factors), combination, strict=True)) for combination in combinations]
    return Stratum.objects.bulk_create(Stratum(trial=trial, key=stratum_key(each), levels=each) for each in levels)


def list_length(planned: int | None) -> int:
    """Return how many places every list of a trial has that is registered with this planned number."""
    return max(RESERVE * (planned or 0), SHORTEST_LIST)


def sealed_places(trial: Trial) -> int:
    """Return how many places each list of a registered trial has; 0 for one that was randomized elsewhere."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_places(%s)", [trial.pk])
        return int(cursor.fetchone()[0])


def allocation_key() -> bytes:
    """Return the key that slots and seeds are encrypted with."""
    return b64decode(settings.ALLOCATION_KEY)


def seal_lists(trial: Trial, strata: list[Stratum]) -> str:
    """Draw the seed, store commitment, sealed seed and encrypted slots; return the commitment.

    Raises RuleBroken for a design that nothing can be drawn from, such as minimization without factors.
    """
    specification = _possible_scheme(trial)
    seed, key = new_seed(), allocation_key()
    scheme = RandomizationScheme.objects.create(
        trial=trial, specification=specification.canonical_json(), commitment=commitment(seed, specification)
    )
    SealedSeed.objects.create(scheme=scheme, ciphertext=seal_seed(key, seed, trial=trial.slug))
    length = list_length(trial.planned_participants)
    AllocationSlot.objects.bulk_create(
        (
            AllocationSlot(
                trial=trial,
                stratum=stratum,
                sequence=sequence,
                ciphertext=encrypt_slot(key, trial=trial.slug, stratum=stratum.key, sequence=sequence, content=content),
            )
            for stratum in strata
            for sequence, content in enumerate(islice(contents(seed, specification, stratum.key), length), start=1)
        ),
        batch_size=5000,
    )
    return scheme.commitment


def _possible_scheme(trial: Trial) -> Scheme:
    try:
        return designed_scheme(trial)
    except ValueError as error:
        raise RuleBroken(
            "scheme_impossible", f"Arms cannot be drawn as designed: {error}. {trial.title} was not registered."
        ) from error
