"""Reading a chart back."""

from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def parsed(chart: str) -> ElementTree.Element:
    """The root of a chart that was drawn here, so that it is as trustworthy as the code under test."""
    return ElementTree.fromstring(chart)  # noqa: S314


def texts(chart: str) -> list[str]:
    """All lines of text of a chart, in document order."""
    return [node.text or "" for node in parsed(chart).iter(f"{SVG}text")]
