"""What the application's role may do with the tables of the laboratories' side in analytics."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("analytics", "0005_laboratory"), ("trials", "0002_protect")]

    operations = []
