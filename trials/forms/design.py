"""Designing a trial: one form and four small tables of rows, of which blank ones are left out."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.forms.rows import BLANK, CODE_LENGTH, RowForm, rows_of
from trials.models import Arm, Criterion, Intervention, StratificationFactor, Trial, Visit
from trials.registry.countries import COUNTRIES
from trials.services.design import (
    BASELINE,
    DEFAULT_MINIMIZATION_PROBABILITY,
    SIX_MONTHS,
    ArmDesign,
    CriterionDesign,
    FactorDesign,
    SiteDesign,
    VisitDesign,
)

DAY_LIMIT = 3660  # ten years
LONGEST_CRITERION = 500
ONE_A_LINE = {"rows": 5}


class TrialForm(forms.Form):
    """What a trial is called, whom it takes, how many, and how arms are drawn."""

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
        help_text=_("With PNI the first participant is PNI-001, followed by a check character."),
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
    randomization_method = forms.ChoiceField(
        required=False,
        choices=Trial.RandomizationMethod.choices,
        initial=Trial.RandomizationMethod.PERMUTED_BLOCKS,
        label=_("Method"),
    )
    randomization_unit = forms.ChoiceField(
        required=False,
        choices=Trial.RandomizationUnit.choices,
        initial=Trial.RandomizationUnit.PARTICIPANT,
        label=_("What is randomized"),
    )
    minimization_probability = forms.DecimalField(
        required=False,
        min_value=Decimal("0.01"),
        max_value=Decimal("0.99"),
        max_digits=3,
        decimal_places=2,
        label=_("Chance of the arm that balances best"),
        help_text=_("For minimization alone; 0.80 where nothing is given."),
    )
    stratify_by_site = forms.BooleanField(
        required=False,
        initial=True,
        label=_("Balance the arms within every site"),
        help_text=_("As nearly all trials."),
    )
    inclusion = forms.CharField(
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs=ONE_A_LINE),
        label=_("Inclusion criteria"),
        help_text=_("One a line. “Yes” to each means eligible: “Aged 18 or over”."),
    )
    exclusion = forms.CharField(
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs=ONE_A_LINE),
        label=_("Exclusion criteria"),
        help_text=_("One a line. “Yes” to one means not eligible: “Acute infection”."),
    )

    def clean_inclusion(self) -> list[str]:
        """Return the criteria, one a line, without blanks and repeats."""
        return _lines(self.cleaned_data["inclusion"])

    def clean_exclusion(self) -> list[str]:
        """Return the criteria, one a line, without blanks and repeats."""
        return _lines(self.cleaned_data["exclusion"])

    def clean(self) -> None:
        """Refuse a recruitment that ends before it starts, or ends without a start; fill what has a usual answer."""
        given = self.cleaned_data
        starts, ends = given.get("recruitment_starts"), given.get("recruitment_ends")
        if ends and (not starts or ends <= starts):
            self.add_error("recruitment_ends", _("Recruitment ends after it starts. Give both days."))
        for name, usual in USUAL.items():
            given[name] = given.get(name) or usual


USUAL = {
    "randomization_method": Trial.RandomizationMethod.PERMUTED_BLOCKS,
    "randomization_unit": Trial.RandomizationUnit.PARTICIPANT,
    "minimization_probability": DEFAULT_MINIMIZATION_PROBABILITY,
}


def _lines(text: str) -> list[str]:
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if any(len(line) > LONGEST_CRITERION for line in lines):
        raise forms.ValidationError(_("Keep each criterion below 500 characters."))
    return lines


class ArmForm(RowForm):
    """An arm, and the essentials of what it receives."""

    detail_fields = (
        "sessions_planned",
        "session_minutes",
        "weeks",
        "software",
        "software_version",
        "crosses_over_to",
    )

    kind = forms.ChoiceField(choices=[*BLANK, *Arm.Kind.choices], label=_("Kind"))
    intervention_type = forms.ChoiceField(
        required=False, choices=[*BLANK, *Intervention.Type.choices], label=_("Intervention type")
    )
    delivery = forms.ChoiceField(required=False, choices=[*BLANK, *Intervention.Delivery.choices], label=_("Delivery"))
    ratio = forms.IntegerField(required=False, min_value=1, max_value=10, label=_("Share in the ratio"))
    is_reference = forms.BooleanField(required=False, label=_("Effects are compared with this arm"))
    sessions_planned = forms.IntegerField(required=False, min_value=1, max_value=1000, label=_("Sessions planned"))
    session_minutes = forms.IntegerField(required=False, min_value=1, max_value=1440, label=_("Minutes a session"))
    weeks = forms.IntegerField(required=False, min_value=1, max_value=520, label=_("Over weeks"))
    software = forms.CharField(required=False, max_length=100, label=_("Software (coach-bot, app)"))
    software_version = forms.CharField(required=False, max_length=40, label=_("Version of the software"))
    crosses_over_to = forms.CharField(required=False, max_length=100, label=_("Crosses over to (name of an arm)"))

    def clean(self) -> None:
        """Ask for the type of what an intervention arm receives, and for a coach-bot's version."""
        super().clean()
        given = self.cleaned_data
        if given.get("kind") == Arm.Kind.INTERVENTION and not given.get("intervention_type"):
            self.add_error("intervention_type", _("Choose what this arm receives."))
        is_bot = given.get("delivery") == Intervention.Delivery.COACH_BOT
        if is_bot and not (given.get("software") and given.get("software_version")):
            self.add_error("software", _("Name the coach-bot’s software and its version."))

    @property
    def design(self) -> ArmDesign:
        """The arm as the service takes it."""
        given = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        return ArmDesign(**given)


