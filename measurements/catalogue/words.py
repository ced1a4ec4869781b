"""The catalogue as a page of the documentation."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from measurements.catalogue.definition import Definition

_HEAD = """# Catalogue of biomarkers

Made from `measurements/catalogue`; a test compares. A trial takes over what it chooses and may then differ from here:
it can add its own, and change what is here as long as no result is recorded (see the end).

*Direction* says what more of it means; a neutral one is neither oriented nor pooled. Values analysed on the *log* scale
are analysed as their natural logarithm, all others as measured. The *molar mass* (g/mol) is given only where the
molecule has an exact one; it lets pg/mL and pmol/L be converted. A value outside the *plausible range* is stored and a
question is opened. *LOINC* codes without a mark were confirmed (code and name compared); those marked with ? were not,
and where no code could be confirmed or found there is none.
"""
_TAIL = """## What can be changed later

As long as nothing is recorded for a biomarker (no result, and no row that waits), everything about it can be changed by
those who design the trial; from registration on with a reason. Once something is, what numbers mean stays: a change of
unit, molar mass, analysis scale, direction, specimen, outcome class (effects are pooled by it) or of whether values
below zero are accepted is refused. Add another biomarker for another meaning. Name, aliases, plausible range and LOINC
code can still be changed, with a reason that the audit trail keeps: they say how a value is read and asked about, and
no number follows from them. The code never changes: laboratories send it. A sealed analysis plan is not rewritten by
any of this.
"""
_COLUMNS = ("Code", "Name", "Unit", "Specimen", "Direction", "Scale", "Plausible range", "Molar mass", "LOINC", "Also")


def render_markdown(definitions: tuple[Definition, ...]) -> str:
    """Return the whole page, with a line's end at its end."""
    lines = [_HEAD]
    for outcome_class, group in groupby(definitions, key=lambda each: each.outcome_class):
        lines += [f"## {outcome_class}\n", *_table(group), ""]
    return "\n".join([*lines, _TAIL])


def _table(group: Iterable[Definition]) -> Iterator[str]:
    listed = list(group)
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---" * len(_COLUMNS) + "|"
    for each in listed:
        yield f"| {' | '.join(_row(each))} |"
    for each in listed:
        if each.note:
            yield f"\n{each.name}: {each.note}"


def _row(each: Definition) -> tuple[str, ...]:
    low, high = each.plausible or ("", "")
    return (
        f"`{each.code}`",
        each.name,
        f"`{each.unit}`",
        each.specimen_type,
        each.effective_direction,
        each.analysis_scale,
        f"{low} to {high}",
        f"{each.molar_mass.rstrip('0')} ({each.formula})" if each.molar_mass else "",
        ""
        if each.loinc is None
        else f"{each.loinc.code}{'' if each.loinc.is_verified else ' ?'} ({each.loinc.source})",
        ", ".join(each.aliases),
    )
