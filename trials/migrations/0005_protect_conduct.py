"""What the application's role may do with the tables of conduct."""

from django.db import migrations

from trials.database import mutable


class Migration(migrations.Migration):
    dependencies = [("trials", "0004_conduct")]

    operations = [
        mutable("trials_consentform", "trials_criterion", "trials_groupmember", "trials_therapist", "trials_therapygroup"),
    ]
