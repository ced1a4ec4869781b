"""Parcels of specimens from a site to a laboratory."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from trials.models import Laboratory, Site, Trial


class Shipment(models.Model):
    """One parcel: what is in it are its lines; what became of each specimen are its events."""

    class Cooling(models.TextChoices):
        DRY_ICE = "dry_ice", _("Dry ice")
        FROZEN = "frozen", _("Frozen, −20 °C")
        COOLED = "cooled", _("Cooled, 2 to 8 °C")
        AMBIENT = "ambient", _("Ambient")

    trial = models.ForeignKey(Trial, on_delete=models.PROTECT, related_name="shipments")
    number = models.IntegerField()
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="shipments")
    laboratory = models.ForeignKey(Laboratory, on_delete=models.PROTECT, related_name="shipments")
    sent_at = models.DateTimeField()
    received_at = models.DateTimeField(null=True, blank=True)
    cooling = models.CharField(max_length=8, choices=Cooling.choices, default=Cooling.DRY_ICE)
    carrier = models.CharField(max_length=120, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "number"], name="a_shipment_number_is_given_once"),
            models.CheckConstraint(
                condition=Q(received_at=None) | Q(received_at__gte=F("sent_at")),
                name="a_shipment_is_received_after_it_is_sent",
            ),
        ]

    def __str__(self) -> str:
        return f"shipment {self.number}"
