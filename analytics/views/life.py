"""The life of a trial: where it stands, who took the earlier steps, and the next one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from analytics.forms.life import TYPED, AskForm, DataMoveForm, MoveForm, RefuseForm, SignForm
from analytics.selectors.readiness import before_registering
from analytics.services.registration import register_trial
from trials.access import Actor, actor_of, has_permission, require
from trials.errors import NotFound
from trials.forms.fields import accepted
from trials.lifecycle import UNLOCKS, data_moves_from, moves_from
from trials.models import Trial, TwoPersonMove
from trials.permissions import Permission
from trials.selectors.moves import Step, steps_of, waiting_move
from trials.selectors.trials import visible_trial
from trials.services.lifecycle import ask_for_move, change_data_state, change_status, refuse_move, sign_move

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Status, Data = Trial.Status, Trial.DataState


class StageWords(NamedTuple):
    """What a step is called on its button, and what it does."""

    button: "StrOrPromise"
    what_it_does: "StrOrPromise"


STAGES = {
    Status.DRAFT: StageWords("", gettext_lazy("The design can be changed, and rehearsed with simulated participants.")),
    Status.REGISTERED: StageWords(
        gettext_lazy("Register"),
        gettext_lazy(
            "Seals design, analysis plan and allocation lists. Arms, sites, visits and strata stay as they are."
        ),
    ),
    Status.RECRUITING: StageWords(
        gettext_lazy("Start recruiting"), gettext_lazy("Participants can be screened and randomized.")
    ),
    Status.FOLLOW_UP: StageWords(
        gettext_lazy("Close recruitment"), gettext_lazy("Nobody is screened any more. Visits and results go on.")
    ),
    Status.LOCKED: StageWords(
        gettext_lazy("Lock the data"),
        gettext_lazy("No value is entered or corrected. What laboratories still send is held."),
    ),
    Status.UNBLINDED: StageWords(
        gettext_lazy("Unblind"), gettext_lazy("Every member except the laboratories’ sees arms and effects.")
    ),
    Status.ARCHIVED: StageWords(gettext_lazy("Archive"), gettext_lazy("The trial stays readable, and nothing else.")),
}
UNLOCK = StageWords(
    gettext_lazy("Unlock the data"),
    gettext_lazy("Back to follow-up: values can be corrected. Every later estimate says “after unlock”."),
)
ASK_TO_UNLOCK = StageWords(
    gettext_lazy("Ask to unlock"),
    gettext_lazy(
        "Arms are known, so two people sign: you ask, and somebody else with this right signs within a week. Members "
        "are blinded again, and every later estimate says “after unlock”."
    ),
)
DATA_STEPS = {
    Data.FROZEN: StageWords(
        gettext_lazy("Freeze the values"),
        gettext_lazy(
            "For an interim look or a last cleaning: nobody is enrolled and no value is entered. Queries can be "
            "answered, and results of laboratories are held."
        ),
    ),
    Data.OPEN: StageWords(gettext_lazy("Open the values again"), gettext_lazy("Values can be entered and corrected.")),
}


@dataclass(frozen=True)
class Offer:
    """A step that the person may take: its form, where that goes, and its words."""

    form: forms.Form
    url: str
    words: StageWords
    cannot_be_undone: bool = False


@dataclass(frozen=True)
class Stage:
    """One station of the stepper: passed, present or ahead, and who led the trial there last."""

    label: str
    what_it_does: "StrOrPromise"
    standing: str
    step: Step | None


@require_safe
def trial_life(request: HttpRequest, slug: str) -> HttpResponse:
    """The stepper, and the steps that this person may take."""
    by = actor_of(request)
    return _page(request, visible_trial(slug, by), by)


@require_POST
def trial_move(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the next step, or ask for one that two people sign; a second click leads back to the page."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    to = request.POST.get("to", "")
    if to == trial.status:
        return redirect("trial-life", slug=slug)
    move = moves_from(trial.status).get(to)
    require(by, move.permission if move else Permission.TRIAL_RUN, trial)
    form = _move_form(request, trial, to, request.POST)
    if not form.is_valid() or not accepted(form, lambda: _take(trial, to, form, by)):
        return _page(request, trial, by, refused=form)
    trial.refresh_from_db()
    if trial.status == to:
        _say_where(request, trial)
    else:
        messages.success(request, _("Your signature is kept. Ask somebody else with this right to sign as well."))
    return redirect("trial-life", slug=slug)


@require_POST
def trial_data_move(request: HttpRequest, slug: str) -> HttpResponse:
    """Freeze or open the values."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    to = request.POST.get("to", "")
    if to == trial.data_state:
        return redirect("trial-life", slug=slug)
    form = DataMoveForm(trial, to, request.POST)
    if not form.is_valid() or not accepted(
        form, lambda: change_data_state(trial=trial, to=to, by=by, reason=form.cleaned_data["reason"])
    ):
        require(by, Permission.TRIAL_RUN, trial)
        return _page(request, trial, by, refused=form)
    messages.success(request, _("The data are %(state)s.") % {"state": Data(to).label.lower()})
    return redirect("trial-life", slug=slug)


