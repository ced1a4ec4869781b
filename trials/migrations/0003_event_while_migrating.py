"""An event for the rest of this session, which the next migrations need.

Adding a column whose default is the running transaction's event makes PostgreSQL evaluate the default once, even where
the table is empty. There is no event 0, so a row that were really written with it would be refused.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("trials", "0003_criteria")]

    operations = [
        migrations.RunSQL("SELECT set_config('studyplatform.event_id', '0', false)", migrations.RunSQL.noop),
    ]
