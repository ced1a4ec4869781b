"""Specimens: the list, the worklist, registering, scanning, one specimen with all that happened to it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from measurements.forms.specimens import (
    DestroyForm,
    NoteForm,
    PartForm,
    ReceiveForm,
    RegisterForm,
    ScanForm,
    TimesForm,
)
from measurements.models import Specimen
from measurements.selectors.specimens import (
    SpecimenLine,
    SpecimenWish,
    results_in,
    specimen_lines,
    specimen_of_id,
    specimens_listed,
    types_of,
    visible_specimen,
)
from measurements.services.specimens import (
    Facts,
    correct_times,
    note_specimen,
    part_specimen,
    receive_specimen,
    register_planned,
    register_specimen,
)
from trials.access import Actor, actor_of, has_permission, require, sites_where
from trials.errors import NotFound, RuleBroken
from trials.forms.fields import accepted
from trials.models import Participant, Trial
from trials.permissions import Permission
from trials.selectors.participants import participants_visible_to
from trials.selectors.trials import visible_trial
from trials.views.csv_answers import csv_answer

PAGE_LENGTH = 50
CHUNK = 500
COLUMNS = (
    "specimen", "aliquot_of", "specimen_type", "participant", "visit", "site", "state", "condition", "place",
    "drawn_at", "shipment", "shipped_at", "received_at", "destroyed_at", "waits_since", "awaiting",
)  # fmt: skip


@require_safe
def specimens(request: HttpRequest, slug: str) -> HttpResponseBase:
    """List specimens; `visit`, `type`, `state`, `site`, `awaiting` narrow it, `sort` orders it."""
    return _list(request, slug, wish_of(request), "measurements/specimens.html")


@require_safe
def specimen_worklist(request: HttpRequest, slug: str) -> HttpResponseBase:
    """List the specimens that await results, who waits longest first."""
    return _list(request, slug, wish_of(request, awaiting=True), "measurements/specimen_worklist.html")


def _list(request: HttpRequest, slug: str, wish: SpecimenWish, template: str) -> HttpResponseBase:
    by = actor_of(request)
    trial = visible_trial(slug, by)
    found = specimens_listed(by, trial, wish)
    if request.GET.get("format") == "csv":
        return csv_answer(f"{slug}_specimens", COLUMNS, _rows(trial, found))
    page = Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "trial": trial,
        "page": page,
        "lines": specimen_lines(trial, list(page.object_list)),
        "wish": wish,
        "visits": trial.visits.all(),
        "types": types_of(trial),
        "states": Specimen.State.choices,
        "sites": trial.sites.filter(pk__in=sites_where(by, Permission.SPECIMEN_VIEW, trial)),
        "may_manage": has_permission(by, Permission.SPECIMEN_MANAGE, trial),
        "may_receive": has_permission(by, Permission.SPECIMEN_RECEIVE, trial),
    }
    return render(request, template, context)


def wish_of(request: HttpRequest, *, awaiting: bool = False) -> SpecimenWish:
    """Return what the address asks for; what the database cannot hold asks for nothing."""
    asked = {name: _plain(request.GET.get(name, "")) for name in ("visit", "type", "state", "site", "awaiting", "sort")}
    return SpecimenWish(
        visit=asked["visit"],
        kind=asked["type"],
        state=asked["state"],
        site=asked["site"],
        awaiting=awaiting or asked["awaiting"] == "results",
        sort=asked["sort"],
    )


def _plain(text: str) -> str:
    return text if text.isascii() and text.isprintable() else ""


def _rows(trial: Trial, found: Any) -> Iterator[tuple[object, ...]]:
    """Every row of the list, some hundred at a time."""
    keys = list(found.values_list("pk", flat=True))
    for start in range(0, len(keys), CHUNK):
        part = {each.pk: each for each in found.filter(pk__in=keys[start : start + CHUNK])}
        for line in specimen_lines(trial, [part[key] for key in keys[start : start + CHUNK] if key in part]):
            yield _row(line)


def _row(line: SpecimenLine) -> tuple[object, ...]:
    each = line.specimen
    return (
        each.identifier,
        each.parent.identifier if each.parent else None,
        each.specimen_type,
        each.participant.code,
        each.visit.code,
        each.participant.site.code,
        each.state,
        each.condition,
        each.place,
        each.drawn_at,
        each.shipment.number if each.shipment else None,
        each.shipped_at,
        each.received_at,
        each.destroyed_at,
        line.since,
        " ".join(line.awaiting),
    )


@require_http_methods(["GET", "POST"])
def specimen_register(request: HttpRequest, slug: str) -> HttpResponse:
    """Register one specimen, or all that a visit needs; then their labels can be printed."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SPECIMEN_MANAGE, trial)
    asked = {name: request.GET[name] for name in ("participant", "identifier", "kind") if request.GET.get(name)}
    form = RegisterForm(trial, request.POST or None, initial=asked)
    made: list[Specimen] = []
    if form.is_valid() and accepted(form, lambda: made.extend(_registered(form, trial, by))):
        messages.success(request, _("Registered: %(ids)s.") % {"ids": ", ".join(each.identifier for each in made)})
        return redirect(_labels_of(slug, made))
    return render(request, "measurements/specimen_register.html", {"trial": trial, "form": form}, status=_status(form))


