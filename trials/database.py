"""What the application's database role may do, as migration operations.

The owner migrates. The application's role gets what each table's class says and nothing else:

- mutable: read, insert and update, and never delete (`removable` names the exception); a row trigger hangs old and new
  values under the running audit event;
- append-only: read and insert; UPDATE, DELETE and TRUNCATE are not granted, and a trigger refuses them to everybody;
- sealed: insert only, and read of the plain columns that are named; what is inside leaves by one function.
"""

from django.conf import settings
from django.db.migrations import RunSQL

# Bookkeeping that is no study data: a change of these alone is not an audited change.
UNAUDITED_COLUMNS = ("data_version", "last_used_at", "last_login")
SECRET_COLUMNS = ("password", "sha256", "ciphertext")

AUDIT_ROW_CHANGE = f"""
CREATE OR REPLACE FUNCTION audit_row_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    unaudited text[] := '{{{",".join(UNAUDITED_COLUMNS)}}}';
    secret text[] := '{{{",".join(SECRET_COLUMNS)}}}';
    old_row jsonb;
    new_row jsonb;
    event text := current_setting('studyplatform.event_id', true);
BEGIN
    -- A table of somebody's own, under one of our names, would write what never happened.
    IF TG_TABLE_SCHEMA <> 'public' THEN
        RAISE EXCEPTION 'no table of the platform: %.%', TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP <> 'INSERT' THEN old_row := to_jsonb(OLD) - unaudited; END IF;
    IF TG_OP <> 'DELETE' THEN new_row := to_jsonb(NEW) - unaudited; END IF;
    IF old_row = new_row THEN RETURN NULL; END IF;
    -- Sign-in pages change accounts by themselves (a new password): the account is its own actor then.
    IF coalesce(event, '') = '' AND TG_TABLE_NAME = 'trials_user' AND TG_OP = 'UPDATE' THEN
        event := nextval('audit_event_number')::text;
        INSERT INTO trials_auditevent
            (id, actor_kind, actor_id, actor_name, verb, target_kind, target_id, target_name, reason, detail, sha256)
        VALUES
            (event::bigint, 'person', NEW.id, NEW.email, 'account.changed', 'user', NEW.id, NEW.email, '', '{{}}', '');
    END IF;
    IF coalesce(event, '') = '' THEN
        RAISE EXCEPTION 'no actor, no write: % of % outside of an audited transaction', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO trials_auditchange (event_id, table_name, row_id, operation, old, new)
    VALUES (
        event::bigint, TG_TABLE_NAME, (coalesce(new_row, old_row)->>'id')::bigint, TG_OP,
        old_row - secret, new_row - secret
    );
    RETURN NULL;
END $$;
"""  # noqa: S608 - built from constants

AUDIT_FUNCTIONS = f"""
{AUDIT_ROW_CHANGE}

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

-- When it happened is the server's word, whatever is sent.
CREATE FUNCTION stamp_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.occurred_at := now();
    RETURN NEW;
END $$;

CREATE SEQUENCE audit_event_number;
REVOKE EXECUTE ON FUNCTION audit_row_change(), refuse_change(), stamp_event() FROM PUBLIC;
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
"""


def _role() -> str:
    role: str = settings.APPLICATION_ROLE
    return '"' + role.replace('"', '""') + '"'


def open_schema() -> RunSQL:
    """Let the application's role see the schema and use sequences, and nothing more by default."""
    role = _role()
    return RunSQL(
        f"""
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        GRANT USAGE ON SCHEMA public TO {role};
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {role};
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
        """,
        RunSQL.noop,
    )


def framework(*tables: str) -> RunSQL:
    """Tables of Django and its libraries: sessions, sign-in, content types. Read and write, no trail of ours."""
    return RunSQL(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {_role()}", RunSQL.noop)


def redefine_audit_of_rows() -> RunSQL:
    """Bring the row trigger's function up to the present lists of columns, in databases that are older than them."""
    return RunSQL(AUDIT_ROW_CHANGE, RunSQL.noop)


def read_only(*tables: str) -> RunSQL:
    """Tables that the application's role only reads."""
    return RunSQL(f"GRANT SELECT ON {', '.join(tables)} TO {_role()}", RunSQL.noop)


def bookkeeping(*tables: str) -> RunSQL:
    """Tables that hold no study data and may be rewritten freely: heartbeats, job rows."""
    return framework(*tables)


def mutable(*tables: str) -> RunSQL:
    """Tables whose rows change and stay: every change is recorded by trigger, bulk writes and raw SQL included."""
    return RunSQL(
        [
            statement
            for table in tables
            for statement in (
                f"GRANT SELECT, INSERT, UPDATE ON {table} TO {_role()}",
                f"""CREATE TRIGGER audit_{table} AFTER INSERT OR UPDATE OR DELETE ON {table}
                    FOR EACH ROW EXECUTE FUNCTION audit_row_change()""",
            )
        ],
        RunSQL.noop,
    )


def removable(*tables: str) -> RunSQL:
    """Mutable tables whose rows may also go: links, no study data."""
    return RunSQL(f"GRANT DELETE ON {', '.join(tables)} TO {_role()}", RunSQL.noop)


def callable_by_the_application(*functions: str) -> RunSQL:
    """Functions of the owner that the application's role, and nobody else, may call."""
    names = ", ".join(functions)
    return RunSQL(
        [f"REVOKE EXECUTE ON FUNCTION {names} FROM PUBLIC", f"GRANT EXECUTE ON FUNCTION {names} TO {_role()}"],
        RunSQL.noop,
    )


def append_only(*tables: str) -> RunSQL:
    """Tables whose rows are never changed nor removed."""
    return RunSQL(
        [
            statement
            for table in tables
            for statement in (f"GRANT SELECT, INSERT ON {table} TO {_role()}", *_refusals(table))
        ],
        RunSQL.noop,
    )


def insert_and_read(*tables: str) -> RunSQL:
    """Tables that only a function of the owner changes."""
    return RunSQL(f"GRANT SELECT, INSERT ON {', '.join(tables)} TO {_role()}", RunSQL.noop)


def sealed(table: str, *readable: str) -> RunSQL:
    """A table that the application's role fills and reads only the named columns of."""
    return RunSQL(
        [
            f"GRANT INSERT ON {table} TO {_role()}",
            f"GRANT SELECT ({', '.join(readable)}) ON {table} TO {_role()}",
            *_refusals(table),
        ],
        RunSQL.noop,
    )


def _refusals(table: str) -> tuple[str, str]:
    return (
        f"""CREATE TRIGGER refuse_change_{table} BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
        f"""CREATE TRIGGER refuse_truncate_{table} BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )
