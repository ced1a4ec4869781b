"""Trials, as far as the caller may know of them."""

from django.db.models import QuerySet

from trials.access import Actor, trial_unknown, trials_of, tries_things_out
from trials.models import Trial


def trials_visible_to(by: Actor) -> QuerySet[Trial]:
    """Return the trials whose existence `by` may know."""
    return Trial.objects.filter(pk__in=Trial.objects.filter(trials_of(by)).values("pk"))


def visible_trial(slug: str, by: Actor) -> Trial:
    """Return one trial; NotFound, in the same words for a missing and a foreign one.

    To a credential of the sandbox the name of a trial means its copy.
    """
    named = {"sandbox_of__slug" if tries_things_out(by) else "slug": slug}
    trial = trials_visible_to(by).filter(**named).select_related("sandbox_of").first()
    if trial is None:
        raise trial_unknown()
    return trial
