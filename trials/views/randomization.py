"""How arms are drawn, the proof of it after unblinding, and randomizations in error."""

from pathlib import Path

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from trials.access import actor_of, has_permission, require
from trials.allocation import verify_offline
from trials.errors import InConflict
from trials.forms.fields import accepted
from trials.forms.randomization import InErrorForm
from trials.permissions import Permission
from trials.selectors.participants import visible_participant
from trials.selectors.randomization import randomization_of, randomized_in_error
from trials.selectors.trials import visible_trial
from trials.services.randomization import record_randomized_in_error
from trials.services.verification import replay_allocation, replay_file
from trials.views.csv_answers import csv_answer

PER_PAGE = 50


@require_safe
def randomization(request: HttpRequest, slug: str) -> HttpResponse:
    """The method in words, the commitment, how far the lists are used, and who was randomized in error."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    errors = Paginator(randomized_in_error(trial, by), PER_PAGE).get_page(request.GET.get("page"))
    shown = randomization_of(trial, by)
    context = {
        "trial": trial,
        "randomization": shown,
        "commitment_parts": _in_eights(shown.commitment),
        "certain": f"{shown.foreknowledge.certain:.1%}" if shown.foreknowledge else "",
        "guessed": f"{shown.foreknowledge.guessed:.0%}" if shown.foreknowledge else "",
        "percent": f"{trial.minimization_probability:.0%}".removesuffix("%"),
        "errors": errors,
        "may_replay": trial.is_unblinded and has_permission(by, Permission.ALLOCATION_VIEW, trial),
    }
    return render(request, "trials/randomization.html", context)


@require_safe
def errors_csv(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """Everybody randomized in error whom the page would list."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    rows = (
        (
            each.participant.code,
            each.participant.site.code,
            each.on,
            each.error,
            "; ".join(f"{factor}: {level}" for factor, level in each.true_levels),
            each.first,
            each.reason,
        )
        for each in randomized_in_error(trial, by)
    )
    header = ("participant", "site", "found_on", "error", "true_levels", "randomized_first_as", "reason")
    return csv_answer(f"{slug}-randomized-in-error", header, rows)


@never_cache
@require_safe
def replay(request: HttpRequest, slug: str) -> HttpResponse:
    """The opened seed, the rebuilt list beside the register, and the verdict; only after unblinding."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    replayed = replay_allocation(trial=trial, by=by)
    page = Paginator(replayed.places, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "trial": trial,
        "replay": replayed,
        "page": page,
        "commitment_parts": _in_eights(replayed.verdict.commitment),
        "seed_parts": _in_eights(replayed.seed),
    }
    return render(request, "trials/randomization_replay.html", context)


def _in_eights(digits: str) -> list[str]:
    """Cut digits where a narrow page may break them."""
    return [digits[start : start + 8] for start in range(0, len(digits), 8)]


@never_cache
@require_safe
def replay_json(request: HttpRequest, slug: str) -> HttpResponse:
    """The file that the script checks."""
    by = actor_of(request)
    file = replay_file(trial=visible_trial(slug, by), by=by)
    return _download("allocation-replay.json", "application/json", file)


@require_safe
def script(request: HttpRequest, slug: str) -> HttpResponse:
    """The script that checks the file without the platform; it is the same for every trial and holds nothing secret."""
    visible_trial(slug, actor_of(request))
    text = Path(verify_offline.__file__).read_text(encoding="utf-8")
    return _download("verify_allocation.py", "text/x-python; charset=utf-8", text)


def _download(name: str, content_type: str, text: str) -> HttpResponse:
    answer = HttpResponse(text, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_http_methods(["GET", "POST"])
def in_error(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """Record that a randomization should not have been, or not so; the arm and the analysis stay as they are."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    participant = visible_participant(code, by, trial)
    require(by, Permission.PARTICIPANT_RANDOMIZE, trial, site=participant.site)
    if not hasattr(participant, "allocation"):
        raise InConflict("not_randomized", f"{participant.code} is not randomized.")
    form = InErrorForm(request, participant, request.POST if request.method == "POST" else None)
    if form.is_valid() and accepted(
        form, lambda: record_randomized_in_error(participant=participant, by=by, **form.given)
    ):
        said = _("The error is recorded. %(code)s keeps the arm and stays in the analysis.") % {"code": code}
        messages.success(request, said)
        return redirect("participant", slug=slug, code=code)
    context = {"trial": trial, "participant": participant, "form": form}
    return render(request, "trials/randomization_in_error.html", context, status=422 if form.is_bound else 200)
