"""Registering a trial: design, randomization and analysis plan are sealed together, or not at all."""

from analytics.selectors.readiness import before_registering, lacking
from analytics.services.plans import freeze_plan
from trials import audit
from trials.access import Actor, require
from trials.errors import RuleBroken
from trials.models import Trial
from trials.permissions import Permission
from trials.services import lifecycle
from trials.services.protocol_versions import record_protocol_version


def register_trial(*, trial: Trial, by: Actor) -> Trial:
    """Seal design and randomization, freeze the analysis plan with its hash, and keep version 1 of the protocol.

    Raises RuleBroken for a design that lacks what no trial can do without; InConflict for a trial that is no draft.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.TRIAL_DESIGN, trial)
        missing = lacking(before_registering(trial, by)) if trial.status == Trial.Status.DRAFT else []
        if missing:
            labels = ", ".join(str(point.label).lower() for point in missing)
            raise RuleBroken("not_ready", f"This is missing before the trial can be registered: {labels}.")
        registered = lifecycle.register_trial(trial=trial, by=by)
        plan = freeze_plan(trial=registered, by=by)
        version = record_protocol_version(trial=registered, by=by, reason="Registration")
        detail = {"plan": plan.version, "protocol": version.number}
        event.record("trial.sealed", trial=registered, target=registered, detail=detail, sha256=plan.sha256)
    return registered
