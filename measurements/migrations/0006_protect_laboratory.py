"""What the application's role may do with the tables of the laboratories' side in measurements."""

from django.db import migrations

from trials.database import append_only, bookkeeping, mutable, read_only, removable

# Every change of what is known of a specimen leaves an event: written here, so that no way in can forget one.
SPECIMEN_EVENTS = """
CREATE FUNCTION record_specimen_events() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    kinds text[] := '{}';
    kind text;
    moment timestamptz;
BEGIN
    IF TG_TABLE_SCHEMA <> 'public' THEN
        RAISE EXCEPTION 'no table of the platform: %.%', TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.drawn_at IS DISTINCT FROM OLD.drawn_at THEN kinds := kinds || 'drawn'::text; END IF;
    IF NEW.shipped_at IS DISTINCT FROM OLD.shipped_at THEN kinds := kinds || 'shipped'::text; END IF;
    IF NEW.received_at IS DISTINCT FROM OLD.received_at
        AND NOT (NEW.received_at IS NULL AND NEW.shipped_at IS DISTINCT FROM OLD.shipped_at) THEN
        kinds := kinds || 'received'::text;
    END IF;
    IF NEW.condition IS DISTINCT FROM coalesce(OLD.condition, '') AND NOT 'received' = ANY(kinds) THEN
        kinds := kinds || 'condition'::text;
    END IF;
    IF NEW.place IS DISTINCT FROM coalesce(OLD.place, '') AND NEW.place <> '' THEN
        kinds := kinds || 'stored'::text;
    END IF;
    IF NEW.destroyed_at IS DISTINCT FROM OLD.destroyed_at THEN kinds := kinds || 'destroyed'::text; END IF;
    FOREACH kind IN ARRAY kinds LOOP
        moment := CASE kind
            WHEN 'drawn' THEN NEW.drawn_at WHEN 'shipped' THEN NEW.shipped_at WHEN 'received' THEN NEW.received_at
            WHEN 'destroyed' THEN NEW.destroyed_at ELSE now() END;
        INSERT INTO measurements_specimenevent (specimen_id, kind, at, condition, place, note, shipment_id)
        VALUES (NEW.id, kind, moment, CASE WHEN kind IN ('received', 'condition') THEN NEW.condition ELSE '' END,
            CASE WHEN kind = 'stored' THEN NEW.place ELSE '' END, NEW.note,
            CASE WHEN kind IN ('shipped', 'received') THEN NEW.shipment_id END);
    END LOOP;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION record_specimen_events() FROM PUBLIC;
CREATE TRIGGER record_specimen_events AFTER INSERT OR UPDATE ON measurements_specimen
    FOR EACH ROW EXECUTE FUNCTION record_specimen_events();
CREATE TRIGGER refuse_change_measurements_specimenevent BEFORE UPDATE OR DELETE ON measurements_specimenevent
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate_measurements_specimenevent BEFORE TRUNCATE ON measurements_specimenevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# Trials that chose these questionnaires before it was said of a biomarker that it tells the arm; their deliveries too.
KNOWN_TO_TELL_THE_ARM = """
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM measurements_biomarker WHERE code IN ('CEQ', 'WAISR', 'CARE') AND NOT tells_arm) THEN
        PERFORM set_config('studyplatform.event_id', nextval('audit_event_number')::text, true);
        UPDATE measurements_biomarker SET tells_arm = true, is_awaited = false WHERE code IN ('CEQ', 'WAISR', 'CARE');
        INSERT INTO trials_auditevent
            (id, actor_kind, actor_name, verb, target_kind, target_name, reason, detail, sha256)
        VALUES (current_setting('studyplatform.event_id')::bigint, 'process', 'upgrade', 'biomarkers.tell_arm', '', '',
            'Only people with a therapy answer these questionnaires.', '{}', '');
        PERFORM set_config('studyplatform.event_id', '', true);
        ALTER TABLE measurements_submission DISABLE TRIGGER refuse_change_measurements_submission;
        UPDATE measurements_submission s SET tells_arm = true WHERE EXISTS (
            SELECT 1 FROM measurements_result r JOIN measurements_biomarker b ON b.id = r.biomarker_id
            WHERE r.submission_id = s.id AND b.tells_arm);
        ALTER TABLE measurements_submission ENABLE TRIGGER refuse_change_measurements_submission;
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("measurements", "0005_laboratory"), ("trials", "0002_protect")]

    operations = [
        append_only("measurements_questionnairesheet"),
        mutable("measurements_plate", "measurements_plate_assays", "measurements_controlmaterial"),
        removable("measurements_plate_assays"),
        append_only("measurements_controlvalue", "measurements_platelayout"),
        mutable("measurements_shipment"),
        append_only("measurements_heldrowoutcome", "measurements_shipmentline"),
        read_only("measurements_specimenevent"),
        migrations.RunSQL(SPECIMEN_EVENTS, migrations.RunSQL.noop),
        append_only("measurements_entrybatch", "measurements_entrypass", "measurements_entrysettlement"),
        append_only("measurements_submissionfile"),
        mutable("measurements_columnmapping"),
        bookkeeping("measurements_upload"),
        migrations.RunSQL(KNOWN_TO_TELL_THE_ARM, migrations.RunSQL.noop),
    ]
