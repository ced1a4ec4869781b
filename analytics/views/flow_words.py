"""The flow of participants in words: what its boxes say, for the chart, the table beneath it and the summary."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from analytics.figures.consort import ArmColumn, Flow, Step, reason
from analytics.selectors.flow import ArmFlow, OutcomeFlow, TrialFlow, VisitFlow
from analytics.views.numbers import Table
from trials.models import Attendance, ParticipantEvent
from trials.selectors.consort import ClusterCounts, ConsortCounts, Reasons
from trials.templatetags.interface import number

MOST_REASONS = 6
"""Reasons in free words that a box names; the rest are counted together there, and stand in the table."""

LEFT_OUT = {
    "data_use_withdrawn": gettext_lazy("Use of data withdrawn"),
    "no_baseline": gettext_lazy("No value at baseline"),
    "no_logarithm": gettext_lazy("A value of zero or less has no logarithm"),
    "died": gettext_lazy("Died"),
    "follow_up_withdrawn": gettext_lazy("Withdrew from follow-up"),
    "lost_to_follow_up": gettext_lazy("Lost to follow-up"),
    "missed": gettext_lazy("Missed the visit"),
    "crossed_over": gettext_lazy("After cross-over"),
    "after_comparison": gettext_lazy("After the controlled comparison"),
    "not_yet_due": gettext_lazy("Not yet due"),
    "no_value": gettext_lazy("No value recorded"),
}


@dataclass(frozen=True)
class Line:
    """One count of the flow in words; `depth` 1 belongs to the line of depth 0 above it, 2 to that of 1."""

    words: str
    n: int
    depth: int = 0

    @property
    def text(self) -> str:
        """Return the line as a box of the chart shows it."""
        # A count does not stand alone on a line.
        shown = f"{self.words}:\N{NO-BREAK SPACE}{number(self.n)}"
        return reason(shown, self.depth)


@dataclass(frozen=True)
class Box:
    """One box in words, `about` in place of a count for what it says of itself."""

    heading: str
    n: int | None
    lines: tuple[Line, ...] = ()
    about: tuple[str, ...] = ()

    def step(self, *, is_short: bool) -> Step:
        """Return the box as the chart draws it; a short one leaves out the reasons."""
        shown = [line for line in self.lines if not is_short or (line.n and not line.depth)]
        return Step(self.heading, self.n, (*self.about, *(line.text for line in shown)))


def flow_figure(flow: TrialFlow, *, is_short: bool = False) -> Flow:
    """Return what the chart draws; the short one of a card has no reasons, and no visit but that of the analysis."""
    counts = flow.counts
    is_known = counts.assessed is not None
    return Flow(
        title=_("Flow of participants"),
        description=summary(flow),
        randomized=_randomized(counts).step(is_short=is_short),
        arms=tuple(
            ArmColumn(tuple(box.step(is_short=is_short) for box in arm_boxes(flow, arm, is_short)), arm.counts.kind)
            for arm in flow.arms
        ),
        assessed=_assessed(counts).step(is_short=is_short) if is_known else None,
        # Why people were excluded is what the card's short flow is looked at for.
        excluded=_excluded(counts, is_short=is_short).step(is_short=False) if is_known else None,
    )


def flow_table(flow: TrialFlow) -> Table:
    """Return every count of the flow with all its reasons: before randomization in one column, then arm by arm."""
    counts = flow.counts
    names = [arm.counts.name or _("All arms together") for arm in flow.arms]
    before = [_assessed(counts), _excluded(counts)] if counts.assessed is not None else []
    rows = [[*row, *[""] * (len(flow.arms) - 1)] for box in [*before, _randomized(counts)] for row in _rows(box)]
    for boxes in zip(*(arm_boxes(flow, arm, is_short=False, most=None) for arm in flow.arms), strict=True):
        rows += _side_by_side(boxes)
    columns = [{"label": _("Stage"), "numeric": False}, *({"label": name, "numeric": True} for name in names)]
    return Table(_("Flow of participants, counts"), columns, rows)


def summary(flow: TrialFlow) -> str:
    """Return the flow in one or two sentences, for those who cannot see the chart."""
    counts = flow.counts
    parts = []
    if counts.assessed is not None:
        excluded = sum(n for _reason, n in counts.excluded)
        parts.append(
            _("%(assessed)s assessed, %(excluded)s excluded, %(n)s randomized.")
            % {"assessed": number(counts.assessed), "excluded": number(excluded), "n": number(counts.randomized)}
        )
    else:
        parts.append(_("%(n)s randomized.") % {"n": number(counts.randomized)})
    parts += [_arm_sentence(arm, is_analysed=flow.is_analysed) for arm in flow.arms if arm.outcomes]
    return " ".join(parts)


def _arm_sentence(arm: ArmFlow, *, is_analysed: bool) -> str:
    words = _("%(arm)s: %(analysed)s of %(allocated)s analysed.")
    if not is_analysed:
        words = _("%(arm)s: %(analysed)s of %(allocated)s with values.")
    return words % {
        "arm": arm.counts.name or _("All arms together"),
        "analysed": number(arm.outcomes[0].analysed),
        "allocated": number(arm.counts.allocated),
    }


def _assessed(counts: ConsortCounts) -> Box:
    """Return the assessed, and how many of them are neither excluded nor randomized yet."""
    waiting = (counts.assessed or 0) - sum(n for _reason, n in counts.excluded) - counts.randomized
    return Box(_("Assessed for eligibility"), counts.assessed, (Line(_("Not yet decided"), waiting),) * (waiting > 0))


def _excluded(counts: ConsortCounts, *, is_short: bool = False) -> Box:
    """Return the reasons, all of them, also those that nobody had; under the first the criteria that were not met."""
    found = dict(counts.excluded)
    lines: list[Line] = []
    for code in ParticipantEvent.ExclusionReason:
        lines.append(Line(str(code.label), found.get(code, 0)))
        if code == ParticipantEvent.ExclusionReason.INELIGIBLE and not is_short:
            lines += _most(counts.unmet_criteria, MOST_REASONS)
    return Box(_("Excluded"), sum(found.values()), tuple(lines))


def _randomized(counts: ConsortCounts) -> Box:
    lines = (Line(_("Randomized in error"), counts.randomized_in_error),) if counts.randomized_in_error else ()
    return Box(_("Randomized"), counts.randomized, lines, about=_clusters(counts.clusters))


def _clusters(clusters: ClusterCounts | None) -> tuple[str, ...]:
    if clusters is None:
        return ()
    words = ngettext("%(groups)s group of %(size)s", "%(groups)s groups, median size %(size)s", clusters.groups)
    shown = words % {"groups": number(clusters.groups), "size": f"{clusters.median_size:g}"}
    if clusters.smallest == clusters.largest:
        return (shown,)
    return (shown, _("(%(least)d to %(most)d)") % {"least": clusters.smallest, "most": clusters.largest})


def arm_boxes(flow: TrialFlow, arm: ArmFlow, is_short: bool, most: int | None = MOST_REASONS) -> list[Box]:
    """Return allocation, follow-up and analysis of one arm; `most` reasons are named, all of them where None."""
    shown = _shown_visits(flow, arm, is_short=is_short)
    boxes = [_allocation(arm, flow, most), _follow_up(arm, shown, flow, most)]
    return [*boxes, *(_analysis(outcome, is_analysed=flow.is_analysed) for outcome in arm.outcomes)]


def _shown_visits(flow: TrialFlow, arm: ArmFlow, *, is_short: bool) -> list[VisitFlow]:
    """Return the visits of which something is known in some arm, the same ones in each; in short those analysed."""
    analysed = {outcome.visit for outcome in arm.outcomes}
    known = {
        visit.code for each in flow.arms for visit in each.visits if visit.attended + visit.missed + visit.measured
    }
    return [visit for visit in arm.visits if visit.code in (analysed if is_short else known)]


def _allocation(arm: ArmFlow, flow: TrialFlow, most: int | None) -> Box:
    """Return what was allocated and received.

    Of all arms together nothing is said of interventions: a count that rises as somebody's intervention begins would
    tell their arm. Where nothing at all was recorded, as of a trial taken over from elsewhere, nothing is claimed.
    """
    counts = arm.counts
    if flow.counts.is_pooled:
        return Box(_("All arms together"), counts.allocated, about=_clusters(counts.clusters))
    heading = _("Allocated to: %(arm)s") % {"arm": counts.name}
    if counts.received is None:
        return Box(
            heading,
            counts.allocated,
            about=(*_clusters(counts.clusters), _("Start of interventions not recorded")),
        )
    not_started = counts.not_started or 0
    lines = [
        Line(_("Received as allocated"), counts.received),
        Line(_("Did not receive"), not_started),
        *_most(counts.not_started_reasons, most),
    ]
    if (unknown := counts.allocated - counts.received - not_started) > 0:
        lines.append(Line(_("Not recorded yet"), unknown))
    return Box(heading, counts.allocated, tuple(lines), about=_clusters(counts.clusters))


def _course_known(flow: TrialFlow) -> bool:
    """Return whether anybody recorded what became of participants; of a trial taken over from elsewhere perhaps not."""
    every = [arm.counts for arm in flow.arms]
    ends = ("lost_to_follow_up", "withdrawn", "data_use_withdrawn", "discontinued", "died", "completed")
    return flow.counts.assessed is not None or any(getattr(each, name) for each in every for name in ends)


def _follow_up(arm: ArmFlow, visits: Iterable[VisitFlow], flow: TrialFlow, most: int | None) -> Box:
    """Return who came, then what became of everybody allocated, each counted once, then what else happened."""
    counts = arm.counts
    lines = [line for visit in visits for line in _visit(visit, most)]
    if not _course_known(flow):
        return Box(_("Follow-up"), None, tuple(lines), about=(_("Losses and withdrawals not recorded"),))
    lines += [Line(_("Lost to follow-up"), counts.lost_to_follow_up), *_most(counts.lost_reasons, most)]
    lines += [Line(_("Withdrew from follow-up"), counts.withdrawn), *_most(counts.withdrawn_reasons, most)]
    lines.append(Line(_("Use of data withdrawn"), counts.data_use_withdrawn))
    lines.append(Line(_("Died"), counts.died))
    lines.append(Line(_("Completed"), counts.completed))
    lines.append(Line(_("Outcome not recorded") if flow.counts.is_over else _("Still in follow-up"), counts.followed))
    if counts.discontinued is not None:
        lines += [Line(_("Discontinued intervention"), counts.discontinued), *_most(counts.discontinued_reasons, most)]
    if counts.crossed_over:
        lines.append(Line(_("Crossed over after the controlled comparison"), counts.crossed_over))
    if counts.randomized_in_error:
        lines.append(Line(_("Randomized in error"), counts.randomized_in_error))
    return Box(_("Follow-up"), None, tuple(lines))


def _visit(visit: VisitFlow, most: int | None) -> Iterator[Line]:
    """Yield what is known of a visit; where nobody recorded who came, those who have a value from it."""
    if visit.attended or visit.missed:
        yield Line(_("%(visit)s: attended") % {"visit": visit.name}, visit.attended)
        if visit.missed:
            yield Line(_("Missed"), visit.missed, depth=1)
            yield from _most(tuple((_missed(code), n) for code, n in visit.missed_reasons), most, depth=2)
    else:
        yield Line(_("%(visit)s: with values") % {"visit": visit.name}, visit.measured)
    if visit.not_yet_due:
        yield Line(_("Not yet due"), visit.not_yet_due, depth=1)


def _missed(code: str) -> str:
    return str(Attendance.Missed(code).label) if code in Attendance.Missed.values else code


def _analysis(outcome: OutcomeFlow, *, is_analysed: bool) -> Box:
    if outcome.biomarker:
        words = _("Analysed: %(outcome)s, %(visit)s") if is_analysed else _("With both values: %(outcome)s, %(visit)s")
        heading = words % {"outcome": outcome.name, "visit": outcome.visit_name}
    else:
        heading = _("With values of any outcome: %(visit)s") % {"visit": outcome.visit_name}
    excluded = sum(n for _reason, n in outcome.left_out)
    without = _("Without both values") if outcome.biomarker else _("Without any value")
    lines = [Line(_("Not analysed") if is_analysed else without, excluded)]
    lines += [Line(str(LEFT_OUT[code]), n, depth=1) for code, n in outcome.left_out]
    return Box(heading, outcome.analysed, tuple(lines))


def _most(reasons: Reasons, most: int | None, *, depth: int = 1) -> list[Line]:
    """Return the most frequent reasons that were given, and how many there are beside them."""
    named = [(words, n) for words, n in reasons if words]
    rest = sum(n for _words, n in named[most:]) if most is not None else 0
    lines = [Line(words, n, depth) for words, n in named[:most]]
    return [*lines, Line(_("Further reasons"), rest, depth)] if rest else lines


def _rows(box: Box) -> list[list[str]]:
    lines = [[reason(line.words, line.depth), number(line.n)] for line in box.lines]
    return [[box.heading, number(box.n)], *([about, ""] for about in box.about), *lines]


Place = tuple[str, ...]
"""Where a line stands: its words after those of the lines that it belongs to."""


def _placed(box: Box) -> Iterator[tuple[Place, int]]:
    """Yield the lines of a box with their places, by which the same line of two arms is found."""
    above: Place = ()
    for line in box.lines:
        above = (*above[: line.depth], line.words)
        yield above, line.n


def _side_by_side(boxes: tuple[Box, ...]) -> list[list[str]]:
    """Return the rows of one stage with a column per arm: a line that some arm has and another has not counts 0."""
    heading = boxes[0].heading if len({box.heading for box in boxes}) == 1 else _("Allocated")
    rows = [[heading, *(number(box.n) for box in boxes)]]
    if any(box.about for box in boxes):
        rows.append([_("Of them"), *(" ".join(box.about) for box in boxes)])
    counts: dict[Place, list[int]] = {}
    for column, box in enumerate(boxes):
        for place, n in _placed(box):
            counts.setdefault(place, [0] * len(boxes))[column] += n
    return [*rows, *([reason(place[-1], len(place) - 1), *map(number, counts[place])] for place in _in_order(counts))]


def _in_order(places: Iterable[Place]) -> Iterator[Place]:
    """Yield the places, what belongs to a line after it, each level in the order in which it was first met."""
    found = list(places)
    for top in (place for place in found if len(place) == 1):
        yield top
        beneath = [place[1:] for place in found if len(place) > 1 and place[:1] == top]
        yield from ((*top, *place) for place in _in_order(beneath))
