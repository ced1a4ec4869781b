"""What the application's role may do with the tables of conduct in analytics."""

from django.db import migrations

from trials.database import bookkeeping


class Migration(migrations.Migration):
    dependencies = [("analytics", "0003_conduct"), ("trials", "0002_protect")]

    operations = [
        # Job rows, like exports: their request and end are audit events of their own.
        bookkeeping("analytics_rehearsal"),
    ]
