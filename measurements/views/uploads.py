"""Uploading a file with results: choose it, see what would be saved, say what columns mean, save."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from measurements.forms.uploads import ColumnsForm, FileForm
from measurements.models import FileFormat, Upload
from measurements.selectors.uploads import laboratories_open_to, visible_upload
from measurements.services.uploads import commit_upload, map_columns, returned_file, stage_upload
from measurements.validation.tables import REMARKS
from measurements.views.row_reports import row_report
from trials import audit
from trials.access import Actor, actor_of
from trials.errors import NotFound, RuleBroken
from trials.forms.fields import accepted, show_refusal
from trials.models import Trial
from trials.selectors.trials import visible_trial

MEDIA_TYPES = {
    FileFormat.CSV: "text/csv",
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@require_http_methods(["GET", "POST"])
def upload_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Choose a file; it is tried at once, and nothing is saved yet."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    form = FileForm(laboratories_open_to(by, trial), request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect("upload", slug=slug, reference=_stage(form, trial, by).reference)
        except RuleBroken as refused:
            show_refusal(form, refused)
    context = {"trial": trial, "form": form}
    return render(request, "measurements/upload_new.html", context, status=422 if request.method == "POST" else 200)


def _stage(form: FileForm, trial: Trial, by: Actor) -> Upload:
    given = form.cleaned_data
    return stage_upload(
        trial=trial,
        laboratory=given["laboratory"],
        name=given["file"].name,
        content=given["file"].read(),
        by=by,
        options=form.options,
        sheet=given["sheet"].strip(),
    )


@require_safe
def upload(request: HttpRequest, slug: str, reference: UUID) -> HttpResponse:
    """Show what would be saved of a file that waits, and what is wrong with the rest."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    return _page(request, visible_upload(by, trial, reference))


@require_POST
def upload_columns(request: HttpRequest, slug: str, reference: UUID) -> HttpResponse:
    """Take what the columns mean, and try the file again."""
    by = actor_of(request)
    waiting = visible_upload(by, visible_trial(slug, by), reference)
    form = _columns_form(waiting, request.POST)
    if form.is_valid() and accepted(
        form, lambda: map_columns(upload=waiting, columns=form.columns, constants=form.constants, by=by)
    ):
        messages.success(request, _("The columns are read so from now on, also in the next file with this header."))
        return redirect("upload", slug=slug, reference=reference)
    return _page(request, waiting, form, status=422)


@require_POST
def upload_save(request: HttpRequest, slug: str, reference: UUID) -> HttpResponse:
    """Save the rows; a second press finds them saved."""
    by = actor_of(request)
    waiting = visible_upload(by, visible_trial(slug, by), reference)
    on_error = "reject_rows" if request.POST.get("on_error") == "reject_rows" else "reject_all"
    try:
        answer = commit_upload(upload=waiting, by=by, on_error=on_error)
    except RuleBroken as refused:
        if refused.status not in {409, 422}:
            raise
        messages.error(request, refused.sentence)
        return redirect("upload", slug=slug, reference=reference)
    if answer.status == 422:
        messages.error(request, _("Nothing was saved: some rows are wrong, and all or nothing was asked for."))
        return redirect("upload", slug=slug, reference=reference)
    saved = answer.body["created"] + answer.body["corrected"]
    told = ngettext("%(count)d value was saved.", "%(count)d values were saved.", saved) % {"count": saved}
    messages.success(request, told)
    return redirect("submission", slug=slug, reference=answer.body["submission"])


@require_safe
def upload_returned(request: HttpRequest, slug: str, reference: UUID) -> HttpResponse:
    """The same file with what would become of each row."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    waiting = visible_upload(by, trial, reference)
    if "said" not in waiting.answer:
        raise NotFound("rows_unknown", "The columns of this file make no rows yet: say first what they mean.")
    audit.record_read("upload.downloaded", by=by, trial=trial)
    return file_answer(returned_file(waiting, waiting.answer["said"]), f"checked-{waiting.name}", waiting.format)


def file_answer(content: bytes, name: str, file_format: str) -> HttpResponse:
    """Answer with a file to be saved, never shown by the browser."""
    answer = HttpResponse(content, content_type=MEDIA_TYPES[FileFormat(file_format)])
    # Harmless names hold letters and digits of any script, and of ASCII only "._-() " beside them.
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    answer["Content-Disposition"] = f'attachment; filename="{plain}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _columns_form(waiting: Upload, data: Any = None) -> ColumnsForm:
    trial = waiting.trial
    biomarkers = trial.biomarkers.values_list("code", flat=True)
    return ColumnsForm(waiting, biomarkers, trial.visits.values_list("code", flat=True), data)


def _page(request: HttpRequest, waiting: Upload, form: ColumnsForm | None = None, *, status: int = 200) -> HttpResponse:
    told = waiting.answer
    said = told.get("said") or {}
    context = {
        "trial": waiting.trial,
        "upload": waiting,
        "said": said,
        "ready": said.get("received", 0) - said.get("rejected", 0),
        "refused": told.get("refused", ""),
        "remarks": [REMARKS[code] for code in told["remarks"]],
        "report": row_report(said, request.GET),
        "figures": _figures(said) if said else [],
        "sheet": _sample(waiting),
        "form": form or _columns_form(waiting),
        "asks_for_columns": bool(form or told.get("refused") or told["unclear"]),
    }
    return render(request, "measurements/upload.html", context, status=status)


def _figures(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"label": _("Rows"), "value": said["received"], "meaning": _("in the file")},
        {
            "label": _("Would be saved"),
            "value": said["created"] + said["corrected"],
            "meaning": _("%(count)d of them as corrections") % {"count": said["corrected"]}
            if said["corrected"]
            else _("new values"),
        },
        {"label": _("Known already"), "value": said["unchanged"], "meaning": _("they would change nothing")},
        {"label": _("Would be held"), "value": said["held"], "meaning": _("kept, and not analysed")},
        {
            "label": _("Wrong"),
            "value": said["rejected"],
            "meaning": _("they would not be saved"),
        },
    ]


def _sample(waiting: Upload) -> dict[str, Any]:
    """The header with what its columns mean, and the first lines, all of the same width."""
    told, means = waiting.answer, waiting.columns["columns"]
    width = max(len(told["header"]), *(len(cells) for _number, cells in told["lines"]), len(means))
    header = [*told["header"], *[None] * (width - len(told["header"]))]
    lines = [(number, [*cells, *[None] * (width - len(cells))]) for number, cells in told["lines"]]
    return {"number": waiting.columns["header"], "header": header, "lines": lines}
