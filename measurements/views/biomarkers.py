"""What a trial measures: the list, additions from the catalogue or of the trial's own, and laboratories' methods."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from measurements.forms.biomarkers import AssayForm, CatalogueForm, OwnBiomarkerForm
from measurements.selectors.listings import assays_of, biomarkers_of
from measurements.services.assays import add_assay
from measurements.services.catalogue import add_biomarkers
from measurements.units.spelling import readable_unit
from trials.access import actor_of, has_permission
from trials.forms.fields import accepted
from trials.permissions import Permission
from trials.selectors.trials import visible_trial


@require_http_methods(["GET", "POST"])
def biomarkers(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what is measured; `step` says which of the three forms was sent. A failed form comes back as 422."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    measured, methods = list(biomarkers_of(by, trial)), assays_of(by, trial)
    step = request.POST.get("step", "")
    sent = {name: request.POST if step == name else None for name in ("catalogue", "own", "assay")}
    catalogue = CatalogueForm((each.code for each in measured), sent["catalogue"])
    own, assay = OwnBiomarkerForm(sent["own"]), AssayForm(trial, sent["assay"])
    steps: dict[str, tuple[CatalogueForm | OwnBiomarkerForm | AssayForm, Callable[[], object]]] = {
        "catalogue": (
            catalogue,
            lambda: add_biomarkers(trial=trial, biomarkers=catalogue.cleaned_data["codes"], by=by),
        ),
        "own": (own, lambda: add_biomarkers(trial=trial, biomarkers=[own.definition], by=by)),
        "assay": (assay, lambda: add_assay(trial=trial, by=by, **assay.assay)),
    }
    if step in steps:
        form, act = steps[step]
        if form.is_valid() and accepted(form, act):
            messages.success(request, _("Added."))
            return redirect("biomarkers", slug=slug)
    context = {
        "trial": trial,
        "rows": [(each, readable_unit(each.unit), methods.get(each.pk, [])) for each in measured],
        "catalogue_form": catalogue,
        "own_form": own,
        "assay_form": assay,
        "may_choose": any(has_permission(by, each, trial) for each in (Permission.TRIAL_DESIGN, Permission.TRIAL_RUN)),
        "may_add_assays": has_permission(by, Permission.LABORATORY_MANAGE, trial),
    }
    return render(request, "measurements/biomarkers.html", context, status=422 if request.method == "POST" else 200)
