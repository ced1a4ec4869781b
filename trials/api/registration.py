"""A trial's record for registries over the API: the WHO data set, and the shape of ClinicalTrials.gov."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trials import audit
from trials.access import Actor, actor_of
from trials.api.views import READ_PROBLEMS
from trials.models import Trial
from trials.registry.who import State, who_document
from trials.selectors.registry import ctgov_record_of, require_export, who_record
from trials.selectors.trials import visible_trial


class WhoItemSerializer(serializers.Serializer):
    """One of the 24 items; `value` is text, a list or an object, as the item needs."""

    number = serializers.IntegerField(min_value=1, max_value=24)
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in State])
    value = serializers.JSONField()


class WhoRecordSerializer(serializers.Serializer):
    """The WHO Trial Registration Data Set."""

    data_set = serializers.CharField()
    version = serializers.CharField()
    items = WhoItemSerializer(many=True)


class WhoRecord(APIView):
    """The WHO Trial Registration Data Set, version 1.3.1."""

    @extend_schema(responses={200: WhoRecordSerializer} | READ_PROBLEMS)
    def get(self, request: Request, slug: str) -> Response:
        """Answer with the 24 items; arms are numbered for those who may not name them."""
        trial, by = _taken(request, slug, "who")
        return Response(who_document(who_record(trial, by)))


class CtgovRecord(APIView):
    """The record in the shape of ClinicalTrials.gov, API version 2."""

    @extend_schema(responses={200: OpenApiTypes.OBJECT} | READ_PROBLEMS)
    def get(self, request: Request, slug: str) -> Response:
        """Answer with the protocolSection; with the participant flow for those who see all allocations."""
        trial, by = _taken(request, slug, "ctgov")
        return Response(ctgov_record_of(trial, by))


def _taken(request: Request, slug: str, record: str) -> tuple[Trial, Actor]:
    """Return the trial and who asks, once they may take the record; taking it is recorded."""
    by = actor_of(request)
    trial = visible_trial(slug, by)
    require_export(trial, by)
    audit.record_read("registration.downloaded", by=by, trial=trial, target=trial, file=f"{record}.json")
    return trial, by
