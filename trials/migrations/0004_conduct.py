import django.db.models.deletion
import django.db.models.functions.datetime
import trials.models.audit
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('trials', '0003_criteria'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='allocation',
            name='an_allocation_has_a_slot_or_a_provenance',
        ),
        migrations.AddField(
            model_name='arm',
            name='crosses_over_to',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='crossed_over_from', to='trials.arm'),
        ),
        migrations.AddField(
            model_name='attendance',
            name='locked_by',
            field=models.CharField(blank=True, max_length=254),
        ),
        migrations.AddField(
            model_name='attendance',
            name='missed_category',
            field=models.CharField(blank=True, choices=[('declined', 'Declined this visit'), ('not_reached', 'Could not be reached'), ('ill', 'Ill or in hospital'), ('away', 'Away or moved'), ('no_time', 'No time'), ('site', 'The site could not hold it'), ('other', 'Another reason')], max_length=12),
        ),
        migrations.AddField(
            model_name='attendance',
            name='note',
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name='intervention',
            name='cost_per_participant',
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=10, null=True),
        ),
        migrations.AddField(
            model_name='intervention',
            name='currency',
            field=models.CharField(blank=True, help_text='ISO 4217, three letters', max_length=3),
        ),
        migrations.AddField(
            model_name='intervention',
            name='fidelity_plan',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='intervention',
            name='materials',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='intervention',
            name='name',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name='intervention',
            name='provider',
            field=models.TextField(blank=True, help_text='Profession and training of who delivers it.'),
        ),
        migrations.AddField(
            model_name='intervention',
            name='rationale',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='intervention',
            name='session_minutes',
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='intervention',
            name='setting',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='intervention',
            name='software',
            field=models.CharField(blank=True, help_text='Of a coach-bot or app.', max_length=100),
        ),
        migrations.AddField(
            model_name='intervention',
            name='software_version',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='intervention',
            name='tailoring',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='intervention',
            name='weeks',
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='participantevent',
            name='retracts',
            field=models.OneToOneField(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='retracted_by', to='trials.participantevent'),
        ),
        migrations.AddField(
            model_name='site',
            name='city',
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name='site',
            name='country',
            field=models.CharField(blank=True, help_text='ISO 3166-1, two letters', max_length=2),
        ),
        migrations.AddField(
            model_name='site',
            name='keeps_identifiers',
            field=models.BooleanField(default=False, help_text='Names and contacts of participants are kept here, encrypted and apart.'),
        ),
        migrations.AddField(
            model_name='trial',
            name='minimization_probability',
            field=models.DecimalField(decimal_places=2, default=Decimal('0.80'), help_text='Of the arm that balances best.', max_digits=3),
        ),
        migrations.AddField(
            model_name='trial',
            name='randomization_method',
            field=models.CharField(choices=[('permuted_blocks', 'Permuted blocks of random size'), ('simple', 'Simple'), ('minimization', 'Minimization with a random element')], default='permuted_blocks', max_length=20),
        ),
        migrations.AddField(
            model_name='trial',
            name='randomization_unit',
            field=models.CharField(choices=[('participant', 'Participants'), ('group', 'Therapy groups')], default='participant', max_length=12),
        ),
        migrations.AddField(
            model_name='trial',
            name='rehearsal_of',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rehearsals', to='trials.trial'),
        ),
        migrations.AddField(
            model_name='trial',
            name='unlocked_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='intervention',
            name='description',
            field=models.TextField(blank=True, help_text='The procedures, step by step.'),
        ),
        migrations.AlterField(
            model_name='participantevent',
            name='kind',
            field=models.CharField(choices=[('screened', 'Screened'), ('excluded', 'Excluded'), ('consented', 'Consented'), ('randomized', 'Randomized'), ('intervention_started', 'Intervention started'), ('intervention_not_started', 'Intervention not started'), ('intervention_discontinued', 'Intervention discontinued'), ('follow_up_withdrawn', 'Withdrawn from follow-up'), ('data_use_withdrawn', 'Use of data withdrawn'), ('lost_to_follow_up', 'Lost to follow-up'), ('died', 'Died'), ('completed', 'Completed'), ('reconsented', 'Consented again'), ('reconsent_declined', 'Declined to consent again'), ('consent_scope_withdrawn', 'Part of the consent withdrawn'), ('intervention_ended', 'Intervention ended as planned'), ('crossed_over', 'Crossed over from the waitlist'), ('randomized_in_error', 'Randomized in error'), ('unblinded', 'Unblinded in an emergency')], max_length=30),
        ),
        migrations.CreateModel(
            name='AdverseEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('term', models.CharField(max_length=200)),
                ('blinded_term', models.CharField(blank=True, max_length=200)),
                ('dictionary', models.CharField(blank=True, help_text='Such as MedDRA 28.0.', max_length=60)),
                ('dictionary_code', models.CharField(blank=True, max_length=40)),
                ('started_on', models.DateField()),
                ('ended_on', models.DateField(blank=True, null=True)),
                ('is_serious', models.BooleanField(default=False)),
                ('criteria', models.JSONField(default=list)),
                ('severity', models.CharField(choices=[('mild', 'Mild'), ('moderate', 'Moderate'), ('severe', 'Severe')], max_length=10)),
                ('relatedness', models.CharField(choices=[('not_related', 'Not related'), ('unlikely', 'Unlikely'), ('possible', 'Possible'), ('probable', 'Probable'), ('definite', 'Definite')], max_length=12)),
                ('is_expected', models.BooleanField(default=False)),
                ('outcome', models.CharField(choices=[('recovered', 'Recovered'), ('recovering', 'Recovering'), ('not_recovered', 'Not recovered'), ('recovered_with_sequelae', 'Recovered with sequelae'), ('fatal', 'Fatal'), ('unknown', 'Unknown')], max_length=30)),
                ('action_taken', models.CharField(blank=True, max_length=300)),
                ('narrative', models.TextField(blank=True)),
                ('aware_on', models.DateField()),
                ('reported_on', models.DateField(blank=True, null=True)),
                ('key', models.CharField(max_length=40)),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='adverse_events', to='trials.participant')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='adverse_events', to='trials.trial')),
            ],
            options={
                'ordering': ['trial', 'participant', 'number'],
            },
        ),
        migrations.CreateModel(
            name='Deviation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('category', models.CharField(choices=[('eligibility', 'Eligibility'), ('consent', 'Consent'), ('randomization', 'Randomization'), ('intervention', 'Intervention'), ('visit_timing', 'Timing of a visit'), ('assessment', 'Assessment'), ('blinding', 'Blinding'), ('other', 'Other')], max_length=16)),
                ('severity', models.CharField(choices=[('minor', 'Minor'), ('major', 'Major (important)')], max_length=5)),
                ('occurred_on', models.DateField()),
                ('description', models.CharField(max_length=1000)),
                ('action', models.CharField(blank=True, max_length=1000)),
                ('tells_arm', models.BooleanField(default=False)),
                ('is_void', models.BooleanField(default=False)),
                ('rule', models.CharField(blank=True, max_length=40)),
                ('key', models.CharField(blank=True, max_length=40)),
                ('event', models.ForeignKey(db_default=trials.models.audit.CurrentEvent(), on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.auditevent')),
                ('participant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deviations', to='trials.participant')),
                ('site', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deviations', to='trials.site')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deviations', to='trials.trial')),
                ('visit', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deviations', to='trials.visit')),
            ],
            options={
                'ordering': ['-occurred_on', '-id'],
            },
        ),
        migrations.CreateModel(
            name='EmergencyUnblinding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('occurred_on', models.DateField()),
                ('reason', models.CharField(max_length=500)),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('event', models.ForeignKey(db_default=trials.models.audit.CurrentEvent(), on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.auditevent')),
                ('notified', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='emergency_unblindings', to='trials.participant')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='emergency_unblindings', to='trials.trial')),
                ('unblinded_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Therapist',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(max_length=20)),
                ('is_active', models.BooleanField(default=True)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='therapists', to='trials.site')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='therapists', to='trials.trial')),
            ],
            options={
                'ordering': ['trial', 'code'],
            },
        ),
        migrations.CreateModel(
            name='TherapyGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(max_length=20)),
                ('closed_on', models.DateField(blank=True, null=True)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='therapy_groups', to='trials.site')),
                ('therapist', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='therapy_groups', to='trials.therapist')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='therapy_groups', to='trials.trial')),
            ],
            options={
                'ordering': ['trial', 'code'],
            },
        ),
        migrations.CreateModel(
            name='GroupAllocation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sequence', models.PositiveIntegerField()),
                ('levels', models.JSONField(help_text='Levels of the stratification factors, {“site”: “leeds”}.')),
                ('allocated_on', models.DateField()),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('arm', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='group_allocations', to='trials.arm')),
                ('event', models.ForeignKey(db_default=trials.models.audit.CurrentEvent(), on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.auditevent')),
                ('stratum', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='group_allocations', to='trials.stratum')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='group_allocations', to='trials.trial')),
                ('group', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='allocation', to='trials.therapygroup')),
            ],
        ),
        migrations.CreateModel(
            name='GroupMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('joined_on', models.DateField()),
                ('left_on', models.DateField(blank=True, null=True)),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='therapy_groups', to='trials.participant')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='group_members', to='trials.trial')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='members', to='trials.therapygroup')),
            ],
            options={
                'ordering': ['group', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(max_length=254)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('role', models.CharField(blank=True, choices=[('principal_investigator', 'Principal investigator'), ('coordinator', 'Coordinator'), ('data_manager', 'Data manager'), ('monitor', 'Monitor'), ('unblinded_statistician', 'Unblinded statistician'), ('blinded_statistician', 'Blinded statistician'), ('monitoring_board', 'Monitoring board'), ('lab_manager', 'Laboratory manager'), ('export_staff', 'Export staff')], max_length=40)),
                ('sha256', models.CharField(max_length=64, unique=True)),
                ('invited_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('expires_at', models.DateTimeField()),
                ('accepted_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('invited_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('site', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.site')),
                ('trial', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='invitations', to='trials.trial')),
            ],
        ),
        migrations.CreateModel(
            name='OutgoingMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('notice', 'Notice'), ('account', 'About an account')], default='notice', max_length=10)),
                ('to', models.EmailField(max_length=254)),
                ('subject', models.CharField(max_length=200)),
                ('text', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('sent', 'Sent'), ('failed', 'Failed')], default='waiting', max_length=10)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('settled_at', models.DateTimeField(null=True)),
                ('failure', models.TextField(blank=True)),
                ('trial', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.trial')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='ParticipantIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ciphertext', models.BinaryField(default=b'')),
                ('key_id', models.CharField(help_text='Which key it is sealed with: the beginning of its SHA-256.', max_length=16)),
                ('recorded_at', models.DateTimeField()),
                ('erased_at', models.DateTimeField(blank=True, null=True)),
                ('participant', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='identity', to='trials.participant')),
            ],
        ),
        migrations.CreateModel(
            name='PlannedOutcome',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(max_length=20)),
                ('rank', models.CharField(choices=[('primary', 'Primary'), ('secondary', 'Secondary'), ('other', 'Other')], max_length=10)),
                ('title', models.CharField(max_length=300)),
                ('measure', models.CharField(blank=True, max_length=300)),
                ('aggregation', models.CharField(blank=True, max_length=200)),
                ('time_frame', models.CharField(blank=True, max_length=200)),
                ('biomarker', models.CharField(blank=True, max_length=20)),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='planned_outcomes', to='trials.trial')),
                ('visit', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='planned_outcomes', to='trials.visit')),
            ],
            options={
                'ordering': ['trial', 'position', 'id'],
            },
        ),
        migrations.CreateModel(
            name='ProtocolVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('document', models.JSONField()),
                ('sha256', models.CharField(max_length=64)),
                ('reason', models.TextField(blank=True)),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('event', models.ForeignKey(db_default=trials.models.audit.CurrentEvent(), on_delete=django.db.models.deletion.PROTECT, related_name='+', to='trials.auditevent')),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='protocol_versions', to='trials.trial')),
            ],
            options={
                'ordering': ['trial', 'number'],
            },
        ),
        migrations.CreateModel(
            name='Registration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('primary_registry', models.CharField(blank=True, max_length=100)),
                ('registered_on', models.DateField(blank=True, null=True)),
                ('secondary_ids', models.JSONField(blank=True, default=list)),
                ('sources_of_support', models.JSONField(blank=True, default=list)),
                ('primary_sponsor', models.CharField(blank=True, max_length=200)),
                ('secondary_sponsors', models.JSONField(blank=True, default=list)),
                ('public_contact', models.JSONField(blank=True, default=dict)),
                ('scientific_contact', models.JSONField(blank=True, default=dict)),
                ('public_title', models.CharField(blank=True, max_length=300)),
                ('acronym', models.CharField(blank=True, max_length=14)),
                ('conditions', models.JSONField(blank=True, default=list)),
                ('keywords', models.JSONField(blank=True, default=list)),
                ('masked', models.JSONField(blank=True, default=list)),
                ('assignment_model', models.CharField(choices=[('parallel', 'Parallel'), ('crossover', 'Crossover'), ('factorial', 'Factorial'), ('sequential', 'Sequential')], default='parallel', max_length=12)),
                ('purpose', models.CharField(blank=True, choices=[('treatment', 'Treatment'), ('prevention', 'Prevention'), ('supportive_care', 'Supportive care'), ('health_services_research', 'Health services research'), ('basic_science', 'Basic science'), ('other', 'Other')], max_length=30)),
                ('minimum_age', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('maximum_age', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('sex', models.CharField(choices=[('all', 'All'), ('female', 'Female'), ('male', 'Male')], default='all', max_length=8)),
                ('healthy_volunteers', models.BooleanField(default=False)),
                ('ethics_reviews', models.JSONField(blank=True, default=list)),
                ('primary_completion_on', models.DateField(blank=True, null=True)),
                ('completion_on', models.DateField(blank=True, null=True)),
                ('results_on', models.DateField(blank=True, null=True)),
                ('results_link', models.URLField(blank=True)),
                ('sharing', models.CharField(blank=True, choices=[('yes', 'Yes'), ('no', 'No'), ('undecided', 'Undecided')], max_length=10)),
                ('sharing_statement', models.TextField(blank=True)),
                ('language', models.CharField(blank=True, max_length=40)),
                ('none_of', models.JSONField(blank=True, default=list)),
                ('trial', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='registration', to='trials.trial')),
            ],
        ),
        migrations.CreateModel(
            name='TwoPersonMove',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('before', models.CharField(choices=[('draft', 'Draft'), ('registered', 'Registered'), ('recruiting', 'Recruiting'), ('follow_up', 'Follow-up'), ('locked', 'Locked'), ('unblinded', 'Unblinded'), ('archived', 'Archived')], max_length=12)),
                ('to', models.CharField(choices=[('draft', 'Draft'), ('registered', 'Registered'), ('recruiting', 'Recruiting'), ('follow_up', 'Follow-up'), ('locked', 'Locked'), ('unblinded', 'Unblinded'), ('archived', 'Archived')], max_length=12)),
                ('reason', models.CharField(max_length=500)),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('signed_at', models.DateTimeField(null=True)),
                ('refused_at', models.DateTimeField(null=True)),
                ('asked_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('refused_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('signed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('trial', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='two_person_moves', to='trials.trial')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AddConstraint(
            model_name='attendance',
            constraint=models.CheckConstraint(condition=models.Q(('missed_category', ''), models.Q(('missed_reason', ''), _negated=True), _connector='OR'), name='only_a_missed_visit_has_a_reason_from_the_list'),
        ),
        migrations.AddConstraint(
            model_name='attendance',
            constraint=models.CheckConstraint(condition=models.Q(('locked_at', None), models.Q(('locked_by', ''), _negated=True), _connector='XOR'), name='a_locked_visit_names_who_locked_it'),
        ),
        migrations.AddConstraint(
            model_name='intervention',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('delivery', 'coach_bot'), _negated=True), models.Q(models.Q(('software', ''), _negated=True), models.Q(('software_version', ''), _negated=True)), _connector='OR'), name='a_coach_bot_names_its_software_and_version'),
        ),
        migrations.AddConstraint(
            model_name='intervention',
            constraint=models.CheckConstraint(condition=models.Q(('cost_per_participant', None), models.Q(('currency', ''), _negated=True), _connector='OR'), name='a_cost_has_its_currency'),
        ),
        migrations.AddConstraint(
            model_name='participantevent',
            constraint=models.CheckConstraint(condition=models.Q(('retracts', None), models.Q(('reason', ''), _negated=True), _connector='OR'), name='a_retraction_says_why'),
        ),
        migrations.AddConstraint(
            model_name='participantevent',
            constraint=models.CheckConstraint(condition=models.Q(('retracts', None), models.Q(('kind__in', ['screened', 'consented', 'randomized']), _negated=True), _connector='OR'), name='screening_consent_and_randomization_are_never_retracted'),
        ),
        migrations.AddConstraint(
            model_name='trial',
            constraint=models.CheckConstraint(condition=models.Q(('minimization_probability__gt', 0), ('minimization_probability__lt', 1)), name='minimization_keeps_a_random_element'),
        ),
        migrations.AddField(
            model_name='allocation',
            name='group',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='members', to='trials.groupallocation'),
        ),
        migrations.AddConstraint(
            model_name='allocation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('allocated_on__isnull', False), ('source', 'platform'), models.Q(('sequence__isnull', False), ('group__isnull', False), _connector='XOR')), models.Q(('group', None), ('source', 'external'), models.Q(('provenance', ''), _negated=True)), _connector='OR'), name='an_allocation_has_a_slot_or_a_group_or_a_provenance'),
        ),
        migrations.AddIndex(
            model_name='adverseevent',
            index=models.Index(fields=['trial', '-started_on'], name='adverse_event_by_trial'),
        ),
        migrations.AddConstraint(
            model_name='adverseevent',
            constraint=models.UniqueConstraint(fields=('participant', 'number'), name='an_adverse_event_is_numbered_within_its_participant'),
        ),
        migrations.AddConstraint(
            model_name='adverseevent',
            constraint=models.UniqueConstraint(fields=('participant', 'key'), name='an_adverse_event_form_is_saved_once'),
        ),
        migrations.AddConstraint(
            model_name='adverseevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('criteria', []), ('is_serious', False)), models.Q(('is_serious', True), models.Q(('criteria', []), _negated=True)), _connector='OR'), name='a_serious_event_names_its_criteria'),
        ),
        migrations.AddConstraint(
            model_name='adverseevent',
            constraint=models.CheckConstraint(condition=models.Q(('ended_on', None), ('ended_on__gte', models.F('started_on')), _connector='OR'), name='an_adverse_event_ends_after_it_starts'),
        ),
        migrations.AddConstraint(
            model_name='adverseevent',
            constraint=models.CheckConstraint(condition=models.Q(('reported_on', None), ('reported_on__gte', models.F('aware_on')), _connector='OR'), name='an_adverse_event_is_reported_after_it_is_known'),
        ),
        migrations.AddIndex(
            model_name='deviation',
            index=models.Index(fields=['trial', 'occurred_on'], name='deviation_by_day'),
        ),
        migrations.AddConstraint(
            model_name='deviation',
            constraint=models.UniqueConstraint(condition=models.Q(('rule', ''), _negated=True), fields=('participant', 'visit', 'rule'), name='what_a_rule_found_is_confirmed_once'),
        ),
        migrations.AddConstraint(
            model_name='deviation',
            constraint=models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('trial', 'key'), name='a_deviation_form_records_once'),
        ),
        migrations.AddConstraint(
            model_name='deviation',
            constraint=models.CheckConstraint(condition=models.Q(('participant', None), ('site__isnull', False), _connector='OR'), name='a_deviation_of_a_participant_has_their_site'),
        ),
        migrations.AddConstraint(
            model_name='emergencyunblinding',
            constraint=models.UniqueConstraint(fields=('participant', 'unblinded_by'), name='an_arm_is_opened_once_to_each_who_asks'),
        ),
        migrations.AddConstraint(
            model_name='emergencyunblinding',
            constraint=models.CheckConstraint(condition=models.Q(('notified', models.F('unblinded_by')), _negated=True), name='somebody_else_is_told_of_an_unblinding'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.UniqueConstraint(condition=models.Q(('accepted_at', None), ('revoked_at', None)), fields=('trial', 'email', 'role', 'site'), name='an_address_is_invited_once_to_a_role', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('role', ''), ('site', None), ('trial', None)), models.Q(('trial__isnull', False), models.Q(('role', ''), _negated=True)), _connector='OR'), name='an_invitation_to_a_trial_names_a_role'),
        ),
        migrations.AddIndex(
            model_name='outgoingmessage',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['due_at'], name='message_that_waits'),
        ),
        migrations.AddConstraint(
            model_name='participantidentity',
            constraint=models.CheckConstraint(condition=models.Q(('erased_at', None), ('ciphertext', b''), _connector='XOR'), name='an_identity_is_either_kept_or_erased'),
        ),
        migrations.AddConstraint(
            model_name='plannedoutcome',
            constraint=models.UniqueConstraint(fields=('trial', 'code'), name='an_outcome_code_is_unique_in_its_trial'),
        ),
        migrations.AddConstraint(
            model_name='protocolversion',
            constraint=models.UniqueConstraint(fields=('trial', 'number'), name='a_protocol_version_is_unique_in_its_trial'),
        ),
        migrations.AddConstraint(
            model_name='protocolversion',
            constraint=models.CheckConstraint(condition=models.Q(('number', 1), models.Q(('reason', ''), _negated=True), _connector='OR'), name='a_later_protocol_version_says_why'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.CheckConstraint(condition=models.Q(('minimum_age', None), ('maximum_age', None), ('minimum_age__lte', models.F('maximum_age')), _connector='OR'), name='a_range_of_ages_is_not_upside_down'),
        ),
        migrations.AddConstraint(
            model_name='therapist',
            constraint=models.UniqueConstraint(fields=('trial', 'code'), name='a_therapist_code_is_unique_in_its_trial'),
        ),
        migrations.AddConstraint(
            model_name='therapygroup',
            constraint=models.UniqueConstraint(fields=('trial', 'code'), name='a_therapy_group_code_is_unique_in_its_trial'),
        ),
        migrations.AddConstraint(
            model_name='groupmember',
            constraint=models.UniqueConstraint(condition=models.Q(('left_on', None)), fields=('participant',), name='a_participant_is_in_one_group_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='groupmember',
            constraint=models.CheckConstraint(condition=models.Q(('left_on', None), ('left_on__gte', models.F('joined_on')), _connector='OR'), name='a_group_is_left_after_it_is_joined'),
        ),
        migrations.AddConstraint(
            model_name='groupallocation',
            constraint=models.UniqueConstraint(fields=('stratum', 'sequence'), name='a_slot_is_given_to_one_group'),
        ),
        migrations.AddConstraint(
            model_name='twopersonmove',
            constraint=models.CheckConstraint(condition=models.Q(('signed_by', None), models.Q(('signed_by', models.F('asked_by')), _negated=True), _connector='OR'), name='two_signatures_are_of_two_people'),
        ),
        migrations.AddConstraint(
            model_name='twopersonmove',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('signed_at', None), ('signed_by', None)), models.Q(('signed_at__isnull', False), ('signed_by__isnull', False)), _connector='OR'), name='a_signature_has_a_person_and_a_time'),
        ),
        migrations.AddConstraint(
            model_name='twopersonmove',
            constraint=models.CheckConstraint(condition=models.Q(('signed_at', None), ('refused_at', None), _connector='OR'), name='a_step_is_signed_or_refused'),
        ),
    ]
