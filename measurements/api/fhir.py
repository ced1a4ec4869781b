"""FHIR R4 below `/api/v1/trials/{slug}/fhir`: Bundles in, Observations, Specimens, subjects and the study out."""

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from measurements.api import fhir_schema as schema
from measurements.api.deliveries import body_of, fingerprint, refuse
from measurements.api.fhir_answers import FHIR_JSON, FhirView
from measurements.api.fhir_searches import SEARCHES, FhirPages, Search
from measurements.fhir import BundleAsSent, Systems, read_bundle, writing
from measurements.fhir.capability import capability_statement
from measurements.fhir.writing import Resource
from measurements.selectors import fhir as selectors
from measurements.services.bundles import record_bundle
from measurements.services.idempotency import key_of
from measurements.services.results import laboratory_of
from measurements.validation import PayloadRefused
from trials.access import Actor, actor_of
from trials.api.throttling import count_rows
from trials.errors import NotFound
from trials.models import Trial
from trials.selectors.trials import visible_trial

FHIR_VERSIONS = frozenset({"4.0", "4.0.1"})


def _systems(request: Request, slug: str) -> Systems:
    """Return the trial's systems under the name by which this platform was asked; a sandbox has its trial's."""
    return Systems(request.build_absolute_uri(f"/api/v1/trials/{slug}/fhir"))