class SiteForm(RowForm):
    """A centre that enrols."""

    name = forms.CharField(max_length=200, label=_("Name"))
    city = forms.CharField(required=False, max_length=100, label=_("City"))
    country = forms.CharField(required=False, max_length=2, label=_("Country, two letters (GB)"))

    def clean_country(self) -> str:
        """Return the code in capitals; refuse one that is no country's."""
        code: str = self.cleaned_data["country"].upper()
        if code and code not in COUNTRIES:
            raise forms.ValidationError(_("No country has this code. Give two letters, as GB or BE."))
        return code

    @property
    def design(self) -> SiteDesign:
        """The site as the service takes it."""
        return SiteDesign(**self.cleaned_data)


def _day(label: Any) -> forms.IntegerField:
    return forms.IntegerField(min_value=-DAY_LIMIT, max_value=DAY_LIMIT, label=label)


class VisitForm(RowForm):
    """A visit, in study days: day 1 is the day of randomization, and there is no day 0."""

    detail_fields = ("anchor",)

    kind = forms.ChoiceField(choices=[*BLANK, *Visit.Kind.choices], label=_("Kind"))
    anchor = forms.ChoiceField(required=False, choices=[*BLANK, *Visit.Anchor.choices], label=_("Days count from"))
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
    def details_used(self) -> bool:
        """Whether the visit counts from something else than nearly all visits do."""
        return bool(self["anchor"].value() == Visit.Anchor.INTERVENTION_END)

    @property
    def design(self) -> VisitDesign:
        """The visit as the service takes it."""
        anchor = self.cleaned_data["anchor"] or Visit.Anchor.RANDOMIZATION
        return VisitDesign(**{**self.cleaned_data, "anchor": anchor})


class FactorForm(RowForm):
    """A stratification factor; a level keeps its code where that differs from its name, as “F: Female”."""

    levels = forms.CharField(max_length=300, label=_("Levels"), help_text=_("With commas between: Female, Male"))

    def clean_levels(self) -> list[tuple[str, str]]:
        """Return the levels as (code, name)."""
        names = [name.strip() for name in self.cleaned_data["levels"].split(",") if name.strip()]
        levels = [_level(name) for name in names]
        codes = {code for code, _name in levels}
        if len(codes) < 2 or len(codes) < len(levels) or "" in codes:
            raise forms.ValidationError(_("Give at least two different levels in Latin letters or digits."))
        return levels

    @property
    def design(self) -> FactorDesign:
        """The factor as the service takes it."""
        return FactorDesign(self.cleaned_data["code"], self.cleaned_data["name"], self.cleaned_data["levels"])


def _level(text: str) -> tuple[str, str]:
    code, colon, name = (part.strip() for part in text.partition(":"))
    return (code, name) if colon and code and name else (slugify(text)[:CODE_LENGTH], text)


def _level_text(level: dict[str, str]) -> str:
    code, name = level["code"], level["name"]
    return name if slugify(name)[:CODE_LENGTH] == code else f"{code}: {name}"


ArmRows = rows_of(ArmForm, shown=2, most=12)
SiteRows = rows_of(SiteForm, shown=2, most=40)
VisitRows = rows_of(VisitForm, shown=2, most=20)
FactorRows = rows_of(FactorForm, shown=1, most=4)

FIRST_ARMS = [
    {"kind": Arm.Kind.INTERVENTION, "delivery": Intervention.Delivery.INDIVIDUAL, "ratio": 1},
    {"name": _("Waitlist"), "kind": Arm.Kind.WAITLIST, "ratio": 1, "is_reference": True},
]
FIRST_ROWS = {"arms": FIRST_ARMS, "visits": [vars(BASELINE), vars(SIX_MONTHS)]}


