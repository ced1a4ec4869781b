"""What the application's role may do with the tables of the laboratories' side in trials."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("trials", "0006_laboratory"), ("trials", "0002_protect")]

    operations = []
