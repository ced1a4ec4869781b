"""Samples that are drawn at visits, where they are, and what happened to them on the way."""

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.utils.translation import gettext_lazy as _

from measurements.models.shipment import Shipment
from trials.models import AuditEvent, Participant, Trial, Visit
from trials.models.audit import CurrentEvent


class Specimen(models.Model):
    """Blood, saliva, a questionnaire sitting: what results are results of.

    A row holds what is true now. `state` is computed from it by the database, and a trigger writes a SpecimenEvent for
    every fact that changes, so neither can contradict it.
    """

    class State(models.TextChoices):
        EXPECTED = "expected", _("Expected")
        DRAWN = "drawn", _("Drawn")
        IN_TRANSIT = "in_transit", _("In transit")
        RECEIVED = "received", _("Received")
        LOST = "lost", _("Lost")
        DESTROYED = "destroyed", _("Destroyed")

    class Condition(models.TextChoices):
        OK = "ok", _("In order")
        HAEMOLYSED = "haemolysed", _("Haemolysed")
        LIPAEMIC = "lipaemic", _("Lipaemic")
        ICTERIC = "icteric", _("Icteric")
        CLOTTED = "clotted", _("Clotted")
        THAWED = "thawed", _("Thawed")
        LOW_VOLUME = "low_volume", _("Low volume")
        LEAKED = "leaked", _("Leaked")
        UNUSABLE = "unusable", _("Unusable")
        LOST = "lost", _("Lost")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="specimens")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="specimens")
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="specimens")
    identifier = models.CharField(max_length=80)
    specimen_type = models.CharField(max_length=20, default="serum")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="aliquots")
    aliquot_number = models.SmallIntegerField(null=True, blank=True)
    volume_ul = models.DecimalField(max_digits=10, decimal_places=1, null=True, blank=True)
    drawn_at = models.DateTimeField(null=True, blank=True)
    shipped_at = models.DateTimeField(null=True, blank=True, help_text=_("When it last left for a laboratory."))
    shipment = models.ForeignKey(Shipment, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField(null=True, blank=True)
    condition = models.CharField(max_length=12, choices=Condition.choices, blank=True, default="", db_default="")
    place = models.CharField(max_length=120, blank=True, default="", db_default="")
    destroyed_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True, default="", db_default="", help_text=_("On the last change."))
    state = models.GeneratedField(
        expression=Case(
            When(destroyed_at__isnull=False, then=Value("destroyed")),
            When(Q(condition="lost"), then=Value("lost")),
            When(received_at__isnull=False, then=Value("received")),
            When(shipped_at__isnull=False, then=Value("in_transit")),
            When(drawn_at__isnull=False, then=Value("drawn")),
            default=Value("expected"),
        ),
        output_field=models.CharField(max_length=12, choices=State.choices),
        db_persist=True,
    )

    class Meta:
        ordering = ["trial", "identifier"]
        constraints = [
            models.UniqueConstraint(
                fields=["trial", "identifier"], name="a_specimen_identifier_is_unique_in_its_trial"
            ),
            models.CheckConstraint(
                condition=Q(received_at=None) | Q(drawn_at=None) | Q(received_at__gte=F("drawn_at")),
                name="a_specimen_is_received_after_it_is_drawn",
            ),
            models.CheckConstraint(
                condition=Q(shipped_at=None) | Q(drawn_at=None) | Q(shipped_at__gte=F("drawn_at")),
                name="a_specimen_is_shipped_after_it_is_drawn",
            ),
            models.CheckConstraint(
                condition=Q(received_at=None) | Q(shipped_at=None) | Q(received_at__gte=F("shipped_at")),
                name="a_specimen_is_received_after_it_is_shipped",
            ),
            models.CheckConstraint(
                condition=Q(destroyed_at=None) | Q(drawn_at=None) | Q(destroyed_at__gte=F("drawn_at")),
                name="a_specimen_is_destroyed_after_it_is_drawn",
            ),
            models.CheckConstraint(
                condition=Q(parent=None, aliquot_number=None) | Q(parent__isnull=False, aliquot_number__gte=1),
                name="an_aliquot_has_a_parent_and_a_number",
            ),
            models.UniqueConstraint(fields=["parent", "aliquot_number"], name="an_aliquot_number_is_given_once"),
        ]
        indexes = [models.Index(fields=["trial", "participant", "visit"], name="specimen_by_participant_visit")]

    def __str__(self) -> str:
        return self.identifier

    @property
    def state_label(self) -> str:
        """The state in words."""
        return str(self.State(self.state).label)


class SpecimenEvent(models.Model):
    """One change of what is known of a specimen. Written by the database's trigger on Specimen, and by nobody else.

    `at` is when it happened; empty where a fact was struck again as recorded by mistake.
    """

    class Kind(models.TextChoices):
        DRAWN = "drawn", _("Drawn")
        SHIPPED = "shipped", _("Sent off")
        RECEIVED = "received", _("Received")
        CONDITION = "condition", _("Condition noted")
        STORED = "stored", _("Put away")
        DESTROYED = "destroyed", _("Destroyed")

    specimen = models.ForeignKey(Specimen, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    at = models.DateTimeField(null=True)
    condition = models.CharField(max_length=12, choices=Specimen.Condition.choices, blank=True)
    place = models.CharField(max_length=120, blank=True)
    note = models.CharField(max_length=500, blank=True)
    shipment = models.ForeignKey(Shipment, null=True, on_delete=models.PROTECT, related_name="events")
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.specimen_id}"


class ShipmentLine(models.Model):
    """A specimen that was packed into a shipment. Append-only."""

    shipment = models.ForeignKey(Shipment, on_delete=models.PROTECT, related_name="lines")
    specimen = models.ForeignKey(Specimen, on_delete=models.PROTECT, related_name="shipment_lines")
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="+", db_default=CurrentEvent())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "specimen"], name="a_specimen_is_once_in_a_shipment")
        ]

    def __str__(self) -> str:
        return f"{self.specimen_id} in {self.shipment_id}"
