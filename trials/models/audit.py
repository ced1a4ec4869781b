"""The audit trail in two layers: the event a service records, and the changes that row triggers hang under it."""

from django.db import models
from django.db.models.functions import Now


class CurrentEvent(models.Func):
    """The event of the running transaction, from the setting that `audit.transaction` made.

    A write outside of it fails in the database: no actor, no write.
    """

    template = "(current_setting('studyplatform.event_id'))::bigint"
    output_field = models.BigIntegerField()
    arity = 0
    allowed_default = True


class AuditEvent(models.Model):
    """One thing that was done: verb, who, why, to what. Append-only, written in the transaction of the change.

    No foreign keys: the trail outlives what it speaks of.
    """

    id = models.BigIntegerField(primary_key=True)
    occurred_at = models.DateTimeField(db_default=Now(), editable=False)
    trial_id = models.BigIntegerField(null=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=200)
    verb = models.CharField(max_length=80)
    target_kind = models.CharField(max_length=40, blank=True)
    target_id = models.BigIntegerField(null=True)
    target_name = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    detail = models.JSONField(default=dict)
    row_count = models.IntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["trial_id", "id"], name="audit_event_by_trial")]

    def __str__(self) -> str:
        return f"{self.verb} by {self.actor_name}"


class AuditChange(models.Model):
    """Old and new values of one row of a mutable table, written by its trigger."""

    event_id = models.BigIntegerField()
    changed_at = models.DateTimeField(db_default=Now(), editable=False)
    table_name = models.CharField(max_length=80)
    row_id = models.BigIntegerField()
    operation = models.CharField(max_length=6)
    old = models.JSONField(null=True)
    new = models.JSONField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["event_id"], name="audit_change_by_event"),
            models.Index(fields=["table_name", "row_id"], name="audit_change_by_row"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.table_name} {self.row_id}"
