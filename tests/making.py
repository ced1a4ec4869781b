"""What tests start from, made through the services as people would make it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any

import psycopg
from django.db import connection

from trials.access import Actor
from trials.allocation.blocks import Scheme, Slot, permuted_blocks
from trials.allocation.seed import open_seed
from trials.models import Stratum, Trial, User
from trials.services.design import ArmDesign, CriterionDesign, FactorDesign, create_trial
from trials.services.lifecycle import change_status, register_trial
from trials.services.people import create_account, grant_role
from trials.services.sealing import allocation_key

PLATFORM = Actor(process="test")
PASSWORD = "a long enough password"
ARMS = (
    ArmDesign("cbt", "CBT", "intervention", intervention_type="cbt"),
    ArmDesign("waitlist", "Waitlist", "waitlist", is_reference=True),
)


def make_trial(
    slug: str = "t",
    *,
    sites: Sequence[str] = ("leeds", "ghent"),
    factors: Mapping[str, Sequence[str]] | None = None,
    planned: int = 40,
    status: str = "recruiting",
    is_open_label: bool = True,
    arms: Sequence[ArmDesign] = ARMS,
    criteria: Sequence[CriterionDesign] = (),
    **more: Any,
) -> Trial:
    """Return a trial with two sites, a factor and two arms, recruiting unless asked otherwise; `more` of the design."""
    designed = {"sex": ("F", "M")} if factors is None else factors
    trial = create_trial(
        slug=slug,
        title=slug.upper(),
        by=PLATFORM,
        arms=arms,
        sites=[(code, code.title()) for code in sites],
        factors=[
            FactorDesign(code, code.title(), [(level, level) for level in levels]) for code, levels in designed.items()
        ],
        criteria=criteria,
        code_prefix="T",
        planned_participants=planned,
        is_open_label=is_open_label,
        recruitment_starts=date(2026, 1, 1),
        **more,
    )
    if status != "draft":
        trial = register_trial(trial=trial, by=PLATFORM)
    if status == "recruiting":
        trial = change_status(trial=trial, to="recruiting", by=PLATFORM)
    return trial


def make_member(trial: Trial, role: str, site: str | None = None) -> Actor:
    """Return a person who holds this role in the trial."""
    email = f"{role}-{site or 'all'}@example.org"
    user = User.objects.filter(email=email).first() or create_account(
        email=email, name=role.replace("_", " ").title(), password=PASSWORD, by=PLATFORM
    )
    grant_role(trial=trial, user=user, role=role, by=PLATFORM, site=trial.sites.get(code=site) if site else None)
    return Actor(user=user)


def make_administrator(email: str = "administrator@example.org") -> Actor:
    """Return an administrator, who takes part in no trial."""
    user = create_account(email=email, name="Administrator", password=PASSWORD, by=PLATFORM, is_administrator=True)
    return Actor(user=user)


def slots_of(trial: Trial, stratum: Stratum, count: int) -> Iterator[Slot]:
    """Rebuild a stratum's list from the sealed seed, which only the database's owner can read before unblinding."""
    database = connection.settings_dict["NAME"]
    with psycopg.connect(os.environ["STUDYPLATFORM_TEST_OWNER_URL"], dbname=database) as owner:
        (sealed,) = owner.execute(
            "SELECT seed.ciphertext FROM trials_sealedseed seed"
            " JOIN trials_randomizationscheme scheme ON scheme.id = seed.scheme_id WHERE scheme.trial_id = %s",
            [trial.pk],
        ).fetchone()
    seed = open_seed(allocation_key(), bytes(sealed), trial=trial.slug)
    scheme = Scheme.from_json(trial.scheme.specification)
    return islice(permuted_blocks(seed, scheme, stratum.key), count)
