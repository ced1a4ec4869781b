"""The demonstration's laboratory: it posts results over HTTP like any other."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

ROWS_PER_POST = 5_000
Row = Mapping[str, str]


class NotTakenError(Exception):
    """The platform refused a delivery of the demonstration."""


class Poster:
    """Posts rows to the API at `base_url` with a laboratory's token."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url
        self._token = token
        # Without the proxy that the environment may name: this is our own machine.
        self._http = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(self, slug: str, rows: Sequence[Row], *, run: str) -> int:
        """Deliver all rows in parts; return how many were stored. Raises NotTakenError with the row report."""
        stored = 0
        for start in range(0, len(rows), ROWS_PER_POST):
            part = rows[start : start + ROWS_PER_POST]
            answer = self._send(slug, {"run": {"id": run}, "results": part})
            stored += answer["created"] + answer["corrected"] + answer["unchanged"]
        return stored

    def _send(self, slug: str, body: Mapping[str, Any]) -> dict[str, Any]:
        content = json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self._base_url}/api/v1/trials/{slug}/results/",
            data=content,
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "Idempotency-Key": hashlib.sha256(content).hexdigest(),
            },
        )
        try:
            with self._http.open(request, timeout=120) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise NotTakenError(f"{slug}: {error.code} {error.read()[:2000].decode(errors='replace')}") from error
