"""How a rule says no: a stable code, a sentence for people, and where it belongs."""

from collections.abc import Sequence
from typing import Any


class RuleBroken(Exception):  # noqa: N818 - it reads as what it is: `raise RuleBroken(...)`
    """A service refused. Nothing was written. `studyplatform.errors` turns it into HTTP, nobody else does."""

    status = 422

    def __init__(self, code: str, sentence: str, *, field: str = "", rows: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.field = field
        self.rows = list(rows)


class NotAllowed(RuleBroken):
    """The caller is known and may not do this (403)."""

    status = 403


class NotFound(RuleBroken):
    """There is no such thing, or the caller may not know that there is (404)."""

    status = 404


class InConflict(RuleBroken):
    """True at another moment: list used up, key still in work, trial locked (409)."""

    status = 409

    def __init__(self, code: str, sentence: str, *, field: str = "", retry_after: int | None = None) -> None:
        super().__init__(code, sentence, field=field)
        self.retry_after = retry_after


class TooMany(RuleBroken):
    """More than a token may send in this time (429)."""

    status = 429

    def __init__(self, code: str, sentence: str, *, retry_after: int) -> None:
        super().__init__(code, sentence)
        self.retry_after = retry_after
