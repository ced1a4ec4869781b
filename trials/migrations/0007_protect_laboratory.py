"""What the application's role may do with the tables of the laboratories' side in trials."""

from django.db import migrations

from trials.database import bookkeeping, mutable

# A copy to try things out in never becomes a trial, nor a trial such a copy: what is in the one is not in the other.
KEEP_SANDBOXES = """
CREATE FUNCTION keep_sandbox() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a sandbox stays one, and a trial stays a trial' USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE EXECUTE ON FUNCTION keep_sandbox() FROM PUBLIC;
CREATE TRIGGER keep_sandbox BEFORE UPDATE ON trials_trial
    FOR EACH ROW WHEN (OLD.sandbox_of_id IS DISTINCT FROM NEW.sandbox_of_id) EXECUTE FUNCTION keep_sandbox();
"""
# Written at every request: without write-ahead log its commit waits for no disk.
UNLOGGED = "ALTER TABLE trials_allowance SET UNLOGGED"


class Migration(migrations.Migration):
    dependencies = [("trials", "0006_laboratory"), ("trials", "0002_protect")]

    operations = [
        bookkeeping("trials_allowance"),
        migrations.RunSQL([UNLOGGED, KEEP_SANDBOXES], migrations.RunSQL.noop),
        mutable("trials_webhook", "trials_webhooksecret"),
        bookkeeping("trials_webhookmessage", "trials_webhookattempt"),
    ]
