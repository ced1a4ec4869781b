"""What templates share: icons, numbers as papers write them, status squares, sortable heads and the navigation.

Every tag is pure: it gets plain values and returns text, and no tag asks the database.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django import template
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext

from trials.permissions import Permission

register = template.Library()

MINUS = "\N{MINUS SIGN}"

# Paths on a 24 by 24 grid, drawn as strokes.
ICONS: Mapping[str, str] = {
    "alert": "M12 4 2.5 20h19ZM12 10v4m0 3v.01",
    "check": "m5 12.5 4.5 4.5L19 7.5",
    "chevron-down": "m6 9 6 6 6-6",
    "chevron-left": "m15 6-6 6 6 6",
    "chevron-right": "m9 6 6 6-6 6",
    "clock": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 4.5v5l3.5 2",
    "cross": "m6 6 12 12M18 6 6 18",
    "download": "M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 20h14",
    "flask": "M9.5 3h5M10.5 3v6.5L5 19a1.5 1.5 0 0 0 1.3 2h11.4a1.5 1.5 0 0 0 1.3-2l-5.5-9.5V3M7.5 15h9",
    "info": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 8v5m0-8.5v.01",
    "key": "M15 4a5 5 0 1 0 0 10 5 5 0 0 0 0-10Zm-3.6 8.6L4 20v1h3v-2h2v-2h2l1.5-1.5M16 8v.01",
    "lock": "M6 11h12v9H6Zm2.5 0V7.5a3.5 3.5 0 0 1 7 0V11",
    "menu": "M4 7h16M4 12h16M4 17h16",
    "people": "M9 5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7ZM3 20a6 6 0 0 1 12 0m1-14a3.5 3.5 0 0 1 0 6m3 3a6 6 0 0 1 2 5",
    "plus": "M12 5v14M5 12h14",
    "refresh": "M4 12a8 8 0 0 1 14-5.3L20 9m0-5v5h-5m5 3a8 8 0 0 1-14 5.3L4 15m0 5v-5h5",
    "search": "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm5 11.5L20.5 20.5",
    "sign-out": "M14 4h5v16h-5M4 12h11m-3.5-4 4 4-4 4",
    "sort-down": "M12 5v14m-5-5 5 5 5-5",
    "sort-up": "M12 19V5m-5 5 5-5 5 5",
    "theme": "M12 3a9 9 0 1 0 0 18Zm0 0a9 9 0 0 1 0 18",
    "upload": "M12 15V4M7.5 8.5 12 4l4.5 4.5M5 20h14",
}

MESSAGE_ICONS: Mapping[str, str] = {"success": "check", "warning": "alert", "error": "alert"}


class Status(NamedTuple):
    """How one state of the status grid is shown: its words, and a letter or an icon beside shape and colour."""

    label: Any
    letter: str
    icon: str = ""


STATUSES: Mapping[str, Status] = {
    "complete": Status(gettext_lazy("Complete"), "", "check"),
    "incomplete": Status(gettext_lazy("Incomplete"), "½"),
    "query": Status(gettext_lazy("Open query"), "?"),
    "waiting_for_lab": Status(gettext_lazy("Waiting for lab"), "", "clock"),
    "not_yet_due": Status(gettext_lazy("Not yet due"), "·"),
    "overdue": Status(gettext_lazy("Overdue"), "!"),
    "missed": Status(gettext_lazy("Visit missed"), "", "cross"),
}


class Destination(NamedTuple):
    """One line of a trial's navigation; it is current on its own page and on the pages named in `covers`.

    Who lacks the permission that it `needs` is not shown it.
    """

    group: str
    name: str
    label: Any
    covers: tuple[str, ...] = ()
    needs: Permission | None = None


TRIAL = "trial"
DATA = "data"
LAB = "laboratory"
RESULTS = "results"
SETUP = "setup"
DESTINATIONS: Sequence[Destination] = (
    Destination(TRIAL, "trial-overview", gettext_lazy("Overview")),
    Destination(
        TRIAL,
        "participants",
        gettext_lazy("Participants"),
        (
            "enrol",
            "enrol-person",
            "participant",
            "participant-consent",
            "participant-course",
            "participant-happening",
            "participant-identity",
            "unblind-participant",
            "randomized-in-error",
            "cross-over",
            "visit-form",
            "questionnaire",
        ),
        needs=Permission.PARTICIPANT_VIEW,
    ),
    Destination(TRIAL, "screening-log", gettext_lazy("Screening log"), needs=Permission.PARTICIPANT_VIEW),
    Destination(TRIAL, "visit-schedule", gettext_lazy("Visits"), needs=Permission.PARTICIPANT_VIEW),
    Destination(
        TRIAL,
        "sessions",
        gettext_lazy("Sessions"),
        ("session-record", "session-retract"),
        needs=Permission.ALLOCATION_VIEW,
    ),
    Destination(
        TRIAL,
        "safety",
        gettext_lazy("Safety"),
        ("adverse-event", "adverse-event-new"),
        needs=Permission.SAFETY_VIEW,
    ),
    Destination(
        TRIAL,
        "deviations",
        gettext_lazy("Deviations"),
        ("deviation-record", "deviation-confirm", "deviation"),
        needs=Permission.SAFETY_VIEW,
    ),
    Destination(
        DATA,
        "entry",
        gettext_lazy("Batch entry"),
        ("entry-grid", "entry-batches", "entry-batch", "entry-compare"),
        needs=Permission.RESULT_RECORD,
    ),
    Destination(DATA, "queries", gettext_lazy("Queries"), ("query", "query-open"), needs=Permission.QUERY_VIEW),
    Destination(
        DATA,
        "source-verification",
        gettext_lazy("Source verification"),
        ("participant-source",),
        needs=Permission.PARTICIPANT_VIEW,
    ),
    Destination(
        LAB,
        "specimens",
        gettext_lazy("Specimens"),
        ("specimen", "specimen-register", "specimen-scan", "specimen-labels"),
        needs=Permission.SPECIMEN_VIEW,
    ),
    Destination(LAB, "specimen-worklist", gettext_lazy("Awaited specimens"), needs=Permission.SPECIMEN_VIEW),
    Destination(
        LAB, "shipments", gettext_lazy("Shipments"), ("shipment", "shipment-send"), needs=Permission.SPECIMEN_VIEW
    ),
    Destination(
        LAB,
        "submissions",
        gettext_lazy("Lab submissions"),
        ("submission", "upload-new", "upload"),
        needs=Permission.RESULT_VIEW,
    ),
    Destination(LAB, "held-rows", gettext_lazy("Rows that wait"), ("held-row",), needs=Permission.SPECIMEN_MANAGE),
    Destination(
        LAB,
        "plates",
        gettext_lazy("Plates"),
        ("plate", "control-materials", "control-material", "plate-layouts", "plate-layout"),
        needs=Permission.RESULT_VIEW,
    ),
    Destination(LAB, "drift", gettext_lazy("Assay drift"), needs=Permission.RESULT_VIEW),
    Destination(RESULTS, "flow", gettext_lazy("Participant flow")),
    Destination(RESULTS, "recruitment", gettext_lazy("Recruitment")),
    Destination(RESULTS, "effects", gettext_lazy("Effects")),
    Destination(RESULTS, "baseline-table", gettext_lazy("Baseline table")),
    Destination(RESULTS, "exports", gettext_lazy("Exports"), needs=Permission.EXPORT),
    Destination(
        SETUP, "protocol", gettext_lazy("Protocol"), ("trial-life", "unblindings", "rehearsals", "trial-revise")
    ),
    Destination(
        SETUP,
        "registration",
        gettext_lazy("Registration"),
        (
            "registration-edit",
            "protocol-interventions",
            "protocol-amend",
            "protocol-versions",
            "protocol-difference",
            "spirit-schedule",
        ),
    ),
    Destination(SETUP, "randomization", gettext_lazy("Randomization"), ("allocation-replay",)),
    Destination(SETUP, "consent-forms", gettext_lazy("Consent forms")),
    Destination(
        SETUP,
        "therapy-groups",
        gettext_lazy("Therapy groups"),
        ("therapy-group", "randomize-group", "therapy-leave", "session-group"),
        needs=Permission.PARTICIPANT_VIEW,
    ),
    Destination(SETUP, "biomarkers", gettext_lazy("Biomarkers"), ("biomarker-new", "biomarker-change")),
    Destination(SETUP, "assays", gettext_lazy("Assays"), ("assay", "assay-new")),
    Destination(
        SETUP,
        "laboratories",
        gettext_lazy("Laboratories"),
        ("laboratory", "laboratory-end", "credential-rotate", "credential-revoke", "sandbox-empty"),
        needs=Permission.LABORATORY_MANAGE,
    ),
    Destination(
        SETUP,
        "webhooks",
        gettext_lazy("Webhooks"),
        ("webhook", "webhook-rotate"),
        needs=Permission.LABORATORY_MANAGE,
    ),
    Destination(
        SETUP,
        "people",
        gettext_lazy("People and rights"),
        ("role-end", "invitation-resend", "delegation-log", "who-sees-what"),
    ),
    Destination(SETUP, "audit-trail", gettext_lazy("Audit trail"), needs=Permission.AUDIT_VIEW),
)

PLATFORM_DESTINATIONS: Sequence[Destination] = (
    Destination("", "home", gettext_lazy("My trials")),
    Destination(
        "",
        "invitations",
        gettext_lazy("Invitations"),
        ("platform-invitation-resend",),
        needs=Permission.ACCOUNT_CREATE,
    ),
    Destination("", "outbox", gettext_lazy("Outbox"), ("outbox-message",), needs=Permission.OUTBOX_VIEW),
)


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """The named icon as inline SVG: hidden from screen readers, unless `label` gives it a meaning of its own.

    Raises KeyError for a name that is not in the table.
    """
    meaning = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" focusable="false" {}><path d="{}"/></svg>', meaning, ICONS[name]
    )


@register.filter
def message_icon(level: str) -> str:
    """The icon that goes with a message's level."""
    return MESSAGE_ICONS.get(level, "info")


