"""What the application's role may do with each table of measurements."""

from django.db import migrations

from trials.database import append_only, mutable


class Migration(migrations.Migration):
    dependencies = [("measurements", "0001_initial"), ("trials", "0002_protect")]

    operations = [
        mutable("measurements_assay", "measurements_biomarker", "measurements_query", "measurements_specimen"),
        append_only(
            "measurements_heldrow", "measurements_idempotentanswer", "measurements_result", "measurements_submission"
        ),
    ]
