"""The protocol as one plain document: its one spelling, its fingerprint, and its form for those blind to arms."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

Document = dict[str, Any]

# What the design tells of an arm without naming it; everything else of an arm or its intervention might.
OPEN_OF_AN_ARM = ("kind", "ratio", "is_reference")
OPEN_OF_AN_INTERVENTION = ("type", "delivery", "sessions_planned", "session_minutes", "weeks")


def canonical_json(document: Mapping[str, Any]) -> str:
    """Return the one spelling of a document: sorted keys, no spaces, UTF-8 as it is."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fingerprint(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document's one spelling, in hexadecimal."""
    return sha256(canonical_json(document).encode()).hexdigest()


def without_arm_names(document: Mapping[str, Any]) -> Document:
    """Return the document as the blinded may read it: arms by number, with what the design tells of them.

    Names, codes and free texts of arms and interventions are left out, since any of them may name the arm.
    """
    arms = [_unnamed(arm, number) for number, arm in enumerate(document.get("arms", []), start=1)]
    return {**document, "arms": arms}


def _unnamed(arm: Mapping[str, Any], number: int) -> Document:
    shown: Document = {"code": f"arm-{number}", "name": f"Arm {number}"}
    shown |= {key: arm[key] for key in OPEN_OF_AN_ARM if key in arm}
    intervention = arm.get("intervention")
    if intervention:
        shown["intervention"] = {key: intervention[key] for key in OPEN_OF_AN_INTERVENTION if key in intervention}
    return shown
