"""Source verification: how much was compared for each participant, and marking it."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from measurements.selectors.verification import SourceItem, source_items
from measurements.services.verification import verify_source
from trials.access import actor_of, has_permission
from trials.errors import RuleBroken
from trials.models import Participant
from trials.permissions import Permission
from trials.selectors.participants import participants_visible_to, visible_participant
from trials.selectors.trials import visible_trial

PAGE_LENGTH = 50


@require_safe
def source_verification(request: HttpRequest, slug: str) -> HttpResponse:
    """List participants with how many of their items were compared with the source; `site` narrows."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = participants_visible_to(by, trial).order_by("number", "screening_number")
    site = request.GET.get("site", "")
    found = found.filter(site__code=site) if site else found
    page = Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page"))
    items = source_items(list(page.object_list), by)
    context = {
        "trial": trial,
        "page": page,
        "lines": [(person, len(items[person.pk]), _verified(items[person.pk])) for person in page.object_list],
        "sites": trial.sites.all(),
        "site": site,
    }
    return render(request, "measurements/source_verification.html", context)


def _verified(items: list[SourceItem]) -> int:
    return sum(item.is_verified for item in items)


@require_http_methods(["GET", "POST"])
def participant_source(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """Every item of one participant with its mark; a monitor marks what was compared."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    participant = visible_participant(code, by, trial)
    status = 200
    if request.method == "POST":
        try:
            changed = verify_source(
                participant=participant,
                keys=request.POST.getlist("keys"),
                by=by,
                is_verified=request.POST.get("action") != "unmark",
            )
        except RuleBroken as error:
            if error.status != 422:
                raise
            messages.error(request, error.sentence)
            status = 422
        else:
            messages.success(request, _told(changed))
            return redirect("participant-source", slug=slug, code=code)
    return _page(request, participant, status)


def _told(changed: int) -> str:
    return ngettext("%(count)d mark changed.", "%(count)d marks changed.", changed) % {"count": changed}


def _page(request: HttpRequest, participant: Participant, status: int) -> HttpResponse:
    by = actor_of(request)
    items = source_items([participant], by)[participant.pk]
    context = {
        "trial": participant.trial,
        "participant": participant,
        "items": items,
        "verified": _verified(items),
        "may_verify": has_permission(by, Permission.SOURCE_VERIFY, participant.trial, site=participant.site),
    }
    return render(request, "measurements/participant_source.html", context, status=status)
