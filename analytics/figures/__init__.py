"""Charts as SVG text: a frozen dataclass goes in, one self-contained `<svg>` comes out.

No Django and no data frame, so that a chart can be drawn and tested alone. Colours are presentation attributes, which
hold in a downloaded file, in print and in mail; class names let the page's style sheet replace them, which gives dark
mode on screen. Nothing carries a style attribute: the pages' content security policy forbids it.

A chart raises ValueError for numbers that are not finite; what could not be estimated is None with a reason.
"""
