"""Where in a trial somebody may see or record values; and of which of them that tell an arm.

Only people with a therapy have values of a biomarker that tells the arm (`Biomarker.tells_arm`). They, and whatever is
there because of them, are shown where the arm may be seen, and nothing marks that they are withheld elsewhere.
"""

from django.db.models import Exists, OuterRef, Q

from measurements.models import Biomarker, Result
from trials.access import Actor, allocation_sites, sites_where
from trials.models import Trial
from trials.permissions import Permission

Sites = list[int] | None
"""Sites by primary key; None for the whole trial."""


def sites_open_to(by: Actor, permission: Permission, trial: Trial) -> Sites:
    """Return the sites at which `by` may do this; None where it is all of them (laboratories have no sites)."""
    if by.user is None:
        return None
    allowed = sites_where(by, permission, trial)
    return None if len(allowed) == trial.sites.count() else sorted(allowed)


QUESTIONNAIRE = "questionnaire"


def closed_sites(by: Actor, trial: Trial) -> list[int]:
    """Return the sites at which values that tell an arm are withheld from `by`; none from laboratories.

    Laboratories are bound elsewhere to what they sent. Empty, too, in a trial that measures nothing of the kind.
    """
    if by.user is None or not Biomarker.objects.filter(trial=trial, tells_arm=True).exists():
        return []
    return sorted({site.pk for site in trial.sites.all()} - allocation_sites(by, trial))


def seen_by(by: Actor, trial: Trial, *, biomarker: str = "biomarker", participant: str = "specimen__participant") -> Q:
    """Return the condition for what is about a biomarker of a participant, by their names: that `by` may see it.

    What names no biomarker, or one that tells no arm, may be seen.
    """
    closed = closed_sites(by, trial)
    if not closed:
        return Q()
    telling = Biomarker.objects.filter(trial=trial, tells_arm=True).values_list("pk", flat=True)
    about_nothing = Q(**{f"{biomarker}__isnull": True})
    return about_nothing | ~Q(**{f"{biomarker}__in": list(telling)}) | ~Q(**{f"{participant}__site__in": closed})


def specimens_seen_by(by: Actor, trial: Trial) -> Q:
    """Return the condition for specimens: sittings that hold nothing but values that tell an arm are withheld too."""
    if by.credential is not None:
        own = Q(laboratory=by.credential.laboratory_id)
        closed = [site.pk for site in trial.sites.all()]
    else:
        own, closed = Q(pk__in=[]), closed_sites(by, trial)
    if not closed:
        return Q()
    here = Result.objects.filter(specimen=OuterRef("pk"))
    return (
        ~Q(specimen_type=QUESTIONNAIRE)
        | ~Q(participant__site__in=closed)
        | Exists(here.filter(own | Q(biomarker__tells_arm=False)))
        | ~Exists(here)
    )


def shows_lines(by: Actor, trial: Trial, site: int) -> Q:
    """Return the condition for biomarkers of which `by` may see and record values at a site."""
    return Q(tells_arm=False) if site in closed_sites(by, trial) else Q()


SHOWN = "NOT (b.tells_arm AND p.site_id = ANY(%(closed)s::bigint[]))"
"""The same condition in SQL, of biomarker `b` and participant `p`; `closed` is what `closed_sites` gives."""