@register.filter
def item(sequence: Sequence[Any], index: int) -> Any:
    """The element at `index`; an empty string beyond the end."""
    return sequence[index] if index < len(sequence) else ""


@register.filter
def number(value: float | None, digits: int | None = None) -> str:
    """`value` with the true minus sign and, where given, that many digits; thousands are separated in counts.

    None and what is not finite become an empty string; a rounded zero has no sign.
    """
    if value is None or not math.isfinite(value):
        return ""
    text = f"{value:,}" if digits is None else f"{value:.{int(digits)}f}"
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]
    return text.replace("-", MINUS)


@register.filter
def cell(value: Any, digits: int | None = None) -> Any:
    """A table cell: numbers with the true minus sign (fractions to two digits), None empty, the rest as it is."""
    if value is None:
        return ""
    if isinstance(value, float):
        return number(value, 2 if digits is None else digits)
    return number(value) if isinstance(value, int) and not isinstance(value, bool) else value


@register.simple_tag
def confidence_interval(estimate: float | None, lower: float | None, upper: float | None, digits: int = 2) -> str:
    """An estimate with its interval as the page writes it: `0.28 (0.02 to 0.54)`; empty without an estimate."""
    if estimate is None or lower is None or upper is None:
        return number(estimate, digits)
    return gettext("%(estimate)s (%(lower)s to %(upper)s)") % {
        "estimate": number(estimate, digits),
        "lower": number(lower, digits),
        "upper": number(upper, digits),
    }


