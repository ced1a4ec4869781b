"""A laboratory that speaks FHIR, and short ways to write what it sends."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.measurements.conftest import ALL_SCOPES, Bench, make_token

FHIR_JSON = "application/fhir+json"


def entry(resource: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An entry that posts a resource."""
    return {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}, **more}


def bundle(*entries: Any, kind: str = "batch") -> dict[str, Any]:
    """A Bundle of these entries."""
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def observation(**more: Any) -> dict[str, Any]:
    """IL6 of specimen S-1, 1.83 pg/mL, unless told otherwise; an element that is None is left out."""
    usual = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"code": "IL6"}]},
        "specimen": {"identifier": {"value": "S-1"}},
        "valueQuantity": {"value": 1.83, "unit": "pg/mL", "system": "http://unitsofmeasure.org", "code": "pg/mL"},
    }
    return {name: value for name, value in (usual | more).items() if value is not None}


class FhirDoor:
    """The FHIR base of a bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.base = f"/api/v1/trials/{bench.trial.slug}/fhir"
        scopes = (*ALL_SCOPES, "specimens:write")
        self.token = make_token(bench.trial, bench.laboratory, scopes=scopes)[1]

    def post(
        self, body: Any, *, query: str = "", token: str = "", content_type: str = FHIR_JSON, **headers: str
    ) -> Any:
        """Post a Bundle, or bytes as they are."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {token or self.token}"
        return Client().post(self.base + "/" + query, sent, content_type=content_type, headers=named)

    def get(self, path: str, *, token: str = "", **headers: str) -> Any:
        """Read an address below the base, or a whole one."""
        address = path if path.startswith("http") else f"{self.base}/{path}"
        return Client().get(address, headers={"Authorization": f"Bearer {token or self.token}"} | headers)


@pytest.fixture
def door(bench: Bench) -> FhirDoor:
    """The FHIR base of a recruiting trial."""
    return FhirDoor(bench)


@pytest.fixture
def member_token(bench: Bench) -> Callable[..., str]:
    """Return a personal token for reading, of a person in this role."""
    from tests.making import make_member
    from trials.services.credentials import create_personal_token

    def make(role: str, site: str | None = None) -> str:
        member = make_member(bench.trial, role, site)
        return create_personal_token(user=member.user, name="t", scopes=["read"], by=member)[1]

    return make
