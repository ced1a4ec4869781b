"""5,000 simultaneous randomizations, of which 10% are aborted: no slot shared, skipped or out of order."""

import os
import random
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import psycopg

from benchmarks.prove.records import Proof

if TYPE_CHECKING:  # models can be imported only once Django is set up
    from trials.models import Allocation, Trial

PART = "randomizations"
PEOPLE, FEW = 5_000, 60
AT_ONCE = 16
ABORTED = 0.1
SITES, SEXES = ("leeds", "ghent"), ("F", "M")


class Aborted(Exception):  # noqa: N818 - it is no error: it is what is tried
    """Somebody gave up before the commit."""


def prove(is_small: bool) -> Proof:
    """Randomize many at once; then read the register and rebuild each list from the sealed seed."""
    from tests.making import make_trial

    people = FEW if is_small else PEOPLE
    trial = make_trial("randomizations", sites=SITES, factors={"sex": SEXES}, planned=people)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda number: _enroll(trial, number), range(people)))
        threads.map(lambda _: _leave(), range(AT_ONCE))
    problems = [answer for answer in answers if answer not in {"allocated", "given up", "connection lost"}]
    allocations = list(trial.allocations.select_related("stratum", "arm").order_by("id"))
    counts = Counter(answers)
    if len(allocations) != counts["allocated"]:
        problems.append(f"{counts['allocated']} arms were told and {len(allocations)} are in the register")
    problems += _problems_of(trial, allocations)
    return Proof(PART, f"{people:,} people, {AT_ONCE} at once", dict(counts), problems)


def _enroll(trial: "Trial", number: int) -> str:
    """Screen, consent, randomize; one in ten is aborted between the randomization and its commit."""
    from django.db import Error, transaction

    from benchmarks.trials import DAYS
    from tests.making import PLATFORM
    from trials.services.enrollment import record_consent, screen_participant
    from trials.services.randomization import randomize_participant

    chance = random.Random(number)
    site, day = trial.sites.get(code=chance.choice(SITES)), DAYS["baseline"]
    try:
        person = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=day)
        person = record_consent(participant=person, by=PLATFORM, on=day, version="1.0")
        with transaction.atomic():
            randomize_participant(participant=person, by=PLATFORM, levels={"sex": chance.choice(SEXES)}, on=day)
            if chance.random() < ABORTED:
                _abort(chance.random() < 0.5)
    except Aborted:
        return "given up"
    except Error as error:
        _leave()
        return "connection lost" if "terminating connection" in str(error) else f"person {number}: {error}"
    except Exception as error:
        return f"person {number}: {type(error).__name__}: {error}"
    return "allocated"


def _abort(is_lost: bool) -> None:
    """Give up, or lose the database's process amid the transaction."""
    from django.db import connection

    if is_lost:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    raise Aborted


def _leave() -> None:
    from django.db import connections

    connections.close_all()


def _problems_of(trial: "Trial", allocations: "list[Allocation]") -> list[str]:
    """Compare the register with the lists: each stratum 1, 2, 3 … in the order of the register, arms as sealed."""
    by_stratum: dict[str, list[Allocation]] = defaultdict(list)
    for allocation in allocations:
        by_stratum[allocation.stratum.key].append(allocation)
    problems = []
    for key, given in by_stratum.items():
        numbers = [allocation.sequence for allocation in given]
        if numbers != list(range(1, len(numbers) + 1)):
            problems.append(f"{key}: slots in the order {numbers}")
        sealed = _sealed_arms(trial, key, len(given))
        if [allocation.arm.code for allocation in given] != sealed:
            problems.append(f"{key}: the arms are not those of the sealed list")
    return problems


def _sealed_arms(trial: "Trial", stratum: str, count: int) -> list[str]:
    """Rebuild a list from the sealed seed, which only the database's owner can read."""
    from trials.allocation.blocks import Scheme, permuted_blocks
    from trials.allocation.seed import open_seed
    from trials.services.sealing import allocation_key

    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
        found = owner.execute("SELECT ciphertext FROM trials_sealedseed WHERE scheme_id = %s", [trial.scheme.pk])
        (sealed,) = found.fetchone() or (b"",)
    seed = open_seed(allocation_key(), bytes(sealed), trial=trial.slug)
    scheme = Scheme.from_json(trial.scheme.specification)
    return [slot.arm for slot in islice(permuted_blocks(seed, scheme, stratum), count)]