class DesignForms:
    """The whole page: the trial's own form and its tables of arms, sites, visits and factors.

    With a trial its design is filled in, to be changed; its short name stays.
    """

    def __init__(self, data: Any = None, trial: Trial | None = None) -> None:
        self._known = {(each.kind, each.text): each.code for each in trial.criteria.all()} if trial else {}
        rows: dict[str, Any] = {} if data is not None else rows_in(trial) if trial else FIRST_ROWS
        self.trial = TrialForm(data, initial=fields_in(trial) if trial else None)
        if trial:
            del self.trial.fields["slug"]
        self.arms = ArmRows(data, prefix="arms", initial=rows.get("arms"))
        self.sites = SiteRows(data, prefix="sites", initial=rows.get("sites"))
        self.visits = VisitRows(data, prefix="visits", initial=rows.get("visits"))
        self.factors = FactorRows(data, prefix="factors", initial=rows.get("factors"))

    @property
    def parts(self) -> list[Any]:
        """Every form of the page."""
        return [self.trial, self.arms, self.sites, self.visits, self.factors]

    def is_valid(self) -> bool:
        """Whether every part is; all are asked, so that all errors show at once."""
        return sum(not part.is_valid() for part in self.parts) == 0

    @property
    def design(self) -> dict[str, Any]:
        """What `create_trial` and `revise_design` take; only when valid."""
        given = dict(self.trial.cleaned_data)
        criteria = [
            *self._criteria(Criterion.Kind.INCLUSION, given.pop("inclusion")),
            *self._criteria(Criterion.Kind.EXCLUSION, given.pop("exclusion")),
        ]
        rows = {name: getattr(self, name).designs for name in ("sites", "visits", "factors")}
        return {**given, **rows, "arms": self._arms(), "criteria": criteria}

    def _arms(self) -> list[ArmDesign]:
        """The arms, the one to cross over to by its code where its name was given."""
        arms: Sequence[ArmDesign] = self.arms.designs
        codes = {arm.name.casefold(): arm.code for arm in arms}
        return [
            replace(arm, crosses_over_to=codes.get(arm.crosses_over_to.casefold(), arm.crosses_over_to)) for arm in arms
        ]

    def _criteria(self, kind: str, texts: Sequence[str]) -> list[CriterionDesign]:
        """The criteria of one kind; a text that stood there before keeps its code."""
        taken, number, made = set(self._known.values()), 0, []
        prefix = "c" if kind == Criterion.Kind.INCLUSION else "x"
        for text in texts:
            code = self._known.get((kind, text), "")
            while not code:
                number += 1
                code = "" if (tried := f"{prefix}{number}") in taken else tried
            made.append(CriterionDesign(code, text, kind))
        return made

    def add_error(self, field: str | None, sentence: str) -> None:
        """Show a refusal above the page or at a field of the trial."""
        self.trial.add_error(field, sentence)

    @property
    def fields(self) -> dict[str, forms.Field]:
        """The fields at which a refusal can be shown."""
        return self.trial.fields


def fields_in(trial: Trial) -> dict[str, Any]:
    """Return a trial's own fields as its form takes them."""
    own = {name: getattr(trial, name) for name in TrialForm.base_fields if hasattr(trial, name)}
    texts: dict[str, list[str]] = {Criterion.Kind.INCLUSION: [], Criterion.Kind.EXCLUSION: []}
    for criterion in trial.criteria.all():
        texts[criterion.kind].append(criterion.text)
    lists = {kind: "\n".join(lines) for kind, lines in texts.items()}
    return {**own, **lists, "stratify_by_site": trial.factors.filter(is_site=True).exists()}


def rows_in(trial: Trial) -> dict[str, list[dict[str, Any]]]:
    """Return a trial's design as the tables take it."""
    return {
        "arms": [_arm_row(arm) for arm in trial.arms.select_related("intervention", "crosses_over_to")],
        "sites": [_values(site, SiteDesign._fields) for site in trial.sites.all()],
        "visits": [_values(visit, VisitDesign.__dataclass_fields__) for visit in trial.visits.all()],
        "factors": [_factor_row(factor) for factor in trial.factors.filter(is_site=False)],
    }


def _arm_row(arm: Arm) -> dict[str, Any]:
    received = getattr(arm, "intervention", None)
    row = _values(arm, ("code", "name", "kind", "ratio", "is_reference"))
    row["crosses_over_to"] = arm.crosses_over_to.name if arm.crosses_over_to else ""
    if received:
        row["intervention_type"] = received.type
        row |= _values(received, ("delivery", *ArmForm.detail_fields[:-1]))
    return row


def _factor_row(factor: StratificationFactor) -> dict[str, Any]:
    return _values(factor, ("code", "name")) | {"levels": ", ".join(_level_text(level) for level in factor.levels)}


def _values(row: Any, names: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