@register.filter
def p_value(value: float | None) -> str:
    """A p value as journals print it: three digits below 0.1, two above, `<0.001` and `>0.99` at the ends."""
    if value is None or not math.isfinite(value):
        return ""
    if value < 0.001:
        return "<0.001"
    if value > 0.99:
        return ">0.99"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _elapsed(seconds: float) -> str:
    """`seconds` in the largest unit that is filled, in words."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return ngettext("%(count)d day ago", "%(count)d days ago", days) % {"count": days}
    if hours:
        return ngettext("%(count)d hour ago", "%(count)d hours ago", hours) % {"count": hours}
    if minutes:
        return ngettext("%(count)d minute ago", "%(count)d minutes ago", minutes) % {"count": minutes}
    return gettext("just now")


@register.filter
def ago(moment: datetime | None) -> str:
    """How long ago `moment` was, as a time element whose title has the full time and its zone; empty for None."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    title = f"{date_format(local, 'DATETIME_FORMAT')} {local.tzname()}"
    elapsed = _elapsed((timezone.now() - moment).total_seconds())
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), title, elapsed)


@register.simple_tag
def status_square(state: str, url: str = "", what: str = "") -> SafeString:
    """One square of the status grid: shape, letter and colour; a link where `url` is given.

    `what` (say "Baseline, cytokines") comes before the state in the name that is read out. Raises KeyError for an
    unknown state.
    """
    status = STATUSES[state]
    name = f"{what}: {status.label}" if what else str(status.label)
    mark = icon(status.icon) if status.icon else status.letter
    if url:
        return format_html(
            '<a class="status {}" href="{}" title="{}" aria-label="{}">{}</a>', state, url, name, name, mark
        )
    return format_html(
        '<span class="status {}" role="img" title="{}" aria-label="{}">{}</span>', state, name, name, mark
    )


