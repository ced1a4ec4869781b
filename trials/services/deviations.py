"""Recording deviations from the protocol, and amending them with a reason; they are never removed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date

from django.utils import timezone

from trials import audit
from trials.access import Actor, require, sites_where
from trials.errors import NotAllowed, RuleBroken
from trials.lifecycle import Writing
from trials.models import Deviation, Participant, Site, Trial, Visit
from trials.models.deviation import rule_tells_arm
from trials.permissions import Permission
from trials.services.writing import require_writable


@dataclass(frozen=True)
class Told:
    """What is said of a deviation. `tells_arm`: reading it says or hints at the arm, so the blinded do not.

    Where a rule found it that hints at the arm, services set `tells_arm` whatever is sent.
    """

    category: str
    severity: str
    occurred_on: date
    description: str
    action: str = ""
    tells_arm: bool = False


@dataclass(frozen=True)
class Place:
    """Whose deviation it is: of a participant (at a visit), a site, or the whole trial."""

    site: Site | None = None
    participant: Participant | None = None
    visit: Visit | None = None

    @property
    def at(self) -> Site | None:
        """The site whose staff may record it: the participant's, where there is one."""
        return self.participant.site if self.participant else self.site


WHOLE_TRIAL = Place()


def record_deviation(
    *, trial: Trial, told: Told, by: Actor, place: Place = WHOLE_TRIAL, rule: str = "", key: str = ""
) -> Deviation:
    """Record a deviation; with `rule`, confirm what that automatic rule found at the place.

    The same `key`, and the same rule at the same place, record once. Raises RuleBroken for a day to come, a missing
    description and words that are not of the lists; NotAllowed for the whole trial unless `by` records at every site.
    """
    with audit.transaction(by=by) as event:
        _require_place(by, trial, place.at)
        require_writable(trial, Writing.SAFETY)
        told = _marked(told, rule, place.visit)
        _check(told)
        Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
        deviation = _earlier(trial, place, rule, key) or Deviation.objects.create(
            trial=trial,
            site=place.at,
            participant=place.participant,
            visit=place.visit,
            rule=rule,
            key=key,
            **asdict(told),
        )
        event.record(_verb("recorded", told.tells_arm), trial=trial, target=place.participant or trial)
    return deviation


def revise_deviation(*, deviation: Deviation, told: Told, by: Actor, reason: str, is_void: bool = False) -> Deviation:
    """Say something else of a deviation, or that it was recorded in error (`is_void`); the trail keeps what was said.

    Raises RuleBroken without a reason.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        deviation = Deviation.objects.select_for_update(of=("self",)).get(pk=deviation.pk)
        _require_place(by, deviation.trial, deviation.site)
        if deviation.tells_arm:
            require(by, Permission.ALLOCATION_VIEW, deviation.trial, site=deviation.site)
        require_writable(deviation.trial, Writing.SAFETY)
        told = _marked(told, deviation.rule, deviation.visit)
        _check(told)
        if not reason.strip():
            raise RuleBroken("reason_missing", "Say why what is recorded changes.", field="reason")
        was_telling = deviation.tells_arm
        _change(deviation, {**asdict(told), "is_void": is_void})
        event.record(
            _verb("revised", told.tells_arm or was_telling),
            trial=deviation.trial,
            target=deviation.participant or deviation.trial,
        )
    return deviation


def may_record_at(by: Actor, trial: Trial, site: Site | None) -> bool:
    """Return whether `by` records deviations of this site; of the whole trial, at every site."""
    sites = sites_where(by, Permission.SAFETY_RECORD, trial)
    return site.pk in sites if site else sites >= set(trial.sites.values_list("pk", flat=True))


def _require_place(by: Actor, trial: Trial, site: Site | None) -> None:
    require(by, Permission.SAFETY_RECORD, trial, site=site)
    if not may_record_at(by, trial, site):
        raise NotAllowed("not_allowed", "Those who record at every site record deviations of the whole trial.")


def _marked(told: Told, rule: str, visit: Visit | None) -> Told:
    return replace(told, tells_arm=told.tells_arm or rule_tells_arm(rule, visit))


def _change(deviation: Deviation, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        setattr(deviation, name, value)
    deviation.save(update_fields=list(values))


def _verb(done: str, tells_arm: bool) -> str:
    """The trail leaves out verbs of `arm_deviation` for the blinded, reasons included."""
    return f"arm_deviation.{done}" if tells_arm else f"deviation.{done}"


def _check(told: Told) -> None:
    if told.category not in Deviation.Category.values:
        raise RuleBroken("category_unknown", f"“{told.category}” is no category of deviations.", field="category")
    if told.severity not in Deviation.Severity.values:
        raise RuleBroken("severity_unknown", "Say whether it is minor or major.", field="severity")
    if told.occurred_on > timezone.localdate():
        raise RuleBroken("date_future", f"{told.occurred_on} is in the future. Nothing was saved.", field="occurred_on")
    if not told.description.strip():
        raise RuleBroken("description_missing", "Say what departed from the protocol.", field="description")


def _earlier(trial: Trial, place: Place, rule: str, key: str) -> Deviation | None:
    """Return what an earlier click, or another person, recorded; asked while the trial's row is locked."""
    if rule:
        return Deviation.objects.filter(participant=place.participant, visit=place.visit, rule=rule).first()
    return Deviation.objects.filter(trial=trial, key=key).first() if key else None
