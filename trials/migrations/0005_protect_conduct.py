"""What the application's role may do with the tables of conduct."""

from django.db import migrations

from trials.database import append_only, mutable, redefine_audit_of_rows, removable

# From registration on the design stands. What may still change of a row is named as the trigger's arguments; the lock
# makes a change that races with the registration wait for it, and then be refused.
SEALED_DESIGN = """
CREATE FUNCTION seal_design() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    old_row jsonb;
    new_row jsonb;
    of_trial bigint;
    stands boolean;
BEGIN
    IF TG_OP <> 'INSERT' THEN old_row := to_jsonb(OLD) - coalesce(TG_ARGV, '{}'); END IF;
    IF TG_OP <> 'DELETE' THEN new_row := to_jsonb(NEW) - coalesce(TG_ARGV, '{}'); END IF;
    IF TG_OP = 'UPDATE' AND old_row = new_row THEN RETURN NEW; END IF;
    FOREACH of_trial IN ARRAY ARRAY[(old_row->>'trial_id')::bigint, (new_row->>'trial_id')::bigint] LOOP
        SELECT status <> 'draft' INTO stands FROM trials_trial WHERE id = of_trial FOR SHARE;
        IF stands THEN
            RAISE EXCEPTION 'the design is sealed: % of % refused', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION seal_intervention() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    of_arm bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.arm_id ELSE NEW.arm_id END;
    stands boolean;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.arm_id, NEW.type, NEW.delivery) = (OLD.arm_id, OLD.type, OLD.delivery) THEN
        RETURN NEW;
    END IF;
    SELECT status <> 'draft' INTO stands FROM trials_trial
        WHERE id = (SELECT trial_id FROM trials_arm WHERE id = of_arm) FOR SHARE;
    IF stands THEN
        RAISE EXCEPTION 'the design is sealed: % of % refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION seal_trial() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    design text[] := '{slug,code_prefix,is_open_label,randomization_method,randomization_unit,'
        'minimization_probability,randomized_elsewhere,allocation_provenance,rehearsal_of_id}';
    column_name text;
BEGIN
    IF NEW.status = 'draft' THEN
        RAISE EXCEPTION 'a registered trial is no draft again' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOREACH column_name IN ARRAY design LOOP
        IF to_jsonb(OLD)->column_name IS DISTINCT FROM to_jsonb(NEW)->column_name THEN
            RAISE EXCEPTION 'the design is sealed: % of a registered trial stays', column_name
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

CREATE TRIGGER seal_design_arm BEFORE INSERT OR UPDATE OR DELETE ON trials_arm
    FOR EACH ROW EXECUTE FUNCTION seal_design();
CREATE TRIGGER seal_design_factor BEFORE INSERT OR UPDATE OR DELETE ON trials_stratificationfactor
    FOR EACH ROW EXECUTE FUNCTION seal_design();
CREATE TRIGGER seal_design_visit BEFORE INSERT OR UPDATE OR DELETE ON trials_visit
    FOR EACH ROW EXECUTE FUNCTION seal_design('name');
CREATE TRIGGER seal_design_criterion BEFORE INSERT OR UPDATE OR DELETE ON trials_criterion
    FOR EACH ROW EXECUTE FUNCTION seal_design('text');
-- A site may still join; what it is called in strata and codes stays.
CREATE TRIGGER seal_design_site BEFORE UPDATE OR DELETE ON trials_site
    FOR EACH ROW EXECUTE FUNCTION seal_design('name', 'city', 'country', 'keeps_identifiers');
CREATE TRIGGER seal_design_intervention BEFORE INSERT OR UPDATE OR DELETE ON trials_intervention
    FOR EACH ROW EXECUTE FUNCTION seal_intervention();
CREATE TRIGGER seal_design_trial BEFORE UPDATE ON trials_trial
    FOR EACH ROW WHEN (OLD.status <> 'draft') EXECUTE FUNCTION seal_trial();
REVOKE EXECUTE ON FUNCTION seal_design(), seal_intervention(), seal_trial() FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("trials", "0004_conduct")]

    operations = [
        # First: the identities' own trigger must leave the ciphertext out.
        redefine_audit_of_rows(),
        mutable("trials_participantidentity"),
        mutable("trials_adverseevent"),
        mutable("trials_deviation"),
        mutable("trials_consentform", "trials_criterion", "trials_groupmember", "trials_therapist", "trials_therapygroup"),
        mutable("trials_registration", "trials_plannedoutcome"),
        append_only("trials_protocolversion"),
        # Only of drafts, as the triggers below see to.
        removable(
            "trials_arm", "trials_criterion", "trials_intervention", "trials_site", "trials_stratificationfactor", "trials_visit"
        ),
        removable("trials_plannedoutcome"),
        migrations.RunSQL(SEALED_DESIGN, migrations.RunSQL.noop),
    ]
