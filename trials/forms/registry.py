"""What a registry asks, the outcomes planned, what arms receive, and amendments of a registered protocol."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.forms.models import fields_for_model
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from trials.forms.fields import DayField
from trials.forms.rows import BLANK, CODE_LENGTH, Row, RowSet, rows_of
from trials.models import Intervention, PlannedOutcome, Registration, Trial
from trials.registry.countries import COUNTRIES
from trials.registry.who import MAY_BE_NONE
from trials.selectors.protocol_words import LABELS
from trials.services.design import SiteDesign
from trials.services.registry import AMENDABLE, DESCRIBABLE, Amendment, OutcomeDesign

ONE_A_LINE = _("One a line.")
LISTS = ("sources_of_support", "secondary_sponsors", "conditions", "keywords")
CONTACT_FIELDS = {
    "name": _("Name"),
    "role": _("Role"),
    "email": _("E-mail"),
    "phone": _("Telephone"),
    "affiliation": _("Affiliation and address"),
}
CONTACTS = ("public", "scientific")
NONE_LABELS = {
    "secondary_ids": _("There are no secondary identifying numbers"),
    "secondary_sponsors": _("There is no secondary sponsor"),
    "secondary_outcomes": _("There are no secondary outcomes"),
}
SMALL = {"rows": 3}


@dataclass(frozen=True)
class Section:
    """Some fields of a page under one heading."""

    anchor: str
    title: Any
    fields: Sequence[forms.BoundField]


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", ONE_A_LINE)
        super().__init__(max_length=5000, required=False, widget=forms.Textarea(attrs=SMALL), **options)

    def prepare_value(self, value: Any) -> Any:
        """Return the list as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the lines as a list, without blanks and repeats."""
        return list(dict.fromkeys(line.strip() for line in (value or "").splitlines() if line.strip()))

    def run_validators(self, value: Any) -> None:
        """Measure the whole text, not the list."""
        super().run_validators("\n".join(value))


class NumbersField(LinesField):
    """Identifying numbers with who issued them: “number, issuer” a line."""

    def prepare_value(self, value: Any) -> Any:
        """Return the pairs as lines."""
        if isinstance(value, list):
            return "\n".join(", ".join(part for part in (each["id"], each["issuer"]) if part) for each in value)
        return value

    def to_python(self, value: Any) -> Any:
        """Return {"id", "issuer"} for every line."""
        pairs = (line.partition(",") for line in super().to_python(value))
        return [{"id": number.strip(), "issuer": issuer.strip()} for number, _comma, issuer in pairs]

    def run_validators(self, value: Any) -> None:
        """Measure the whole text, not the list."""
        super().run_validators([f"{each['id']}, {each['issuer']}" for each in value])


class ReasonForm(forms.Form):
    """Why a registered protocol is amended; a draft needs no reason."""

    reason = forms.CharField(
        max_length=500,
        label=_("Reason for the amendment"),
        help_text=_("It stands beside the new version of the protocol."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, trial: Trial, data: Any = None) -> None:
        super().__init__(data)
        if trial.status == Trial.Status.DRAFT:
            del self.fields["reason"]

    @property
    def given(self) -> str:
        """The reason, empty for a draft; only when valid."""
        reason: str = self.cleaned_data.get("reason", "")
        return reason


class RecordForm(forms.Form):
    """The fields of the WHO data set, with those of the trial itself that a registry asks for."""

    OF_THE_TRIAL = {
        "title": forms.CharField(max_length=300),
        "summary": forms.CharField(required=False, max_length=5000, widget=forms.Textarea),
        "registry_id": forms.CharField(required=False, max_length=40, help_text=_("As NCT01234567.")),
        "planned_participants": forms.IntegerField(required=False, min_value=2, max_value=20_000),
        "recruitment_starts": DayField(required=False),
        "recruitment_ends": DayField(required=False),
    }
    DAYS = ("registered_on", "primary_completion_on", "completion_on", "results_on")
    SECTIONS: Sequence[tuple[str, Any, Sequence[str]]] = (
        (
            "registry",
            _("Registry"),
            ("primary_registry", "registry_id", "registered_on", "language", "secondary_ids", "none_secondary_ids"),
        ),
        ("titles", _("Titles"), ("public_title", "acronym", "title", "summary")),
        (
            "support",
            _("Support and sponsors"),
            ("primary_sponsor", "secondary_sponsors", "none_secondary_sponsors", "sources_of_support"),
        ),
        ("public", _("Contact for public queries"), tuple(f"public_{name}" for name in CONTACT_FIELDS)),
        ("scientific", _("Contact for scientific queries"), tuple(f"scientific_{name}" for name in CONTACT_FIELDS)),
        ("study", _("What is studied, and how"), ("conditions", "keywords", "purpose", "assignment_model", "masked")),
        (
            "people",
            _("Who takes part"),
            ("minimum_age", "maximum_age", "sex", "planned_participants", "healthy_volunteers"),
        ),
        ("days", _("Days"), ("recruitment_starts", "recruitment_ends", "primary_completion_on", "completion_on")),
        ("sharing", _("Results and sharing"), ("results_on", "results_link", "sharing", "sharing_statement")),
    )

    def __init__(self, trial: Trial, data: Any = None) -> None:
        registration = Registration.objects.filter(trial=trial).first() or Registration(trial=trial)
        super().__init__(data, initial=_record_initial(trial, registration))
        plain = [field.name for field in Registration._meta.concrete_fields if field.name not in NOT_PLAIN]
        self.fields.update(fields_for_model(Registration, plain))
        self.fields.update(deepcopy(self.OF_THE_TRIAL))
        self.fields.update({name: DayField(required=False) for name in self.DAYS})
        self.fields.update({name: LinesField() for name in LISTS})
        self.fields["secondary_ids"] = NumbersField(help_text=_("One a line: number, issuer."))
        self.fields["masked"] = forms.MultipleChoiceField(
            required=False,
            choices=Registration.Masked.choices,
            widget=forms.CheckboxSelectMultiple,
            help_text=_("Nobody ticked means an open trial."),
        )
        for name, field in self.fields.items():
            field.label = LABELS[name]
        self.fields["title"].label = _("Scientific title")
        self._add_contacts()
        for name, label in NONE_LABELS.items():
            self.fields[f"none_{name}"] = forms.BooleanField(required=False, label=label)

    def _add_contacts(self) -> None:
        for contact in CONTACTS:
            for name, label in CONTACT_FIELDS.items():
                made = forms.EmailField if name == "email" else forms.CharField
                self.fields[f"{contact}_{name}"] = made(required=False, max_length=200, label=label)

    @property
    def sections(self) -> list[Section]:
        """The page in parts."""
        return [Section(anchor, title, [self[name] for name in names]) for anchor, title, names in self.SECTIONS]

    @property
    def texts(self) -> dict[str, Any]:
        """The trial's own fields as the service takes them; only when valid."""
        return {name: self.cleaned_data[name] for name in AMENDABLE}

    @property
    def record(self) -> dict[str, Any]:
        """The registration's fields as the service takes them; only when valid."""
        given = self.cleaned_data
        contacts = {f"{each}_contact": self._contact(each) for each in CONTACTS}
        none_of = [name for name in MAY_BE_NONE if given[f"none_{name}"]]
        kept = {name: given[name] for name in _of_the_record() if name in given}
        return {**kept, **contacts, "none_of": none_of}

    def _contact(self, which: str) -> dict[str, str]:
        values = {name: self.cleaned_data[f"{which}_{name}"] for name in CONTACT_FIELDS}
        return {name: value for name, value in values.items() if value}


