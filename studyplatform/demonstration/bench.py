"""CALM-Sleep's tubes: saliva for an antibody assay, in parcels; a file whose rows wait; a random layout."""

from datetime import datetime, time, timedelta

from django.db import transaction
from django.utils import timezone

from measurements.labels import new_identifier
from measurements.models import Shipment, Specimen
from measurements.plates.layout import Form
from measurements.services.assays import Limits, add_assay
from measurements.services.plates import draw_plate_layout
from measurements.services.shipments import Parcel, receive_shipment, send_shipment
from measurements.services.specimens import register_planned, register_specimen
from measurements.services.uploads import commit_upload, stage_upload
from measurements.validation import Options
from studyplatform.demonstration.calm_sleep import Enrolled
from studyplatform.demonstration.people import PLATFORM, email_of
from trials.access import Actor
from trials.models import Laboratory, Site, Trial, User
from trials.permissions import Role

BIOMARKER = "EBVVCA"
UNIT = "{titer}"
TUBES_OF = 18
"""So many who were randomized last gave saliva at baseline."""
NEXT_TO_COME = 80
"""Order of randomization of the one who is due: tubes are labelled, nothing is drawn."""
SALIVA = "saliva"


def set_up_bench(trial: Trial, laboratory: Laboratory, enrolled: list[Enrolled]) -> None:
    """Record what is on its way, what has come and what waits, once and all or nothing."""
    if trial.shipments.exists():
        return
    with transaction.atomic():
        tubes = [_tube(trial, each) for each in enrolled[-TUBES_OF:] if each.person.baseline_on]
        for site in trial.sites.order_by("code"):
            _send(site, laboratory, [each for each in tubes if each.participant.site_id == site.pk])
        register_planned(
            participant=enrolled[NEXT_TO_COME - 1].participant, visit=trial.visits.get(code="six_months"), by=PLATFORM
        )
        _draw_layout(trial, laboratory)
        _upload(trial, laboratory, tubes)


def _tube(trial: Trial, each: Enrolled) -> Specimen:
    day = each.person.baseline_on or timezone.localdate()
    return register_specimen(
        participant=each.participant,
        visit=trial.visits.get(code="baseline"),
        identifier=new_identifier(),
        specimen_type=SALIVA,
        drawn_at=datetime.combine(day, time(9), tzinfo=timezone.get_current_timezone()),
        by=PLATFORM,
    )


def _send(site: Site, laboratory: Laboratory, tubes: list[Specimen]) -> Shipment:
    """Most of a site's tubes went last week, and arrived, one of them thawed; the last two left yesterday."""
    arrived, rest = tubes[:-2], tubes[-2:]
    first = _parcel(site, laboratory, arrived, days=7)
    receive_shipment(
        shipment=first,
        conditions={arrived[0].pk: Specimen.Condition.THAWED},
        received_at=first.sent_at + timedelta(days=1),
        place="Freezer 2, rack B",
        by=PLATFORM,
    )
    return _parcel(site, laboratory, rest, days=1)


def _parcel(site: Site, laboratory: Laboratory, tubes: list[Specimen], *, days: int) -> Shipment:
    parcel = Parcel(timezone.now() - timedelta(days=days), carrier="Example Couriers")
    return send_shipment(
        site=site, laboratory=laboratory, identifiers=[each.identifier for each in tubes], parcel=parcel, by=PLATFORM
    )


def _draw_layout(trial: Trial, laboratory: Laboratory) -> None:
    assay = add_assay(
        trial=trial,
        laboratory=laboratory,
        biomarker=trial.biomarkers.get(code=BIOMARKER),
        code="ebvvca-ifa",
        method="Indirect immunofluorescence, twofold dilutions",
        unit=UNIT,
        limits=Limits(),
        by=PLATFORM,
    )
    draw_plate_layout(assay=assay, name="EBV, tubes that arrived", form=Form(), only_received=True, by=PLATFORM)


def _upload(trial: Trial, laboratory: Laboratory, tubes: list[Specimen]) -> None:
    """The laboratory's manager uploads a file in which two ids are read wrongly: no such specimen is known."""
    misread = [f"{each.identifier[:-1]}{'7' if each.identifier[-1] != '7' else '9'}" for each in tubes[:2]]
    rows = [f"{each},{BIOMARKER},{value},{UNIT}\n" for each, value in zip(misread, (160, 320), strict=True)]
    manager = Actor(user=User.objects.get(email=email_of(str(Role.LAB_MANAGER))))
    upload = stage_upload(
        trial=trial,
        laboratory=laboratory,
        name="ebv-run-3.csv",
        content="".join(["specimen,biomarker,value,unit\n", *rows]).encode(),
        options=Options(unknown_specimen="hold"),
        by=manager,
    )
    commit_upload(upload=upload, by=manager, on_error=upload.on_error)
