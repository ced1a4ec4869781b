"""What the application's role may do with each table, the audit triggers, and the one way to take a slot."""

from django.db import migrations

from trials.database import (
    AUDIT_FUNCTIONS,
    append_only,
    callable_by_the_application,
    framework,
    insert_and_read,
    mutable,
    open_schema,
    read_only,
    removable,
    sealed,
)

SLOTS = """
-- Locks the stratum, so that simultaneous randomizations come one after the other and none is skipped or shared; a
-- rollback gives the slot back. The application's role can move `next_sequence` and read ciphertexts in no other way,
-- and only for somebody who waits for an arm; the slot before must have become an allocation, so none is just read.
CREATE FUNCTION take_allocation_slot(
    stratum bigint, participant bigint, OUT slot_sequence integer, OUT slot_ciphertext bytea
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    of_trial bigint;
BEGIN
    UPDATE trials_stratum SET next_sequence = next_sequence + 1 WHERE id = stratum
        RETURNING next_sequence - 1, trial_id INTO slot_sequence, of_trial;
    IF NOT EXISTS (
        SELECT FROM trials_participant WHERE id = participant AND trial_id = of_trial AND state = 'consented'
    ) OR EXISTS (SELECT FROM trials_allocation WHERE participant_id = participant) THEN
        RAISE EXCEPTION 'participant % waits for no arm', participant USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF slot_sequence > 1 AND NOT EXISTS (
        SELECT FROM trials_allocation WHERE stratum_id = stratum AND sequence = slot_sequence - 1
    ) THEN
        RAISE EXCEPTION 'slot % of stratum % was taken and not given', slot_sequence - 1, stratum
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT ciphertext INTO slot_ciphertext FROM trials_allocationslot WHERE stratum_id = stratum AND sequence = slot_sequence;
    IF slot_ciphertext IS NULL THEN
        RAISE EXCEPTION 'the allocation list of stratum % is used up', stratum USING ERRCODE = 'no_data_found';
    END IF;
END $$;

-- Lists are made at registration; whoever could add to one later would know what comes.
CREATE FUNCTION refuse_late_slots() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added JOIN trials_stratum stratum ON stratum.id = added.stratum_id
        JOIN trials_trial trial ON trial.id = stratum.trial_id
        WHERE trial.status NOT IN ('draft', 'registered') OR added.trial_id <> trial.id
    ) THEN
        RAISE EXCEPTION 'slots are made at registration' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;

-- The seed leaves only after unblinding, so that anyone can replay the list and compare it with the commitment. What
-- the asking transaction wrote itself does not count: it could unblind, read and roll back. `xmin` has the lower 32 bits
-- of a transaction's number and is completed to the last such number below a bound, which lies above the present one as
-- ours may be newer than any in the snapshot; a transaction too old to be looked up has long been committed.
CREATE FUNCTION reveal_sealed_seed(trial bigint) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT seed.ciphertext FROM trials_sealedseed seed
    JOIN trials_randomizationscheme scheme ON scheme.id = seed.scheme_id
    JOIN trials_trial ON trials_trial.id = scheme.trial_id
    CROSS JOIN (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000000000 AS bound) counter
    CROSS JOIN LATERAL (SELECT bound - mod(bound - trials_trial.xmin::text::bigint + 4294967296, 4294967296) AS writer) made
    WHERE scheme.trial_id = trial AND trials_trial.status IN ('unblinded', 'archived')
    AND coalesce(pg_xact_status(greatest(writer, 3)::text::xid8), 'committed') = 'committed'
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
        removable("trials_laboratorycredential_trials"),
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
        callable_by_the_application("take_allocation_slot(bigint, bigint)", "reveal_sealed_seed(bigint)"),
        migrations.RunSQL(
            """
            REVOKE EXECUTE ON FUNCTION refuse_late_slots() FROM PUBLIC;
            CREATE TRIGGER refuse_late_slots AFTER INSERT ON trials_allocationslot REFERENCING NEW TABLE AS added
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_late_slots();
            CREATE TRIGGER stamp_event BEFORE INSERT ON trials_auditevent
                FOR EACH ROW EXECUTE FUNCTION stamp_event();
            """
        ),
    ]
