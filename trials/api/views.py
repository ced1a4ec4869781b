"""Trials, visits, participants and their flow over the API: parse, call one service or selector, answer."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import CharFilter, DjangoFilterBackend, FilterSet  # type: ignore[import-untyped]
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trials.access import Actor, actor_of, allocation_sites, may_name_arms, require
from trials.api.serializers import (
    EnrolSerializer,
    ParticipantSerializer,
    ProblemSerializer,
    RandomizeSerializer,
    TrialDetailSerializer,
    TrialSerializer,
    VisitSerializer,
)
from trials.errors import RuleBroken
from trials.models import Participant, Trial, Visit
from trials.permissions import Permission
from trials.selectors.participants import participants_visible_to, visible_participant
from trials.selectors.trials import trials_visible_to, visible_trial
from trials.services.enrollment import Consent, enroll_participant
from trials.services.randomization import randomize_participant

NO_TOKEN = OpenApiResponse(ProblemSerializer, "No valid token.")
NOT_ALLOWED = OpenApiResponse(ProblemSerializer, "The trial is known to the caller, the right is missing.")
UNKNOWN = OpenApiResponse(ProblemSerializer, "Missing, or not for the caller to know of: the same words for both.")
NOT_NOW = OpenApiResponse(ProblemSerializer, "Not in the present state of the trial or participant.")
WRONG = OpenApiResponse(ProblemSerializer, "Fields or values are wrong; nothing was saved.")
READ_PROBLEMS = {401: NO_TOKEN, 403: NOT_ALLOWED, 404: UNKNOWN}
WRITE_PROBLEMS = READ_PROBLEMS | {409: NOT_NOW, 422: WRONG}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER, description="The same key gives the same participant."
)
KEY_LENGTH = 200


def _trial(view: APIView) -> tuple[Trial, Actor]:
    """Return the trial of the address and who asks; NotFound for a foreign one as for a missing one."""
    by = actor_of(view.request)
    trial = visible_trial(view.kwargs["slug"], by)
    require(by, Permission.TRIAL_VIEW, trial)
    return trial, by


@extend_schema(responses={200: TrialSerializer(many=True), 401: NO_TOKEN})
class TrialList(generics.ListAPIView):
    """The trials that the caller takes part in."""

    serializer_class = TrialSerializer

    def get_queryset(self) -> QuerySet[Trial]:
        """Return the visible trials."""
        return trials_visible_to(actor_of(self.request))


@extend_schema(responses={200: TrialDetailSerializer} | READ_PROBLEMS)
class TrialDetail(APIView):
    """One trial with its design."""

    def get(self, request: Request, slug: str) -> Response:
        """Answer with the design, the arms only for those who see allocations."""
        trial, by = _trial(self)
        return Response(TrialDetailSerializer(trial, context={"may_name_arms": may_name_arms(by, trial)}).data)


@extend_schema(responses={200: VisitSerializer(many=True)} | READ_PROBLEMS)
class VisitList(generics.ListAPIView):
    """The planned visits of a trial with their windows."""

    serializer_class = VisitSerializer

    def get_queryset(self) -> QuerySet[Visit]:
        """Return the trial's visits."""
        return Visit.objects.none() if _is_schema(self) else Visit.objects.filter(trial=_trial(self)[0])


class ParticipantFilter(FilterSet):
    """`?state=` and `?site=` narrow the list down."""

    site = CharFilter(field_name="site__code", label="Code of a site")

    class Meta:
        model = Participant
        fields = ["state"]


class ParticipantList(generics.ListAPIView):
    """Participants by study code; posting screens one more person."""

    serializer_class = ParticipantSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = ParticipantFilter

    def get_queryset(self) -> QuerySet[Participant]:
        """Return the participants of the sites that the caller sees."""
        if _is_schema(self):
            return Participant.objects.none()
        trial, by = _trial(self)
        return participants_visible_to(by, trial).select_related("allocation__arm")

    def get_serializer_context(self) -> dict[str, Any]:
        """Say at which sites arms are shown."""
        shown: set[int] = set() if _is_schema(self) else self._sites()
        return {**super().get_serializer_context(), "allocation_sites": shown}

    def _sites(self) -> set[int]:
        trial, by = _trial(self)
        return allocation_sites(by, trial)

    @extend_schema(responses={200: ParticipantSerializer(many=True)} | READ_PROBLEMS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer a page of participants."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=EnrolSerializer, responses={201: ParticipantSerializer} | WRITE_PROBLEMS, parameters=[IDEMPOTENCY_KEY]
    )
    def post(self, request: Request, slug: str) -> Response:
        """Screen a person, and record their consent where it is given; one not eligible is excluded."""
        trial, by = _trial(self)
        require(by, Permission.PARTICIPANT_ENROLL, trial)
        sent = EnrolSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = sent.validated_data
        site = trial.sites.filter(code=asked["site"]).first()
        if site is None:
            raise RuleBroken("site_unknown", f"“{asked['site']}” is not a site of this trial.", field="site")
        participant = enroll_participant(
            trial=trial,
            site=site,
            by=by,
            screened_on=asked["screened_on"],
            eligibility=asked["eligibility"],
            consent=Consent(**asked["consent"]) if "consent" in asked else None,
            key=request.headers.get("Idempotency-Key", "")[:KEY_LENGTH],
        )
        return _participant_answer(participant, by, status.HTTP_201_CREATED)


class ParticipantRandomize(APIView):
    """The one randomization of a participant."""

    @extend_schema(request=RandomizeSerializer, responses={200: ParticipantSerializer} | WRITE_PROBLEMS)
    def post(self, request: Request, slug: str, code: str) -> Response:
        """Randomize; asked again, answer the same. The arm is in the answer only for those who may see it."""
        trial, by = _trial(self)
        participant = visible_participant(code, by, trial)
        require(by, Permission.PARTICIPANT_RANDOMIZE, trial, site=participant.site)
        sent = RandomizeSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        allocation = randomize_participant(participant=participant, by=by, levels=sent.validated_data["levels"])
        return _participant_answer(allocation.participant, by, status.HTTP_200_OK)


def _participant_answer(participant: Participant, by: Actor, code: int) -> Response:
    context = {"allocation_sites": allocation_sites(by, participant.trial)}
    return Response(ParticipantSerializer(participant, context=context).data, status=code)


def _is_schema(view: APIView) -> bool:
    """Whether the view is only looked at for the OpenAPI schema, without a trial."""
    return getattr(view, "swagger_fake_view", False)
