"""Parcels of specimens: packed and sent off by a site, opened by a laboratory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django.utils import timezone

from measurements.labels import typed_identifier
from measurements.models import Shipment, ShipmentLine, Specimen
from measurements.services.specimens import receive_specimen, require_order
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import Laboratory, Site, Trial
from trials.permissions import Permission
from trials.services.writing import require_writable

MOST_SPECIMENS = 1000


@dataclass(frozen=True)
class Parcel:
    """When and how a parcel is sent."""

    sent_at: datetime
    cooling: str = "dry_ice"
    carrier: str = ""
    note: str = ""


def send_shipment(
    *, site: Site, laboratory: Laboratory, identifiers: Sequence[str], parcel: Parcel, by: Actor
) -> Shipment:
    """Record that these specimens of a site left for a laboratory; return the shipment with the trial's next number.

    All or none. A specimen that came back, or is sent on, is in transit again. Raises RuleBroken that names each id
    that is unknown, of another site, named twice, not drawn, gone, or on its way already; for a laboratory that does
    not deliver to the trial; and for times out of order.
    """
    with audit.transaction(by=by) as event:
        trial = site.trial
        require(by, Permission.SPECIMEN_MANAGE, trial, site=site)
        require_writable(trial, Writing.MOVEMENTS)
        if not laboratory.deliveries.filter(trial=trial, ended_at=None).exists():
            raise RuleBroken("laboratory_unknown", "Choose a laboratory of this trial.", field="laboratory")
        specimens = _packed(trial, site, identifiers)
        Trial.objects.select_for_update(no_key=True).get(pk=trial.pk)
        number = (Shipment.objects.filter(trial=trial).aggregate(last=Max("number"))["last"] or 0) + 1
        shipment = Shipment.objects.create(
            trial=trial,
            number=number,
            site=site,
            laboratory=laboratory,
            sent_at=parcel.sent_at,
            cooling=parcel.cooling,
            carrier=parcel.carrier.strip(),
            note=parcel.note.strip(),
        )
        for specimen in specimens:
            _send(specimen, shipment)
        ShipmentLine.objects.bulk_create(ShipmentLine(shipment=shipment, specimen=each) for each in specimens)
        event.record("shipment.sent", trial=trial, target=shipment, row_count=len(specimens))
    return shipment


def _packed(trial: Trial, site: Site, identifiers: Sequence[str]) -> list[Specimen]:
    """The specimens by these ids, held till commit. One sentence names all that cannot be sent."""
    named = [typed_identifier(each) for each in identifiers if each.strip()]
    if not 1 <= len(named) <= MOST_SPECIMENS:
        raise RuleBroken("count_wrong", f"Name 1 to {MOST_SPECIMENS} specimens, one a line.", field="identifiers")
    found = Specimen.objects.select_for_update(of=("self",)).filter(
        trial=trial, participant__site=site, identifier__in=named
    )
    known = {each.identifier: each for each in found.select_related("participant").order_by("pk")}
    wrong = [f"{name} ({why})" for name in dict.fromkeys(named) if (why := _why_not(known.get(name)))]
    wrong += [f"{name} (named twice)" for name in dict.fromkeys(named) if named.count(name) > 1]
    if wrong:
        sentence = f"These cannot be sent: {', '.join(wrong[:20])}. Nothing was saved."
        raise RuleBroken("specimens_wrong", sentence, field="identifiers")
    return [known[name] for name in named]


def _why_not(specimen: Specimen | None) -> str:
    if specimen is None:
        return "no specimen of this site"
    reasons = {
        Specimen.State.EXPECTED: "not recorded as drawn",
        Specimen.State.IN_TRANSIT: "on its way already",
        Specimen.State.LOST: "lost",
        Specimen.State.DESTROYED: "destroyed",
    }
    return reasons.get(Specimen.State(specimen.state), "")


def _send(specimen: Specimen, shipment: Shipment) -> None:
    """It is in transit: an earlier receipt stays among its events."""
    specimen.shipped_at, specimen.shipment, specimen.received_at = shipment.sent_at, shipment, None
    specimen.note = ""
    require_order(specimen)
    specimen.save(update_fields=["shipped_at", "shipment", "received_at", "note"])


def receive_shipment(
    *,
    shipment: Shipment,
    conditions: Mapping[int, str],
    by: Actor,
    received_at: datetime | None = None,
    place: str = "",
) -> Shipment:
    """Record that a parcel arrived, and in which condition each specimen was; return it as it is then.

    `conditions` are by specimen; who is not named came in order, and `lost` is what was not in the parcel. Raises
    InConflict for a parcel that was received already, RuleBroken for times out of order and unknown conditions.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.SPECIMEN_RECEIVE, shipment.trial, site=shipment.site)
        require_writable(shipment.trial, Writing.MOVEMENTS)
        known = Shipment.objects.select_for_update(of=("self",)).select_related("trial", "site").get(pk=shipment.pk)
        if known.received_at is not None:
            raise InConflict("received_already", "This shipment was received already. Nothing was saved.")
        moment = received_at or timezone.now()
        on_the_way = Specimen.objects.filter(shipment=known, state=Specimen.State.IN_TRANSIT)
        for specimen in on_the_way.select_related("trial", "participant__site").order_by("pk"):
            condition = conditions.get(specimen.pk, "ok")
            receive_specimen(specimen=specimen, received_at=moment, condition=condition, place=place, by=by)
        known.received_at = moment
        known.save(update_fields=["received_at"])
        event.record("shipment.received", trial=known.trial, target=known)
    return known
