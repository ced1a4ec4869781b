from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("measurements", "0004_protect_conduct")]

    operations = []
