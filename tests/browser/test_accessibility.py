"""axe-core finds nothing on any page that belongs to a trial, and on no page without one."""

from collections.abc import Callable, Iterator
from datetime import date

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from playwright.sync_api import Page

from measurements.services.catalogue import add_biomarkers
from measurements.services.queries import open_query
from tests.making import PLATFORM, make_member, make_trial
from trials.models import Participant, Trial
from trials.services.enrollment import record_consent, record_event, screen_participant
from trials.services.randomization import randomize_participant

pytestmark = pytest.mark.browser
DAY = date(2026, 3, 1)
# Pages of a library that need a state of their own, and addresses that answer with files or parts of pages.
LEFT_OUT = ("account_", "mfa_", "api-", "fhir", "trial-overview-part")


def named_routes(patterns: list, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield every named page with the parameters of its address."""
    for pattern in patterns:
        parameters = (*seen, *pattern.pattern.converters)
        if isinstance(pattern, URLResolver):
            yield from named_routes(pattern.url_patterns, parameters)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name, frozenset(parameters)


def addresses(trial: Trial, participant: Participant) -> list[str]:
    """Return the address of every page that a trial, a participant and a visit are enough for."""
    known = {"slug": trial.slug, "code": participant.code, "visit": "baseline", "kind": "died"}
    routes = {
        (name, parameters)
        for name, parameters in named_routes(get_resolver().url_patterns)
        if parameters <= known.keys() and not name.startswith(LEFT_OUT)
    }
    return sorted({reverse(name, kwargs={key: known[key] for key in parameters}) for name, parameters in routes})


def fill(trial: Trial) -> Participant:
    """Give the trial somebody to whom a few things happened."""
    add_biomarkers(trial=trial, biomarkers=["IL6", "CRP"], by=PLATFORM)
    for _ in range(3):
        participant = screen_participant(trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=DAY)
        participant = record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")
        randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"}, on=DAY)
    participant.refresh_from_db()
    record_event(participant=participant, kind="intervention_started", by=PLATFORM, on=DAY)
    open_query(participant=participant, question="Which day was it?", by=PLATFORM, visit=trial.visits.first())
    return participant


def violations(page: Page, address: str) -> list[str]:
    """Return what axe has to say about a page; nothing of what is not a page."""
    answer = page.request.get(address)
    assert answer.status < 500, address
    if not answer.ok or "text/html" not in answer.headers["content-type"] or "<main" not in answer.text():
        return []
    page.goto(address)
    found = Axe().run(page).response["violations"]
    return [f"{address}: {each['id']}: {[node['html'][:160] for node in each['nodes'][:3]]}" for each in found]


def test_axe_finds_nothing(platform: str, sign_in: Callable[..., Page]) -> None:
    trial = make_trial()
    participant = fill(trial)
    member = make_member(trial, "principal_investigator")
    page = sign_in(member.user.email)
    looked_at = addresses(trial, participant)
    assert len(looked_at) > 40
    found = "\n".join(line for address in looked_at for line in violations(page, address))
    assert not found, found
