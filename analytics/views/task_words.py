"""What tasks are called, and the page on which each is done."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import ngettext

from analytics.selectors.tasks import Task


@dataclass(frozen=True)
class TaskLine:
    """A task as a line: its words, its address, and whether it presses."""

    task: Task
    words: str
    address: str
    is_urgent: bool


URGENT = {"unreported_events", "emergency_unblindings", "signature"}

# Page and parameters of its address, by kind of task.
PLACES = {
    "unreported_events": ("safety", "report=overdue"),
    "emergency_unblindings": ("unblindings", ""),
    "signature": ("trial-life", ""),
    "overdue_visits": ("visit-schedule", "state=overdue"),
    "reconsents": ("consent-forms", ""),
    "second_entries": ("entry-batches", ""),
    "entries_to_settle": ("entry-batches", ""),
    "queries_to_answer": ("queries", "state=open"),
    "queries_to_close": ("queries", "state=answered"),
    "held_rows": ("held-rows", ""),
    "expiring_credentials": ("laboratories", ""),
}


def task_line(task: Task) -> TaskLine:
    """Return a task in words with the page that shows what waits."""
    page, parameters = PLACES[task.kind]
    address = reverse(page, kwargs={"slug": task.trial.slug}) + (f"?{parameters}" if parameters else "")
    return TaskLine(task, _words(task), address, task.kind in URGENT)


def _words(task: Task) -> str:
    n = task.count
    words = {
        "unreported_events": ngettext(
            "%(n)d serious adverse event to report", "%(n)d serious adverse events to report", n
        ),
        "emergency_unblindings": ngettext("%(n)d emergency unblinding", "%(n)d emergency unblindings", n),
        "signature": ngettext("%(n)d step waits for your signature", "%(n)d steps wait for your signature", n),
        "overdue_visits": ngettext("%(n)d visit is overdue", "%(n)d visits are overdue", n),
        "reconsents": ngettext(
            "%(n)d participant to ask for consent again", "%(n)d participants to ask for consent again", n
        ),
        "expiring_credentials": ngettext(
            "%(n)d credential of a laboratory expires soon", "%(n)d credentials of laboratories expire soon", n
        ),
        "second_entries": ngettext("%(n)d batch awaits the second entry", "%(n)d batches await the second entry", n),
        "entries_to_settle": ngettext(
            "%(n)d batch of double entry to settle", "%(n)d batches of double entry to settle", n
        ),
        "queries_to_answer": ngettext("%(n)d query to answer", "%(n)d queries to answer", n),
        "queries_to_close": ngettext("%(n)d answered query to close", "%(n)d answered queries to close", n),
        "held_rows": ngettext("%(n)d row of a laboratory waits", "%(n)d rows of laboratories wait", n),
    }
    return words[task.kind] % {"n": n}
