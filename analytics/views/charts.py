"""From what the selectors give to what the charts draw, with the words translated."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from django.utils import timezone
from django.utils.dates import MONTHS_3
from django.utils.translation import gettext as _

from analytics.figures.consort import consort_flow
from analytics.figures.forest import SHIELDS_2020, Forest, ForestGroup, ForestRow, ForestWords, forest_plot
from analytics.figures.forest_narrow import narrow_forest_plot
from analytics.figures.precision import Precision, PrecisionPoint, PrecisionWords, width_tracker
from analytics.figures.recruitment import Recruitment, RecruitmentWords, recruitment_chart
from analytics.models import EffectEstimate
from analytics.selectors.flow import TrialFlow
from analytics.selectors.precision import PooledPrecision
from analytics.views.flow_words import flow_figure
from measurements.models import Biomarker
from trials.models import Arm, Intervention, Trial, Visit
from trials.selectors.recruitment import RecruitmentCounts

PAGE, CARD, NARROW = 960.0, 640.0, 340.0
IMMUNE = {
    Biomarker.OutcomeClass.PROINFLAMMATORY,
    Biomarker.OutcomeClass.ANTIINFLAMMATORY,
    Biomarker.OutcomeClass.ANTIBODY,
    Biomarker.OutcomeClass.IMMUNE_CELL_COUNT,
    Biomarker.OutcomeClass.NK_CYTOTOXICITY,
    Biomarker.OutcomeClass.VIRAL_LOAD,
    Biomarker.OutcomeClass.OTHER_IMMUNE,
}
LEAST_CURVE, CURVE_STEPS = 10, 24


@dataclass(frozen=True)
class Chart:
    """A chart in two widths, for a card and for a phone."""

    wide: str
    narrow: str


def forest_chart(trial: Trial, visit: Visit, estimates: Iterable[EffectEstimate]) -> Chart | None:
    """Return the forest plot of the standardized effects at a visit; None where there is nothing to draw."""
    arms = list(trial.arms.all())
    drawn = list(estimates)
    groups = tuple(_groups(drawn, arms))
    if not groups:
        return None
    reference = next(arm for arm in arms if arm.is_reference)
    others = [arm for arm in arms if not arm.is_reference]
    name = others[0].name if len(others) == 1 else _("intervention")
    forest = Forest(
        title=_("Standardized pre-post-control difference (d_ppc2, Morris 2008) at: %(visit)s") % {"visit": visit.name},
        description=_("In oriented rows, right of zero favours %(arm)s. The numbers are in the table below.")
        % {"arm": name},
        groups=groups,
        intervention=(name, others[0].kind),
        comparator=(reference.name, reference.kind),
        measure=_("d_ppc2 (95% CI)"),
        reference=SHIELDS_2020 if _is_psychosocial(trial) and any(map(_is_immune, drawn)) else None,
        is_oriented=any(map(_is_oriented, drawn)),
        words=ForestWords(_("Outcome"), _("Analysed"), _("favours {arm}")),
    )
    return Chart(forest_plot(forest), narrow_forest_plot(forest))


def _is_psychosocial(trial: Trial) -> bool:
    """The published effect is one of psychosocial interventions; beside another kind it would mislead."""
    interventions = Intervention.objects.filter(arm__trial=trial)
    return interventions.exclude(type=Intervention.Type.NON_PSYCHOSOCIAL).exists()


def _is_oriented(estimate: EffectEstimate) -> bool:
    return estimate.biomarker.direction != Biomarker.Direction.NEUTRAL


def _is_immune(estimate: EffectEstimate) -> bool:
    """The published effect is one of immune outcomes with a better and a worse; it says nothing of symptoms."""
    return _is_oriented(estimate) and estimate.biomarker.outcome_class in IMMUNE


def _groups(estimates: list[EffectEstimate], arms: list[Arm]) -> Iterable[ForestGroup]:
    names = {arm.code: arm.name for arm in arms}
    headings = {
        Biomarker.Direction.HARMFUL: _("Harmful immune function or symptoms (lower is better, sign flipped)"),
        Biomarker.Direction.BENEFICIAL: _("Beneficial immune function (higher is better)"),
        Biomarker.Direction.NEUTRAL: _("Neutral (as measured: right of zero is more of it)"),
    }
    for direction, heading in headings.items():
        rows = [each for each in estimates if each.biomarker.direction == direction]
        if rows:
            yield ForestGroup(heading, tuple(_row(each, names, several=len(arms) > 2) for each in rows))


def _row(estimate: EffectEstimate, names: Mapping[str, str], *, several: bool) -> ForestRow:
    label = estimate.biomarker.name + (f" · {names[estimate.arm]}" if several else "")
    analysed = (estimate.n.get(estimate.arm, 0), estimate.n.get(estimate.reference_arm, 0))
    if estimate.estimate is None or estimate.ci_low is None or estimate.ci_high is None:
        return ForestRow(label, analysed, reason=estimate.not_estimable)
    if estimate.biomarker.direction == Biomarker.Direction.HARMFUL:
        return ForestRow(label, analysed, -estimate.estimate, -estimate.ci_high, -estimate.ci_low)
    return ForestRow(label, analysed, estimate.estimate, estimate.ci_low, estimate.ci_high)


def precision_chart(trial: Trial, precision: PooledPrecision) -> Chart:
    """Return the expected width of the interval against participants analysed, with now and the plan."""
    planned = max(trial.planned_participants or 0, precision.pairs, LEAST_CURVE + 1)

    def point(analysed: int) -> PrecisionPoint:
        return PrecisionPoint(analysed, precision.width(analysed), precision.power(analysed))

    step = max(1, (planned - LEAST_CURVE) // CURVE_STEPS)
    drawn = Precision(
        title=_("Expected width of the 95% interval"),
        description=_("The width falls as more participants are analysed. No arm shows in these numbers."),
        curve=tuple(point(analysed) for analysed in range(LEAST_CURVE, planned, step)),
        planned=point(planned),
        now=point(precision.pairs) if precision.pairs >= LEAST_CURVE else None,
        words=PrecisionWords(_("Participants analysed"), _("Now: {value} with {n}"), _("Planned: {value} with {n}")),
    )
    return Chart(width_tracker(drawn), width_tracker(drawn, NARROW))


def flow_chart(flow: TrialFlow, *, is_short: bool = False) -> Chart:
    """Return the CONSORT flow, with one column per arm or one for all of them; a short one suits a card."""
    drawn = flow_figure(flow, is_short=is_short)
    return Chart(consort_flow(drawn, CARD if is_short else PAGE), consort_flow(drawn, NARROW))


def recruitment_figure(trial: Trial, counts: RecruitmentCounts) -> Chart | None:
    """Return the recruitment curve; None where neither days nor a plan are known."""
    days = [day for day, _n in counts.points]
    starts = counts.starts or (days[0] if days else None)
    ends = counts.ends or (days[-1] if days else None)
    if starts is None or ends is None or starts >= ends:
        return None
    drawn = Recruitment(
        title=_("Recruitment"),
        description=_("%(n)d randomized by now.") % {"n": counts.randomized},
        points=counts.points,
        starts=starts,
        ends=ends,
        target=counts.planned or counts.randomized,
        words=RecruitmentWords(_("{n} randomized"), _("Target {n}"), _months()),
    )
    return Chart(recruitment_chart(drawn), recruitment_chart(drawn, NARROW))


def _months() -> tuple[str, ...]:
    return tuple(str(MONTHS_3[number]).capitalize() for number in range(1, 13))


def behind_plan(counts: RecruitmentCounts, on: date | None = None) -> int:
    """Return how many randomized the plan is ahead; 0 on or before plan, or without one."""
    expected = counts.expected_by(on or timezone.localdate())
    return max(0, expected - counts.randomized) if expected is not None else 0
