"""Deliveries of results: the list, and one with its row report."""

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from measurements.selectors.listings import submissions_visible_to, visible_submission
from trials.access import actor_of
from trials.selectors.trials import visible_trial

PAGE_LENGTH = 50


@require_GET
def submissions(request: HttpRequest, slug: str) -> HttpResponse:
    """List what laboratories delivered, the newest first; `held=yes` leaves those with rows that wait."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = submissions_visible_to(by, trial).order_by("-id")
    only_held = request.GET.get("held") == "yes"
    page = Paginator(found.filter(held__gt=0) if only_held else found, PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(request, "measurements/submissions.html", {"trial": trial, "page": page, "only_held": only_held})


@require_GET
def submission(request: HttpRequest, slug: str, reference: UUID) -> HttpResponse:
    """Show one delivery: its counts and what was said of its rows."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    delivery = visible_submission(by, trial, reference)
    findings = [*delivery.report.get("errors", []), *delivery.report.get("warnings", [])]
    page = Paginator(sorted(findings, key=lambda finding: finding["row"]), PAGE_LENGTH).get_page(
        request.GET.get("page")
    )
    return render(request, "measurements/submission.html", {"trial": trial, "delivery": delivery, "page": page})
