"""The overview of a trial: how far it is, and what it shows to this person."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from analytics.selectors.flow import trial_flow
from analytics.selectors.overview import (
    Progress,
    chosen_follow_up,
    last_submission,
    open_queries,
    visit_progress,
)
from analytics.views.charts import behind_plan, flow_chart, recruitment_figure
from analytics.views.effects_card import effects_card
from analytics.views.grid import grid_of
from measurements.selectors.held_rows import may_settle, waiting_for
from trials.access import Actor, actor_of, has_permission
from trials.models import Trial, Visit
from trials.permissions import Permission
from trials.selectors.participants import participants_visible_to
from trials.selectors.recruitment import RecruitmentCounts, recruitment_counts
from trials.selectors.trials import visible_trial
from trials.templatetags.interface import ago, number

LATEST = 8


@require_safe
def trial_overview(request: HttpRequest, slug: str) -> HttpResponse:
    """State, four figures, effects or precision, flow, recruitment, and the newest participants."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    visit = chosen_follow_up(trial)
    recruited = recruitment_counts(trial, by)
    progress = visit_progress(trial, visit, by, by_arm=False) if visit else {}
    context = {
        "trial": trial,
        "visit": visit,
        "card": effects_card(trial, visit, by) if visit else None,
        "figures": _figures(trial, visit, recruited, list(progress.values()), by),
        "flow": flow_chart(trial_flow(trial, by), is_short=True) if visit and recruited.randomized else None,
        "recruitment": recruitment_figure(trial, recruited),
        "may_enrol": has_permission(by, Permission.PARTICIPANT_ENROLL, trial)
        and trial.status == Trial.Status.RECRUITING,
        "may_export": has_permission(by, Permission.EXPORT, trial),
        "grid": _latest(trial, by),
    }
    return render(request, "analytics/trial_overview.html", context)


def _latest(trial: Trial, by: Actor) -> Any:
    """Return the grid of the newest participants; None for those who see none."""
    if not has_permission(by, Permission.PARTICIPANT_VIEW, trial):
        return None
    newest = participants_visible_to(by, trial).exclude(number=None).order_by("-number")[:LATEST]
    return grid_of(trial, list(newest)[::-1], by)


def _figures(
    trial: Trial, visit: Visit | None, recruited: RecruitmentCounts, progress: list[Progress], by: Actor
) -> list[dict[str, Any]]:
    figures = [_randomized(trial, recruited)]
    if visit is not None:
        figures.append(_measured(visit, progress))
    return [*figures, _queries(trial, by), _last_delivery(trial, by)]


def _randomized(trial: Trial, recruited: RecruitmentCounts) -> dict[str, Any]:
    planned, behind = recruited.planned, 0
    if trial.status == Trial.Status.RECRUITING:
        behind = behind_plan(recruited)
    return {
        "label": _("Randomized"),
        "value": number(recruited.randomized),
        "meaning": _("of %(planned)s planned") % {"planned": number(planned)} if planned else "",
        "warning": _("%(n)d behind plan") % {"n": behind} if behind else "",
    }


def _measured(visit: Visit, progress: list[Progress]) -> dict[str, Any]:
    measured, due = sum(each.measured for each in progress), sum(each.due for each in progress)
    share = round(100 * measured / due) if due else 0
    meaning = _("%(share)d%% of the %(due)s due so far") % {"share": share, "due": number(due)}
    return {
        "label": _("With values at: %(visit)s") % {"visit": visit.name},
        "value": number(measured),
        "meaning": meaning if due else _("none due so far"),
    }


def _queries(trial: Trial, by: Actor) -> dict[str, Any]:
    waiting = open_queries(trial, by)
    days = (timezone.now() - waiting.oldest).days if waiting.oldest else 0
    oldest = ngettext("oldest %(days)d day", "oldest %(days)d days", days) % {"days": days}
    return {
        "label": _("Open queries"),
        "value": number(waiting.count),
        "meaning": (oldest if days else _("asked today")) if waiting.count else _("nothing waits for an answer"),
    }


def _last_delivery(trial: Trial, by: Actor) -> dict[str, Any]:
    delivery = last_submission(trial, by)
    if delivery is None:
        return {"label": _("Last results"), "value": "–", "meaning": _("nothing was delivered yet")}
    rows = ngettext("%(n)s row", "%(n)s rows", delivery.received) % {"n": number(delivery.received)}
    waiting = waiting_for(by, trial).count() if may_settle(by, trial) else 0
    warnings = [
        _("%(n)s refused") % {"n": number(delivery.rejected)} if delivery.rejected else "",
        ngettext("%(n)s row of the trial waits", "%(n)s rows of the trial wait", waiting) % {"n": number(waiting)}
        if waiting
        else "",
    ]
    return {
        "label": _("Last results"),
        "value": ago(delivery.received_at),
        "meaning": f"{delivery.laboratory.name}, {rows}",
        "warning": ", ".join(each for each in warnings if each),
    }
