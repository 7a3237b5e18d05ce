-- Behind the pins, where nothing is measured: checks whom we talk to. $1 isn't used; the others as in before.sql.
WITH identity AS MATERIALIZED (/*{identity}*/)
SELECT CASE WHEN i.problems IS NOT NULL THEN ('neon-mcp ' || $2 || ' identity ' || i.problems::pg_catalog.text)::pg_catalog.int4::pg_catalog.text
  ELSE pg_catalog.left($1, 0) END AS verified,
  pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.clock_timestamp()), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS moment,
  pg_catalog.set_config('search_path', pg_catalog.current_setting('neon_mcp.search_path'), true),
  pg_catalog.set_config('jit', pg_catalog.current_setting('neon_mcp.jit'), true)
FROM identity i
