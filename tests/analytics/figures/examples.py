"""One example of every chart, with text that would break careless markup."""

from datetime import date

from analytics.figures.consort import ArmFlow, Flow, consort_flow
from analytics.figures.forest import Forest, ForestGroup, ForestRow, forest_plot
from analytics.figures.forest_narrow import narrow_forest_plot
from analytics.figures.precision import Precision, PrecisionPoint, power_tracker, width_tracker
from analytics.figures.recruitment import Recruitment, recruitment_chart

# Markup, quotes, a control character that XML forbids, and letters beyond Latin.
HOSTILE = "<b onload=\"x\">IL-6 & 'TNF-α'</b>\x00\x0b"

FOREST = Forest(
    title=HOSTILE,
    description="d_ppc2 per outcome.",
    groups=(
        ForestGroup(
            "Harmful immune function (lower is better, sign flipped)",
            (
                ForestRow("Interleukin-6", (38, 35), 0.46, -0.01, 0.92),
                ForestRow(HOSTILE, (37, 35), 0.18, -0.28, 0.64),
            ),
        ),
        ForestGroup(
            "Beneficial immune function (higher is better)",
            (
                ForestRow("NK cell cytotoxicity", (24, 22), -0.05, -0.51, 0.41),
                ForestRow("EBV capsid antibody", (4, 3), reason="not estimable: too few pairs (4 and 3)"),
            ),
        ),
    ),
    intervention=("CBT for insomnia", "intervention"),
    summary=ForestRow("All outcomes", (73,), 0.28, 0.02, 0.54),
)
ARMS = (
    ArmFlow(HOSTILE, 44, 42, 38, "intervention", (("Did not start", 2),), (("Moved away", 3),), 3, 38),
    ArmFlow("Waitlist", 42, 42, 35, "waitlist", (), (("No reply", 4),), 3, 35),
)
EXCLUDED = (("Not meeting criteria", 51), ("Declined", 22), ("Other reasons", 5))
FLOW = Flow("Participant flow", "From assessment to analysis.", 86, ARMS, 164, EXCLUDED)
POOLED = Flow("Participant flow", "All arms.", 86, (ArmFlow("All arms", 86, 84, 73, lost=(("", 7),)),), 164, EXCLUDED)
RECRUITMENT = Recruitment(
    "Recruitment",
    HOSTILE,
    ((date(2026, 1, 5), 0), (date(2026, 4, 1), 30), (date(2026, 10, 20), 86)),
    date(2026, 1, 1),
    date(2026, 12, 31),
    120,
)
PRECISION = Precision(
    "Expected precision",
    HOSTILE,
    tuple(PrecisionPoint(n, 8 / n**0.5, min(0.99, n / 150)) for n in range(10, 150, 10)),
    planned=PrecisionPoint(110, 0.76, 0.73),
    now=PrecisionPoint(73, 0.94, 0.49),
)

CHARTS = {
    "forest": lambda: forest_plot(FOREST),
    "forest on a phone": lambda: narrow_forest_plot(FOREST),
    "flow": lambda: consort_flow(FLOW),
    "flow on a phone": lambda: consort_flow(FLOW, 340),
    "pooled flow": lambda: consort_flow(POOLED),
    "recruitment": lambda: recruitment_chart(RECRUITMENT),
    "width": lambda: width_tracker(PRECISION),
    "power": lambda: power_tracker(PRECISION, 340),
}
