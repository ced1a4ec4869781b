"""What the application's role may do with each table of analytics."""

from django.db import migrations

from trials.database import append_only, bookkeeping


class Migration(migrations.Migration):
    dependencies = [("analytics", "0001_initial"), ("trials", "0002_protect")]

    operations = [
        append_only(
            "analytics_analysisplan", "analytics_armdescription", "analytics_effectestimate", "analytics_estimaterun"
        ),
        # Job rows and signs of life: their requests and downloads are audit events of their own.
        bookkeeping("analytics_export", "analytics_heartbeat"),
    ]
