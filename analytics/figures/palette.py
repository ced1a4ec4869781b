"""Colours of a chart that stands alone (paper, mail, a file); on screen the style sheet overrides them by class.

Arm colours are used for arms only, and never say which arm is better.
"""

from collections.abc import Mapping
from typing import Final

INK: Final = "#17202b"
SURFACE: Final = "#ffffff"
BAND: Final = "#efe6f5"
MARK: Final = "#0c5883"
HEAD: Final = "#7c8895"

_MUTED: Final = "#55626f"
_REFERENCE: Final = "#75379b"

ARMS: Final[Mapping[str, str]] = {
    "arm-intervention": "#0a7a6d",
    "arm-waitlist": "#a56600",
    "arm-other": "#5d5a78",
}
TEXT: Final[Mapping[str, str]] = {"muted": _MUTED, "reference": _REFERENCE, **ARMS}
STROKE: Final[Mapping[str, str]] = {
    "axis": "#7c8895",
    "box": "#7c8895",
    "flow": "#7c8895",
    "grid": "#e9edf1",
    "line": MARK,
    "plan": _MUTED,
    "reference": _REFERENCE,
    **ARMS,
}


def arm_class(kind: str) -> str:
    """The class of an arm of this kind (`intervention`, `waitlist`, any other)."""
    return f"arm-{kind}" if kind in {"intervention", "waitlist"} else "arm-other"
