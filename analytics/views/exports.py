"""The exports page: request a zip, follow it, fetch it; and the tables one by one."""

from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from analytics.exports.building import file_name, hand_out
from analytics.models import Export
from analytics.selectors.exports import exports_of, visible_export
from analytics.services.exports import request_export
from trials.access import Actor, actor_of, has_permission, sees_effects
from trials.models import Trial
from trials.permissions import Permission
from trials.selectors.trials import visible_trial

LISTED = 30
UNDER_WAY = {Export.State.QUEUED, Export.State.RUNNING}


@require_http_methods(["GET", "POST"])
def exports(request: HttpRequest, slug: str) -> HttpResponse:
    """The person's exports of the trial; posting requests a new one."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    if request.method == "POST":
        request_export(trial=trial, by=by)
        messages.success(request, _("The export is requested. It appears below as soon as it is finished."))
        return redirect("exports", slug=slug)
    may_export = has_permission(by, Permission.EXPORT, trial)
    context = {"trial": trial, "may_export": may_export, "sees_effects": sees_effects(by, trial)}
    if may_export:
        context |= _listed(trial, by)
    return render(request, "analytics/exports.html", context)


def _listed(trial: Trial, by: Actor) -> dict[str, object]:
    listed = list(exports_of(by, trial)[:LISTED])
    return {
        "exports": listed,
        "is_waiting": any(export.state in UNDER_WAY for export in listed),
        "seen": ".".join(f"{export.pk}{export.state[0]}{export.progress}" for export in listed),
    }


@require_safe
def exports_part(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer the list for a page that waits: 204 while nothing changed."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    context = _listed(trial, by)
    if context["seen"] == request.GET.get("seen"):
        return HttpResponse(status=204)
    return render(request, "analytics/_exports_list.html", {"trial": trial, **context})


@require_safe
def export_file(request: HttpRequest, reference: UUID) -> FileResponse:
    """Send the zip to who asked for it; every download is recorded."""
    by = actor_of(request)
    export = visible_export(reference, by)
    path = hand_out(export=export, by=by)
    return FileResponse(path.open("rb"), as_attachment=True, filename=file_name(export), content_type="application/zip")
