"""Numbers as tables: what stands under a chart, and the model's results in full."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from analytics.models import ArmDescription, EffectEstimate
from analytics.selectors.precision import PooledPrecision
from trials.models import Trial
from trials.templatetags.interface import confidence_interval, number, p_value

RATIO, PERCENT, DIFFERENCE = "ratio_of_geometric_means", "percent_difference", "difference"
LOG_DIFFERENCE = "log_difference"
MODEL, ROBUST, LIMITED, DETECTION = "ancova_model", "ancova_hc3", "tobit", "detection"


@dataclass(frozen=True)
class Table:
    """A table as `_components/numbers_table.html` shows it."""

    caption: str
    columns: list[dict[str, Any]]
    rows: list[list[str]]


def _columns(*labels: str, words: int = 1) -> list[dict[str, Any]]:
    """Return the columns; all but the first `words` hold numbers."""
    return [{"label": label, "numeric": place >= words} for place, label in enumerate(labels)]


def forest_table(trial: Trial, estimates: Iterable[EffectEstimate]) -> Table:
    """Return the standardized effects as measured and oriented, with why there is none."""
    names = dict(trial.arms.values_list("code", "name"))
    rows = [
        [
            each.biomarker.name,
            names[each.arm],
            f"{each.n.get(each.arm, 0)} / {each.n.get(each.reference_arm, 0)}",
            interval(each) or each.not_estimable,
            number(each.standard_error, 3),
            number(each.oriented_estimate, 2),
        ]
        for each in estimates
    ]
    columns = _columns(
        _("Outcome"),
        _("Arm"),
        _("Analysed (arm / reference)"),
        _("d_ppc2 as measured (95% CI)"),
        _("Standard error"),
        _("Oriented: positive is better"),
        words=2,
    )
    return Table(_("d_ppc2: standardized pre-post-control difference, Morris 2008"), columns, rows)


def precision_table(precision: PooledPrecision) -> Table:
    """Return what is known of each outcome without any arm."""
    rows = [
        [each.name, number(each.pairs), number(each.correlation, 2), number(each.width, 2)]
        for each in precision.outcomes
    ]
    columns = _columns(
        _("Outcome"),
        _("With both values"),
        _("Correlation with baseline"),
        _("Expected width of the 95% interval (SD)"),
    )
    return Table(_("Precision from all arms together"), columns, rows)


def interval(estimate: EffectEstimate, digits: int = 2) -> str:
    """Return `0.28 (0.02 to 0.54)`; empty without an estimate."""
    return confidence_interval(estimate.estimate, estimate.ci_low, estimate.ci_high, digits)


@dataclass(frozen=True)
class ModelRow:
    """One outcome of the baseline-adjusted model, or in `reason` why it has none; `method` where it is another one.

    `standing` says that the plan has the outcome as a primary one, or that it came after registration.
    """

    outcome: str
    standing: str
    arm: str
    effect: str
    percent: str
    robust: str
    p: str
    p_adjusted: str
    analysed: str
    used: int
    randomized: int
    reason: str
    method: str
    notes: str


def model_rows(trial: Trial, estimates: Sequence[EffectEstimate]) -> list[ModelRow]:
    """Return one row per biomarker and arm: the plan's model, or Tobit where values lie below a limit."""
    names = dict(trial.arms.values_list("code", "name"))
    found = {(each.biomarker_id, each.arm, each.method, each.measure): each for each in estimates}
    leading = [each for each in estimates if each.method in {ROBUST, LIMITED} and each.measure in {RATIO, DIFFERENCE}]
    return [_model_row(each, found, names[each.arm]) for each in leading]


def _model_row(lead: EffectEstimate, found: dict[Any, EffectEstimate], arm: str) -> ModelRow:
    def other(method: str, measure: str) -> EffectEstimate | None:
        return found.get((lead.biomarker_id, lead.arm, method, measure))

    plain = other(MODEL, lead.measure) if lead.method == ROBUST else lead
    # Where only the robust error is out of reach, the estimate itself and its model-based interval still stand.
    stands = plain is not None and plain.estimate is not None
    # The ratio's notes speak of its transformation too; what concerns people is with the log difference.
    noted = other(lead.method, LOG_DIFFERENCE) or lead
    percent = other(lead.method, PERCENT) if lead.estimate is not None else other(MODEL, PERCENT)
    return ModelRow(
        outcome=lead.biomarker.name,
        standing=_standing(lead),
        arm=arm,
        effect=interval(plain, 3) if plain else "",
        percent=interval(percent, 1) if percent else "",
        robust=interval(lead, 3) if lead.method == ROBUST and lead.estimate is not None else "",
        p=p_value(lead.p_value),
        p_adjusted=p_value(lead.p_bh) if lead.p_holm is None else _("%(p)s (Holm)") % {"p": p_value(lead.p_holm)},
        analysed=f"{lead.n.get(lead.arm, 0)} / {lead.n.get(lead.reference_arm, 0)}",
        used=sum(lead.n.values()),
        randomized=sum(lead.n_randomized.values()),
        reason="" if stands else lead.not_estimable,
        method=_method(lead, other(DETECTION, "risk_difference")),
        notes=" ".join(filter(None, [lead.not_estimable if stands else "", *noted.notes])),
    )


def _standing(lead: EffectEstimate) -> str:
    return {"primary": _("Primary outcome"), "exploratory": _("Added after registration")}.get(lead.role, "")


def _method(lead: EffectEstimate, detected: EffectEstimate | None) -> str:
    if lead.method == LIMITED:
        return _("Tobit, for values below the limit")
    if detected is not None and detected.estimate is not None:
        return _("Detected, difference: %(difference)s") % {"difference": interval(detected)}
    return _("Difference, as measured") if lead.measure == DIFFERENCE else ""


def description_table(trial: Trial, described: Iterable[ArmDescription]) -> Table:
    """Return n, centre and spread per arm at one visit."""
    names = dict(trial.arms.values_list("code", "name"))
    rows = [_description(each, names[each.arm]) for each in described]
    columns = _columns(
        _("Outcome"),
        _("Arm"),
        _("Available of randomized"),
        _("Below limit"),
        _("Mean (SD)"),
        _("Median (quartiles)"),
        _("Geometric mean (95% CI)"),
        words=2,
    )
    return Table(_("Descriptive statistics per arm"), columns, rows)


def _description(described: ArmDescription, arm: str) -> list[str]:
    numbers = described.numbers
    moments, quantiles, geometric = numbers["moments"], numbers["quantiles"], numbers["geometric"]
    spread = f"{number(moments['mean'], 2)} ({number(moments['sd'], 2)})" if moments["mean"] is not None else ""
    return [
        described.biomarker.name,
        arm,
        f"{numbers['available']} / {numbers['randomized']}",
        number(numbers["below_limit"]),
        spread,
        confidence_interval(quantiles["median"], quantiles["q1"], quantiles["q3"]),
        confidence_interval(geometric["mean"], geometric["ci_low"], geometric["ci_high"]),
    ]
