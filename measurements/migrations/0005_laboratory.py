import django.db.models.deletion
import django.db.models.functions.datetime
import trials.models.audit
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("measurements", "0004_protect_conduct"),
        ("trials", "0006_laboratory"),
        ("trials", "__first__"),
    ]

    operations = [
        migrations.AddField(
            model_name="assay",
            name="inter_assay_cv",
            field=models.DecimalField(blank=True, decimal_places=2, help_text="Per cent", max_digits=5, null=True),
        ),
        migrations.AddField(
            model_name="assay",
            name="intra_assay_cv",
            field=models.DecimalField(blank=True, decimal_places=2, help_text="Per cent", max_digits=5, null=True),
        ),
        migrations.AddField(
            model_name="assay",
            name="replicate_cv_limit",
            field=models.DecimalField(
                decimal_places=2, default=15, help_text="Per cent; above it replicates differ.", max_digits=5
            ),
        ),
        migrations.AddField(
            model_name="biomarker",
            name="is_awaited",
            field=models.BooleanField(
                default=True,
                help_text="Whether everybody is expected to have it; what only a therapy can bring is awaited of nobody.",
            ),
        ),
        migrations.AddField(
            model_name="biomarker",
            name="tells_arm",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether only people with a therapy have it; its values are shown where the arm may be seen.",
            ),
        ),
        migrations.AddField(
            model_name="specimen",
            name="aliquot_number",
            field=models.SmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="specimen",
            name="condition",
            field=models.CharField(
                blank=True,
                choices=[
                    ("ok", "In order"),
                    ("haemolysed", "Haemolysed"),
                    ("lipaemic", "Lipaemic"),
                    ("icteric", "Icteric"),
                    ("clotted", "Clotted"),
                    ("thawed", "Thawed"),
                    ("low_volume", "Low volume"),
                    ("leaked", "Leaked"),
                    ("unusable", "Unusable"),
                    ("lost", "Lost"),
                ],
                db_default="",
                default="",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="specimen",
            name="destroyed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="specimen",
            name="note",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="On the last change.", max_length=500
            ),
        ),
        migrations.AddField(
            model_name="specimen",
            name="parent",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="aliquots",
                to="measurements.specimen",
            ),
        ),
        migrations.AddField(
            model_name="specimen",
            name="place",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
        migrations.AddField(
            model_name="specimen",
            name="shipped_at",
            field=models.DateTimeField(blank=True, help_text="When it last left for a laboratory.", null=True),
        ),
        migrations.AddField(
            model_name="specimen",
            name="volume_ul",
            field=models.DecimalField(blank=True, decimal_places=1, max_digits=10, null=True),
        ),
        migrations.AddField(
            model_name="submission",
            name="tells_arm",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Whether a row was of a biomarker that tells the arm."
            ),
        ),
        migrations.AlterField(
            model_name="submission",
            name="channel",
            field=models.CharField(
                choices=[
                    ("api_json", "API, JSON"),
                    ("api_csv", "API, CSV"),
                    ("form", "Web form"),
                    ("grid", "Batch entry"),
                    ("double", "Double entry"),
                    ("released", "Rows that waited"),
                    ("file_csv", "File, CSV"),
                    ("file_xlsx", "File, Excel"),
                    ("fhir", "FHIR Bundle"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="specimen",
            name="state",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(destroyed_at__isnull=False, then=models.Value("destroyed")),
                    models.When(models.Q(("condition", "lost")), then=models.Value("lost")),
                    models.When(received_at__isnull=False, then=models.Value("received")),
                    models.When(shipped_at__isnull=False, then=models.Value("in_transit")),
                    models.When(drawn_at__isnull=False, then=models.Value("drawn")),
                    default=models.Value("expected"),
                ),
                output_field=models.CharField(
                    choices=[
                        ("expected", "Expected"),
                        ("drawn", "Drawn"),
                        ("in_transit", "In transit"),
                        ("received", "Received"),
                        ("lost", "Lost"),
                        ("destroyed", "Destroyed"),
                    ],
                    max_length=12,
                ),
            ),
        ),
        migrations.CreateModel(
            name="ColumnMapping",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("signature", models.CharField(max_length=64)),
                ("columns", models.JSONField(default=dict)),
                (
                    "laboratory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="column_mappings",
                        to="trials.laboratory",
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="column_mappings", to="trials.trial"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ControlMaterial",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("level", models.CharField(max_length=20)),
                ("lot", models.CharField(max_length=80)),
                ("target_mean", models.DecimalField(decimal_places=12, max_digits=30)),
                ("target_sd", models.DecimalField(decimal_places=12, max_digits=30)),
                (
                    "source",
                    models.CharField(choices=[("manufacturer", "Manufacturer"), ("own", "Own runs")], max_length=12),
                ),
                (
                    "assay",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="control_materials",
                        to="measurements.assay",
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.trial"),
                ),
            ],
            options={
                "ordering": ["assay", "level", "lot"],
            },
        ),
        migrations.CreateModel(
            name="Plate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(help_text="The run that results name.", max_length=80)),
                ("performed_on", models.DateField(blank=True, null=True)),
                ("kit_lot", models.CharField(blank=True, max_length=80)),
                ("note", models.CharField(blank=True, max_length=500)),
                ("assays", models.ManyToManyField(blank=True, related_name="plates", to="measurements.assay")),
                (
                    "laboratory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="plates", to="trials.laboratory"
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="plates", to="trials.trial"
                    ),
                ),
            ],
            options={
                "ordering": ["trial", "laboratory", "code"],
            },
        ),
        migrations.CreateModel(
            name="ControlValue",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("replicate", models.SmallIntegerField(default=1)),
                ("revision", models.SmallIntegerField(default=0)),
                ("value", models.DecimalField(decimal_places=12, max_digits=30)),
                ("measured_at", models.DateTimeField()),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "material",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="values",
                        to="measurements.controlmaterial",
                    ),
                ),
                (
                    "supersedes",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="superseded_by",
                        to="measurements.controlvalue",
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.trial"),
                ),
                (
                    "plate",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="control_values",
                        to="measurements.plate",
                    ),
                ),
            ],
            options={
                "ordering": ["measured_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="EntryBatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("biomarkers", models.JSONField(help_text="Primary keys, in the order of the columns.")),
                ("run", models.CharField(blank=True, max_length=80)),
                ("performed_on", models.DateField(null=True)),
                (
                    "with_all",
                    models.BooleanField(default=False, help_text="Everybody in the trial, and not only who is due."),
                ),
                (
                    "key",
                    models.CharField(
                        help_text="Of the form it was begun with: sent twice, it is begun once.", max_length=40
                    ),
                ),
                (
                    "begun_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "begun_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.site"
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="entry_batches", to="trials.trial"
                    ),
                ),
                (
                    "visit",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.visit"),
                ),
            ],
            options={
                "verbose_name_plural": "entry batches",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="EntryPass",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveSmallIntegerField()),
                ("text", models.CharField(blank=True, max_length=80)),
                ("unit", models.CharField(blank=True, max_length=40)),
                ("status", models.CharField(max_length=12)),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "recorded_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="passes", to="measurements.entrybatch"
                    ),
                ),
                (
                    "biomarker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="measurements.biomarker"
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.participant"
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.trial"),
                ),
                (
                    "visit",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.visit"),
                ),
            ],
            options={
                "verbose_name_plural": "entry passes",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="EntrySettlement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "choice",
                    models.CharField(
                        choices=[
                            ("agreed", "Both agreed"),
                            ("first", "First entry"),
                            ("second", "Second entry"),
                            ("other", "Another value"),
                        ],
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "recorded_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="settlements",
                        to="measurements.entrybatch",
                    ),
                ),
                (
                    "biomarker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="measurements.biomarker"
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.participant"
                    ),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="measurements.submission"
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.trial"),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="HeldRowOutcome",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "outcome",
                    models.CharField(choices=[("joined", "Joined"), ("dismissed", "Dismissed")], max_length=10),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "held_row",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="settled", to="measurements.heldrow"
                    ),
                ),
                (
                    "result",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="held_rows",
                        to="measurements.result",
                    ),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="released_rows",
                        to="measurements.submission",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PlateLayout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(max_length=60)),
                ("seed", models.CharField(max_length=64)),
                ("method", models.CharField(max_length=20)),
                ("specification", models.JSONField()),
                ("plates", models.JSONField()),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "assay",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="layouts", to="measurements.assay"
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="plate_layouts", to="trials.trial"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="QuestionnaireSheet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("instrument", models.CharField(max_length=20)),
                ("version", models.CharField(max_length=20)),
                ("answers", models.JSONField(default=dict)),
                ("scores", models.JSONField(default=dict)),
                ("revision", models.SmallIntegerField(default=0)),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "recorded_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="questionnaire_sheets",
                        to="trials.participant",
                    ),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="questionnaire_sheets",
                        to="measurements.submission",
                    ),
                ),
                (
                    "supersedes",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="superseded_by",
                        to="measurements.questionnairesheet",
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="questionnaire_sheets",
                        to="trials.trial",
                    ),
                ),
                (
                    "visit",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="trials.visit"),
                ),
            ],
            options={
                "ordering": ["trial", "participant", "visit", "instrument", "revision"],
            },
        ),
        migrations.CreateModel(
            name="Shipment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.IntegerField()),
                ("sent_at", models.DateTimeField()),
                ("received_at", models.DateTimeField(blank=True, null=True)),
                (
                    "cooling",
                    models.CharField(
                        choices=[
                            ("dry_ice", "Dry ice"),
                            ("frozen", "Frozen, −20 °C"),
                            ("cooled", "Cooled, 2 to 8 °C"),
                            ("ambient", "Ambient"),
                        ],
                        default="dry_ice",
                        max_length=8,
                    ),
                ),
                ("carrier", models.CharField(blank=True, max_length=120)),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "laboratory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="shipments", to="trials.laboratory"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="shipments", to="trials.site"
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="shipments", to="trials.trial"
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="ShipmentLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "shipment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="measurements.shipment"
                    ),
                ),
                (
                    "specimen",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shipment_lines",
                        to="measurements.specimen",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="SpecimenEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("drawn", "Drawn"),
                            ("shipped", "Sent off"),
                            ("received", "Received"),
                            ("condition", "Condition noted"),
                            ("stored", "Put away"),
                            ("destroyed", "Destroyed"),
                        ],
                        max_length=10,
                    ),
                ),
                ("at", models.DateTimeField(null=True)),
                (
                    "condition",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("ok", "In order"),
                            ("haemolysed", "Haemolysed"),
                            ("lipaemic", "Lipaemic"),
                            ("icteric", "Icteric"),
                            ("clotted", "Clotted"),
                            ("thawed", "Thawed"),
                            ("low_volume", "Low volume"),
                            ("leaked", "Leaked"),
                            ("unusable", "Unusable"),
                            ("lost", "Lost"),
                        ],
                        max_length=12,
                    ),
                ),
                ("place", models.CharField(blank=True, max_length=120)),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "shipment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="measurements.shipment",
                    ),
                ),
                (
                    "specimen",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="events", to="measurements.specimen"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="SubmissionFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=120)),
                ("content", models.BinaryField()),
                ("sha256", models.CharField(max_length=64)),
                ("format", models.CharField(choices=[("csv", "Text (CSV)"), ("xlsx", "Excel workbook")], max_length=4)),
                ("sheet", models.CharField(blank=True, max_length=40)),
                ("columns", models.JSONField(default=dict)),
                (
                    "event",
                    models.ForeignKey(
                        db_default=trials.models.audit.CurrentEvent(),
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="trials.auditevent",
                    ),
                ),
                (
                    "submission",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="file", to="measurements.submission"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(max_length=120)),
                ("content", models.BinaryField()),
                ("sha256", models.CharField(max_length=64)),
                ("format", models.CharField(choices=[("csv", "Text (CSV)"), ("xlsx", "Excel workbook")], max_length=4)),
                ("sheet", models.CharField(blank=True, max_length=40)),
                ("on_error", models.CharField(max_length=12)),
                ("unknown_specimen", models.CharField(max_length=8)),
                (
                    "columns",
                    models.JSONField(default=dict, help_text="What each column means, and what holds for all rows"),
                ),
                ("answer", models.JSONField(default=dict, help_text="What the dry run answered")),
                (
                    "uploaded_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "laboratory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="trials.laboratory"
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="trials.trial"),
                ),
                (
                    "uploader",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="assay",
            constraint=models.CheckConstraint(
                condition=models.Q(("replicate_cv_limit__gt", 0)), name="a_limit_of_replicates_is_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="biomarker",
            constraint=models.CheckConstraint(
                condition=models.Q(("tells_arm", False), ("is_awaited", False), _connector="OR"),
                name="what_tells_an_arm_is_awaited_of_nobody",
            ),
        ),
        migrations.AddField(
            model_name="specimen",
            name="shipment",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="measurements.shipment",
            ),
        ),
        migrations.AddConstraint(
            model_name="specimen",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("shipped_at", None), ("drawn_at", None), ("shipped_at__gte", models.F("drawn_at")), _connector="OR"
                ),
                name="a_specimen_is_shipped_after_it_is_drawn",
            ),
        ),
        migrations.AddConstraint(
            model_name="specimen",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("received_at", None),
                    ("shipped_at", None),
                    ("received_at__gte", models.F("shipped_at")),
                    _connector="OR",
                ),
                name="a_specimen_is_received_after_it_is_shipped",
            ),
        ),
        migrations.AddConstraint(
            model_name="specimen",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("destroyed_at", None),
                    ("drawn_at", None),
                    ("destroyed_at__gte", models.F("drawn_at")),
                    _connector="OR",
                ),
                name="a_specimen_is_destroyed_after_it_is_drawn",
            ),
        ),
        migrations.AddConstraint(
            model_name="specimen",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("aliquot_number", None), ("parent", None)),
                    models.Q(("aliquot_number__gte", 1), ("parent__isnull", False)),
                    _connector="OR",
                ),
                name="an_aliquot_has_a_parent_and_a_number",
            ),
        ),
        migrations.AddConstraint(
            model_name="specimen",
            constraint=models.UniqueConstraint(
                fields=("parent", "aliquot_number"), name="an_aliquot_number_is_given_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="columnmapping",
            constraint=models.UniqueConstraint(
                fields=("trial", "laboratory", "signature"), name="a_header_is_mapped_once_per_laboratory"
            ),
        ),
        migrations.AddConstraint(
            model_name="controlmaterial",
            constraint=models.UniqueConstraint(
                fields=("assay", "level", "lot"), name="a_control_lot_is_described_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="controlmaterial",
            constraint=models.CheckConstraint(condition=models.Q(("target_sd__gt", 0)), name="a_control_varies"),
        ),
        migrations.AddConstraint(
            model_name="entrybatch",
            constraint=models.UniqueConstraint(fields=("begun_by", "key"), name="a_batch_is_begun_once_per_form"),
        ),
        migrations.AddConstraint(
            model_name="entrypass",
            constraint=models.CheckConstraint(condition=models.Q(("number__in", [1, 2])), name="there_are_two_passes"),
        ),
        migrations.AddConstraint(
            model_name="entrypass",
            constraint=models.UniqueConstraint(
                fields=("batch", "participant", "biomarker", "number"), name="a_cell_is_typed_once_per_pass"
            ),
        ),
        migrations.AddConstraint(
            model_name="entrypass",
            constraint=models.UniqueConstraint(
                fields=("batch", "participant", "biomarker", "by"), name="the_passes_of_a_cell_are_two_peoples"
            ),
        ),
        migrations.AddConstraint(
            model_name="entrysettlement",
            constraint=models.UniqueConstraint(
                fields=("batch", "participant", "biomarker"), name="a_cell_is_settled_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="entrysettlement",
            constraint=models.CheckConstraint(
                condition=models.Q(("choice", "agreed"), models.Q(("reason", ""), _negated=True), _connector="OR"),
                name="a_choice_between_passes_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="heldrowoutcome",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", "joined"), ("result__isnull", False), ("submission__isnull", False)),
                    models.Q(
                        ("outcome", "dismissed"),
                        ("result", None),
                        ("submission", None),
                        models.Q(("reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="a_joined_row_has_its_result_and_a_dismissed_one_its_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="plate",
            constraint=models.UniqueConstraint(
                fields=("trial", "laboratory", "code"), name="a_plate_is_registered_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="controlvalue",
            constraint=models.UniqueConstraint(
                fields=("plate", "material", "replicate", "revision"), name="a_control_value_is_recorded_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="controlvalue",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("revision", 0), ("supersedes", None)),
                    models.Q(("revision__gt", 0), ("supersedes__isnull", False)),
                    _connector="OR",
                ),
                name="a_later_control_value_names_what_it_supersedes",
            ),
        ),
        migrations.AddConstraint(
            model_name="controlvalue",
            constraint=models.CheckConstraint(
                condition=models.Q(("revision", 0), models.Q(("reason", ""), _negated=True), _connector="OR"),
                name="a_correction_of_a_control_has_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="questionnairesheet",
            constraint=models.UniqueConstraint(
                fields=("participant", "visit", "instrument", "revision"),
                name="a_questionnaire_is_recorded_once_per_visit_and_revision",
            ),
        ),
        migrations.AddConstraint(
            model_name="questionnairesheet",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("revision", 0), ("supersedes", None)),
                    models.Q(("revision__gt", 0), ("supersedes__isnull", False)),
                    _connector="OR",
                ),
                name="a_later_sheet_names_what_it_supersedes",
            ),
        ),
        migrations.AddConstraint(
            model_name="questionnairesheet",
            constraint=models.CheckConstraint(
                condition=models.Q(("revision", 0), models.Q(("reason", ""), _negated=True), _connector="OR"),
                name="a_corrected_sheet_has_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="shipment",
            constraint=models.UniqueConstraint(fields=("trial", "number"), name="a_shipment_number_is_given_once"),
        ),
        migrations.AddConstraint(
            model_name="shipment",
            constraint=models.CheckConstraint(
                condition=models.Q(("received_at", None), ("received_at__gte", models.F("sent_at")), _connector="OR"),
                name="a_shipment_is_received_after_it_is_sent",
            ),
        ),
        migrations.AddConstraint(
            model_name="shipmentline",
            constraint=models.UniqueConstraint(
                fields=("shipment", "specimen"), name="a_specimen_is_once_in_a_shipment"
            ),
        ),
        migrations.AddIndex(
            model_name="upload",
            index=models.Index(fields=["uploaded_at"], name="upload_by_time"),
        ),
    ]
