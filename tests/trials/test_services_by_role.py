"""Every service as every role: called for real, refused unless the role has what the table says.

The services are found by introspection: one that is in neither table fails here. What a service is given beyond rows
is nonsense on purpose: who may is let through to some other refusal or fault, who may not must be refused first.
"""

import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import models, transaction
from django.utils import timezone

from analytics.models import Export, Rehearsal
from measurements.models import Assay, Biomarker, ControlMaterial, Query, Session, Shipment, Specimen, Upload
from tests.making import ARMS, PLATFORM, make_member, make_trial
from trials import audit
from trials.access import Actor, has_permission
from trials.errors import NotAllowed, NotFound
from trials.models import (
    AdverseEvent,
    Deviation,
    GroupMember,
    Invitation,
    Laboratory,
    LaboratoryCredential,
    Membership,
    OutgoingMessage,
    Participant,
    Site,
    Therapist,
    TherapyGroup,
    Trial,
    TwoPersonMove,
    User,
    Visit,
    Webhook,
    WebhookMessage,
)
from trials.permissions import Permission, Role
from trials.services.deviations import Place
from trials.services.enrollment import record_consent, screen_participant
from trials.services.people import create_account
from trials.services.randomization import randomize_participant

P = Permission
KEYWORDS = inspect.Parameter.VAR_KEYWORD
PACKAGES = ("trials.services", "measurements.services", "analytics.services")

