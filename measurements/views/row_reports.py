"""What is said of rows, as pages and files show it: grouped by code, filtered, page by page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import QueryDict

from measurements.validation.returned import SEVERITIES, findings_of

PAGE_LENGTH = 50


@dataclass(frozen=True)
class Group:
    """One code of the report: how often it was said, and the first time."""

    code: str
    severity: str
    count: int
    example: str


@dataclass(frozen=True)
class RowReport:
    """The findings that a page asked for, and all of them by code."""

    page: Page[Any]
    groups: Sequence[Group]
    severity: str
    code: str
    has_lines: bool


def row_report(said: Mapping[str, Any], asked: QueryDict) -> RowReport:
    """The report as `severity`, `code` and `page` of the address ask for it; unknown words show everything."""
    findings = findings_of(said)
    severity = asked.get("severity", "") if asked.get("severity") in SEVERITIES else ""
    counts = Counter((finding["severity"], finding["code"]) for finding in findings)
    code = asked.get("code", "") if asked.get("code") in {code for _, code in counts} else ""
    shown = [finding for finding in findings if finding["severity"] in (severity or SEVERITIES) and _has(finding, code)]
    return RowReport(
        page=Paginator(shown, PAGE_LENGTH).get_page(asked.get("page")),
        groups=_groups(findings, counts),
        severity=severity,
        code=code,
        has_lines=any("line" in finding for finding in findings),
    )


def _has(finding: Mapping[str, Any], code: str) -> bool:
    return not code or finding["code"] == code


def _groups(findings: Sequence[Mapping[str, Any]], counts: Counter[tuple[str, str]]) -> list[Group]:
    first: dict[str, str] = {}
    for finding in findings:
        first.setdefault(finding["code"], finding["message"])
    ordered = sorted(counts.items(), key=lambda each: (SEVERITIES.index(each[0][0]), -each[1], each[0][1]))
    return [Group(code, severity, count, first[code]) for (severity, code), count in ordered]
