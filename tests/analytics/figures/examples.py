"""One example of every chart, with text that would break careless markup."""

from dataclasses import replace
from datetime import date

from analytics.figures.consort import ArmColumn, Flow, Step, consort_flow, reason
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
ALLOCATED = Step(HOSTILE, 44, ("Received as allocated: 42", "Did not receive: 2", reason("Did not start: 2")))
FOLLOWED = Step("Follow-up", None, ("Six-month visit: attended: 38", "Lost to follow-up: 3", reason("Moved away: 3")))
WAITED = Step("Follow-up", None, ("Six-month visit: attended: 35", "Lost to follow-up: 4", reason("No reply: 4")))
ARMS = (
    ArmColumn((ALLOCATED, FOLLOWED, Step("Analysed: IL-6", 38, ("Not analysed: 6",))), "intervention"),
    ArmColumn((Step("Allocated to: Waitlist", 42), WAITED, Step("Analysed: IL-6", 35)), "waitlist"),
)
ASSESSED = Step("Assessed for eligibility", 164)
EXCLUDED = Step("Excluded", 78, ("Not meeting criteria: 51", reason(HOSTILE), "Declined: 22", "Other reasons: 5"))
RANDOMIZED = Step("Randomized", 86)
FLOW = Flow("Participant flow", "From assessment to analysis.", RANDOMIZED, ARMS, ASSESSED, EXCLUDED)
TOGETHER = ArmColumn((Step("All arms together", 86), Step("Follow-up", None, ("Died: 0",)), Step("Analysed: IL-6", 73)))
POOLED = Flow("Participant flow", "All arms.", RANDOMIZED, (TOGETHER,), ASSESSED, EXCLUDED)
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
    "flow on a page": lambda: consort_flow(FLOW, 960),
    "pooled flow": lambda: consort_flow(POOLED),
    "pooled flow on a phone": lambda: consort_flow(POOLED, 340),
    "flow of eight arms": lambda: consort_flow(replace(FLOW, arms=ARMS * 4), 960),
    "flow of three arms on a phone": lambda: consort_flow(replace(FLOW, arms=ARMS + ARMS[:1]), 340),
    "recruitment": lambda: recruitment_chart(RECRUITMENT),
    "width": lambda: width_tracker(PRECISION),
    "power": lambda: power_tracker(PRECISION, 340),
}
