"""What the application's role may do with the tables of conduct."""

from django.db import migrations

from trials.database import append_only, bookkeeping, callable_by_the_application, mutable, redefine_audit_of_rows, removable

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
    of_arms bigint[];
    of_arm bigint;
    stands boolean;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.arm_id, NEW.type, NEW.delivery) = (OLD.arm_id, OLD.type, OLD.delivery) THEN
        RETURN NEW;
    END IF;
    IF TG_OP <> 'INSERT' THEN of_arms := of_arms || OLD.arm_id; END IF;
    IF TG_OP <> 'DELETE' THEN of_arms := of_arms || NEW.arm_id; END IF;
    FOREACH of_arm IN ARRAY of_arms LOOP
        SELECT status <> 'draft' INTO stands FROM trials_trial
            WHERE id = (SELECT trial_id FROM trials_arm WHERE id = of_arm) FOR SHARE;
        IF stands THEN
            RAISE EXCEPTION 'the design is sealed: % of % refused', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION seal_trial() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    design text[] := '{slug,code_prefix,is_open_label,randomization_method,randomization_unit,'
        'minimization_probability,randomized_elsewhere,allocation_provenance,rehearsal_of_id}';
    column_name text;
BEGIN
    FOREACH column_name IN ARRAY design LOOP
        IF to_jsonb(OLD)->column_name IS DISTINCT FROM to_jsonb(NEW)->column_name THEN
            RAISE EXCEPTION 'the design is sealed: % of a registered trial stays', column_name
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

-- The moves of trials.lifecycle. A trial whose seed may be read was unblinded, and no way leads from there to the one
-- status in which slots are given; a row under another number would be another way.
CREATE FUNCTION keep_moves() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    moves text[] := '{draft registered,registered recruiting,recruiting follow_up,follow_up locked,locked unblinded,'
        'unblinded archived,locked follow_up,unblinded follow_up}';