# What a service asks for, everything named being needed at the site of what it is about.
NEEDS: dict[str, tuple[Permission, ...]] = {
    "trials.consent.add_consent_form": (P.TRIAL_DESIGN,),
    "trials.consent.record_reconsent": (P.PARTICIPANT_ENROLL,),
    "trials.consent.decline_reconsent": (P.PARTICIPANT_ENROLL,),
    "trials.consent.withdraw_scope": (P.PARTICIPANT_ENROLL,),
    "trials.design.create_trial": (P.TRIAL_CREATE,),
    "trials.design.revise_design": (P.TRIAL_DESIGN,),
    "trials.deviations.record_deviation": (P.SAFETY_RECORD,),
    "trials.deviations.revise_deviation": (P.SAFETY_RECORD,),
    "trials.enrollment.enroll_participant": (P.PARTICIPANT_ENROLL,),
    "trials.enrollment.screen_participant": (P.PARTICIPANT_ENROLL,),
    "trials.enrollment.exclude_participant": (P.PARTICIPANT_ENROLL,),
    "trials.enrollment.record_consent": (P.PARTICIPANT_ENROLL,),
    "trials.enrollment.record_event": (P.PARTICIPANT_WITHDRAW,),
    "trials.enrollment.record_external_participants": (P.TRIAL_DESIGN,),
    "trials.groups.randomize_group": (P.PARTICIPANT_RANDOMIZE,),
    "trials.identities.record_identity": (P.IDENTITY_RECORD,),
    "trials.identities.read_identity": (P.IDENTITY_VIEW,),
    "trials.identities.erase_identity": (P.IDENTITY_RECORD,),
    "trials.invitations.invite_person": (P.PEOPLE_MANAGE,),
    "trials.invitations.resend_invitation": (P.PEOPLE_MANAGE,),
    "trials.invitations.revoke_invitation": (P.PEOPLE_MANAGE,),
    "trials.lifecycle.register_trial": (P.TRIAL_DESIGN,),
    "trials.lifecycle.change_status": (P.TRIAL_RUN,),
    "trials.lifecycle.change_data_state": (P.TRIAL_RUN,),
    "trials.lifecycle.ask_for_move": (P.TRIAL_RUN,),
    "trials.lifecycle.sign_move": (P.TRIAL_RUN,),
    "trials.lifecycle.refuse_move": (P.TRIAL_RUN,),
    "trials.messages.resend_message": (P.OUTBOX_VIEW,),
    "trials.messages.read_message": (P.OUTBOX_VIEW,),
    "trials.people.create_account": (P.ACCOUNT_CREATE,),
    "trials.people.grant_role": (P.PEOPLE_MANAGE,),
    "trials.people.end_role": (P.PEOPLE_MANAGE,),
    "trials.people.add_laboratory": (P.LABORATORY_MANAGE,),
    "trials.people.end_delivery": (P.LABORATORY_MANAGE,),
    "trials.credentials.create_laboratory_credential": (P.LABORATORY_MANAGE,),
    "trials.credentials.revoke_laboratory_credential": (P.LABORATORY_MANAGE,),
    "trials.credentials.rotate_laboratory_credential": (P.LABORATORY_MANAGE,),
    "trials.protocol_versions.record_protocol_version": (P.TRIAL_DESIGN,),
    "trials.randomization.randomize_participant": (P.PARTICIPANT_RANDOMIZE,),
    "trials.randomization.record_randomized_in_error": (P.PARTICIPANT_RANDOMIZE,),
    "trials.registry.amend_protocol": (P.TRIAL_DESIGN,),
    "trials.safety.record_adverse_event": (P.SAFETY_RECORD,),
    "trials.safety.change_adverse_event": (P.SAFETY_RECORD,),
    "trials.therapy.add_therapist": (P.SESSION_RECORD,),
    "trials.therapy.set_therapist_active": (P.SESSION_RECORD,),
    "trials.therapy.form_group": (P.SESSION_RECORD, P.ALLOCATION_VIEW),
    "trials.therapy.join_group": (P.SESSION_RECORD, P.ALLOCATION_VIEW),
    "trials.therapy.leave_group": (P.SESSION_RECORD, P.ALLOCATION_VIEW),
    "trials.therapy.close_group": (P.SESSION_RECORD, P.ALLOCATION_VIEW),
    "trials.unblinding.unblind_participant": (P.ALLOCATION_UNBLIND,),
    "trials.verification.replay_allocation": (P.ALLOCATION_VIEW,),
    "trials.verification.replay_file": (P.ALLOCATION_VIEW,),
    "trials.verification.verify_allocation": (P.ALLOCATION_VIEW,),
    "trials.webhooks.add_webhook": (P.LABORATORY_MANAGE,),
    "trials.webhooks.change_events": (P.LABORATORY_MANAGE,),
    "trials.webhooks.rotate_secret": (P.LABORATORY_MANAGE,),
    "trials.webhooks.set_webhook_active": (P.LABORATORY_MANAGE,),
    "trials.webhooks.end_webhook": (P.LABORATORY_MANAGE,),
    "trials.webhooks.send_test": (P.LABORATORY_MANAGE,),
    "trials.webhooks.resend_webhook_message": (P.LABORATORY_MANAGE,),
    "measurements.assays.add_assay": (P.LABORATORY_MANAGE,),
    "measurements.assays.revise_assay": (P.LABORATORY_MANAGE,),
    "measurements.catalogue.add_biomarkers": (P.TRIAL_RUN,),
    "measurements.catalogue.revise_biomarker": (P.TRIAL_RUN,),
    "measurements.plates.register_plate": (P.LABORATORY_MANAGE,),
    "measurements.plates.add_control_material": (P.LABORATORY_MANAGE,),
    "measurements.plates.revise_control_material": (P.LABORATORY_MANAGE,),
    "measurements.plates.record_control_values": (P.LABORATORY_MANAGE,),
    "measurements.plates.draw_plate_layout": (P.LABORATORY_MANAGE, P.SPECIMEN_VIEW),
    "measurements.cross_over.record_cross_over": (P.ALLOCATION_VIEW, P.SESSION_RECORD),
    "measurements.queries.open_query": (P.QUERY_MANAGE,),
    "measurements.queries.answer_query": (P.QUERY_ANSWER,),
    "measurements.queries.close_query": (P.QUERY_MANAGE,),
    "measurements.queries.reopen_query": (P.QUERY_MANAGE,),
    "measurements.questionnaires.record_answers": (P.RESULT_RECORD,),
    "measurements.sessions.record_session": (P.SESSION_RECORD,),
    "measurements.sessions.record_group_session": (P.SESSION_RECORD, P.ALLOCATION_VIEW),
    "measurements.sessions.retract_session": (P.SESSION_RECORD, P.ALLOCATION_VIEW),
    "measurements.sandbox.ready_sandbox": (P.LABORATORY_MANAGE,),
    "measurements.sandbox.empty_sandbox": (P.LABORATORY_MANAGE,),
    "measurements.shipments.send_shipment": (P.SPECIMEN_MANAGE,),
    "measurements.shipments.receive_shipment": (P.SPECIMEN_RECEIVE,),
    "measurements.specimens.register_specimen": (P.SPECIMEN_MANAGE,),
    "measurements.specimens.register_planned": (P.SPECIMEN_MANAGE,),
    "measurements.specimens.receive_specimen": (P.SPECIMEN_RECEIVE,),
    "measurements.specimens.note_specimen": (P.SPECIMEN_MANAGE,),
    "measurements.specimens.correct_times": (P.SPECIMEN_MANAGE,),
    "measurements.specimens.part_specimen": (P.SPECIMEN_MANAGE,),
    "measurements.uploads.stage_upload": (P.RESULT_RECORD,),
    "measurements.uploads.map_columns": (P.RESULT_RECORD,),
    "measurements.uploads.commit_upload": (P.RESULT_RECORD,),
    "measurements.verification.verify_source": (P.SOURCE_VERIFY,),
    "measurements.visits.complete_visit": (P.VISIT_RECORD,),
    "measurements.visits.record_attendance": (P.VISIT_RECORD,),
    "measurements.visits.lock_visit": (P.VISIT_LOCK,),
    "measurements.visits.lock_visits": (P.VISIT_LOCK,),
    "measurements.visits.unlock_visit": (P.VISIT_LOCK,),
    "analytics.exports.request_export": (P.EXPORT,),
    "analytics.exports.claim_export": (P.EXPORT,),
    "analytics.exports.note_progress": (P.EXPORT,),
    "analytics.exports.finish_export": (P.EXPORT,),
    "analytics.exports.fail_export": (P.EXPORT,),
    "analytics.plans.record_plan": (P.TRIAL_DESIGN,),
    "analytics.recheck.differences_from_scratch": (P.EFFECTS_VIEW,),
    "analytics.recompute.recompute_estimates": (P.EFFECTS_VIEW, P.TRIAL_DESIGN),  # it writes the plan that is missing
    "analytics.registration.register_trial": (P.TRIAL_DESIGN,),
    "analytics.rehearsal.request_rehearsal": (P.TRIAL_DESIGN,),
    "analytics.rehearsal.continue_rehearsal": (P.TRIAL_DESIGN,),
    "analytics.rehearsal.retry_rehearsal": (P.TRIAL_DESIGN,),
    "analytics.rehearsal.archive_rehearsal": (P.TRIAL_LOCK,),
}

