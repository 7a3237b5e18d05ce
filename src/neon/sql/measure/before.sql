-- Behind the pins: checks whom we talk to, and keeps a baseline in a setting, sealed with a secret that only the parameters of this
-- statement and of the last one hold. `moment` is now, by the clock that commits are stamped with: before this one's. $1: the secret. $2: the mark that our errors carry. $3 to $6: see identity.sql.
WITH identity AS MATERIALIZED (/*{identity}*/), was AS MATERIALIZED (SELECT (/*{baseline}*/)::pg_catalog.text AS text)
SELECT CASE WHEN i.problems IS NOT NULL THEN ('neon-mcp ' || $2 || ' identity ' || i.problems::pg_catalog.text)::pg_catalog.int4::pg_catalog.text
  ELSE (SELECT pg_catalog.length(pg_catalog.set_config('neon_mcp.before', w.text, true))::pg_catalog.text || pg_catalog.set_config('neon_mcp.seal',
    pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to($1 || pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to($1 || w.text,
    'UTF8')), 'hex'), 'UTF8')), 'hex'), true) FROM was w) END AS verified,
  pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.clock_timestamp()), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS moment,
  pg_catalog.set_config('search_path', pg_catalog.current_setting('neon_mcp.search_path'), true),
  pg_catalog.set_config('jit', pg_catalog.current_setting('neon_mcp.jit'), true)
FROM identity i
