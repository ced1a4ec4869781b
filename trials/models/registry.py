"""What a public registry asks of a trial beyond its design, the outcomes planned, and the protocol's versions."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from trials.models.audit import AuditEvent, CurrentEvent
from trials.models.trial import Trial, Visit


class Registration(models.Model):
    """What the WHO Trial Registration Data Set (version 1.3.1) needs beyond the trial's own design; one per trial.

    Repeated things are lists with a declared shape: `secondary_ids` [{"id", "issuer"}], `ethics_reviews`
    [{"committee", "status", "date", "contact"}], contacts {"name", "role", "email", "phone", "affiliation"}, all others
    lists of text. `none_of` names the fields of which there is nothing to give, so that an empty one is an answer.
    """

    class Masked(models.TextChoices):
        PARTICIPANT = "participant", _("Participant")
        CARE_PROVIDER = "care_provider", _("Care provider")
        INVESTIGATOR = "investigator", _("Investigator")
        OUTCOMES_ASSESSOR = "outcomes_assessor", _("Outcomes assessor")

    class AssignmentModel(models.TextChoices):
        PARALLEL = "parallel", _("Parallel")
        CROSSOVER = "crossover", _("Crossover")
        FACTORIAL = "factorial", _("Factorial")
        SEQUENTIAL = "sequential", _("Sequential")

    class Purpose(models.TextChoices):
        TREATMENT = "treatment", _("Treatment")
        PREVENTION = "prevention", _("Prevention")
        SUPPORTIVE_CARE = "supportive_care", _("Supportive care")
        HEALTH_SERVICES_RESEARCH = "health_services_research", _("Health services research")
        BASIC_SCIENCE = "basic_science", _("Basic science")
        OTHER = "other", _("Other")

    class Sex(models.TextChoices):
        ALL = "all", _("All")
        FEMALE = "female", _("Female")
        MALE = "male", _("Male")

    class Sharing(models.TextChoices):
        YES = "yes", _("Yes")
        NO = "no", _("No")
        UNDECIDED = "undecided", _("Undecided")

    trial = models.OneToOneField(Trial, on_delete=models.PROTECT, related_name="registration")
    primary_registry = models.CharField(max_length=100, blank=True)
    registered_on = models.DateField(null=True, blank=True)
    secondary_ids = models.JSONField(default=list, blank=True)
    sources_of_support = models.JSONField(default=list, blank=True)
    primary_sponsor = models.CharField(max_length=200, blank=True)
    secondary_sponsors = models.JSONField(default=list, blank=True)
    public_contact = models.JSONField(default=dict, blank=True)
    scientific_contact = models.JSONField(default=dict, blank=True)
    public_title = models.CharField(max_length=300, blank=True)
    acronym = models.CharField(max_length=14, blank=True)
    conditions = models.JSONField(default=list, blank=True)
    keywords = models.JSONField(default=list, blank=True)
    masked = models.JSONField(default=list, blank=True)
    assignment_model = models.CharField(
        max_length=12, choices=AssignmentModel.choices, default=AssignmentModel.PARALLEL
    )
    purpose = models.CharField(max_length=30, choices=Purpose.choices, blank=True)
    minimum_age = models.PositiveSmallIntegerField(null=True, blank=True)
    maximum_age = models.PositiveSmallIntegerField(null=True, blank=True)
    sex = models.CharField(max_length=8, choices=Sex.choices, default=Sex.ALL)
    healthy_volunteers = models.BooleanField(default=False)
    ethics_reviews = models.JSONField(default=list, blank=True)
    primary_completion_on = models.DateField(null=True, blank=True)
    completion_on = models.DateField(null=True, blank=True)
    results_on = models.DateField(null=True, blank=True)
    results_link = models.URLField(blank=True)
    sharing = models.CharField(max_length=10, choices=Sharing.choices, blank=True)
    sharing_statement = models.TextField(blank=True)
    language = models.CharField(max_length=40, blank=True)
    none_of = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(minimum_age=None) | Q(maximum_age=None) | Q(minimum_age__lte=F("maximum_age")),
                name="a_range_of_ages_is_not_upside_down",
            )
        ]

    def __str__(self) -> str:
        return f"registration of {self.trial}"


class PlannedOutcome(models.Model):
    """An outcome as planned: what is measured, how it is summarized, and when."""

    class Rank(models.TextChoices):
        PRIMARY = "primary", _("Primary")
        SECONDARY = "secondary", _("Secondary")
        OTHER = "other", _("Other")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="planned_outcomes")
    code = models.SlugField(max_length=20)
    rank = models.CharField(max_length=10, choices=Rank.choices)
    title = models.CharField(max_length=300)
    measure = models.CharField(max_length=300, blank=True)
    aggregation = models.CharField(max_length=200, blank=True)
    visit = models.ForeignKey(Visit, null=True, blank=True, on_delete=models.PROTECT, related_name="planned_outcomes")
    time_frame = models.CharField(max_length=200, blank=True)
    # The biomarkers are in another table above this one; the code is what both share.
    biomarker = models.CharField(max_length=20, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["trial", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "code"], name="an_outcome_code_is_unique_in_its_trial"),
        ]

    def __str__(self) -> str:
        return self.title


class ProtocolVersion(models.Model):
    """The whole structured protocol as it stood, with its SHA-256. Append-only; the first is made at registration."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="protocol_versions")
    number = models.PositiveSmallIntegerField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["trial", "number"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "number"], name="a_protocol_version_is_unique_in_its_trial"),
            models.CheckConstraint(condition=Q(number=1) | ~Q(reason=""), name="a_later_protocol_version_says_why"),
        ]

    def __str__(self) -> str:
        return f"protocol version {self.number}"
