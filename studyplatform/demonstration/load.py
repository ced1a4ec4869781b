"""Loading the demonstration: people, trials, results, and the file that tells how to sign in."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from demo.calm_sleep import RECRUITING_FOR_DAYS
from measurements.services.sandbox import ready_sandbox
from studyplatform.demonstration import calm_sleep, published
from studyplatform.demonstration.bench import set_up_bench
from studyplatform.demonstration.conduct import conduct
from studyplatform.demonstration.laboratory import Poster, Row
from studyplatform.demonstration.people import PLATFORM, join, make_people, make_personal_tokens, sign_ins
from studyplatform.demonstration.plates import describe_plates
from trials.models import Laboratory, Trial
from trials.services.credentials import create_laboratory_credential
from trials.services.people import add_laboratory

LABORATORY = ("ghent-immunology", "Ghent Immunology")
ALL_SCOPES = ("results:write", "results:read", "specimens:read")


def load(*, say: Callable[[str], object]) -> None:
    """Load everything and write `demo.json` last. Interrupted, it goes on where it stopped."""
    base_url = os.environ["STUDYPLATFORM_BASE_URL"]
    if not Trial.objects.filter(slug="calm-sleep").exists():
        _make(timezone.localdate())
    opt, btheb, calm = (Trial.objects.get(slug=slug) for slug in ("opt", "btheb", "calm-sleep"))
    lab_tokens = _laboratory_tokens((opt, btheb, calm))
    poster = Poster(base_url, lab_tokens["lab"])
    for trial, rows in ((opt, published.opt_results()), (btheb, published.btheb_results())):
        if not trial.is_unblinded:
            say(f"{trial.title}: {poster.post(trial.slug, list(rows), run='archive')} results")
            published.finish(trial)
    say(f"{calm.title}: {_follow(calm, poster)} results")
    tokens = lab_tokens | make_personal_tokens()
    _write(Path(settings.DATA_DIR), {"base_url": base_url, "users": sign_ins(), "tokens": tokens})


def _make(today: date) -> None:
    """Make people, trials and participants, all or nothing."""
    with transaction.atomic():
        users = make_people()
        opt, btheb, calm = published.make_opt(), published.make_btheb(), calm_sleep.make_calm_sleep(today)
        for trial in (opt, btheb, calm):
            join(trial, users, coordinator_at=calm.sites.get(code="ghent") if trial is calm else None)
        calm_sleep.enrol(calm, today)


def _laboratory_tokens(trials: Sequence[Trial]) -> dict[str, str]:
    """Let the laboratory deliver to all trials; return its live and its sandbox token."""
    code, name = LABORATORY
    for trial in trials:
        laboratory = add_laboratory(trial=trial, code=code, name=name, by=PLATFORM)
    calm_sleep.describe_assays(trials[-1], laboratory)
    for trial in trials:
        ready_sandbox(trial=trial, by=PLATFORM)
    return {
        key: create_laboratory_credential(
            laboratory=laboratory,
            trials=trials,
            name="Demonstration sandbox" if is_sandbox else "Demonstration",
            scopes=ALL_SCOPES,
            by=PLATFORM,
            is_sandbox=is_sandbox,
        )[1]
        for key, is_sandbox in (("lab", False), ("lab_sandbox", True))
    }


def _follow(trial: Trial, poster: Poster) -> int:
    """Record CALM-Sleep's visits and post what was measured; return the number of results."""
    today = (trial.recruitment_starts or timezone.localdate()) + timedelta(days=RECRUITING_FOR_DAYS)
    enrolled = calm_sleep.enrolled_in(trial, today)
    calm_sleep.attend(trial, enrolled, today)
    deliveries: tuple[tuple[str, Iterable[Row]], ...] = (
        ("plate-1", calm_sleep.results(enrolled, "baseline", today)),
        ("plate-1", calm_sleep.corrections(enrolled, today)),
        ("plate-2", calm_sleep.results(enrolled, "six_months", today)),
    )
    stored = sum(poster.post(trial.slug, list(rows), run=run) for run, rows in deliveries)
    conduct(trial, calm_sleep.treated(enrolled), [each.participant for each in enrolled], today)
    describe_plates(trial, today)
    set_up_bench(trial, Laboratory.objects.get(code=LABORATORY[0]), enrolled)
    calm_sleep.withdraw(enrolled)
    return stored


def _write(directory: Path, content: dict[str, object]) -> None:
    """Write `demo.json` so that it is whole or not there, readable by this account only."""
    draft = directory / "demo.json.new"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content, indent=1) + "\n")
    draft.rename(directory / "demo.json")
