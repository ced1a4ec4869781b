"""The shapes that this app's part of the API takes and gives. What they mean is decided in services."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from trials.models import Criterion, Participant, Trial, Visit
from trials.selectors.consent import THE_TRIAL

MOST_CRITERIA = 100


class ProblemSerializer(serializers.Serializer):
    """An answer that says no (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = serializers.ListField(child=serializers.DictField(), required=False)  # type: ignore[assignment]


class StrictSerializer(serializers.Serializer):
    """Refuses fields that it does not know, so that a misspelt one is never silently dropped."""

    def to_internal_value(self, data: Any) -> Any:
        """Check names before values."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError(dict.fromkeys(unknown, f"There is no such field; known are {known}."))
        return super().to_internal_value(data)


class CodeAndNameSerializer(serializers.Serializer):
    """A thing with the trial's own code."""

    code = serializers.CharField()
    name = serializers.CharField()


class FactorSerializer(CodeAndNameSerializer):
    """A stratification factor and its levels."""

    levels = CodeAndNameSerializer(many=True)


class ArmSerializer(CodeAndNameSerializer):
    """An arm as designed."""

    kind = serializers.CharField()
    ratio = serializers.IntegerField()
    is_reference = serializers.BooleanField()


class TrialSerializer(serializers.ModelSerializer):
    """A trial in a list."""

    slug = serializers.CharField(source="known_as", read_only=True)

    class Meta:
        model = Trial
        fields = [
            "slug",
            "title",
            "summary",
            "registry_id",
            "status",
            "data_state",
            "data_version",
            "is_open_label",
            "is_demonstration",
            "is_rehearsal",
            "randomized_elsewhere",
            "planned_participants",
            "recruitment_starts",
            "recruitment_ends",
        ]
        read_only_fields = fields


class CriterionSerializer(serializers.ModelSerializer):
    """One eligibility criterion."""

    class Meta:
        model = Criterion
        fields = ["code", "kind", "text"]
        read_only_fields = fields


class TrialDetailSerializer(TrialSerializer):
    """A trial with its design. `arms` is there only for those who see allocations, `commitment` once it is sealed."""

    sites = CodeAndNameSerializer(many=True)
    factors = FactorSerializer(many=True)
    criteria = CriterionSerializer(many=True)
    arms = serializers.SerializerMethodField()
    commitment = serializers.SerializerMethodField()

    class Meta(TrialSerializer.Meta):
        fields = [*TrialSerializer.Meta.fields, "criteria", "sites", "factors", "arms", "commitment"]
        read_only_fields = fields

    @extend_schema_field(ArmSerializer(many=True))
    def get_arms(self, trial: Trial) -> list[dict[str, Any]]:
        """Return the arms; `to_representation` leaves them out for the blinded."""
        return list(ArmSerializer(trial.arms.all(), many=True).data)

    def get_commitment(self, trial: Trial) -> str | None:
        """Return the SHA-256 that fixes seed and scheme."""
        scheme = getattr(trial, "scheme", None)
        return scheme.commitment if scheme else None

    def to_representation(self, trial: Trial) -> dict[str, Any]:
        """Leave the arms out unless the view says that they may be named."""
        shown: dict[str, Any] = super().to_representation(trial)
        if not self.context["may_name_arms"]:
            del shown["arms"]
        return shown


class VisitSerializer(serializers.ModelSerializer):
    """A planned visit; days are study days from its anchor."""

    class Meta:
        model = Visit
        fields = ["code", "name", "kind", "anchor", "target_day", "window_from", "window_to", "position"]
        read_only_fields = fields


class ParticipantSerializer(serializers.ModelSerializer):
    """A participant. `arm` is there only for participants of sites whose allocations the caller sees."""

    site = serializers.CharField(source="site.code")
    arm = serializers.SerializerMethodField()

    class Meta:
        model = Participant
        fields = ["code", "site", "state", "screened_on", "randomized_on", "arm"]
        read_only_fields = fields

    def get_arm(self, participant: Participant) -> str | None:
        """Return the arm's code, None before randomization; `to_representation` leaves it out for the blinded."""
        allocation = getattr(participant, "allocation", None)
        return allocation.arm.code if allocation else None

    def to_representation(self, participant: Participant) -> dict[str, Any]:
        """Leave the arm out at sites whose allocations are not shown."""
        shown: dict[str, Any] = super().to_representation(participant)
        if participant.site_id not in self.context["allocation_sites"]:
            del shown["arm"]
        return shown


class ConsentSerializer(StrictSerializer):
    """Consent: when, to which version of the information sheet, and to which of its scopes (taking part alone)."""

    on = serializers.DateField()
    version = serializers.CharField(max_length=40)
    scope = serializers.ListField(
        child=serializers.SlugField(max_length=20), default=lambda: [THE_TRIAL], max_length=50
    )


@extend_schema_field(
    {
        "oneOf": [
            {"type": "array", "items": {"type": "boolean"}, "maxItems": 100},
            {"type": "object", "additionalProperties": {"type": "boolean"}},
        ]
    }
)
class EligibilityField(serializers.Field):
    """Answers to the criteria: a list in their order, or an object of criterion codes; true, false and nothing else."""

    default_error_messages = {
        "shape": "Send a list of true and false in the order of the criteria, or an object of criterion codes.",
        "answer": "“{code}” is answered by true or false, not by {given}.",
    }

    def to_internal_value(self, data: Any) -> list[bool] | dict[str, bool]:
        """Check the shape; which criteria there are is known to the service."""
        if isinstance(data, dict):
            answers = {str(code): given for code, given in data.items()}
        elif isinstance(data, list):
            answers = {str(place): given for place, given in enumerate(data, start=1)}
        else:
            self.fail("shape")
        if len(answers) > MOST_CRITERIA:
            self.fail("shape")
        for code, given in answers.items():
            if not isinstance(given, bool):
                self.fail("answer", code=code[:40], given=repr(given)[:40])
        return answers if isinstance(data, dict) else list(answers.values())

    def to_representation(self, value: Any) -> Any:
        """Give it back as it came."""
        return value


class EnrolSerializer(StrictSerializer):
    """Somebody assessed for eligibility; `eligibility` answers the trial's criteria by code, or in their order."""

    site = serializers.SlugField(max_length=20)
    screened_on = serializers.DateField(default=timezone.localdate)
    eligibility = EligibilityField(default=list)
    consent = ConsentSerializer(required=False)


class RandomizeSerializer(StrictSerializer):
    """The level of each stratification factor other than the site."""

    levels = serializers.DictField(child=serializers.CharField(max_length=100), default=dict)
