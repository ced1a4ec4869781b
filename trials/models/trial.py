"""A trial's design: arms, sites, visits."""

from datetime import date
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from trials.schedule import Window


class Trial(models.Model):
    """One registered randomized study."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        REGISTERED = "registered", _("Registered")
        RECRUITING = "recruiting", _("Recruiting")
        FOLLOW_UP = "follow_up", _("Follow-up")
        LOCKED = "locked", _("Locked")
        UNBLINDED = "unblinded", _("Unblinded")
        ARCHIVED = "archived", _("Archived")

    class DataState(models.TextChoices):
        OPEN = "open", _("Open")
        FROZEN = "frozen", _("Frozen")
        LOCKED = "locked", _("Locked")

    class RandomizationMethod(models.TextChoices):
        PERMUTED_BLOCKS = "permuted_blocks", _("Permuted blocks of random size")
        SIMPLE = "simple", _("Simple")
        MINIMIZATION = "minimization", _("Minimization with a random element")

    class RandomizationUnit(models.TextChoices):
        PARTICIPANT = "participant", _("Participants")
        GROUP = "group", _("Therapy groups")

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=300)
    summary = models.TextField(blank=True)
    registry_id = models.CharField(max_length=40, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.DRAFT)
    data_state = models.CharField(max_length=8, choices=DataState.choices, default=DataState.OPEN)
    is_open_label = models.BooleanField(default=False, help_text=_("Site staff know the arm, as in waitlist trials."))
    is_demonstration = models.BooleanField(default=False)
    # A rehearsal is a trial of its own, with simulated participants only; it is never pooled, nor counted as a trial.
    rehearsal_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="rehearsals", editable=False
    )
    # A copy of the design that laboratories try their programs against; nobody in it is real. The old ones have ended.
    sandbox_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="sandboxes", editable=False
    )
    sandbox_ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    randomization_method = models.CharField(
        max_length=20, choices=RandomizationMethod.choices, default=RandomizationMethod.PERMUTED_BLOCKS
    )
    randomization_unit = models.CharField(
        max_length=12, choices=RandomizationUnit.choices, default=RandomizationUnit.PARTICIPANT
    )
    minimization_probability = models.DecimalField(
        max_digits=3, decimal_places=2, default=Decimal("0.80"), help_text=_("Of the arm that balances best.")
    )
    randomized_elsewhere = models.BooleanField(default=False)
    allocation_provenance = models.TextField(blank=True)
    code_prefix = models.CharField(max_length=12, default="P")
    planned_participants = models.PositiveIntegerField(null=True, blank=True)
    recruitment_starts = models.DateField(null=True, blank=True)
    recruitment_ends = models.DateField(null=True, blank=True)
    # Raised by every service that changes analysable data, last in its transaction.
    data_version = models.BigIntegerField(default=0)
    # Estimates computed after this are labelled so.
    unlocked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(status="locked") | Q(data_state="locked"), name="a_locked_trial_has_locked_data"
            ),
            models.CheckConstraint(
                condition=Q(randomized_elsewhere=False) | ~Q(allocation_provenance=""),
                name="external_randomization_names_its_provenance",
            ),
            models.CheckConstraint(
                condition=Q(recruitment_ends=None) | Q(recruitment_ends__gte=F("recruitment_starts")),
                name="recruitment_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=Q(minimization_probability__gt=0, minimization_probability__lt=1),
                name="minimization_keeps_a_random_element",
            ),
            models.UniqueConstraint(
                fields=["sandbox_of"], condition=Q(sandbox_ended_at=None), name="a_trial_has_one_sandbox_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(sandbox_ended_at=None) | Q(sandbox_of__isnull=False), name="only_a_sandbox_ends_as_one"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_rehearsal(self) -> bool:
        """Whether everybody in it is simulated."""
        return self.rehearsal_of_id is not None

    @property
    def is_sandbox(self) -> bool:
        """Whether it is a copy for laboratories to try things out in, which nobody else ever meets."""
        return self.sandbox_of_id is not None

    @property
    def known_as(self) -> str:
        """The name in addresses: a sandbox answers under the name of its trial."""
        return self.sandbox_of.slug if self.sandbox_of is not None else self.slug

    @property
    def is_unblinded(self) -> bool:
        """Whether members may see arms and effects."""
        return self.status in {self.Status.UNBLINDED, self.Status.ARCHIVED}


class Criterion(models.Model):
    """One eligibility criterion, answered yes or no at screening."""

    class Kind(models.TextChoices):
        INCLUSION = "inclusion", _("Inclusion")
        EXCLUSION = "exclusion", _("Exclusion")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="criteria")
    code = models.SlugField(max_length=20)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.INCLUSION)
    text = models.CharField(max_length=500)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name_plural = "criteria"
        ordering = ["trial", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "code"], name="a_criterion_code_is_unique_in_its_trial")
        ]

    def __str__(self) -> str:
        return self.text

    def is_met_by(self, answer: bool) -> bool:
        """Return whether this answer leaves the person eligible."""
        return answer is (self.kind == self.Kind.INCLUSION)


class Site(models.Model):
    """A centre that enrols."""

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="sites")
    code = models.SlugField(max_length=20)
    name = models.CharField(max_length=200)
    city = models.CharField(max_length=100, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text=_("ISO 3166-1, two letters"))
    keeps_identifiers = models.BooleanField(
        default=False, help_text=_("Names and contacts of participants are kept here, encrypted and apart.")
    )

    class Meta:
        ordering = ["trial", "name"]
        constraints = [models.UniqueConstraint(fields=["trial", "code"], name="a_site_code_is_unique_in_its_trial")]

    def __str__(self) -> str:
        return self.name


class Arm(models.Model):
    """One of the groups that participants are allocated to."""

    class Kind(models.TextChoices):
        INTERVENTION = "intervention", _("Intervention")
        WAITLIST = "waitlist", _("Waitlist")
        USUAL_CARE = "usual_care", _("Usual care")
        ACTIVE_CONTROL = "active_control", _("Active control")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="arms")
    code = models.SlugField(max_length=20)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    ratio = models.PositiveSmallIntegerField(default=1)
    position = models.PositiveSmallIntegerField(default=0)
    is_reference = models.BooleanField(default=False)
    # What waitlist participants may receive once the controlled comparison has ended for them.
    crosses_over_to = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="crossed_over_from"
    )

    class Meta:
        ordering = ["trial", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "code"], name="an_arm_code_is_unique_in_its_trial"),
            models.UniqueConstraint(
                fields=["trial"], condition=Q(is_reference=True), name="a_trial_has_one_reference_arm"
            ),
            models.CheckConstraint(condition=Q(ratio__gte=1), name="an_arm_has_a_share_in_the_ratio"),
        ]

    def __str__(self) -> str:
        return self.name


class Intervention(models.Model):
    """What an arm receives, after the TIDieR checklist (Hoffmann et al. 2014, BMJ 348:g1687)."""

    class Type(models.TextChoices):
        BEHAVIOR_THERAPY = "behavior_therapy", _("Behaviour therapy")
        COGNITIVE_THERAPY = "cognitive_therapy", _("Cognitive therapy")
        CBT = "cbt", _("Cognitive behavioural therapy")
        CBT_PLUS = "cbt_plus", _("Cognitive behavioural therapy plus additional")
        BEREAVEMENT_OR_SUPPORTIVE = "bereavement_or_supportive", _("Bereavement or supportive therapy")
        MULTIPLE_OR_COMBINED = "multiple_or_combined", _("Multiple or combined interventions")
        OTHER_PSYCHOTHERAPY = "other_psychotherapy", _("Other psychotherapy")
        PSYCHOEDUCATION = "psychoeducation", _("Psychoeducation")
        NON_PSYCHOSOCIAL = "non_psychosocial", _("Not psychosocial")

    class Delivery(models.TextChoices):
        INDIVIDUAL = "individual", _("Individual")
        GROUP = "group", _("Group")
        FAMILY = "family", _("Family")
        DIGITAL = "digital", _("Digital")
        COACH_BOT = "coach_bot", _("Coach-bot")

    arm = models.OneToOneField(Arm, on_delete=models.PROTECT, related_name="intervention")
    type = models.CharField(max_length=30, choices=Type.choices)
    delivery = models.CharField(max_length=12, choices=Delivery.choices, default=Delivery.INDIVIDUAL)
    name = models.CharField(max_length=200, blank=True)
    rationale = models.TextField(blank=True)
    materials = models.TextField(blank=True)
    description = models.TextField(blank=True, help_text=_("The procedures, step by step."))
    provider = models.TextField(blank=True, help_text=_("Profession and training of who delivers it."))
    setting = models.TextField(blank=True)
    sessions_planned = models.PositiveSmallIntegerField(null=True, blank=True)
    session_minutes = models.PositiveSmallIntegerField(null=True, blank=True)
    weeks = models.PositiveSmallIntegerField(null=True, blank=True)
    tailoring = models.TextField(blank=True)
    fidelity_plan = models.TextField(blank=True)
    software = models.CharField(max_length=100, blank=True, help_text=_("Of a coach-bot or app."))
    software_version = models.CharField(max_length=40, blank=True)
    cost_per_participant = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, help_text=_("ISO 4217, three letters"))

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(delivery="coach_bot") | (~Q(software="") & ~Q(software_version="")),
                name="a_coach_bot_names_its_software_and_version",
            ),
            models.CheckConstraint(
                condition=Q(cost_per_participant=None) | ~Q(currency=""), name="a_cost_has_its_currency"
            ),
        ]

    def __str__(self) -> str:
        return self.get_type_display()


class Visit(models.Model):
    """A planned time point with its window, in days from the anchor (study days)."""

    class Kind(models.TextChoices):
        BASELINE = "baseline", _("Baseline")
        SIX_MONTHS = "six_months", _("Six months")
        OTHER = "other", _("Other")

    class Anchor(models.TextChoices):
        RANDOMIZATION = "randomization", _("Randomization")
        INTERVENTION_END = "intervention_end", _("End of intervention")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="visits")
    code = models.SlugField(max_length=20)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    anchor = models.CharField(max_length=20, choices=Anchor.choices, default=Anchor.RANDOMIZATION)
    target_day = models.SmallIntegerField()
    window_from = models.SmallIntegerField()
    window_to = models.SmallIntegerField()
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["trial", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "code"], name="a_visit_code_is_unique_in_its_trial"),
            models.UniqueConstraint(
                fields=["trial"], condition=Q(kind="baseline"), name="a_trial_has_one_baseline_visit"
            ),
            models.CheckConstraint(
                condition=Q(window_from__lte=F("target_day")) & Q(target_day__lte=F("window_to")),
                name="a_visit_target_lies_inside_its_window",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def window(self, anchor: date) -> Window:
        """Return first, target and last calendar date for a participant anchored at `anchor`."""
        return Window.of(anchor, (self.window_from, self.target_day, self.window_to))
