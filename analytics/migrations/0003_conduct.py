import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('analytics', '0002_protect'),
        ('trials', '0004_conduct'),
        ('trials', '__first__'),
    ]

    operations = [
        migrations.AddField(
            model_name='analysisplan',
            name='frozen_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='estimaterun',
            name='after_unlock',
            field=models.BooleanField(default=False, help_text='Computed after locked data had been opened again.'),
        ),
        migrations.CreateModel(
            name='Rehearsal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('requested_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('participants', models.PositiveSmallIntegerField(validators=[django.core.validators.MinValueValidator(8), django.core.validators.MaxValueValidator(300)])),
                ('effect', models.FloatField(default=0.0, help_text='Assumed standardized difference, positive = better function.')),
                ('attrition', models.FloatField(default=0.1, help_text='Share that is lost before the last visit.')),
                ('seed', models.BigIntegerField()),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('finished', 'Finished'), ('failed', 'Failed')], default='queued', max_length=10)),
                ('progress', models.PositiveSmallIntegerField(default=0)),
                ('claimed_until', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('failure', models.TextField(blank=True)),
                ('copy', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rehearsal_job', to='trials.trial')),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rehearsal_jobs', to='trials.trial')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AddConstraint(
            model_name='analysisplan',
            constraint=models.UniqueConstraint(condition=models.Q(('frozen_at', None), _negated=True), fields=('trial',), name='a_trial_registers_one_plan'),
        ),
        migrations.AddIndex(
            model_name='rehearsal',
            index=models.Index(fields=['state'], name='rehearsal_by_state'),
        ),
        migrations.AddConstraint(
            model_name='rehearsal',
            constraint=models.UniqueConstraint(fields=('trial', 'number'), name='a_rehearsal_number_is_unique_in_its_trial'),
        ),
        migrations.AddConstraint(
            model_name='rehearsal',
            constraint=models.CheckConstraint(condition=models.Q(('participants__gte', 8), ('participants__lte', 300)), name='a_rehearsal_has_8_to_300_people'),
        ),
        migrations.AddConstraint(
            model_name='rehearsal',
            constraint=models.CheckConstraint(condition=models.Q(('attrition__gte', 0), ('attrition__lte', 0.9)), name='somebody_stays_in_a_rehearsal'),
        ),
    ]
