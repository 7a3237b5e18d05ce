-- First in every batch: what the reading of a text depends on is as the parser has it, whatever the session, the role or the database
-- set; and names are Postgres' own until the next statement of ours is done. Every name in it is qualified, since it runs under
-- whatever search path there is. $1: the statement timeout in milliseconds. $2: the lock timeout, 0 where the server sets none.
SELECT pg_catalog.set_config('neon_mcp.search_path', pg_catalog.current_setting('search_path'), true),
  pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
  pg_catalog.set_config('neon_mcp.jit', pg_catalog.current_setting('jit'), true), pg_catalog.set_config('jit', 'off', true),
  pg_catalog.set_config('standard_conforming_strings', 'on', true), pg_catalog.set_config('backslash_quote', 'safe_encoding', true),
  pg_catalog.set_config('client_encoding', 'UTF8', true), pg_catalog.set_config('transform_null_equals', 'off', true),
  pg_catalog.set_config('array_nulls', 'on', true), pg_catalog.set_config('statement_timeout', $1, true),
  pg_catalog.set_config('lock_timeout', CASE WHEN pg_catalog.texteq($2, '0') THEN pg_catalog.current_setting('lock_timeout') ELSE $2 END, true)