BEGIN
    IF NEW.id <> OLD.id OR NOT (OLD.status = NEW.status OR OLD.status || ' ' || NEW.status = ANY (moves)) THEN
        RAISE EXCEPTION 'no move of a trial: from % to %', OLD.status, NEW.status
            USING ERRCODE = 'insufficient_privilege';
    END IF;
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
CREATE TRIGGER keep_moves_trial BEFORE UPDATE ON trials_trial FOR EACH ROW EXECUTE FUNCTION keep_moves();
REVOKE EXECUTE ON FUNCTION seal_design(), seal_intervention(), seal_trial(), keep_moves() FROM PUBLIC;
"""

# One place of a list for one unit, a participant or a therapy group. The list's row is locked first, so that whoever
# counts allocations afterwards counts all before this one; the slot before must have become an allocation.
TAKE_SLOTS = """
CREATE FUNCTION next_allocation_slot(
    stratum bigint, unit text, OUT slot_sequence integer, OUT slot_ciphertext bytea, OUT of_trial bigint
)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE trials_stratum SET next_sequence = next_sequence + 1 WHERE id = stratum
        RETURNING next_sequence - 1, trial_id INTO slot_sequence, of_trial;
    IF NOT EXISTS (SELECT FROM trials_trial WHERE id = of_trial AND randomization_unit = unit) THEN
        RAISE EXCEPTION 'stratum % has no slots for a %', stratum, unit USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Before recruiting nobody is randomized; after it the seed may be known, and `keep_moves` lets none recruit again.
    IF NOT EXISTS (SELECT FROM trials_trial WHERE id = of_trial AND status = 'recruiting') THEN
        RAISE EXCEPTION 'the trial of stratum % does not recruit', stratum USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF slot_sequence > 1 AND NOT EXISTS (
        SELECT FROM trials_allocation WHERE stratum_id = stratum AND sequence = slot_sequence - 1
    ) AND NOT EXISTS (
        SELECT FROM trials_groupallocation WHERE stratum_id = stratum AND sequence = slot_sequence - 1
    ) THEN
        RAISE EXCEPTION 'slot % of stratum % was taken and not given', slot_sequence - 1, stratum
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT ciphertext INTO slot_ciphertext FROM trials_allocationslot WHERE stratum_id = stratum AND sequence = slot_sequence;
    IF slot_ciphertext IS NULL THEN
        RAISE EXCEPTION 'the allocation list of stratum % is used up', stratum USING ERRCODE = 'no_data_found';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION take_allocation_slot(
    stratum bigint, participant bigint, OUT slot_sequence integer, OUT slot_ciphertext bytea
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    of_trial bigint;
BEGIN
    SELECT slot.slot_sequence, slot.slot_ciphertext, slot.of_trial INTO slot_sequence, slot_ciphertext, of_trial
        FROM next_allocation_slot(stratum, 'participant') slot;
    IF NOT EXISTS (
        SELECT FROM trials_participant WHERE id = participant AND trial_id = of_trial AND state = 'consented'
    ) OR EXISTS (SELECT FROM trials_allocation WHERE participant_id = participant) THEN
        RAISE EXCEPTION 'participant % waits for no arm', participant USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

CREATE FUNCTION take_group_slot(
    stratum bigint, therapy_group bigint, OUT slot_sequence integer, OUT slot_ciphertext bytea
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    of_trial bigint;
BEGIN
    SELECT slot.slot_sequence, slot.slot_ciphertext, slot.of_trial INTO slot_sequence, slot_ciphertext, of_trial
        FROM next_allocation_slot(stratum, 'group') slot;
    IF EXISTS (SELECT FROM trials_groupallocation WHERE group_id = therapy_group) OR NOT EXISTS (
        SELECT FROM trials_therapygroup closed
        JOIN trials_groupmember member ON member.group_id = closed.id AND member.left_on IS NULL
        JOIN trials_participant person ON person.id = member.participant_id AND person.trial_id = of_trial
        WHERE closed.id = therapy_group AND closed.trial_id = of_trial AND closed.closed_on IS NOT NULL
        AND person.state = 'consented'
        AND NOT EXISTS (SELECT FROM trials_allocation WHERE participant_id = person.id)
    ) THEN
        RAISE EXCEPTION 'group % waits for no arm', therapy_group USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION next_allocation_slot(bigint, text) FROM PUBLIC;

-- How long the shortest list is: known to whoever designed the trial, and counted here as slots are not readable.
CREATE FUNCTION sealed_places(trial bigint) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(min(places), 0) FROM (
        SELECT count(*) AS places FROM trials_allocationslot WHERE trial_id = trial GROUP BY stratum_id
    ) AS list
$$;

-- Who is in a group when it is randomized has its arm, and nobody joins who could know the arm.
CREATE FUNCTION keep_group_closed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM trials_groupallocation WHERE group_id = NEW.group_id)
        OR EXISTS (
            SELECT FROM trials_therapygroup joined JOIN trials_trial trial ON trial.id = joined.trial_id
            WHERE joined.id = NEW.group_id AND joined.closed_on IS NOT NULL AND trial.randomization_unit = 'group'
        ) THEN
        RAISE EXCEPTION 'group % is closed: nobody joins', NEW.group_id USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION keep_group_closed() FROM PUBLIC;
CREATE TRIGGER keep_group_closed BEFORE INSERT OR UPDATE OF group_id, participant_id ON trials_groupmember
    FOR EACH ROW EXECUTE FUNCTION keep_group_closed();
"""


class Migration(migrations.Migration):
    dependencies = [("trials", "0004_conduct")]

    operations = [
        # First: the identities' own trigger must leave the ciphertext out.
        redefine_audit_of_rows(),
        mutable("trials_participantidentity"),
        mutable("trials_adverseevent"),
        mutable("trials_deviation"),
        mutable("trials_twopersonmove"),
        append_only("trials_emergencyunblinding"),
        mutable("trials_invitation"),
        # A queue: what was sent is emptied, and no trigger may copy its links into the trail.
        bookkeeping("trials_outgoingmessage"),
        mutable("trials_consentform", "trials_criterion", "trials_groupmember", "trials_therapist", "trials_therapygroup"),
        mutable("trials_registration", "trials_plannedoutcome"),
        append_only("trials_protocolversion"),
        # Only of drafts, as the triggers below see to.
        removable(
            "trials_arm", "trials_criterion", "trials_intervention", "trials_site", "trials_stratificationfactor", "trials_visit"
        ),
        removable("trials_plannedoutcome"),
        migrations.RunSQL(SEALED_DESIGN, migrations.RunSQL.noop),
        append_only("trials_groupallocation"),
        migrations.RunSQL(TAKE_SLOTS, migrations.RunSQL.noop),
        callable_by_the_application("take_group_slot(bigint, bigint)", "sealed_places(bigint)"),
    ]