def _registered(form: RegisterForm, trial: Trial, by: Actor) -> Iterable[Specimen]:
    given = form.cleaned_data
    place = {"participant": _participant(given["participant"].strip(), by, trial), "visit": given["visit"]}
    if form.is_planned:
        return register_planned(**place, drawn_at=given["drawn_at"], by=by)
    one = register_specimen(
        **place, identifier=given["identifier"], specimen_type=given["kind"], drawn_at=given["drawn_at"], by=by
    )
    return [one]


def _participant(code: str, by: Actor, trial: Trial) -> Participant:
    """The participant whose specimens `by` manages: laboratories see no list of them, but know codes."""
    found = participants_visible_to(by, trial, Permission.SPECIMEN_MANAGE).filter(code=_plain(code)).first()
    if found is None:
        raise RuleBroken("participant_unknown", f"“{code[:40]}” is no participant at your sites.", field="participant")
    return found


def _labels_of(slug: str, made: Iterable[Specimen]) -> str:
    chosen = urlencode([("id", each.pk) for each in made])
    return f"{reverse('specimen-labels', kwargs={'slug': slug})}?{chosen}"


@require_http_methods(["GET", "POST"])
def specimen_scan(request: HttpRequest, slug: str) -> HttpResponse:
    """Take an id from a scanner: open the specimen's page, or record that it arrived and wait for the next."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.SPECIMEN_VIEW, trial)
    kept = {name: request.GET[name] for name in ("action", "condition", "place") if request.GET.get(name)}
    form = ScanForm(request.POST or None, initial={"condition": "ok"} | kept)
    if form.is_valid() and accepted(form, lambda: _scanned(request, form, trial, by)):
        given = form.cleaned_data
        if given["action"] == ScanForm.OPEN:
            return redirect("specimen", slug=slug, number=specimen_of_id(given["identifier"], by, trial).pk)
        told = urlencode({name: given[name] for name in ("action", "condition", "place") if given[name]})
        return redirect(f"{reverse('specimen-scan', kwargs={'slug': slug})}?{told}")
    may_receive = has_permission(by, Permission.SPECIMEN_RECEIVE, trial)
    context = {"trial": trial, "form": form, "may_receive": may_receive}
    return render(request, "measurements/specimen_scan.html", context, status=_status(form))


def _scanned(request: HttpRequest, form: ScanForm, trial: Trial, by: Actor) -> None:
    given = form.cleaned_data
    try:
        specimen = specimen_of_id(given["identifier"], by, trial)
    except NotFound as error:
        raise RuleBroken(error.code, error.sentence, field="identifier") from error
    if given["action"] == ScanForm.RECEIVE:
        known = receive_specimen(specimen=specimen, condition=given["condition"] or "ok", place=given["place"], by=by)
        told = {"id": known.identifier, "condition": known.get_condition_display()}
        messages.success(request, _("%(id)s is received: %(condition)s.") % told)


@require_http_methods(["GET", "POST"])
def specimen(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show a specimen and what happened to it; `step` says which of its forms was sent."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    known = visible_specimen(number, by, trial)
    step = request.POST.get("step", "")
    made = _forms(known, step, request)
    acts = _acts(known, made, by)
    if step in acts and made[step].is_valid() and accepted(made[step], acts[step]):
        messages.success(request, _("Saved."))
        return redirect("specimen", slug=slug, number=number)
    listed = specimens_listed(by, trial, SpecimenWish(kind=known.specimen_type)).filter(pk=known.pk)
    [line] = specimen_lines(trial, list(listed))
    site = known.participant.site
    context = {
        "trial": trial,
        "specimen": known,
        "line": line,
        "events": known.events.select_related("event", "shipment"),
        "aliquots": known.aliquots.order_by("aliquot_number"),
        "results": results_in(known, by) if has_permission(by, Permission.RESULT_VIEW, trial, site=site) else [],
        "forms": made,
        "step": step,
        "may_manage": has_permission(by, Permission.SPECIMEN_MANAGE, trial, site=site),
        "may_receive": has_permission(by, Permission.SPECIMEN_RECEIVE, trial, site=site),
        "may_open_participant": has_permission(by, Permission.PARTICIPANT_VIEW, trial, site=site),
    }
    return render(request, "measurements/specimen.html", context, status=422 if request.method == "POST" else 200)


def _forms(known: Specimen, step: str, request: HttpRequest) -> dict[str, forms.Form]:
    kinds: dict[str, type[forms.Form]] = {
        "receive": ReceiveForm,
        "note": NoteForm,
        "part": PartForm,
        "times": TimesForm,
        "destroy": DestroyForm,
    }
    initial: dict[str, dict[str, Any]] = {
        "receive": {"condition": known.condition or "ok", "place": known.place},
        "note": {"place": known.place},
        "times": {"drawn_at": known.drawn_at, "received_at": known.received_at},
    }
    return {
        name: kind(request.POST if step == name else None, initial=initial.get(name), auto_id=f"{name}_%s")
        for name, kind in kinds.items()
    }


def _acts(known: Specimen, made: dict[str, forms.Form], by: Actor) -> dict[str, Callable[[], object]]:
    """What each of the page's forms calls."""

    def given(step: str) -> dict[str, Any]:
        return made[step].cleaned_data

    def note() -> None:
        told = given("note")
        facts = Facts(condition=told["condition"] or None, place=told["place"], note=told["note"])
        note_specimen(specimen=known, facts=facts, by=by)

    def times() -> None:
        told = given("times")
        moments = {name: _unless_minutes(told[name], getattr(known, name)) for name in ("drawn_at", "received_at")}
        correct_times(specimen=known, **moments, reason=told["reason"], by=by)

    return {
        "receive": lambda: receive_specimen(specimen=known, **given("receive"), by=by),
        "note": note,
        "part": lambda: part_specimen(specimen=known, **given("part"), by=by),
        "times": times,
        "destroy": lambda: note_specimen(specimen=known, facts=Facts(**given("destroy")), by=by),
    }


def _unless_minutes(typed: Any, recorded: Any) -> Any:
    """The recorded moment where the form, which knows minutes only, was left at it."""
    same = typed and recorded and typed == recorded.replace(second=0, microsecond=0)
    return recorded if same else typed


def _status(form: forms.Form) -> int:
    return 422 if form.errors else 200