class Base(FhirView):
    """The base itself: takes Bundles."""

    @extend_schema(
        operation_id="fhir_bundle",
        request={FHIR_JSON: schema.BUNDLE, "application/json": schema.BUNDLE},
        parameters=schema.POST_PARAMETERS,
        responses={(200, FHIR_JSON): schema.RESPONSES, **schema.POST_OUTCOMES},
        examples=schema.EXAMPLES,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Record a batch (every entry that is right) or a transaction (all entries or none)."""
        by = actor_of(request)
        trial = visible_trial(slug, by)
        laboratory = laboratory_of(by, trial)
        _require_type(request._request)
        unknown_specimen = _unknown_specimen(request._request)
        body = body_of(request._request)
        key = key_of(by, request.headers.get("Idempotency-Key"), fingerprint(request._request, body))
        bundle = _bundle(body, _systems(request, slug), by, trial)
        count_rows(request, len(bundle.entries))
        answer = record_bundle(
            trial=trial,
            laboratory=laboratory,
            bundle=bundle,
            by=by,
            unknown_specimen=unknown_specimen,
            body_sha256=hashlib.sha256(body).hexdigest(),
            key=key,
        )
        return Response(answer.body, answer.status, headers={"Idempotent-Replay": "true"} if answer.is_replay else {})


def _require_type(request: HttpRequest) -> None:
    if request.content_type not in {FHIR_JSON, "application/json"}:
        named = f"“{request.content_type[:100]}”" if request.content_type else "No content type"
        refuse(415, "content_type_unknown", f"{named} is not read here. Send {FHIR_JSON}. Nothing was saved.")
    parameters = request.content_params or {}
    if parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
        refuse(415, "charset_unknown", "Only UTF-8 is read here. Save the body as UTF-8. Nothing was saved.")
    if parameters.get("fhirversion", "4.0") not in FHIR_VERSIONS:
        refuse(415, "fhir_version_unknown", "Only FHIR 4.0 is read here. Send fhirVersion=4.0. Nothing was saved.")


def _unknown_specimen(request: HttpRequest) -> Any:
    query = request.GET
    for name in query:
        if name not in {"unknown_specimen", "_format"}:
            sentence = f"“{name[:60]}” is not a parameter. Send unknown_specimen. Nothing was saved."
            refuse(422, "parameter_unknown", sentence, field=name)
    values = query.getlist("unknown_specimen") or ["reject"]
    if len(values) > 1 or values[0] not in {"reject", "hold"}:
        sentence = f"“{', '.join(values)[:60]}” is not a value of unknown_specimen. Send reject or hold."
        refuse(422, "parameter_wrong", f"{sentence} Nothing was saved.", field="unknown_specimen")
    return values[0]


def _bundle(body: bytes, systems: Systems, by: Actor, trial: Trial) -> BundleAsSent:
    try:
        return read_bundle(
            body,
            systems=systems,
            loinc=selectors.confirmed_loinc(trial),
            specimen_ids=lambda numbers: selectors.specimen_ids(by, trial, numbers),
        )
    except PayloadRefused as refused:
        refuse(refused.status, refused.code, refused.sentence)


class Metadata(FhirView):
    """What this base can do."""

    @extend_schema(operation_id="fhir_metadata", responses=schema.METADATA)
    def get(self, request: Request, slug: str) -> Response:
        """Answer with the CapabilityStatement of the trial's base."""
        visible_trial(slug, actor_of(request))
        return Response(capability_statement(_systems(request, slug), settings.VERSION, SEARCHES))


class ResourceView(FhirView):
    """A kind of resource that can be searched and read: what is found, and how it is written."""

    kind: ClassVar[str]

    def found(self, by: Actor, trial: Trial, search: Search) -> QuerySet[Any, Any]:
        """Return what a search finds and `by` may see."""
        raise NotImplementedError

    def written(self, listed: Sequence[Any], by: Actor, trial: Trial, systems: Systems) -> list[Resource]:
        """Return what was found as resources."""
        raise NotImplementedError

    def one(self, by: Actor, trial: Trial, key: int) -> Any:
        """Return what has this id; None where there is nothing that `by` may see."""
        raise NotImplementedError


class SearchView(ResourceView):
    """A kind of resource, searched."""

    def get(self, request: Request, slug: str) -> Response:
        """Answer one page of what was found."""
        by = actor_of(request)
        trial, systems = visible_trial(slug, by), _systems(request, slug)
        search = Search(request._request.GET, self.kind, systems)
        pages = FhirPages()
        listed = pages.paginate_queryset(self.found(by, trial, search), request, self) or []
        links = {"self": request.build_absolute_uri(), "next": pages.get_next_link()}
        return Response(writing.search_set(self.written(listed, by, trial, systems), systems.base, links))


class ReadView(ResourceView):
    """One resource, by its id."""

    def get(self, request: Request, slug: str, number: str) -> Response:
        """Answer the resource; a missing and a foreign one alike with 404."""
        by = actor_of(request)
        trial, systems = visible_trial(slug, by), _systems(request, slug)
        found = self.one(by, trial, int(number))
        if found is None:
            raise NotFound("resource_unknown", f"There is no {self.kind} of this id that you may see.")
        return Response(self.written([found], by, trial, systems)[0])


class _Observations(ResourceView):
    kind = "Observation"

    def found(self, by: Actor, trial: Trial, search: Search) -> QuerySet[Any, Any]:
        """Return what a search finds."""
        return selectors.observations_visible_to(
            by,
            trial,
            keys=search.keys("_id", self.kind),
            biomarkers=search.biomarkers(trial),
            specimen_keys=search.keys("specimen", "Specimen"),
            specimens=search.tokens("specimen:identifier", system=search.systems.identifier("specimen")),
            participants=search.participants(),
            since=search.since(),
        )

    def written(self, listed: Sequence[Any], by: Actor, trial: Trial, systems: Systems) -> list[Resource]:
        """Return it as resources."""
        return [writing.observation(selectors.observation_words(each), systems) for each in listed]

    def one(self, by: Actor, trial: Trial, key: int) -> Any:
        """Return the one of this id."""
        return selectors.visible_observation(by, trial, key)


class _Specimens(ResourceView):
    kind = "Specimen"

    def found(self, by: Actor, trial: Trial, search: Search) -> QuerySet[Any, Any]:
        """Return what a search finds."""
        return selectors.specimens_for_fhir(
            by,
            trial,
            keys=search.keys("_id", self.kind),
            identifiers=search.tokens("identifier", system=search.systems.identifier("specimen")),
            participants=search.participants(),
        )

    def written(self, listed: Sequence[Any], by: Actor, trial: Trial, systems: Systems) -> list[Resource]:
        """Return it as resources."""
        return [writing.specimen(selectors.specimen_words(each), systems) for each in listed]

    def one(self, by: Actor, trial: Trial, key: int) -> Any:
        """Return the one of this id."""
        return selectors.specimens_for_fhir(by, trial, keys=[key]).first()


class _Subjects(ResourceView):
    kind = "ResearchSubject"

    def found(self, by: Actor, trial: Trial, search: Search) -> QuerySet[Any, Any]:
        """Return what a search finds."""
        codes = search.tokens("identifier", system=search.systems.identifier("participant"))
        return selectors.participants_for_fhir(by, trial, keys=search.keys("_id", self.kind), codes=codes)

    def written(self, listed: Sequence[Any], by: Actor, trial: Trial, systems: Systems) -> list[Resource]:
        """Return it as resources."""
        return [writing.research_subject(each, systems) for each in selectors.participant_words(listed, by, trial)]

    def one(self, by: Actor, trial: Trial, key: int) -> Any:
        """Return the one of this id."""
        return selectors.participants_for_fhir(by, trial, keys=[key]).first()


class _Studies(ResourceView):
    kind = "ResearchStudy"

    def found(self, by: Actor, trial: Trial, search: Search) -> QuerySet[Any, Any]:
        """Return what a search finds."""
        return selectors.trial_for_fhir(by, trial, keys=search.keys("_id", self.kind))

    def written(self, listed: Sequence[Any], by: Actor, trial: Trial, systems: Systems) -> list[Resource]:
        """Return it as resources."""
        return [writing.research_study(selectors.trial_words(by, each), systems) for each in listed]

    def one(self, by: Actor, trial: Trial, key: int) -> Any:
        """Return the one of this id."""
        return selectors.trial_for_fhir(by, trial, keys=[key]).first()


@schema.searched("Observation")
class Observations(_Observations, SearchView):
    """Current results."""


@schema.read("Observation")
class ObservationDetail(_Observations, ReadView):
    """One result, in its current version."""


@schema.searched("Specimen")
class Specimens(_Specimens, SearchView):
    """Specimens."""


@schema.read("Specimen")
class SpecimenDetail(_Specimens, ReadView):
    """One specimen."""


@schema.searched("ResearchSubject")
class Subjects(_Subjects, SearchView):
    """Participants under their study codes."""


@schema.read("ResearchSubject")
class SubjectDetail(_Subjects, ReadView):
    """One participant."""


@schema.searched("ResearchStudy")
class Studies(_Studies, SearchView):
    """The trial."""


@schema.read("ResearchStudy")
class StudyDetail(_Studies, ReadView):
    """The trial, by its id."""


@extend_schema(exclude=True)
class Elsewhere(FhirView):
    """Every other address below the base."""

    def get(self, request: Request, slug: str, rest: str) -> Response:
        """Say what there is, in the words of FHIR."""
        visible_trial(slug, actor_of(request))
        raise NotFound("resource_unknown", f"There is nothing at this address. Read {', '.join(SEARCHES)} or metadata.")

    post = put = patch = delete = get
