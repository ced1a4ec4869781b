"""One recruiting trial with a laboratory, its tokens, and a few specimens, made through the services."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from measurements.models import Result
from measurements.services.assays import Limits, add_assay
from measurements.services.catalogue import add_biomarkers
from measurements.services.specimens import register_specimen
from tests.making import PLATFORM, make_trial
from trials.models import Laboratory, LaboratoryCredential, Participant, Trial
from trials.services.credentials import create_laboratory_credential
from trials.services.enrollment import record_consent, screen_participant
from trials.services.people import add_laboratory
from trials.services.randomization import randomize_participant

RANDOMIZED_ON = date(2026, 3, 2)
ALL_SCOPES = ("results:write", "results:read", "specimens:read")


@dataclass(frozen=True)
class Bench:
    """A laboratory at work for a trial: T-001-F in Leeds with specimen S-1, T-002-D in Ghent with S-2 and none else."""

    trial: Trial
    laboratory: Laboratory
    credential: LaboratoryCredential
    token: str

    @property
    def url(self) -> str:
        """The address that results are posted to."""
        return f"/api/v1/trials/{self.trial.slug}/results/"

    def post(
        self, rows: Sequence[Mapping[str, Any]] | bytes, *, query: str = "", token: str = "", **headers: str
    ) -> Any:
        """Post rows as JSON (or a body as it is) with the laboratory's token."""
        body = rows if isinstance(rows, bytes) else json.dumps({"results": list(rows)}).encode()
        sent = {"content_type": "application/json", "headers": {"Authorization": f"Bearer {token or self.token}"}}
        content_type = headers.pop("content_type", sent["content_type"])
        sent["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
        return Client().post(self.url + query, body, content_type=content_type, headers=sent["headers"])

    def get(self, path: str, *, token: str = "") -> Any:
        """Read an address below the trial's."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return Client().get(f"/api/v1/trials/{self.trial.slug}/{path}", headers=headers)

    def participant(self, code: str) -> Participant:
        """One of the trial's participants."""
        return Participant.objects.get(trial=self.trial, code=code)


def make_participant(trial: Trial, site: str, sex: str = "F") -> Participant:
    """Screen, consent and randomize somebody."""
    participant = screen_participant(
        trial=trial, site=trial.sites.get(code=site), by=PLATFORM, screened_on=date(2026, 2, 20)
    )
    participant = record_consent(participant=participant, by=PLATFORM, on=date(2026, 2, 21), version="1.0")
    randomize_participant(participant=participant, by=PLATFORM, levels={"sex": sex}, on=RANDOMIZED_ON)
    participant.refresh_from_db()
    return participant


def make_bench(slug: str = "t") -> Bench:
    """Make the trial and its laboratory."""
    trial = make_trial(slug)
    biomarkers = add_biomarkers(trial=trial, biomarkers=["IL6", "CRP", "IL10", "CORT", "PSS10"], by=PLATFORM)
    laboratory = add_laboratory(trial=trial, code="ghent-immunology", name="Ghent Immunology", by=PLATFORM)
    add_assay(
        trial=trial,
        laboratory=laboratory,
        biomarker=biomarkers[2],
        code="luminex",
        unit="pg/mL",
        limits=Limits(quantification=Decimal("0.4"), upper=Decimal(500)),
        by=PLATFORM,
    )
    for site, specimen in (("leeds", "S-1"), ("ghent", "S-2")):
        participant = make_participant(trial, site)
        register_specimen(
            participant=participant,
            visit=trial.visits.get(code="baseline"),
            identifier=specimen,
            specimen_type="serum",
            by=PLATFORM,
        )
    return Bench(trial, laboratory, *make_token(trial, laboratory))


def make_token(
    trial: Trial, laboratory: Laboratory, *, scopes: Sequence[str] = ALL_SCOPES, is_sandbox: bool = False
) -> tuple[LaboratoryCredential, str]:
    """Make a credential for this laboratory and trial."""
    return create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name="bench", scopes=scopes, by=PLATFORM, is_sandbox=is_sandbox
    )


@pytest.fixture
def bench(db: None) -> Bench:
    """A laboratory at work, in a transaction that is rolled back."""
    return make_bench()


@pytest.fixture
def stored() -> Callable[[], int]:
    """Count what is stored."""
    return Result.objects.count


@pytest.fixture
def day() -> Callable[[str], date]:
    """Read a date."""
    return date.fromisoformat
