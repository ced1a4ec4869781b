from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("trials", "0005_protect_conduct")]

    operations = []