@require_POST
def trial_move_sign(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Give the second signature; the step is taken with it."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    move = _asked(trial, number, by)
    form = SignForm(request, request.POST)
    if not form.is_valid() or not accepted(form, lambda: sign_move(move=move, by=by)):
        return _page(request, trial, by, refused=form)
    trial.refresh_from_db()
    _say_where(request, trial)
    return redirect("trial-life", slug=slug)


@require_POST
def trial_move_refuse(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Refuse a step that waits for a second signature, or take one's own question back."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    move = _asked(trial, number, by)
    form = RefuseForm(request.POST)
    if not form.is_valid() or not accepted(
        form, lambda: refuse_move(move=move, by=by, reason=form.cleaned_data["reason"])
    ):
        return _page(request, trial, by, refused=form)
    messages.success(request, _("The step is not taken. Nothing else changed."))
    return redirect("trial-life", slug=slug)


def _asked(trial: Trial, number: int, by: Actor) -> TwoPersonMove:
    move = TwoPersonMove.objects.filter(trial=trial, pk=number).select_related("trial", "asked_by").first()
    if move is None:
        raise NotFound("move_unknown", "There is no such step in this trial.")
    require(by, moves_from(move.before)[move.to].permission, trial)
    return move


def _say_where(request: HttpRequest, trial: Trial) -> None:
    messages.success(request, _("%(trial)s: %(status)s.") % {"trial": trial, "status": trial.get_status_display()})


def _take(trial: Trial, to: str, form: forms.Form, by: Actor) -> object:
    """Call the one service that this step is."""
    reason = form.cleaned_data.get("reason", "")
    if to == Status.REGISTERED:
        return register_trial(trial=trial, by=by)
    if isinstance(form, AskForm):
        return ask_for_move(trial=trial, to=to, reason=reason, by=by)
    return change_status(trial=trial, to=to, by=by, reason=reason)


def _move_form(request: HttpRequest, trial: Trial, to: str, data: object = None) -> forms.Form:
    move = moves_from(trial.status).get(to)
    if move is not None and move.signatures > 1:
        return AskForm(request, to, data)
    return MoveForm(trial, to, data)


def _page(request: HttpRequest, trial: Trial, by: Actor, refused: forms.Form | None = None) -> HttpResponse:
    waiting = waiting_move(trial)
    offers = _offers(request, trial, by, refused)
    may_sign = waiting is not None and has_permission(by, moves_from(trial.status)[waiting.to].permission, trial)
    is_draft = trial.status == Status.DRAFT
    context = {
        "trial": trial,
        "stages": _stages(trial),
        "data_steps": [step for step in steps_of(trial) if step.is_of_data],
        "onward": next((offer for to, offer in offers if not _leads_back(trial, to)), None),
        "backward": [offer for to, offer in offers if _leads_back(trial, to) and not (waiting and waiting.to == to)],
        "data_offers": _data_offers(trial, by, refused),
        "waiting": waiting,
        "may_sign": may_sign,
        "is_own_question": waiting is not None and waiting.asked_by == by.user,
        "sign": refused if isinstance(refused, SignForm) else SignForm(request),
        "refuse": refused if isinstance(refused, RefuseForm) else RefuseForm(),
        "checklist": before_registering(trial, by) if is_draft else [],
        "may_rehearse": _may_rehearse(trial, by),
        "may_see_unblindings": _may_see_unblindings(trial, by),
    }
    return render(request, "analytics/trial_life.html", context, status=422 if refused else 200)


def _may_rehearse(trial: Trial, by: Actor) -> bool:
    return trial.rehearsal_of_id is None and (
        trial.rehearsal_jobs.exists()
        or (
            trial.status in {Status.DRAFT, Status.REGISTERED}
            and not trial.randomized_elsewhere
            and has_permission(by, Permission.TRIAL_DESIGN, trial)
        )
    )


def _may_see_unblindings(trial: Trial, by: Actor) -> bool:
    return has_permission(by, Permission.AUDIT_VIEW, trial) or has_permission(by, Permission.SAFETY_VIEW, trial)


def _leads_back(trial: Trial, to: str) -> bool:
    return Status.values.index(to) < Status.values.index(trial.status)


def _offers(request: HttpRequest, trial: Trial, by: Actor, refused: forms.Form | None) -> list[tuple[str, Offer]]:
    """Return the steps of the status that this person may take; a refused form stands in its place."""
    url = reverse("trial-move", kwargs={"slug": trial.slug})
    found = []
    for to, move in moves_from(trial.status).items():
        if not has_permission(by, move.permission, trial):
            continue
        form = refused if isinstance(refused, MoveForm | AskForm) and refused["to"].value() == to else None
        words = (ASK_TO_UNLOCK if move.signatures > 1 else UNLOCK) if _leads_back(trial, to) else STAGES[Status(to)]
        is_final = to in TYPED and (to, trial.status) not in UNLOCKS and not _leads_back(trial, to)
        found.append((to, Offer(form or _move_form(request, trial, to), url, words, is_final)))
    return found


def _data_offers(trial: Trial, by: Actor, refused: forms.Form | None) -> list[Offer]:
    url = reverse("trial-data-move", kwargs={"slug": trial.slug})
    return [
        Offer(refused if isinstance(refused, DataMoveForm) else DataMoveForm(trial, to), url, DATA_STEPS[Data(to)])
        for to, move in data_moves_from(trial.status, trial.data_state).items()
        if has_permission(by, move.permission, trial)
    ]


def _stages(trial: Trial) -> list[Stage]:
    """Return the stations in order; of one that was reached twice the last time counts."""
    reached = {step.to: step for step in steps_of(trial) if not step.is_of_data}
    present = Status.values.index(trial.status)
    return [
        Stage(
            str(status.label),
            STAGES[status].what_it_does,
            "passed" if number < present else "present" if number == present else "ahead",
            reached.get(status) if number <= present else None,
        )
        for number, status in enumerate(Status)
    ]
