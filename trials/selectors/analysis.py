"""Who was randomized to what, for the computation of estimates. Only workers import this: it needs pandas."""

import pandas as pd

from trials.models import Allocation, Trial

STRATUM = "stratum_"
"""Prefix of the columns that hold the levels of the stratification factors."""


def randomized_frame(trial: Trial) -> pd.DataFrame:
    """Return everybody randomized, one row each in the order of their numbers.

    Columns: `participant_id`, `participant` (study code), `site` and `arm` (codes), and for every stratification
    factor `stratum_<code>` with the participant's level, empty where it is not known.

    It holds every arm and asks for no permission: it is for computations only and must never be given to a face.
    """
    factors = [factor.code for factor in trial.factors.all()]
    rows = (
        Allocation.objects.filter(trial=trial)
        .order_by("participant__number", "participant_id")
        .values_list(
            "participant_id", "participant__code", "participant__site__code", "arm__code", "participant__strata"
        )
    )
    return pd.DataFrame(
        [(*row[:4], *(row[4].get(factor, "") for factor in factors)) for row in rows],
        columns=["participant_id", "participant", "site", "arm", *(STRATUM + factor for factor in factors)],
    )
