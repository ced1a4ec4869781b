"""Eligibility criteria become rows that say whether they include or exclude; consent forms have versions."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def texts_to_rows(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Trial, Criterion = apps.get_model("trials", "Trial"), apps.get_model("trials", "Criterion")
    ConsentForm = apps.get_model("trials", "ConsentForm")
    for trial in Trial.objects.all():
        Criterion.objects.bulk_create(
            Criterion(trial=trial, code=f"c{number}", kind="inclusion", text=text, position=number)
            for number, text in enumerate(trial.eligibility, start=1)
        )
        ConsentForm.objects.create(trial=trial, version=trial.consent_version)
    # Else the foreign keys' checks are pending when the columns go.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def rows_to_texts(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Trial, Criterion = apps.get_model("trials", "Trial"), apps.get_model("trials", "Criterion")
    for trial in Trial.objects.all():
        criteria = Criterion.objects.filter(trial=trial).order_by("position", "id")
        Trial.objects.filter(pk=trial.pk).update(eligibility=list(criteria.values_list("text", flat=True)))


class Migration(migrations.Migration):
    dependencies = [("trials", "0002_protect")]

    operations = [
        migrations.CreateModel(
            name="ConsentForm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.CharField(max_length=40)),
                ("valid_from", models.DateField(blank=True, null=True)),
                ("scopes", models.JSONField(default=list)),
                (
                    "asks_again",
                    models.BooleanField(
                        default=False, help_text="Those who consented to an earlier version are asked again."
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "trial",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="consent_forms", to="trials.trial"
                    ),
                ),
            ],
            options={
                "ordering": ["trial", "position", "id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("trial", "version"), name="a_consent_version_is_unique_in_its_trial"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Criterion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.SlugField(max_length=20)),
                (
                    "kind",
                    models.CharField(
                        choices=[("inclusion", "Inclusion"), ("exclusion", "Exclusion")],
                        default="inclusion",
                        max_length=10,
                    ),
                ),
                ("text", models.CharField(max_length=500)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "trial",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="criteria", to="trials.trial"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "criteria",
                "ordering": ["trial", "position", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=("trial", "code"), name="a_criterion_code_is_unique_in_its_trial")
                ],
            },
        ),
        migrations.RunPython(texts_to_rows, rows_to_texts),
        migrations.RemoveField(model_name="trial", name="eligibility"),
        migrations.RemoveField(model_name="trial", name="consent_version"),
    ]
