"""What the application's role may do with each table, the audit triggers, and the one way to take a slot."""

from django.db import migrations

from trials.database import AUDIT_FUNCTIONS, append_only, framework, insert_and_read, mutable, open_schema, read_only, sealed

SLOTS = """
-- Locks the stratum, so that simultaneous randomizations come one after the other and none is skipped or shared; a
-- rollback gives the slot back. The application's role can move `next_sequence` and read ciphertexts in no other way.
CREATE FUNCTION take_allocation_slot(stratum bigint, OUT slot_sequence integer, OUT slot_ciphertext bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE trials_stratum SET next_sequence = next_sequence + 1 WHERE id = stratum RETURNING next_sequence - 1 INTO slot_sequence;
    SELECT ciphertext INTO slot_ciphertext FROM trials_allocationslot WHERE stratum_id = stratum AND sequence = slot_sequence;
    IF slot_ciphertext IS NULL THEN
        RAISE EXCEPTION 'the allocation list of stratum % is used up', stratum USING ERRCODE = 'no_data_found';
    END IF;
END $$;

-- The seed leaves only after unblinding, so that anyone can replay the list and compare it with the commitment.
CREATE FUNCTION reveal_sealed_seed(trial bigint) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT seed.ciphertext FROM trials_sealedseed seed
    JOIN trials_randomizationscheme scheme ON scheme.id = seed.scheme_id
    JOIN trials_trial ON trials_trial.id = scheme.trial_id
    WHERE scheme.trial_id = trial AND trials_trial.status IN ('unblinded', 'archived')
$$;
"""

# Django's cache table: failed sign-ins are counted in it.
CACHE = """
CREATE TABLE studyplatform_cache (cache_key varchar(255) PRIMARY KEY, value text NOT NULL, expires timestamptz NOT NULL);
CREATE INDEX studyplatform_cache_expires ON studyplatform_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("trials", "0001_initial"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("sessions", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(AUDIT_FUNCTIONS),
        migrations.RunSQL(SLOTS),
        migrations.RunSQL(CACHE),
        open_schema(),
        framework(
            "studyplatform_cache",
            "django_session",
            "django_content_type",
            "auth_permission",
            "auth_group",
            "auth_group_permissions",
            "account_emailaddress",
            "account_emailconfirmation",
            "mfa_authenticator",
        ),
        read_only("django_migrations", "trials_auditchange"),
        mutable(
            "trials_arm",
            "trials_attendance",
            "trials_intervention",
            "trials_laboratory",
            "trials_laboratorycredential",
            "trials_laboratorycredential_trials",
            "trials_laboratorytrial",
            "trials_membership",
            "trials_participant",
            "trials_personaltoken",
            "trials_site",
            "trials_stratificationfactor",
            "trials_trial",
            "trials_user",
            "trials_visit",
        ),
        append_only(
            "trials_allocation",
            "trials_auditevent",
            "trials_participantevent",
            "trials_randomizationscheme",
        ),
        # take_allocation_slot moves next_sequence, so no trigger refuses changes here; the role has no UPDATE.
        insert_and_read("trials_stratum"),
        sealed("trials_allocationslot", "id", "event_id"),
        sealed("trials_sealedseed", "id", "event_id"),
    ]
