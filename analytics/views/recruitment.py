"""Recruitment: the curve against the plan, where it will end at the present rate, and how it goes at each site."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from analytics.views.charts import recruitment_figure
from analytics.views.flow import svg_answer
from analytics.views.numbers import Table
from trials.access import actor_of
from trials.errors import NotFound
from trials.models import Trial
from trials.selectors.recruitment import (
    MONTH,
    RecruitmentCounts,
    SiteRecruitment,
    recruitment_by_site,
    recruitment_counts,
)
from trials.selectors.trials import visible_trial
from trials.templatetags.interface import number

SOME_WEEKS = 60
"""Days up to which a delay is said in days, beyond it in months."""


@require_safe
def recruitment(request: HttpRequest, slug: str) -> HttpResponse:
    """Curve, projection and sites."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    counts, sites = recruitment_counts(trial, by), recruitment_by_site(trial, by)
    context: dict[str, Any] = {
        "trial": trial,
        "counts": counts,
        "chart": recruitment_figure(trial, counts),
        "summary": progress_words(trial, counts),
        "projection": projection_words(trial, counts),
        "sites": [site_row(site) for site in sites],
        "hides_sites": len(sites) < trial.sites.count(),
        "total": site_row(_total(sites)) if len(sites) > 1 else None,
        "months": months_table(sites),
    }
    return render(request, "analytics/recruitment.html", context)


@require_safe
def recruitment_svg(request: HttpRequest, slug: str) -> HttpResponse:
    """The curve as a file."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    chart = recruitment_figure(trial, recruitment_counts(trial, by))
    if chart is None:
        raise NotFound("no_curve", "Neither days of randomization nor a plan are known, so there is no curve.")
    return svg_answer(f"{trial.slug}_recruitment", chart.wide)


def progress_words(trial: Trial, counts: RecruitmentCounts) -> str:
    """Return how many are randomized, of how many, and how that stands to the plan."""
    if counts.planned is None:
        return _("%(n)s randomized.") % {"n": number(counts.randomized)}
    words = _("%(n)s of %(planned)s planned participants are randomized.") % {
        "n": number(counts.randomized),
        "planned": number(counts.planned),
    }
    expected = counts.expected_by(timezone.localdate())
    if expected is None or trial.status != Trial.Status.RECRUITING:
        return words
    ahead = counts.randomized - expected
    standing = (
        _("The plan wanted %(n)s by today: %(gap)s behind.")
        if ahead < 0
        else _("The plan wanted %(n)s by today: %(gap)s ahead.")
        if ahead > 0
        else _("The plan wanted %(n)s by today: on plan.")
    )
    return f"{words} {standing % {'n': number(expected), 'gap': number(abs(ahead))}}"


def projection_words(trial: Trial, counts: RecruitmentCounts) -> str:
    """Return when the plan is reached at the present rate, with what that assumes; empty once nobody is recruited."""
    if trial.status != Trial.Status.RECRUITING:
        return ""
    found = counts.projection(timezone.localdate())
    if found is None:
        reached = counts.planned is not None and counts.randomized >= counts.planned
        return (
            "" if reached else _("No end can be projected: that needs a plan, and randomizations over 28 days or more.")
        )
    words = _(
        "At the present rate of %(rate)s a month (the last %(days)d days) the remaining %(n)s would be randomized by "
        "%(on)s. This assumes that the rate stays what it was; it allows for no new site, holiday or exhausted waiting "
        "list."
    ) % {
        "rate": number(found.rate, 1),
        "days": found.days,
        "n": number(found.remaining),
        "on": date_format(found.reached_on, "DATE_FORMAT"),
    }
    if counts.ends is None:
        return words
    late = (found.reached_on - counts.ends).days
    if late <= 0:
        return f"{words} " + _("That is within the planned period.")
    if late <= SOME_WEEKS:
        return f"{words} " + _("That is %(days)d days after the planned end.") % {"days": late}
    return f"{words} " + _("That is %(months)s months after the planned end.") % {"months": number(late / MONTH, 0)}


def site_row(site: SiteRecruitment) -> list[str]:
    """Return the cells of a site: its name, four counts, the rate a month and the share of the plan."""
    share = _("%(share)s%%") % {"share": number(100 * site.share, 0)} if site.share is not None else ""
    counts = (site.screened, site.eligible, site.consented, site.randomized)
    cells = [*map(number, counts), number(site.rate, 1), share]
    return [site.name, *(cell or "–" for cell in cells)]


def _total(sites: tuple[SiteRecruitment, ...]) -> SiteRecruitment:
    def add(name: str) -> Any:
        values = [getattr(site, name) for site in sites]
        return None if any(value is None for value in values) else sum(values)

    names = ("screened", "eligible", "consented", "randomized", "rate", "share")
    return SiteRecruitment("", _("Together"), **{name: add(name) for name in names})


def months_table(sites: tuple[SiteRecruitment, ...]) -> Table:
    """Return the counts month by month, over the sites that are shown."""
    months = sorted({each.month for site in sites for each in site.months if each.month is not None})
    undated = any(each.month is None for site in sites for each in site.months)
    rows, so_far = [], 0
    for month in [*months, *([None] if undated else [])]:
        found = [each for site in sites for each in site.months if each.month == month]
        screened, consented, randomized = (
            sum(getattr(each, name) for each in found) for name in ("screened", "consented", "randomized")
        )
        so_far += randomized
        name = date_format(month, "YEAR_MONTH_FORMAT") if month else _("Day not known")
        rows.append([name, number(screened), number(consented), number(randomized), number(so_far)])
    labels = (_("Month"), _("Assessed"), _("Consented"), _("Randomized"), _("Randomized so far"))
    columns = [{"label": label, "numeric": place > 0} for place, label in enumerate(labels)]
    return Table(_("Recruitment by month"), columns, rows)
