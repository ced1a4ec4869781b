"""The questionnaires as a page of the documentation."""

from collections.abc import Iterable, Iterator

from measurements.questionnaires.instruments import INSTRUMENTS
from measurements.questionnaires.items import Instrument, Item, Scale

_HEAD = """# Scored questionnaires

Made from `measurements/questionnaires`; a test compares. Answers are entered item by item and kept; the scores are
computed from them and recorded as results of the questionnaire's biomarkers, each scale that the trial measures. The
wording of a questionnaire belongs to its authors: a site hands out its own licensed copy, and the page shows numbers
and short labels only. A total from elsewhere (the Beck inventory, for one) is typed into the visit form as any value.

Scores are exact. Only where a mean takes the place of an answer can digits go on for ever: then four are kept.
Too few answers give no score: the value is recorded as not done, with the items that are missing as the reason.
A correction needs a reason and replaces sheet and scores together; the earlier sheet stays readable.

Questionnaires about a therapy or a therapist (CEQ, WAI-SR, CARE) are awaited of nobody: no list, status square or
worklist counts them as missing, because who can answer them may tell the arm. A recorded value tells it too. So their
values, sheets, queries and deliveries, and the sittings that hold nothing else, are shown, counted, listed and exported
only where the reader may see the arm; nothing marks what is withheld elsewhere. Who may not see the arm cannot record
them (`arm_hidden`), whether or not something is recorded. They are never entered twice in a batch. A laboratory may
send them and reads what it sent. A trial says the same of a biomarker of its own by “Only people with a therapy have
it”.
"""


def render_markdown() -> str:
    """Return the whole page, with a line's end at its end."""
    return "\n".join([_HEAD, *(line for each in INSTRUMENTS.values() for line in _section(each))])


def _section(instrument: Instrument) -> Iterator[str]:
    low, high = instrument.anchors
    yield f"## {instrument.name}, version {instrument.version}\n"
    yield f"{instrument.source}\n"
    yield f"{instrument.missing_rule}\n"
    yield f"Answers run from “{low}” to “{high}”.\n"
    yield from _table(
        ("Scale", "Recorded as", "Items", "Range"), (_scale(instrument, each) for each in instrument.scales)
    )
    yield from _table(("Item", "About", "Answers", "Counts"), (_item(each) for each in instrument.items))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _scale(instrument: Instrument, scale: Scale) -> tuple[str, ...]:
    low, high = instrument.range_of(scale)
    return scale.name, f"`{scale.code}`", ", ".join(map(str, scale.items)), f"{low} to {high}"


def _item(item: Item) -> tuple[str, ...]:
    steps = f" in steps of {item.step}" if item.step > 1 else ""
    low, high = item.counted_range
    counts = f"{high} to {low} (reversed)" if item.is_reversed else f"{low} to {high}"
    return str(item.number), item.label, f"{item.low} to {item.high}{item.unit and ' ' + item.unit}{steps}", counts
