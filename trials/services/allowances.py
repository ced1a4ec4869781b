"""How much a token may send: a bucket of requests and one of rows, which fill again with time.

Kept in PostgreSQL, so that every web process sees the same, and an empty Redis gives nobody more.
"""

import math
from dataclasses import dataclass

from django.db import connection

# One statement, by the database's clock. A bucket that does not hold enough is left as it is: who keeps asking is let
# in as soon as others are.
SPEND = """
INSERT INTO trials_allowance AS held (name, remaining, is_granted, counted_at)
VALUES (%(name)s, %(most)s::float8 - %(amount)s, true, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET (remaining, is_granted, counted_at) = (
    SELECT CASE WHEN refilled >= %(amount)s THEN refilled - %(amount)s ELSE refilled END,
           refilled >= %(amount)s, greatest(held.counted_at, clock_timestamp())
    FROM (SELECT least(%(most)s::float8, held.remaining
        + %(rate)s * greatest(0, extract(epoch FROM clock_timestamp() - held.counted_at)::float8)) AS refilled) AS now
)
RETURNING remaining, is_granted
"""


@dataclass(frozen=True)
class Limit:
    """At most so many in so many seconds: the size of the bucket, and how fast it fills. 0 is no limit."""

    most: int
    seconds: int

    @property
    def rate(self) -> float:
        """How many come back in a second."""
        return self.most / self.seconds


@dataclass(frozen=True)
class Spent:
    """What became of a request for more: let in or not, what is left, and when there is enough, or all, again."""

    limit: Limit
    is_granted: bool
    remaining: int
    retry_after: int
    full_after: int


def spend(*, name: str, amount: int, limit: Limit) -> Spent:
    """Take so much from the bucket of this name, or nothing where it does not hold that much.

    What exceeds the bucket itself is let in when it is full. `retry_after` and `full_after` are whole seconds.
    """
    amount = min(amount, limit.most)
    with connection.cursor() as cursor:
        cursor.execute(SPEND, {"name": name, "amount": amount, "most": limit.most, "rate": limit.rate})
        remaining, is_granted = cursor.fetchone()
    missing = 0 if is_granted else max(0.0, amount - remaining)
    return Spent(
        limit=limit,
        is_granted=is_granted,
        remaining=int(remaining),
        retry_after=0 if is_granted else max(1, math.ceil(missing / limit.rate)),
        full_after=math.ceil((limit.most - remaining) / limit.rate),
    )
