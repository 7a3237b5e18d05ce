-- Fails where the catalogue's version is another one than that in which what reaches listed functions is known. Runs behind the pins.
-- $1: the mark. $2: the version.
SELECT CASE WHEN v.now <> $2 THEN ('neon-mcp ' || $1 || ' stale ' || v.now)::int4::pg_catalog.text ELSE v.now END AS version
FROM (/*{version}*/) v