# What is of all sites at once.
WHOLE_TRIAL = ("trials.verification.", "analytics.recheck.", "analytics.recompute.")

# Services without a permission of their own, and why; each has tests of its own.
OTHERWISE: dict[str, str] = {
    "trials.invitations.accept_invitation": "the link's token is the right; see test_invitations",
    "trials.invitations.take_up_invitation": "the link's token and the address are the right; see test_invitations",
    "trials.messages.send_message": "part of other services, in their transaction",
    "trials.messages.deliver_message": "the worker's; see test_messages",
    "trials.webhook_delivery.deliver_webhook_message": "the worker's; see test_webhooks",
    "trials.people.open_account": "part of other services, in their transaction",
    "trials.credentials.create_personal_token": "everybody their own; see test_design_and_people_rules",
    "trials.credentials.revoke_personal_token": "everybody their own; see test_design_and_people_rules",
    "trials.allowances.spend": "counts a token's own requests; see test_throttling",
    "trials.retraction.retract_event": "asks for what the struck event needed; see test_retraction",
    "measurements.held_rows.assign_held_row": "SPECIMEN_MANAGE at all sites; see test_held_rows",
    "measurements.held_rows.dismiss_held_row": "SPECIMEN_MANAGE at all sites; see test_held_rows",
    "measurements.held_rows.release_held_rows": "SPECIMEN_MANAGE at all sites; see test_held_rows",
    "measurements.bundles.record_bundle": "calls record_results; see measurements/fhir",
    "measurements.results.record_results": "RESULT_RECORD, after the delivery's shape; see measurements/api",
    "measurements.sessions.record_sessions": "SESSION_RECORD, after the delivery's shape; see test_sessions_post",
    "measurements.entries.record_entries": "calls record_results; see test_visit_form",
    "measurements.grid.check_cells": "calls record_results; see test_grid_entry",
    "measurements.grid.record_grid": "calls record_results; see test_grid_entry",
    "measurements.double_entry.begin_batch": "RESULT_RECORD at the grid's site; see test_double_entry",
    "measurements.double_entry.check_pass": "calls record_results; see test_double_entry",
    "measurements.double_entry.record_pass": "RESULT_RECORD at each row's site; see test_double_entry",
    "measurements.double_entry.settle_pairs": "RESULT_CORRECT at each row's site; see test_double_entry",
    "analytics.plans.freeze_plan": "calls record_plan when the plan is not frozen",
}

