"""How the records for registries say in plain English what the protocol holds as codes."""

from collections.abc import Mapping
from typing import Any

TYPES = {
    "behavior_therapy": "Behaviour therapy",
    "cognitive_therapy": "Cognitive therapy",
    "cbt": "Cognitive behavioural therapy",
    "cbt_plus": "Cognitive behavioural therapy plus additional",
    "bereavement_or_supportive": "Bereavement or supportive therapy",
    "multiple_or_combined": "Multiple or combined interventions",
    "other_psychotherapy": "Other psychotherapy",
    "psychoeducation": "Psychoeducation",
    "non_psychosocial": "Non-psychosocial intervention",
}
# TIDieR items, in its order, as they stand in an intervention.
TIDIER = (
    ("rationale", "Why"),
    ("materials", "Materials"),
    ("description", "Procedures"),
    ("provider", "Provider"),
    ("setting", "Where"),
    ("tailoring", "Tailoring"),
    ("fidelity_plan", "Fidelity"),
)


def plain(code: str) -> str:
    """Return a code as words: "usual care" for `usual_care`."""
    return code.replace("_", " ")


def intervention_title(arm: Mapping[str, Any]) -> str:
    """Return what an arm receives, by the intervention's name, else its type, else the kind of arm."""
    intervention = arm.get("intervention") or {}
    return str(
        intervention.get("name") or TYPES.get(intervention.get("type", ""), "") or plain(arm["kind"]).capitalize()
    )


def dose(intervention: Mapping[str, Any]) -> str:
    """Return the planned dose: "8 sessions of 50 minutes over 10 weeks"; empty where none is planned."""
    parts = []
    if intervention.get("sessions_planned"):
        parts.append(_counted(intervention["sessions_planned"], "session"))
    if intervention.get("session_minutes"):
        parts.append(f"of {_counted(intervention['session_minutes'], 'minute')}")
    if intervention.get("weeks"):
        parts.append(f"over {_counted(intervention['weeks'], 'week')}")
    return " ".join(parts)


def intervention_lines(arm: Mapping[str, Any]) -> list[str]:
    """Return an arm's intervention as TIDieR tells it, a line an item; [] for an arm that receives nothing."""
    intervention = arm.get("intervention")
    if not intervention:
        return []
    lines = [TYPES[intervention["type"]], f"Delivery: {plain(intervention['delivery'])}"]
    if intervention.get("software"):
        lines.append(f"Software: {intervention['software']} {intervention.get('software_version', '')}".strip())
    if planned := dose(intervention):
        lines.append(f"Dose: {planned}")
    lines += [f"{word}: {intervention[field]}" for field, word in TIDIER if intervention.get(field)]
    if intervention.get("cost_per_participant"):
        lines.append(f"Cost per participant: {intervention['cost_per_participant']} {intervention['currency']}")
    return lines


def intervention_text(arm: Mapping[str, Any]) -> str:
    """Return the same in one paragraph; the kind of arm for one that receives nothing."""
    return ". ".join(line.rstrip(".") for line in intervention_lines(arm)) or plain(arm["kind"]).capitalize()


def age_range(registration: Mapping[str, Any]) -> str:
    """Return the ages taken: "18 to 70 years", "18 years or older", "no limits"."""
    low, high = registration["minimum_age"], registration["maximum_age"]
    if low is not None and high is not None:
        return f"{low} to {high} years"
    if low is not None:
        return f"{low} years or older"
    return f"up to {high} years" if high is not None else "no limits"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
