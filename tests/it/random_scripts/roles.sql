-- The roles of a branch, as Neon makes them: those that its API makes are members of neon_superuser, and no superusers.
CREATE ROLE neon_superuser NOLOGIN CREATEDB CREATEROLE BYPASSRLS;
GRANT pg_read_all_data, pg_write_all_data, pg_monitor, pg_signal_backend TO neon_superuser WITH ADMIN OPTION;
CREATE ROLE neondb_owner LOGIN PASSWORD 'quiet forest' CREATEDB CREATEROLE BYPASSRLS REPLICATION;
GRANT neon_superuser TO neondb_owner;
