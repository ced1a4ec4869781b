"""Table 1 as papers print it: the rows of the page and of the file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import floor, log10
from typing import Any

from django.utils.translation import gettext as _

from analytics.selectors.baseline_table import (
    NOT_KNOWN,
    BaselineTable,
    BiomarkerRow,
    FactorRow,
    largest_difference,
)
from measurements.units.spelling import readable_unit
from trials.templatetags.interface import number

NONE = "–"


@dataclass(frozen=True)
class Row:
    """One line: its name, a cell for each column, and the difference; `is_head` begins a characteristic."""

    name: str
    cells: tuple[str, ...]
    difference: str = ""
    is_head: bool = False


def table_rows(table: BaselineTable) -> list[Row]:
    """Return every line of the table from the top down."""
    heads = [Row(_("Randomized, n"), tuple(number(table.randomized[column]) for column in table.columns), is_head=True)]
    factors = [row for factor in table.factors for row in _factor_rows(factor, table)]
    return [*heads, *factors, *(row for each in table.biomarkers for row in _biomarker_rows(each, table))]


def _factor_rows(factor: FactorRow, table: BaselineTable) -> Iterator[Row]:
    name = _("%(factor)s, n (%%)") % {"factor": factor.name or _("Site")}
    yield Row(
        name, ("",) * len(table.columns), _difference(table, largest_difference(factor.differences)), is_head=True
    )
    for code, level in factor.levels:
        yield Row(level, tuple(_count(factor, column, code) for column in table.columns))
    if any(factor.counts[column].get(NOT_KNOWN) for column in table.columns):
        yield Row(_("Not known"), tuple(number(factor.counts[column].get(NOT_KNOWN, 0)) for column in table.columns))


def _count(factor: FactorRow, column: str, level: str) -> str:
    share = factor.share(column, level)
    n = number(factor.counts[column].get(level, 0))
    return f"{n} ({number(100 * share, 1)})" if share is not None else n


def _biomarker_rows(row: BiomarkerRow, table: BaselineTable) -> Iterator[Row]:
    biomarker = row.biomarker
    unit = readable_unit(biomarker.unit)
    name = biomarker.name if not unit or biomarker.name.endswith(unit) else f"{biomarker.name}, {unit}"
    found = [row.numbers.get(column, {}) for column in table.columns]
    difference = _difference(table, largest_difference(row.differences))
    yield Row(name, ("",) * len(found), difference, is_head=True)
    yield Row(_("n (missing)"), tuple(_available(each) for each in found))
    if row.is_log:
        yield Row(_("Geometric mean (geometric SD factor)"), tuple(_spread(each, "geometric") for each in found))
    else:
        yield Row(_("Mean (SD)"), tuple(_spread(each, "moments") for each in found))
    yield Row(_("Median (quartiles)"), tuple(_quartiles(each) for each in found))
    if any(each.get("below_limit") for each in found):
        yield Row(_("Below the limit, n (%)"), tuple(_below(each) for each in found))


def _available(numbers: Mapping[str, Any]) -> str:
    return f"{number(numbers['available'])} ({number(numbers['missing'])})" if numbers else NONE


def _spread(numbers: Mapping[str, Any], part: str) -> str:
    stated = numbers.get(part, {})
    if stated.get("mean") is None:
        return NONE
    return f"{significant(stated['mean'])} ({significant(stated['sd']) or NONE})"


def _quartiles(numbers: Mapping[str, Any]) -> str:
    quantiles = numbers.get("quantiles", {})
    if quantiles.get("median") is None:
        return NONE
    low, high = (significant(quantiles[name]) or NONE for name in ("q1", "q3"))
    return f"{significant(quantiles['median'])} ({low}, {high})"


def _below(numbers: Mapping[str, Any]) -> str:
    if not numbers.get("available"):
        return NONE
    return f"{number(numbers['below_limit'])} ({number(100 * numbers['share_beyond_limit'], 1)})"


def significant(value: float | None) -> str:
    """Return a measured number with three significant digits, and never fewer than its whole part; empty for None."""
    if value is None:
        return ""
    digits = 2 - floor(log10(abs(value))) if value else 2
    return number(value, min(max(digits, 0), 6))


def _difference(table: BaselineTable, value: float | None) -> str:
    if not table.arms:
        return ""
    return number(value, 2) if value is not None else NONE


def limit_notes(table: BaselineTable) -> list[str]:
    """Return how values below a limit were dealt with, each way named with the biomarkers it concerns."""
    words = {
        "substitution": _("up to 5% below the limit, which count as the limit"),
        "tobit": _(
            "more than 5% below the limit: geometric mean by censored maximum likelihood, arithmetic mean withheld"
        ),
        "mostly_below_limit": _("80% or more below the limit: means withheld"),
    }
    concerned: dict[str, list[str]] = {}
    for row in table.biomarkers:
        rules = {numbers["rule"] for numbers in row.numbers.values()}
        for rule in rules & words.keys():
            concerned.setdefault(rule, []).append(row.biomarker.name)
    return [f"{', '.join(names)}: {words[rule]}." for rule, names in concerned.items()]
