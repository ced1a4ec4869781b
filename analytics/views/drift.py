"""Assay drift: control values over time with the rules they break, and for the entitled the arms on each plate."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from analytics.figures.levey_jennings import (
    LETTERS,
    ControlPoint,
    LeveyJennings,
    LeveyJenningsWords,
    letters,
    levey_jennings_chart,
)
from analytics.selectors.plate_balance import PlateBalance, plate_balance
from analytics.views.charts import NARROW, Chart
from analytics.views.numbers import Table
from measurements.models import Assay, ControlMaterial
from measurements.selectors.plates import ControlSeries, Judged, control_series
from trials import audit
from trials.access import actor_of, require
from trials.permissions import Permission
from trials.selectors.trials import visible_trial
from trials.templatetags.interface import number
from trials.views.csv_answers import csv_answer

WIDE = 900.0
RULE_WORDS = {
    "1_2s": gettext_lazy("warning: one value beyond 2 SD"),
    "1_3s": gettext_lazy("one value beyond 3 SD"),
    "2_2s": gettext_lazy("two in a row beyond the same 2 SD"),
    "R_4s": gettext_lazy("in one run one beyond +2 SD and one beyond −2 SD"),
    "4_1s": gettext_lazy("four in a row beyond the same 1 SD"),
    "10_x": gettext_lazy("ten in a row on one side of the target"),
}
COLUMNS = (
    "laboratory", "biomarker", "assay", "version", "level", "lot", "plate", "measured_at", "replicate", "value", "unit",
    "target_mean", "target_sd", "z", "rules",
)  # fmt: skip


@dataclass(frozen=True)
class MaterialChart:
    """The chart of one control lot with its numbers."""

    material: ControlMaterial
    target: str
    chart: Chart
    table: Table
    broken: int


@require_safe
def drift(request: HttpRequest, slug: str) -> HttpResponse:
    """Levey-Jennings charts of the assay that is asked for, else of the first that has control values."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.RESULT_VIEW, trial)
    found = control_series(trial)
    chosen = _chosen(request, found)
    balance = plate_balance(trial, by)
    context: dict[str, Any] = {
        "trial": trial,
        "assays": [each.assay for each in found],
        "chosen": chosen.assay if chosen else None,
        "charts": [_material_chart(chosen, each) for each in chosen.materials] if chosen else [],
        "rules": [(LETTERS[rule], rule, words) for rule, words in RULE_WORDS.items()],
        "counted": len(chosen.judged) if chosen else 0,
        "balance": balance,
        "balance_rows": _balance_rows(balance) if balance else [],
    }
    return render(request, "analytics/drift.html", context)


@require_safe
def drift_csv(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The control values of the assay that is asked for, else of all, with the rules that they fulfil."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require(by, Permission.RESULT_VIEW, trial)
    asked = request.GET.get("assay", "")
    found = [each for each in control_series(trial) if not asked or str(each.assay.pk) == asked]
    audit.record_read("controls.downloaded", by=by, trial=trial, target=trial)
    rows = (_row(series.assay, each) for series in found for each in series.judged)
    return csv_answer(f"{trial.slug}_controls", COLUMNS, rows)


def _chosen(request: HttpRequest, found: list[ControlSeries]) -> ControlSeries | None:
    asked = request.GET.get("assay", "")
    named = [each for each in found if str(each.assay.pk) == asked]
    return next(iter([*named, *found]), None)


def _material_chart(series: ControlSeries, material: ControlMaterial) -> MaterialChart:
    judged = series.of(material)
    days = [timezone.localtime(each.value.measured_at) for each in judged]
    drawn = LeveyJennings(
        title=_("Control %(name)s of %(assay)s") % {"name": material, "assay": series.assay},
        description=_("%(n)d values in standard deviations from the target. The numbers are in the table below.")
        % {"n": len(judged)},
        points=tuple(
            ControlPoint(day.date(), each.z, each.rules, each.value.plate.code)
            for day, each in zip(days, judged, strict=True)
        ),
        words=LeveyJenningsWords(_("SD from target"), tuple(date_format(day, "j M Y") for day in days)),
    )
    chart = Chart(levey_jennings_chart(drawn, WIDE), levey_jennings_chart(drawn, NARROW))
    target = f"{material.target_mean.normalize():f} ± {material.target_sd.normalize():f} {series.assay.unit}"
    broken = sum(each.outcome == "rejected" for each in judged)
    return MaterialChart(material, target, chart, _table(material, judged), broken)


def _table(material: ControlMaterial, judged: list[Judged]) -> Table:
    rows = [
        [
            each.value.plate.code,
            date_format(timezone.localtime(each.value.measured_at), "j M Y, H:i"),
            f"{each.value.value.normalize():f}",
            number(each.z, 2),
            " ".join(filter(None, (letters(each.rules), ", ".join(each.rules)))) or "–",
        ]
        for each in judged
    ]
    labels = (_("Plate"), _("Measured at"), _("Value (%(unit)s)") % {"unit": material.assay.unit}, "z", _("Rules"))
    columns = [{"label": label, "numeric": place in {2, 3}} for place, label in enumerate(labels)]
    return Table(_("Control %(name)s") % {"name": material}, columns, rows)


def _balance_rows(balance: PlateBalance) -> list[tuple[Any, str]]:
    return [(plate, "<0.001" if plate.p_value < 0.001 else number(plate.p_value, 3)) for plate in balance.plates]


def _row(assay: Assay, each: Judged) -> tuple[object, ...]:
    value, material = each.value, each.value.material
    return (
        assay.laboratory.name,
        assay.biomarker.code,
        assay.code,
        assay.version,
        material.level,
        material.lot,
        value.plate.code,
        value.measured_at,
        value.replicate,
        f"{value.value.normalize():f}",
        assay.unit,
        f"{material.target_mean.normalize():f}",
        f"{material.target_sd.normalize():f}",
        each.z,
        " ".join(each.rules),
    )
