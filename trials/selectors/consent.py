"""Consent: which version is valid when, what a participant agreed to, and who is due to be asked again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from django.utils import timezone
from django.utils.formats import date_format

from trials.access import Actor
from trials.errors import RuleBroken
from trials.models import ConsentForm, Participant, ParticipantEvent, Trial
from trials.selectors.events import events_of_participant, events_that_count
from trials.selectors.participants import participants_visible_to

THE_TRIAL = "trial"
"""Code of the first scope of every version: taking part itself."""

Kind = ParticipantEvent.Kind


@dataclass(frozen=True)
class Scope:
    """One thing that is agreed to; those not required are agreed to one by one."""

    code: str
    name: str
    required: bool = False


@dataclass(frozen=True)
class ScopeGiven:
    """A scope of the version that somebody consented to: agreed, refused, or withdrawn on a day."""

    scope: Scope
    is_given: bool
    withdrawn_on: date | None = None


@dataclass(frozen=True)
class ConsentInForce:
    """The last consent of a participant: version, day, and every scope as it stands now."""

    version: str
    on: date | None
    scopes: tuple[ScopeGiven, ...]

    @property
    def optional_in_force(self) -> list[Scope]:
        """The scopes that can still be withdrawn one by one."""
        return [each.scope for each in self.scopes if each.is_given and not each.scope.required]


def scopes_of(form: ConsentForm) -> list[Scope]:
    """Return a version's scopes, taking part first."""
    return [Scope(each["code"], each["name"], bool(each.get("required"))) for each in form.scopes]


def valid_form(trial: Trial, on: date) -> ConsentForm | None:
    """Return the version that was valid on a day: the last one that had begun. None without versions."""
    forms = [form for form in trial.consent_forms.all() if form.valid_from is None or form.valid_from <= on]
    return forms[-1] if forms else None


def check_consent(trial: Trial, version: str, on: date, scope: Sequence[str]) -> None:
    """Raise RuleBroken unless this version was valid on that day and these scopes are its own, the required ones too.

    A trial that keeps no versions takes whatever is written on its paper.
    """
    if not trial.consent_forms.exists():
        return
    form = valid_form(trial, on)
    if form is None or form.version != version:
        valid = f"Version {form.version} was" if form else "No version was"
        day = date_format(on, "j F Y")
        raise RuleBroken(
            "version_not_valid",
            f"Version {version} was not valid on {day}. {valid} valid on that day. Nothing was saved.",
            field="version",
        )
    known = scopes_of(form)
    unknown = set(scope) - {each.code for each in known}
    if unknown:
        codes = ", ".join(each.code for each in known)
        raise RuleBroken(
            "scope_unknown",
            f"“{min(unknown)}” is not a scope of version {version}; its scopes are {codes}. Nothing was saved.",
            field="scope",
        )
    for each in known:
        if each.required and each.code not in scope:
            raise RuleBroken(
                "scope_required",
                f"Without “{each.name}” nobody takes part. Record that this person declined. Nothing was saved.",
                field="scope",
            )


def consent_of(participant: Participant) -> ConsentInForce | None:
    """Return what a participant now consents to; None before consent, and where a trial was randomized elsewhere."""
    consent: ConsentInForce | None = None
    for event in events_of_participant(participant).order_by("occurred_on", "id"):
        if event.kind in {Kind.CONSENTED, Kind.RECONSENTED}:
            consent = _given(participant.trial, event)
        elif event.kind == Kind.CONSENT_SCOPE_WITHDRAWN and consent is not None:
            consent = _without(consent, event)
    return consent


def _given(trial: Trial, event: ParticipantEvent) -> ConsentInForce:
    version, agreed = event.detail.get("version", ""), event.detail.get("scope", [])
    form = trial.consent_forms.filter(version=version).first()
    scopes = scopes_of(form) if form else [Scope(code, code, code == THE_TRIAL) for code in agreed]
    return ConsentInForce(version, event.occurred_on, tuple(ScopeGiven(each, each.code in agreed) for each in scopes))


def _without(consent: ConsentInForce, event: ParticipantEvent) -> ConsentInForce:
    code = event.detail.get("scope")
    return replace(
        consent,
        scopes=tuple(
            ScopeGiven(each.scope, is_given=False, withdrawn_on=event.occurred_on) if each.scope.code == code else each
            for each in consent.scopes
        ),
    )


def form_asking_again(trial: Trial) -> ConsentForm | None:
    """Return the last version, valid by now, that those with an older consent are asked to agree to."""
    today = timezone.localdate()
    forms = [form for form in trial.consent_forms.all() if form.valid_from is None or form.valid_from <= today]
    return next((form for form in reversed(forms) if form.asks_again), None)


@dataclass(frozen=True)
class DueForReconsent:
    """A participant in follow-up who consented to an older version only, and the version to ask about."""

    participant: Participant
    has: str
    asks: ConsentForm


def reconsent_due(trial: Trial, by: Actor) -> list[DueForReconsent]:
    """Return who is to be asked again, at the sites that `by` sees, in the order of their codes.

    Somebody who declined that version, or a later one, is not asked about it once more.
    """
    visible = participants_visible_to(by, trial).filter(state=Participant.State.RANDOMIZED)
    return _due(trial, list(visible.order_by("number")))


def reconsent_due_for(participant: Participant) -> DueForReconsent | None:
    """Return whether this one participant is to be asked again, and about which version."""
    if participant.state != Participant.State.RANDOMIZED:
        return None
    return next(iter(_due(participant.trial, [participant])), None)


def _due(trial: Trial, people: Sequence[Participant]) -> list[DueForReconsent]:
    asks = form_asking_again(trial)
    if asks is None or trial.randomized_elsewhere:
        return []
    order = {form.version: place for place, form in enumerate(trial.consent_forms.all())}
    asked = (Kind.CONSENTED, Kind.RECONSENTED, Kind.RECONSENT_DECLINED)
    events = events_that_count(trial).filter(kind__in=asked, participant__in=[each.pk for each in people])
    answered: dict[int, int] = {}
    has: dict[int, str] = {}
    for person, kind, detail in events.order_by("id").values_list("participant", "kind", "detail"):
        version = detail.get("version", "")
        answered[person] = max(answered.get(person, -1), order.get(version, -1))
        if kind != Kind.RECONSENT_DECLINED:
            has[person] = version
    wanted = order[asks.version]
    return [DueForReconsent(each, has.get(each.pk, ""), asks) for each in people if answered.get(each.pk, -1) < wanted]