# Values by the name of the argument, where nonsense would be refused before anything is asked.
NAMED: dict[str, Any] = {
    "to": "follow_up",
    "kind": "completed",
    "on": date(2026, 3, 2),
    "arms": ARMS,
    "sites": [("leeds", "Leeds")],
    "eligibility": [],
    "link": str,
    "rows": [],
}
TO = {"change_data_state": "frozen"}


def services() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function of a service module that takes keywords only, under `app.module.name`."""
    for package in PACKAGES:
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
            module = importlib.import_module(f"{package}.{found.name}")
            for name, function in inspect.getmembers(module, inspect.isfunction):
                kinds = {each.kind for each in inspect.signature(function).parameters.values()} - {KEYWORDS}
                is_public = function.__module__ == module.__name__ and not name.startswith("_")
                if is_public and kinds == {inspect.Parameter.KEYWORD_ONLY}:
                    yield f"{package.split('.')[0]}.{found.name}.{name}", function


def test_every_service_is_classified() -> None:
    found = {name for name, _ in services()}
    assert found - set(NEEDS) - set(OTHERWISE) == set(), "say in NEEDS what it asks for"
    assert (set(NEEDS) | set(OTHERWISE)) - found == set(), "gone"
    assert not set(NEEDS) & set(OTHERWISE)


def test_every_service_that_needs_something_knows_who_asks() -> None:
    for name, service in services():
        assert name in OTHERWISE or "by" in inspect.signature(service).parameters, name


def examples() -> dict[type, Any]:
    """Return one row of every kind that a service is called with, all at one site of one trial."""
    trial, day = make_trial(), date(2026, 3, 1)
    site = trial.sites.get(code="leeds")
    person = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=day)
    person = record_consent(participant=person, by=PLATFORM, on=day, version="1.0")
    person = randomize_participant(participant=person, by=PLATFORM, levels={"sex": "F"}, on=day).participant
    user = make_member(trial, Role.EXPORT_STAFF, "ghent").user
    now = timezone.now()
    of_trial, of_person = {"trial": trial}, {"trial": trial, "participant": person}
    rows: dict[type, Any] = {Trial: trial, Site: site, Participant: person, User: user, Visit: trial.visits.first()}

    def add(model: type[models.Model], **values: Any) -> None:
        rows[model] = model.objects.create(**values)

    with audit.transaction(by=PLATFORM) as event:
        event.record("test.filled", trial=trial)
        add(Laboratory, code="ghent", name="Ghent")
        add(
            LaboratoryCredential,
            laboratory=rows[Laboratory],
            name="A",
            prefix="lab_live_a",
            sha256="a",
            scopes=["results:write"],
            expires_at=now + timedelta(days=1),
        )
        rows[LaboratoryCredential].trials.set([trial])
        add(Therapist, **of_trial, site=site, code="TH1")
        add(TherapyGroup, **of_trial, site=site, code="G1")
        add(GroupMember, **of_person, group=rows[TherapyGroup], joined_on=day)
        add(Upload, **of_trial, laboratory=rows[Laboratory], uploader=user, content=b"", columns={}, answer={})
        add(Biomarker, **of_trial, code="IL6", name="IL-6", outcome_class="proinflammatory", unit="pg/mL", position=1)
        of_assay = {"laboratory": rows[Laboratory], "biomarker": rows[Biomarker]}
        add(Assay, **of_trial, **of_assay, code="elisa", unit="pg/mL")
        add(ControlMaterial, **of_trial, assay=rows[Assay], level="low", lot="A", target_mean=1, target_sd=1)
        add(Query, **of_person, code="by_hand", question="?")
        add(Specimen, **of_person, visit=rows[Visit], identifier="S-1")
        add(Shipment, **of_trial, number=1, site=site, laboratory=rows[Laboratory], sent_at=now)
        add(Session, **of_person, occurred_at=now, kind="individual", source="form", key="k")
        add(AdverseEvent, **of_person, number=1, term="T", started_on=day, aware_on=day, key="k")
        add(Deviation, **of_person, site=site, category="visit", severity="minor", occurred_on=day, description="D")
        add(TwoPersonMove, **of_trial, before="recruiting", to="follow_up", reason="R", asked_by=user)
        add(Invitation, **of_trial, email="i@example.org", role="monitor", sha256="i", expires_at=now)
        add(OutgoingMessage, to="i@example.org", subject="S", text="T")
        add(Webhook, **of_trial, url="https://example.org/", events=["query.opened"])
        add(WebhookMessage, webhook=rows[Webhook], type="query.opened", body="{}")
        add(Export, **of_trial, requested_by=user)
        add(Rehearsal, **of_trial, number=1, participants=20, seed=1)
    rows[Membership] = Membership.objects.get(user=user)
    return rows


def arguments(service: Callable[..., Any], rows: dict[type, Any], by: Actor) -> dict[str, Any]:
    """Return an argument for each that must be given, a row wherever a row is asked for."""
    hints = typing.get_type_hints(service)
    given: dict[str, Any] = {"by": by}
    for name, parameter in inspect.signature(service).parameters.items():
        is_left_out = parameter.default is not inspect.Parameter.empty and name not in {"trial", "place"}
        if name == "by" or parameter.kind is KEYWORDS or is_left_out:
            continue
        given[name] = argument(service, name, hints[name], rows)
    return given


def argument(service: Callable[..., Any], name: str, hint: Any, rows: dict[type, Any]) -> Any:
    kinds = [each for each in typing.get_args(hint) if each is not types.NoneType] if typing.get_args(hint) else [hint]
    if isinstance(kinds[0], type) and issubclass(kinds[0], models.Model) and name != "trials":
        return rows[kinds[0]]
    if name == "trials":
        return [rows[Trial]]
    if hint is Place:
        return Place(site=rows[Site])
    if name in NAMED:
        return TO.get(service.__name__, NAMED[name]) if name == "to" else NAMED[name]
    return {str: "x", int: 1, bool: True}.get(hint, object())


def is_refused(service: Callable[..., Any], rows: dict[type, Any], by: Actor) -> bool:
    """Call it, undo it, and return whether it was refused for want of a right. Nonsense may break anything else."""
    try:
        with transaction.atomic():
            service(**arguments(service, rows, by))
            transaction.set_rollback(True)
    except NotAllowed:
        return True
    except NotFound as error:
        return error.code == "trial_unknown"
    except Exception:  # noqa: S110 - whatever it is, it is past the question of rights
        pass
    return False


def expected(name: str, rows: dict[type, Any], by: Actor) -> bool:
    """Return whether the caller has all that is needed, where it is needed (test_permission_table says who has)."""
    site = None if name.startswith(WHOLE_TRIAL) else rows[Site]
    return all(has_permission(by, each, rows[Trial], site=site) for each in NEEDS[name])


def differing(rows: dict[type, Any], by: Actor) -> list[str]:
    """Return the services that refuse whom they should not, or let through whom they should refuse."""
    found = dict(services())
    return [name for name in NEEDS if is_refused(found[name], rows, by) == expected(name, rows, by)]


@pytest.mark.django_db
@pytest.mark.parametrize("site", [None, "leeds"])
@pytest.mark.parametrize("role", list(Role))
def test_a_role_is_let_in_where_the_table_says_and_nowhere_else(role: str, site: str | None) -> None:
    rows = examples()
    assert differing(rows, make_member(rows[Trial], role, site)) == []


@pytest.mark.django_db
@pytest.mark.parametrize("role", list(Role))
def test_a_role_at_another_site_reaches_nobody_here(role: str) -> None:
    rows = examples()
    by, found = make_member(rows[Trial], role, "ghent"), dict(services())
    about = [name for name in NEEDS if {Participant, Site} & set(typing.get_type_hints(found[name]).values())]
    assert len(about) > 25
    assert [name for name in about if not is_refused(found[name], rows, by)] == []


@pytest.mark.django_db
def test_administrators_strangers_and_closed_accounts() -> None:
    rows = examples()
    administrator = create_account(email="a@example.org", name="A", password=None, by=PLATFORM, is_administrator=True)
    stranger = create_account(email="s@example.org", name="S", password=None, by=PLATFORM)
    assert differing(rows, Actor(user=administrator)) == []
    found = dict(services())
    let_in = [name for name in NEEDS if not is_refused(found[name], rows, Actor(user=stranger))]
    assert let_in == ["trials.design.create_trial"]
    stranger.is_active = False
    assert [name for name in NEEDS if not is_refused(found[name], rows, Actor(user=stranger))] == []