@register.simple_tag
def status_states() -> list[tuple[str, str]]:
    """Every state with its words, in the order of the legend."""
    return [(state, str(status.label)) for state, status in STATUSES.items()]


@register.simple_tag(takes_context=True)
def column_header(context: Context, label: str, key: str = "", numeric: bool = False) -> SafeString:
    """A head cell; with `key` it sorts the list by the address's `sort` parameter and keeps the others."""
    style = mark_safe(' class="number"') if numeric else ""
    if not key:
        return format_html('<th scope="col"{}>{}</th>', style, label)
    parameters = context["request"].GET.copy()
    sort = parameters.get("sort", "")
    parameters["sort"] = f"-{key}" if sort == key else key
    parameters.pop("page", None)
    order, symbol = {key: ("ascending", "sort-up"), f"-{key}": ("descending", "sort-down")}.get(sort, ("", ""))
    return format_html(
        '<th scope="col"{}{}><a href="?{}">{}{}</a></th>',
        style,
        format_html(' aria-sort="{}"', order) if order else "",
        parameters.urlencode(),
        label,
        icon(symbol) if symbol else "",
    )


def _address(name: str, **kwargs: str) -> str:
    """The address of a named page; empty while the page does not exist."""
    try:
        return reverse(name, kwargs=kwargs or None)
    except NoReverseMatch:
        return ""


def _current_name(context: Context) -> str:
    match = getattr(context.get("request"), "resolver_match", None)
    return match.url_name or "" if match else ""


def _granted(context: Context) -> Callable[[Destination, Any], bool]:
    """Return what says whether a page is shown; everything is where nobody says what may be seen."""
    permissions_in = context.get("permissions_in")
    granted = {None: permissions_in(None)} if permissions_in else {}

    def may(page: Destination, trial: Any) -> bool:
        if page.needs is None or permissions_in is None:
            return True
        if trial not in granted:
            granted[trial] = permissions_in(trial)
        return page.needs in granted[trial]

    return may


def _entry(destination: Destination, group: str, url: str, current: str, count: int | None) -> dict[str, Any]:
    return {
        "group": group,
        "label": destination.label,
        "url": url,
        "active": current == destination.name or current in destination.covers,
        "count": count,
    }


@register.simple_tag(takes_context=True)
def trial_navigation(context: Context) -> list[dict[str, Any]]:
    """The lines of the navigation: `group`, `label`, `url`, `active`, `count`, and `folded` for those of the setup.

    Without `trial` in the context only the platform's own pages. Counts come from `navigation_counts` in the context,
    a mapping of page name to number, rights from `permissions_in` (see `studyplatform.context`): pages that the person
    may not open are left out, and so are those that are not there yet.
    """
    current, trial = _current_name(context), context.get("trial")
    counts: Mapping[str, int] = context.get("navigation_counts") or {}
    platform = pgettext("navigation", "Platform")
    may = _granted(context)
    entries = [
        _entry(page, platform, _address(page.name), current, None) for page in PLATFORM_DESTINATIONS if may(page, None)
    ]
    if trial:
        headings = {
            TRIAL: str(trial.title),
            DATA: pgettext("navigation", "Data"),
            LAB: pgettext("navigation", "Laboratory"),
            RESULTS: gettext("Results"),
            SETUP: gettext("Setup"),
        }
        entries += [
            _entry(page, headings[page.group], _address(page.name, slug=trial.slug), current, counts.get(page.name))
            for page in DESTINATIONS
            if may(page, trial)
        ]
        help_url = _address("api-docs", slug=trial.slug) or _address("api-docs")
        help_group = headings[SETUP]
    else:
        help_url, help_group = _address("api-docs"), platform
    entries.append(_entry(Destination("", "api-docs", gettext("API for labs")), help_group, help_url, current, None))
    folded = trial and headings[SETUP]
    return [{**entry, "folded": entry["group"] == folded} for entry in entries if entry["url"]]


@register.filter
def any_active(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of these lines of the navigation is the page that is shown."""
    return any(entry["active"] for entry in entries)
