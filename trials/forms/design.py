"""Registering a trial: one form and four small tables of rows, of which blank ones are left out."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.models import Arm, Intervention, Trial, Visit
from trials.services.design import BASELINE, SIX_MONTHS, ArmDesign, CriterionDesign, FactorDesign, VisitDesign

CODE_LENGTH = 20
DAY_LIMIT = 3660  # ten years
BLANK = [("", "")]


class TrialForm(forms.Form):
    """What a trial is called, whom it takes, and how many."""

    title = forms.CharField(max_length=300, label=_("Title"))
    slug = forms.SlugField(
        max_length=40,
        label=_("Short name"),
        help_text=_("In every address of the trial, as calm-sleep: small letters, digits and hyphens. It stays."),
    )
    summary = forms.CharField(required=False, max_length=5000, widget=forms.Textarea, label=_("Summary"))
    registry_id = forms.CharField(
        required=False, max_length=40, label=_("Registry number"), help_text=_("As NCT01234567 or ISRCTN12345678.")
    )
    code_prefix = forms.CharField(
        max_length=12,
        initial="P",
        validators=[RegexValidator(r"^[A-Z0-9]+$", _("Use capital letters and digits."))],
        label=_("Prefix of study codes"),
        help_text=_("With PNI the first participant is PNI-001-M."),
    )
    planned_participants = forms.IntegerField(min_value=2, max_value=20_000, label=_("Planned number of participants"))
    is_open_label = forms.BooleanField(
        required=False,
        label=_("Open label: site staff know the arm"),
        help_text=_(
            "As in waitlist trials. Coordinators and the principal investigator then see arms at their own site."
        ),
    )
    recruitment_starts = DayField(required=False, label=_("Recruitment starts"))
    recruitment_ends = DayField(required=False, label=_("Recruitment ends"))
    criteria = forms.CharField(
        required=False,
        max_length=10_000,
        widget=forms.Textarea,
        label=_("Eligibility criteria"),
        help_text=_("One a line, so that “yes” means eligible: “Aged 18 or over”, “No anti-inflammatory medication”."),
    )

    def clean_criteria(self) -> list[CriterionDesign]:
        """Return the criteria, one a line, without blanks and repeats."""
        lines = (line.strip() for line in self.cleaned_data["criteria"].splitlines())
        texts = dict.fromkeys(line for line in lines if line)
        return [CriterionDesign(f"c{number}", text) for number, text in enumerate(texts, start=1)]

    def clean(self) -> None:
        """Refuse a recruitment that ends before it starts, or ends without a start."""
        starts, ends = self.cleaned_data.get("recruitment_starts"), self.cleaned_data.get("recruitment_ends")
        if ends and (not starts or ends <= starts):
            self.add_error("recruitment_ends", _("Recruitment ends after it starts. Give both days."))


class RowForm(forms.Form):
    """One row of a table; a blank one is left out, and a missing code is made from the name."""

    name = forms.CharField(max_length=100, label=_("Name"))
    code = forms.SlugField(required=False, max_length=CODE_LENGTH, label=_("Code"))

    def clean(self) -> None:
        """Make the code where it is missing."""
        if not self.cleaned_data.get("code"):
            self.cleaned_data["code"] = slugify(self.cleaned_data.get("name", ""))[:CODE_LENGTH]
        if self.cleaned_data.get("name") and not self.cleaned_data["code"]:
            self.add_error("code", _("Give a code in Latin letters or digits."))


class ArmForm(RowForm):
    """An arm."""

    kind = forms.ChoiceField(choices=[*BLANK, *Arm.Kind.choices], label=_("Kind"))
    intervention_type = forms.ChoiceField(
        required=False, choices=[*BLANK, *Intervention.Type.choices], label=_("Intervention type")
    )
    delivery = forms.ChoiceField(required=False, choices=[*BLANK, *Intervention.Delivery.choices], label=_("Delivery"))
    ratio = forms.IntegerField(required=False, min_value=1, max_value=10, label=_("Share in the ratio"))
    is_reference = forms.BooleanField(required=False, label=_("Effects are compared with this arm"))

    def clean(self) -> None:
        """Ask for the type of what an intervention arm receives."""
        super().clean()
        if self.cleaned_data.get("kind") == Arm.Kind.INTERVENTION and not self.cleaned_data.get("intervention_type"):
            self.add_error("intervention_type", _("Choose what this arm receives."))

    @property
    def design(self) -> ArmDesign:
        """The arm as the service takes it."""
        given = self.cleaned_data
        return ArmDesign(
            code=given["code"],
            name=given["name"],
            kind=given["kind"],
            ratio=given["ratio"] or 1,
            is_reference=given["is_reference"],
            intervention_type=given["intervention_type"],
            delivery=given["delivery"] or Intervention.Delivery.INDIVIDUAL,
        )


class SiteForm(RowForm):
    """A centre that enrols."""

    name = forms.CharField(max_length=200, label=_("Name"))

    @property
    def design(self) -> tuple[str, str]:
        """The site as the service takes it."""
        return self.cleaned_data["code"], self.cleaned_data["name"]


def _day(label: Any) -> forms.IntegerField:
    return forms.IntegerField(min_value=-DAY_LIMIT, max_value=DAY_LIMIT, label=label)


class VisitForm(RowForm):
    """A visit, in study days: day 1 is the day of randomization, and there is no day 0."""

    kind = forms.ChoiceField(choices=[*BLANK, *Visit.Kind.choices], label=_("Kind"))
    target_day = _day(_("Target day"))
    window_from = _day(_("Earliest day"))
    window_to = _day(_("Latest day"))

    def clean(self) -> None:
        """Keep the target inside its window."""
        super().clean()
        given = [self.cleaned_data.get(name) for name in ("window_from", "target_day", "window_to")]
        days = [day for day in given if day is not None]
        if len(days) == len(given) and days != sorted(days):
            self.add_error("target_day", _("The target day lies between the earliest and the latest day."))

    @property
    def design(self) -> VisitDesign:
        """The visit as the service takes it."""
        return VisitDesign(**self.cleaned_data)


class FactorForm(RowForm):
    """A stratification factor."""

    levels = forms.CharField(max_length=300, label=_("Levels"), help_text=_("With commas between: Female, Male"))

    def clean_levels(self) -> list[tuple[str, str]]:
        """Return the levels as (code, name)."""
        names = [name.strip() for name in self.cleaned_data["levels"].split(",") if name.strip()]
        levels = [(slugify(name)[:CODE_LENGTH], name) for name in names]
        codes = {code for code, _name in levels}
        if len(codes) < 2 or len(codes) < len(levels) or "" in codes:
            raise forms.ValidationError(_("Give at least two different levels in Latin letters or digits."))
        return levels

    @property
    def design(self) -> FactorDesign:
        """The factor as the service takes it."""
        return FactorDesign(self.cleaned_data["code"], self.cleaned_data["name"], self.cleaned_data["levels"])


class RowSet(forms.BaseFormSet):
    """A table of rows: `shown` of them at once, the others on demand, so that it works without a script."""

    shown = 2

    def initial_form_count(self) -> int:
        """Return 0: a row that was filled in beforehand may be emptied as well."""
        return 0

    @property
    def first_rows(self) -> Sequence[forms.Form]:
        """The rows shown at once."""
        return self.forms[: self.shown]

    @property
    def more_rows(self) -> Sequence[forms.Form]:
        """The rows that open on demand."""
        return self.forms[self.shown :]

    @property
    def more_used(self) -> bool:
        """Whether a row beyond the first ones is filled in."""
        return self.is_bound and any(row.has_changed() for row in self.more_rows)

    def clean(self) -> None:
        """Refuse a code given twice."""
        codes = [row.cleaned_data["code"] for row in self.forms if row.has_changed() and "code" in row.cleaned_data]
        repeated = {code for code in codes if codes.count(code) > 1}
        if repeated:
            raise forms.ValidationError(_("The code “%(code)s” stands in two rows."), params={"code": repeated.pop()})

    @property
    def designs(self) -> list[Any]:
        """The filled-in rows as the service takes them; only when valid."""
        return [row.design for row in self.forms if row.has_changed()]


def _rows(form: type[RowForm], *, shown: int, most: int) -> type[RowSet]:
    made = forms.formset_factory(form, formset=RowSet, extra=most, max_num=most, absolute_max=most)
    return type(f"{form.__name__}Rows", (made,), {"shown": shown})


ArmRows = _rows(ArmForm, shown=2, most=6)
SiteRows = _rows(SiteForm, shown=2, most=20)
VisitRows = _rows(VisitForm, shown=2, most=12)
FactorRows = _rows(FactorForm, shown=1, most=4)

FIRST_ARMS = [
    {"kind": Arm.Kind.INTERVENTION, "delivery": Intervention.Delivery.INDIVIDUAL, "ratio": 1},
    {"name": _("Waitlist"), "kind": Arm.Kind.WAITLIST, "ratio": 1, "is_reference": True},
]


class RegistrationForms:
    """The whole page: the trial's own form and its tables of arms, sites, visits and factors."""

    def __init__(self, data: Any = None) -> None:
        self.trial = TrialForm(data)
        self.arms = ArmRows(data, prefix="arms", initial=None if data is not None else FIRST_ARMS)
        self.sites = SiteRows(data, prefix="sites")
        visits = None if data is not None else [vars(BASELINE), vars(SIX_MONTHS)]
        self.visits = VisitRows(data, prefix="visits", initial=visits)
        self.factors = FactorRows(data, prefix="factors")

    @property
    def parts(self) -> list[Any]:
        """Every form of the page."""
        return [self.trial, self.arms, self.sites, self.visits, self.factors]

    def is_valid(self) -> bool:
        """Whether every part is; all are asked, so that all errors show at once."""
        return sum(not part.is_valid() for part in self.parts) == 0

    @property
    def design(self) -> dict[str, Any]:
        """What `create_trial` takes; only when valid."""
        rows = {name: getattr(self, name).designs for name in ("arms", "sites", "visits", "factors")}
        return {**self.trial.cleaned_data, **rows}

    def add_error(self, field: str | None, sentence: str) -> None:
        """Show a refusal above the page or at a field of the trial."""
        self.trial.add_error(field, sentence)

    @property
    def fields(self) -> dict[str, forms.Field]:
        """The fields at which a refusal can be shown."""
        return self.trial.fields
