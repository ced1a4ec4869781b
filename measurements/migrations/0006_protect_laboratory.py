"""What the application's role may do with the tables of the laboratories' side in measurements."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("measurements", "0005_laboratory"), ("trials", "0002_protect")]

    operations = []
