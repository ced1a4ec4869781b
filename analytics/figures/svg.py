"""The little SVG that the charts need: escaped elements, finite coordinates, text that fits."""

import math
import re
import textwrap
from typing import Final

from analytics.figures import palette

MINUS: Final = "\N{MINUS SIGN}"
# Control characters, surrogates and non-characters have no place in XML 1.0, not even escaped.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
# Mean width of a character of the interface's typeface in units of its size: good enough to wrap and shorten by.
_CHARACTER: Final = 0.52


def escape(text: str) -> str:
    """`text` made safe for element content and attribute values."""
    return _FORBIDDEN.sub("", text).translate(_ESCAPES)


def coordinate(value: float) -> str:
    """A coordinate with at most one decimal. Raises ValueError where it is not finite."""
    if not math.isfinite(value):
        raise ValueError(f"A coordinate must be finite, not {value}.")
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def number(value: float, digits: int = 2) -> str:
    """`value` with the true minus sign; a rounded zero has no sign."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.") else text.replace("-", MINUS)


def path(*steps: str | float) -> str:
    """The `d` of a path from its letters and coordinates: `path("M", 1, 2, "h", 8)` is `M1 2 h8`."""
    words = [step if isinstance(step, str) else coordinate(step) for step in steps]
    return re.sub(r"([A-Za-z]) ", r"\1", " ".join(words))


def element(name: str, *children: str, **attributes: str | float | None) -> str:
    """One element. `children` are finished markup; attributes are escaped, and left out where None or empty.

    `stroke_width` becomes `stroke-width`, and a trailing underscore is dropped (`class_`).
    """
    rendered = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value) if isinstance(value, str) else coordinate(value)}"'
        for key, value in attributes.items()
        if value is not None and value != ""
    )
    return f"<{name}{rendered}>{''.join(children)}</{name}>" if children else f"<{name}{rendered}/>"


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: str = "",
    size: float | None = None,
    weight: int | None = None,
    kind: str = "",
    slant: str = "",
    halo: bool = False,
) -> str:
    """A line of text at its baseline; `kind` is a class of the palette (none: plain ink).

    A halo in the colour of the surface keeps it readable where lines pass behind it.
    """
    return element(
        "text",
        escape(content),
        x=x,
        y=y,
        text_anchor=anchor,
        font_size=size,
        font_weight=weight,
        font_style=slant,
        class_=f"{kind} halo".strip() if halo else kind,
        fill=palette.TEXT[kind] if kind else None,
        stroke=palette.SURFACE if halo else None,
        stroke_width=4 if halo else None,
        paint_order="stroke" if halo else None,
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str, *, width: float = 1, dash: str = "") -> str:
    """A straight line of a class of the palette."""
    return element(
        "line",
        x1=x1,
        y1=y1,
        x2=x2,
        y2=y2,
        class_=kind,
        stroke=palette.STROKE[kind],
        stroke_width=None if width == 1 else width,
        stroke_dasharray=dash,
    )


def polyline(points: list[tuple[float, float]], kind: str, *, width: float = 2, dash: str = "") -> str:
    """A line through `points`, of a class of the palette."""
    steps = [step for index, (x, y) in enumerate(points) for step in ("L" if index else "M", x, y)]
    return element(
        "path",
        d=path(*steps),
        class_=kind,
        fill="none",
        stroke=palette.STROKE[kind],
        stroke_width=width,
        stroke_linejoin="round",
        stroke_dasharray=dash,
    )


def shorten(content: str, width: float, size: float) -> str:
    """`content`, cut with an ellipsis where it would be wider than `width`."""
    room = max(1, int(width / (size * _CHARACTER)))
    return content if len(content) <= room else content[: room - 1].rstrip() + "…"


def wrap(content: str, width: float, size: float) -> list[str]:
    """`content` in lines no wider than `width`."""
    return textwrap.wrap(content, max(8, int(width / (size * _CHARACTER)))) or [""]


def text_width(content: str, size: float) -> float:
    """Roughly how wide `content` will be."""
    return len(content) * size * _CHARACTER


def figure(width: float, height: float, title: str, description: str, parts: list[str], *, kind: str = "") -> str:
    """The whole chart. Its name and description are what a screen reader says instead of the picture."""
    return element(
        "svg",
        element("title", escape(title)),
        element("desc", escape(description)),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        width=width,
        height=height,
        role="img",
        class_=f"figure {kind}".strip(),
        font_family="Inter, system-ui, sans-serif",
        font_size=14,
        fill=palette.INK,
    )
