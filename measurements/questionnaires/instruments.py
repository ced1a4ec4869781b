"""The questionnaires that are scored here, with the papers that say how.

Sources: Cohen & Williamson 1988 (PSS-10) and Roberti, Harrington & Storch 2006 (its two factors); Devilly & Borkovec
2000 (CEQ); Hatcher & Gillaspy 2006 (WAI-SR); Mercer, Maxwell, Heaney & Watt 2004 (CARE).
The Beck inventory is recorded as a total only: its items are licensed, and some answers share a number.
"""

from measurements.questionnaires.items import Instrument, Item, Scale

_NO_RULE = "The authors publish no rule for missing items, so that a scale with a missing item has no score."


def _items(labels: str, low: int, high: int, *, turned: frozenset[int] = frozenset()) -> tuple[Item, ...]:
    """One item for each line, numbered from 1, all with the same answers."""
    return tuple(
        Item(number, label.strip(), low, high, is_reversed=number in turned)
        for number, label in enumerate(labels.strip().splitlines(), 1)
    )


_PSS10 = Instrument(
    "PSS10",
    "1988",
    "Perceived stress (PSS-10)",
    _items(
        """Unexpected events
        Control of important things
        Nervous, stressed
        Confidence with problems
        Things going well
        Coping with tasks
        Control of irritations
        On top of things
        Anger at what cannot be controlled
        Difficulties piling up""",
        0,
        4,
        turned=frozenset({4, 5, 7, 8}),
    ),
    (
        Scale("PSS10", "Total", tuple(range(1, 11))),
        Scale("PSS10H", "Helplessness", (1, 2, 3, 6, 9, 10)),
        Scale("PSS10S", "Lack of self-efficacy", (4, 5, 7, 8)),
    ),
    ("never", "very often"),
    "Cohen S, Williamson G. Perceived stress in a probability sample of the United States. 1988. "
    "Factors: Roberti JW, Harrington LN, Storch EA. J Coll Couns 2006;9:135-147.",
    f"{_NO_RULE} Items 4, 5, 7 and 8 are reversed, in the second factor too: the two factors add up to the total.",
)

_CEQ = Instrument(
    "CEQ",
    "2000",
    "Credibility and expectancy (CEQ)",
    (
        Item(1, "Logical (thinking)", 1, 9),
        Item(2, "Successful (thinking)", 1, 9),
        Item(3, "Recommend to a friend (thinking)", 1, 9),
        Item(4, "Improvement expected (thinking)", 0, 100, 10, onto=(1, 9), unit="%"),
        Item(5, "Will help (feeling)", 1, 9),
        Item(6, "Improvement expected (feeling)", 0, 100, 10, onto=(1, 9), unit="%"),
    ),
    (
        Scale("CEQ", "Total", (1, 2, 3, 4, 5, 6)),
        Scale("CEQC", "Credibility", (1, 2, 3)),
        Scale("CEQE", "Expectancy", (4, 5, 6)),
    ),
    ("not at all", "very much"),
    "Devilly GJ, Borkovec TD. J Behav Ther Exp Psychiatry 2000;31:73-86.",
    f"{_NO_RULE} Items 4 and 6, in percent, are mapped linearly onto 1 to 9 (0% is 1, 100% is 9), so that every item "
    "weighs the same. The paper itself standardizes items within its sample, which no single sheet can do.",
    is_about_therapy=True,
)

_WAISR = Instrument(
    "WAISR",
    "2006",
    "Working alliance (WAI-SR)",
    _items(
        """Clear how to change
        New ways of looking
        Being liked
        Goals set together
        Mutual respect
        Shared goals
        Being appreciated
        Agreed priorities
        Being cared about
        Steps lead to the change
        Good picture of the change
        Right way of working""",
        1,
        5,
    ),
    (
        Scale("WAISR", "Total", tuple(range(1, 13))),
        Scale("WAISRG", "Goal", (4, 6, 8, 11)),
        Scale("WAISRT", "Task", (1, 2, 10, 12)),
        Scale("WAISRB", "Bond", (3, 5, 7, 9)),
    ),
    ("seldom", "always"),
    "Hatcher RL, Gillaspy JA. Psychother Res 2006;16:12-25.",
    _NO_RULE,
    is_about_therapy=True,
)

_CARE = Instrument(
    "CARE",
    "2004",
    "Perceived empathy (CARE)",
    _items(
        """At ease
        Telling the story
        Listening
        Whole person
        Understanding
        Care and compassion
        Being positive
        Explaining
        Taking control
        Plan of action""",
        1,
        5,
    ),
    (Scale("CARE", "Total", tuple(range(1, 11)), may_lack=2),),
    ("poor", "excellent"),
    "Mercer SW, Maxwell M, Heaney D, Watt GC. Fam Pract 2004;21:699-705.",
    "Up to two items that are missing or do not apply count as the mean of the others (Mercer et al. 2004); with more "
    "there is no score.",
    has_not_applicable=True,
    is_about_therapy=True,
)

INSTRUMENTS = {each.code: each for each in (_PSS10, _CEQ, _WAISR, _CARE)}
"""By code; the code of an instrument is that of its total."""

_BY_SCALE = {scale.code: each for each in INSTRUMENTS.values() for scale in each.scales}


def instrument_of(biomarker: str) -> Instrument | None:
    """Return the instrument that one of whose scales this biomarker's code is, or None."""
    return _BY_SCALE.get(biomarker)
