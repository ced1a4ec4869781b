"""What the application's role may do with the tables of conduct in measurements."""

from django.db import migrations

from trials.database import append_only


class Migration(migrations.Migration):
    dependencies = [("measurements", "0003_conduct"), ("trials", "0002_protect")]

    operations = [
        append_only("measurements_session", "measurements_sessionretraction"),
        append_only("measurements_querynote", "measurements_sourceverification"),
    ]
