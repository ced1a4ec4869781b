"""A recruiting trial with a laboratory at work: what deliveries are posted to. Import once Django is set up."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from measurements.models import Specimen
from measurements.services.catalogue import add_biomarkers
from studyplatform.wsgi import application
from tests.making import PLATFORM, make_trial
from trials import audit
from trials.models import Laboratory, Participant, Trial
from trials.services.credentials import create_laboratory_credential
from trials.services.enrollment import record_consent, screen_participant
from trials.services.people import add_laboratory
from trials.services.randomization import randomize_participant

DAYS = {"baseline": date(2026, 1, 5), "six_months": date(2026, 7, 7)}
# All measured in serum. The laboratory sends half of them in another unit than the trial keeps.
UNITS_SENT = {
    "IL6": "ng/L",
    "CRP": "mg/L",
    "TNF": "ng/L",
    "IL1B": "ng/L",
    "IL10": "pg/mL",
    "IL4": "pg/mL",
    "FLUA": "{titer}",
    "IGG": "{titer}",
    "NEOPT": "nmol/L",
    "PGE2": "ng/L",
}
PANEL = len(UNITS_SENT)
"""Results per specimen."""


@dataclass(frozen=True)
class Reply:
    """What came back: HTTP status, JSON, and whether it is an earlier answer again."""

    status: int
    body: dict[str, Any]
    is_replay: bool


@dataclass(frozen=True)
class Bench:
    """The trial and the laboratory's way in."""

    trial: Trial
    laboratory: Laboratory
    token: str

    def post(self, body: bytes, key: str = "") -> Reply:
        """Post a delivery to the web server's entry in this process, by the whole path of a request."""
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        address = f"/api/v1/trials/{self.trial.slug}/results/"
        return ask(RequestFactory(SERVER_NAME="localhost").post(address, body, "application/json", headers=headers))


def ask(request: WSGIRequest) -> Reply:
    """Give a request to the application as a web server does; return its JSON answer."""
    started: list[Any] = []
    response = application(request.environ, lambda *line: started.extend(line))
    try:
        body = json.loads(b"".join(response))
    finally:
        response.close()
    return Reply(int(started[0].split()[0]), body, dict(started[1]).get("Idempotent-Replay") == "true")


def stream(slug: str, file: str, token: str) -> Iterator[bytes]:
    """Yield what a GET below a trial's address answers, piece by piece. Raises RuntimeError unless that is 200."""
    headers = {"Authorization": f"Bearer {token}"}
    request = RequestFactory(SERVER_NAME="localhost").get(f"/api/v1/trials/{slug}/{file}", headers=headers)
    started: list[Any] = []
    response = application(request.environ, lambda *line: started.extend(line))
    try:
        if started[0] != "200 OK":
            raise RuntimeError(f"{started[0]} {b''.join(response)[:500]!r}")
        yield from response
    finally:
        response.close()


def make_bench(slug: str, *, participants: int) -> Bench:
    """Make a trial that measures the panel in this many randomized participants."""
    trial = make_trial(slug, factors={}, planned=max(participants, 2))
    add_biomarkers(trial=trial, biomarkers=list(UNITS_SENT), by=PLATFORM)
    laboratory = add_laboratory(trial=trial, code="bench", name="Bench", by=PLATFORM)
    for _ in range(participants):
        randomized_participant(trial)
    _, token = create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name=slug, scopes=("results:write", "results:read"), by=PLATFORM
    )
    return Bench(trial, laboratory, token)


def randomized_participant(trial: Trial) -> Participant:
    """Take somebody into the trial and randomize them."""
    day = DAYS["baseline"]
    screened = screen_participant(trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=day)
    consented = record_consent(participant=screened, by=PLATFORM, on=day, version="1.0")
    return randomize_participant(participant=consented, by=PLATFORM, on=day).participant


def add_specimens(trial: Trial, name: str, count: int, *, people: Sequence[Participant] = ()) -> list[Specimen]:
    """Store serum specimens `<name>-<number>` of these participants (by default all) and visits in turn."""
    people = people or list(trial.participants.order_by("id"))
    visits = list(trial.visits.order_by("position"))
    with audit.transaction(by=PLATFORM) as event:
        specimens = Specimen.objects.bulk_create(
            Specimen(
                trial=trial,
                participant=people[number // len(visits) % len(people)],
                visit=visits[number % len(visits)],
                identifier=f"{name}-{number:05d}",
                drawn_at=_at_eight(visits[number % len(visits)].code),
            )
            for number in range(count)
        )
        event.record("specimens.added", trial=trial, row_count=count)
    return specimens


def rows_of(specimens: Sequence[Specimen]) -> list[dict[str, str]]:
    """Return the whole panel for each specimen as a laboratory sends it."""
    return [
        {
            "specimen": specimen.identifier,
            "biomarker": biomarker,
            "value": f"{2 + (7 * number + 3 * place) % 31 / 10:.2f}",
            "unit": unit,
            "collected_at": specimen.drawn_at.isoformat() if specimen.drawn_at else "",
        }
        for number, specimen in enumerate(specimens)
        for place, (biomarker, unit) in enumerate(UNITS_SENT.items())
    ]


def delivery(rows: Sequence[dict[str, str]], run: str = "") -> bytes:
    """Return rows as the body of a post."""
    return json.dumps(({"run": {"id": run}} if run else {}) | {"results": rows}).encode()


def _at_eight(visit: str) -> datetime:
    day = DAYS[visit]
    return datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