NOT_PLAIN = {"id", "trial", "none_of", "public_contact", "scientific_contact", "ethics_reviews", "secondary_ids"} | {
    "masked",
    *LISTS,
}


def _of_the_record() -> list[str]:
    return [field.name for field in Registration._meta.concrete_fields if field.name not in {"id", "trial"}]


def _record_initial(trial: Trial, registration: Registration) -> dict[str, Any]:
    initial = {name: getattr(registration, name) for name in _of_the_record()}
    initial |= {name: getattr(trial, name) for name in AMENDABLE}
    for which in CONTACTS:
        contact = initial.pop(f"{which}_contact")
        initial |= {f"{which}_{name}": contact.get(name, "") for name in CONTACT_FIELDS}
    return initial | {f"none_{name}": True for name in registration.none_of}


class ReviewForm(Row):
    """What one ethics committee decided."""

    committee = forms.CharField(max_length=200, label=_("Committee"))
    status = forms.ChoiceField(
        choices=[*BLANK, ("approved", _("Approved")), ("pending", _("Pending")), ("not_required", _("Not required"))],
        label=_("Status"),
    )
    date = DayField(required=False, label=_("Date"))
    contact = forms.CharField(required=False, max_length=300, label=_("Contact of the committee"))

    @property
    def design(self) -> dict[str, str]:
        """The review as it is stored."""
        given = self.cleaned_data
        return {**given, "date": given["date"].isoformat() if given["date"] else ""}


