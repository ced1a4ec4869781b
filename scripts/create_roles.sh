#!/bin/sh
# The two roles and the database, on the first start of docker-compose.yml's PostgreSQL: the owner migrates, the
# application's role gets from the migrations what it needs and never any right to change the schema.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d postgres \
    -v owner_password="$POSTGRES_OWNER_PASSWORD" -v app_password="$POSTGRES_APP_PASSWORD" <<'SQL'
CREATE ROLE studyplatform_owner LOGIN CREATEDB NOSUPERUSER NOCREATEROLE PASSWORD :'owner_password';
CREATE ROLE studyplatform_app LOGIN NOCREATEDB NOSUPERUSER NOCREATEROLE PASSWORD :'app_password';
CREATE DATABASE studyplatform OWNER studyplatform_owner;
SQL
