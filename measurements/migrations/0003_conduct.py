import django.db.models.deletion
import django.db.models.functions.datetime
import trials.models.audit
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('measurements', '0002_protect'),
        ('trials', '0004_conduct'),
    ]

    operations = [
        migrations.AlterField(
            model_name='query',
            name='biomarker',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='queries', to='measurements.biomarker'),
        ),
        migrations.AlterField(
            model_name='query',
            name='visit',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='queries', to='trials.visit'),
        ),
        migrations.CreateModel(
            name='QueryNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('opened', 'Asked'), ('answered', 'Answered'), ('closed', 'Closed'), ('reopened', 'Asked again')], max_length=10)),
                ('text', models.TextField(blank=True)),
                ('event', models.ForeignKey(db_default=trials.models.audit.CurrentEvent(), on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.auditevent')),
                ('query', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notes', to='measurements.query')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.trial')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Session',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('occurred_at', models.DateTimeField()),
                ('attended', models.BooleanField(default=True)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('minutes', models.DecimalField(blank=True, decimal_places=2, max_digits=6, null=True)),
                ('completion', models.DecimalField(blank=True, decimal_places=4, max_digits=5, null=True)),
                ('kind', models.CharField(choices=[('individual', 'Individual'), ('group', 'Group'), ('digital', 'Digital'), ('coach_bot', 'Coach-bot'), ('other', 'Other')], max_length=12)),
                ('software', models.CharField(blank=True, max_length=100)),
                ('software_version', models.CharField(blank=True, max_length=40)),
                ('note', models.CharField(blank=True, max_length=500)),
                ('source', models.CharField(choices=[('form', 'Web form'), ('api', 'API')], max_length=4)),
                ('user_id', models.BigIntegerField(null=True)),
                ('external_id', models.CharField(blank=True, max_length=100)),
                ('key', models.CharField(max_length=200)),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('credential', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.laboratorycredential')),
                ('event', models.ForeignKey(db_default=trials.models.audit.CurrentEvent(), on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.auditevent')),
                ('group', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='trials.therapygroup')),
                ('laboratory', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.laboratory')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='trials.participant')),
                ('therapist', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='trials.therapist')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='trials.trial')),
            ],
            options={
                'ordering': ['trial', 'participant', 'occurred_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='SessionRetraction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=300)),
                ('retracted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('event', models.ForeignKey(db_default=trials.models.audit.CurrentEvent(), on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.auditevent')),
                ('session', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='retraction', to='measurements.session')),
            ],
        ),
        migrations.CreateModel(
            name='SourceVerification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('item', models.CharField(choices=[('eligibility', 'Eligibility'), ('consent', 'Consent'), ('attendance', 'Attendance'), ('value', 'Value')], max_length=12)),
                ('content', models.CharField(max_length=64)),
                ('is_verified', models.BooleanField()),
                ('event', models.ForeignKey(db_default=trials.models.audit.CurrentEvent(), on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.auditevent')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='source_verifications', to='trials.participant')),
                ('participant_event', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.participantevent')),
                ('result', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='source_verifications', to='measurements.result')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='source_verifications', to='trials.trial')),
                ('visit', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.visit')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddConstraint(
            model_name='query',
            constraint=models.CheckConstraint(condition=models.Q(('biomarker', None), ('visit__isnull', False), _connector='OR'), name='a_query_about_a_biomarker_names_the_visit'),
        ),
        migrations.AddIndex(
            model_name='session',
            index=models.Index(fields=['trial', 'participant', 'occurred_at'], name='session_by_participant'),
        ),
        migrations.AddConstraint(
            model_name='session',
            constraint=models.UniqueConstraint(fields=('trial', 'laboratory', 'user_id', 'key'), name='a_session_is_recorded_once_per_sender', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='session',
            constraint=models.CheckConstraint(condition=models.Q(('attended', True), models.Q(models.Q(('reason', ''), _negated=True), ('minutes', None)), _connector='OR'), name='a_missed_session_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='session',
            constraint=models.CheckConstraint(condition=models.Q(('minutes', None), models.Q(('minutes__gte', 0), ('minutes__lte', 1440)), _connector='OR'), name='a_session_lasts_at_most_a_day'),
        ),
        migrations.AddConstraint(
            model_name='session',
            constraint=models.CheckConstraint(condition=models.Q(('completion', None), models.Q(('completion__gte', 0), ('completion__lte', 1)), _connector='OR'), name='a_session_is_completed_between_nothing_and_all'),
        ),
        migrations.AddIndex(
            model_name='sourceverification',
            index=models.Index(fields=['trial', 'participant'], name='source_verification_by_person'),
        ),
    ]