class OutcomeForm(Row):
    """A planned outcome; its code goes with it unseen, so that its wording may change."""

    detail_fields = ("aggregation", "time_frame", "biomarker")

    code = forms.SlugField(required=False, max_length=CODE_LENGTH, widget=forms.HiddenInput)
    title = forms.CharField(max_length=300, label=_("Outcome"))
    rank = forms.ChoiceField(choices=[*BLANK, *PlannedOutcome.Rank.choices], label=LABELS["rank"])
    measure = forms.CharField(required=False, max_length=300, label=LABELS["measure"])
    visit = forms.ChoiceField(required=False, label=_("At visit"))
    aggregation = forms.CharField(
        required=False, max_length=200, label=LABELS["aggregation"], help_text=_("As “mean change from baseline”.")
    )
    time_frame = forms.CharField(required=False, max_length=200, label=_("Time frame, where no visit says it"))
    biomarker = forms.CharField(required=False, max_length=20, label=_("Code of the biomarker"))

    def __init__(self, *args: Any, visits: Iterable[tuple[str, str]] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["visit"] = forms.ChoiceField(required=False, choices=[*BLANK, *visits], label=_("At visit"))

    @property
    def design(self) -> OutcomeDesign:
        """The outcome as the service takes it."""
        return OutcomeDesign(**self.cleaned_data)


ReviewRows = rows_of(ReviewForm, shown=1, most=8)
OutcomeRows = rows_of(OutcomeForm, shown=2, most=40)


class RegistrationForms:
    """The page of the registries' record: its fields, ethics reviews, outcomes and the reason."""

    def __init__(self, trial: Trial, data: Any = None) -> None:
        visits = [(visit.code, visit.name) for visit in trial.visits.all()]
        self.record = RecordForm(trial, data)
        self.reviews: RowSet = ReviewRows(
            data, prefix="reviews", initial=None if data is not None else _reviews_of(trial)
        )
        self.outcomes: RowSet = OutcomeRows(
            data,
            prefix="outcomes",
            initial=None if data is not None else _outcomes_of(trial),
            form_kwargs={"visits": visits},
        )
        self.reason = ReasonForm(trial, data)

    def is_valid(self) -> bool:
        """Whether every part is; all are asked, so that all errors show at once."""
        return sum(not part.is_valid() for part in (self.record, self.reviews, self.outcomes, self.reason)) == 0

    @property
    def amendment(self) -> Amendment:
        """What the service takes; only when valid."""
        record = {**self.record.record, "ethics_reviews": self.reviews.designs}
        return Amendment(texts=self.record.texts, record=record, outcomes=_coded(self.outcomes.designs))

    @property
    def fields(self) -> Mapping[str, forms.Field]:
        """The fields at which a refusal can be shown."""
        return self.record.fields

    def add_error(self, field: str | None, error: str) -> None:
        """Show a refusal above the page or at a field."""
        self.record.add_error(field, error)


def _coded(outcomes: Sequence[OutcomeDesign]) -> list[OutcomeDesign]:
    """Give every outcome without a code the next free one, o1, o2, ..."""
    taken, number, made = {outcome.code for outcome in outcomes}, 0, []
    for outcome in outcomes:
        code = outcome.code
        while not code:
            number += 1
            code = "" if f"o{number}" in taken else f"o{number}"
        made.append(replace(outcome, code=code))
    return made


def _reviews_of(trial: Trial) -> list[dict[str, str]]:
    registration = Registration.objects.filter(trial=trial).first()
    return registration.ethics_reviews if registration else []


def _outcomes_of(trial: Trial) -> list[dict[str, Any]]:
    fields = ("code", "title", "rank", "measure", "aggregation", "time_frame", "biomarker")
    outcomes = trial.planned_outcomes.select_related("visit")
    return [
        {name: getattr(each, name) for name in fields} | {"visit": each.visit.code if each.visit else ""}
        for each in outcomes
    ]


class InterventionForm(forms.Form):
    """What one arm receives, after TIDieR."""

    def __init__(self, intervention: Intervention, data: Any = None) -> None:
        initial = {name: getattr(intervention, name) for name in DESCRIBABLE}
        super().__init__(data, prefix=f"arm-{intervention.arm.code}", initial=initial)
        self.intervention = intervention
        self.fields.update(fields_for_model(Intervention, DESCRIBABLE))
        for name, field in self.fields.items():
            field.label = LABELS[name]
            if isinstance(field.widget, forms.Textarea):
                field.widget.attrs["rows"] = 3

    def clean_currency(self) -> str:
        """Return the currency in capitals."""
        currency: str = self.cleaned_data["currency"].upper()
        if currency and (len(currency) != 3 or not currency.isascii() or not currency.isalpha()):
            raise forms.ValidationError(_("Give three letters, as EUR or GBP."))
        return currency

    @property
    def texts(self) -> list[forms.BoundField]:
        """The fields that are written out."""
        return [field for field in self if isinstance(field.field.widget, forms.Textarea) or field.name == "name"]

    @property
    def figures(self) -> list[forms.BoundField]:
        """The short fields: dose, software, cost."""
        return [field for field in self if field not in self.texts]


class InterventionForms:
    """The interventions of every arm that has one, and the reason."""

    def __init__(self, trial: Trial, data: Any = None) -> None:
        interventions = Intervention.objects.filter(arm__trial=trial).select_related("arm").order_by("arm__position")
        self.arms = [InterventionForm(each, data) for each in interventions]
        self.reason = ReasonForm(trial, data)

    def is_valid(self) -> bool:
        """Whether every part is; all are asked, so that all errors show at once."""
        return sum(not part.is_valid() for part in (*self.arms, self.reason)) == 0

    @property
    def amendment(self) -> Amendment:
        """What the service takes; only when valid."""
        return Amendment(interventions={form.intervention.arm.code: form.cleaned_data for form in self.arms})

    @property
    def fields(self) -> Mapping[str, forms.Field]:
        """The fields at which a refusal can be shown."""
        return self.reason.fields

    def add_error(self, field: str | None, error: str) -> None:
        """Show a refusal above the page or at the reason."""
        self.reason.add_error(field, error)


class SiteRow(Row):
    """A site's name and place; a new one gets a code of its own."""

    code = forms.SlugField(required=False, max_length=CODE_LENGTH, widget=forms.HiddenInput)
    name = forms.CharField(max_length=200, label=_("Site"))
    city = forms.CharField(required=False, max_length=100, label=_("City"))
    country = forms.ChoiceField(
        required=False, choices=[*BLANK, *sorted(COUNTRIES.items(), key=lambda item: item[1])], label=_("Country")
    )

    def clean(self) -> None:
        """Make the code where it is missing."""
        if not self.cleaned_data.get("code"):
            self.cleaned_data["code"] = slugify(self.cleaned_data.get("name", ""))[:CODE_LENGTH]

    @property
    def design(self) -> SiteDesign:
        """The site as the service takes it."""
        return SiteDesign(**self.cleaned_data)


class WordsForm(forms.Form):
    """The names of visits and the texts of criteria; their codes, windows and number stay."""

    def __init__(self, trial: Trial, data: Any = None) -> None:
        super().__init__(data)
        self._visits = {f"visit_{visit.code}": visit for visit in trial.visits.all()}
        self._criteria = {f"criterion_{each.code}": each for each in trial.criteria.all()}
        for name, visit in self._visits.items():
            self.fields[name] = forms.CharField(max_length=100, initial=visit.name, label=visit.code)
        for name, criterion in self._criteria.items():
            self.fields[name] = forms.CharField(
                max_length=500, initial=criterion.text, label=criterion.get_kind_display()
            )

    @property
    def sections(self) -> list[Section]:
        """The page in parts."""
        return [
            Section("visits", _("Names of visits"), [self[name] for name in self._visits]),
            Section("criteria", _("Wording of criteria"), [self[name] for name in self._criteria]),
        ]

    @property
    def visit_names(self) -> dict[str, str]:
        """The names by code; only when valid."""
        return {visit.code: self.cleaned_data[name] for name, visit in self._visits.items()}

    @property
    def criterion_texts(self) -> dict[str, str]:
        """The texts by code; only when valid."""
        return {each.code: self.cleaned_data[name] for name, each in self._criteria.items()}


class AmendForms:
    """The page of what may still change of a sealed design: words, places of sites, and the reason."""

    def __init__(self, trial: Trial, data: Any = None) -> None:
        self.words = WordsForm(trial, data)
        places = [{name: getattr(site, name) for name in SiteDesign._fields} for site in trial.sites.all()]
        may_join = not trial.factors.filter(is_site=True).exists()
        rows = rows_of(SiteRow, shown=len(places), most=len(places) + (3 if may_join else 0))
        self.sites: RowSet = rows(data, prefix="sites", initial=None if data is not None else places)
        self.reason = ReasonForm(trial, data)

    def is_valid(self) -> bool:
        """Whether every part is; all are asked, so that all errors show at once."""
        return sum(not part.is_valid() for part in (self.words, self.sites, self.reason)) == 0

    @property
    def amendment(self) -> Amendment:
        """What the service takes; only when valid."""
        return Amendment(
            visit_names=self.words.visit_names,
            criterion_texts=self.words.criterion_texts,
            sites=self.sites.designs,
        )

    @property
    def fields(self) -> Mapping[str, forms.Field]:
        """The fields at which a refusal can be shown."""
        return self.reason.fields

    def add_error(self, field: str | None, error: str) -> None:
        """Show a refusal above the page or at the reason."""
        self.reason.add_error(field, error)
