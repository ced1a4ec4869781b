"""Rehearsing a trial: a copy of its design that simulated people go through by the services of real ones."""

import secrets
import time
from datetime import timedelta

from django.db.models import Max, Q
from django.utils import timezone

from analytics.errors import is_database_away
from analytics.models import Rehearsal
from analytics.models.rehearsal import FEWEST, MOST
from analytics.services.plans import newest_plan, record_plan
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.models import ConsentForm, Intervention, Laboratory, LaboratoryTrial, Membership, Trial
from trials.permissions import Permission
from trials.services.copying import copied
from trials.services.design import BUILT_IN_LABORATORY
from trials.services.lifecycle import change_status

State = Rehearsal.State
DEFAULT_PARTICIPANTS = 40
LARGEST_EFFECT = 3.0
HELD_FOR = timedelta(minutes=2)
"""A worker that gave no sign for this long has died, and another one goes on."""
SLICE_SECONDS = 1.5
"""How long one worker simulates before it lets other work through."""
BEFORE_THE_FIRST = frozenset({Trial.Status.DRAFT, Trial.Status.REGISTERED})
STEPS_TO_ARCHIVE = ("registered", "recruiting", "follow_up", "locked", "unblinded", "archived")


def request_rehearsal(
    *, trial: Trial, by: Actor, participants: int | None = None, effect: float = 0.0, attrition: float = 0.1
) -> Rehearsal:
    """Queue a rehearsal; return the one that is still under way where there is one.

    `participants` are randomized, by default as many as are planned (8 to 300); `effect` is the assumed standardized
    difference from the reference arm, positive = better function; `attrition` the share lost before the last visit.

    Raises InConflict once there may be participants, for a rehearsal of a rehearsal, and for trials that are randomized
    elsewhere or in groups; RuleBroken for numbers out of range.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        trial = Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
        wished = participants if participants is not None else _default_participants(trial)
        _require_possible(trial)
        _check(wished, effect, attrition)
        rehearsal = Rehearsal.objects.filter(trial=trial, state__in=[State.QUEUED, State.RUNNING]).first()
        if rehearsal is None:
            rehearsal = Rehearsal.objects.create(
                trial=trial,
                number=(trial.rehearsal_jobs.aggregate(last=Max("number"))["last"] or 0) + 1,
                requested_by=by.user,
                participants=wished,
                effect=effect,
                attrition=attrition,
                seed=secrets.randbits(48),
            )
        event.record("rehearsal.requested", trial=trial, target=rehearsal, detail={"participants": wished})
    return rehearsal


def _default_participants(trial: Trial) -> int:
    return max(FEWEST, min(MOST, trial.planned_participants or DEFAULT_PARTICIPANTS))


def _require_possible(trial: Trial) -> None:
    if trial.rehearsal_of_id is not None:
        raise InConflict("rehearsal", "This is a rehearsal already. Rehearse the trial that it was made of.")
    if trial.status not in BEFORE_THE_FIRST:
        raise InConflict("too_late", f"{trial.title} recruits already: a trial is rehearsed before that.")
    if trial.randomized_elsewhere or trial.randomization_unit != Trial.RandomizationUnit.PARTICIPANT:
        raise InConflict("not_rehearsable", "Only trials that randomize participants one by one here are rehearsed.")
    if trial.visits.count() < 2 or trial.arms.count() < 2:
        raise InConflict("design_incomplete", "A rehearsal needs two arms, a baseline and a later visit.")


def _check(participants: int, effect: float, attrition: float) -> None:
    if not FEWEST <= participants <= MOST:
        raise RuleBroken("out_of_range", f"Choose {FEWEST} to {MOST} participants.", field="participants")
    if not abs(effect) <= LARGEST_EFFECT:
        raise RuleBroken("out_of_range", "Choose a standardized difference from −3 to 3.", field="effect")
    if not 0 <= attrition <= 0.9:
        raise RuleBroken("out_of_range", "Choose a share from 0 to 0.9.", field="attrition")


def continue_rehearsal(*, rehearsal: Rehearsal, by: Actor) -> None:
    """Do a slice of a rehearsal, unless another worker does; a fault that is no lost database ends it with its words.

    The first slice makes the copy; each further one takes some people through the trial; the last one closes
    recruitment. Interrupted anywhere, the next slice finds what is there and goes on.
    """
    if not _claim(rehearsal, by):
        return
    from analytics.services.simulated_people import PeopleOf  # numpy: loaded by workers only

    rehearsal.refresh_from_db()
    try:
        copy = rehearsal.copy or _make_copy(rehearsal, by)
        people = PeopleOf(rehearsal, copy, by)
        ends = time.monotonic() + SLICE_SECONDS
        while not people.are_complete and time.monotonic() < ends:
            people.take_next()
            Rehearsal.objects.filter(pk=rehearsal.pk).update(
                progress=people.randomized, claimed_until=timezone.now() + HELD_FOR
            )
        if people.are_complete:
            _finish(rehearsal, copy, by)
    except Exception as error:
        if is_database_away(error):
            raise
        _fail(rehearsal, f"{type(error).__name__}: {error}", by)
    finally:
        Rehearsal.objects.filter(pk=rehearsal.pk).update(claimed_until=None)


def _claim(rehearsal: Rehearsal, by: Actor) -> bool:
    require(by, Permission.TRIAL_DESIGN, rehearsal.trial)
    free = Q(claimed_until=None) | Q(claimed_until__lt=timezone.now())
    due = Rehearsal.objects.filter(free, pk=rehearsal.pk, state__in=[State.QUEUED, State.RUNNING])
    return bool(due.update(state=State.RUNNING, claimed_until=timezone.now() + HELD_FOR))


def _finish(rehearsal: Rehearsal, copy: Trial, by: Actor) -> None:
    with audit.transaction(by=by) as event:
        copy.refresh_from_db()
        if copy.status == Trial.Status.RECRUITING:
            change_status(trial=copy, to=Trial.Status.FOLLOW_UP, by=by)
        Rehearsal.objects.filter(pk=rehearsal.pk).update(state=State.FINISHED, finished_at=timezone.now())
        event.record("rehearsal.finished", trial=rehearsal.trial, target=rehearsal)


def _fail(rehearsal: Rehearsal, failure: str, by: Actor) -> None:
    with audit.transaction(by=by, reason=failure) as event:
        Rehearsal.objects.filter(pk=rehearsal.pk).update(
            state=State.FAILED, finished_at=timezone.now(), failure=failure[:2000]
        )
        event.record("rehearsal.failed", trial=rehearsal.trial, target=rehearsal)


def retry_rehearsal(*, rehearsal: Rehearsal, by: Actor) -> None:
    """Queue a failed rehearsal again; it goes on where it stopped."""
    with audit.transaction(by=by) as event:
        require(by, Permission.TRIAL_DESIGN, rehearsal.trial)
        Rehearsal.objects.filter(pk=rehearsal.pk, state=State.FAILED).update(
            state=State.QUEUED, failure="", finished_at=None
        )
        event.record("rehearsal.requested", trial=rehearsal.trial, target=rehearsal)


def archive_rehearsal(*, copy: Trial, by: Actor) -> Trial:
    """Take a rehearsal through the rest of its life to the archive, by the steps of a real trial.

    Raises InConflict for a trial that is no rehearsal, or whose people are still simulated.
    """
    with audit.transaction(by=by, reason="The rehearsal is over") as event:
        require(by, Permission.TRIAL_LOCK, copy)
        if copy.rehearsal_of_id is None:
            raise InConflict("no_rehearsal", f"{copy.title} is no rehearsal. Nothing was changed.")
        if Rehearsal.objects.filter(copy=copy, state__in=[State.QUEUED, State.RUNNING]).exists():
            raise InConflict("rehearsal_running", "The rehearsal is still under way. Archive it once it is finished.")
        copy = Trial.objects.get(pk=copy.pk)
        for to in STEPS_TO_ARCHIVE[Trial.Status.values.index(copy.status) :]:
            copy = change_status(trial=copy, to=to, by=by, reason="The rehearsal is over")
        event.record("rehearsal.archived", trial=copy, target=copy)
    return copy


def _make_copy(rehearsal: Rehearsal, by: Actor) -> Trial:
    """Copy the design as it stands now, register the copy and open its recruitment; all or nothing."""
    from analytics.services.registration import register_trial
    from analytics.services.simulated_people import starts_on

    with audit.transaction(by=by) as event:
        original = rehearsal.trial
        copy = copied(
            original,
            slug=_free_slug(original.slug, rehearsal.number),
            title=f"Rehearsal {rehearsal.number} of {original.title}"[:300],
            registry_id="",
            # Labels of a rehearsal are never taken for those of a real participant.
            code_prefix=f"R{rehearsal.number}{original.code_prefix}"[:12],
            status=Trial.Status.DRAFT,
            data_state=Trial.DataState.OPEN,
            data_version=0,
            unlocked_at=None,
            is_demonstration=False,
            rehearsal_of=original,
            planned_participants=rehearsal.participants,
            recruitment_starts=starts_on(rehearsal),
            recruitment_ends=None,
        )
        _copy_design(original, copy)
        if (plan := newest_plan(original)) is not None:
            record_plan(trial=copy, specification=plan.specification, by=by)
        copy = register_trial(trial=copy, by=by)
        copy = change_status(trial=copy, to=Trial.Status.RECRUITING, by=by)
        Rehearsal.objects.filter(pk=rehearsal.pk).update(copy=copy)
        event.record("rehearsal.copied", trial=original, target=copy)
    return copy


def _free_slug(slug: str, number: int) -> str:
    ending = f"-rehearsal-{number}"
    return f"{slug[: 50 - len(ending)]}{ending}"


def _copy_design(original: Trial, copy: Trial) -> None:
    """Copy what the trial is made of and who works in it; laboratories and their credentials stay behind.

    The plan that the trial has goes with it, and the limits of its assays go to the simulated laboratory.
    """
    for rows in (original.criteria, original.sites, original.factors, original.visits, original.biomarkers):
        for row in rows.all():
            copied(row, trial=copy)
    for form in original.consent_forms.all():
        copied(form, trial=copy, valid_from=None)
    if not original.consent_forms.exists():
        ConsentForm.objects.create(trial=copy, version="1.0", scopes=[])
    _copy_arms(original, copy)
    sites = {site.code: site for site in copy.sites.all()}
    for held in Membership.objects.filter(trial=original, ended_at=None).select_related("site"):
        site = sites[held.site.code] if held.site else None
        Membership.objects.create(trial=copy, user_id=held.user_id, role=held.role, site=site)
    built_in = Laboratory.objects.create(trial=copy, code=BUILT_IN_LABORATORY, name="Simulated")
    LaboratoryTrial.objects.create(laboratory=built_in, trial=copy)
    _copy_outcomes(original, copy)
    _copy_assays(original, copy, built_in)


def _copy_outcomes(original: Trial, copy: Trial) -> None:
    visits = {visit.code: visit for visit in copy.visits.all()}
    for outcome in original.planned_outcomes.select_related("visit"):
        copied(outcome, trial=copy, visit=visits[outcome.visit.code] if outcome.visit else None)


def _copy_assays(original: Trial, copy: Trial, laboratory: Laboratory) -> None:
    """Give the one simulated laboratory the newest assay of each biomarker, so that it is what a row means."""
    biomarkers = {biomarker.code: biomarker for biomarker in copy.biomarkers.all()}
    in_use = original.assays.exclude(valid_to__lt=timezone.localdate()).select_related("biomarker").order_by("pk")
    newest = {assay.biomarker.code: assay for assay in in_use}
    for place, (code, assay) in enumerate(newest.items(), start=1):
        # Two laboratories may call different methods alike.
        own_code = f"{assay.code[:30]}-{place}"
        copied(assay, trial=copy, laboratory=laboratory, biomarker=biomarkers[code], code=own_code)


def _copy_arms(original: Trial, copy: Trial) -> None:
    arms = {arm.pk: copied(arm, trial=copy, crosses_over_to=None) for arm in original.arms.all()}
    for intervention in Intervention.objects.filter(arm__trial=original):
        copied(intervention, arm=arms[intervention.arm_id])
    for arm in original.arms.all():
        if arm.crosses_over_to_id is not None:
            arms[arm.pk].crosses_over_to = arms[arm.crosses_over_to_id]
            arms[arm.pk].save(update_fields=["crosses_over_to"])
