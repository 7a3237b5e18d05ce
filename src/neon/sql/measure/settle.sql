-- Between two runs of the deferred triggers: role and search path are set back, and what was done to each table so far is kept, sealed: its
-- row changes, and how often its pages were read. If they are others after the second run, triggers went on queueing work for the commit,
-- which the comparison wouldn't see. A trigger for a row fetches that row, and no statement sets that counter back (TRUNCATE does so to
-- those of rows). A sum over the tables wouldn't do: the counters of a table go with it.
-- Every name in it is qualified, operators are functions, since it runs under whatever search path there is. $1: the secret.
SELECT pg_catalog.set_config('role', 'none', true), pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
  pg_catalog.set_config('jit', 'off', true), pg_catalog.set_config('neon_mcp.settled', pg_catalog.encode(pg_catalog.sha256(
    pg_catalog.convert_to(pg_catalog.concat($1::pg_catalog.text, (SELECT pg_catalog.string_agg(pg_catalog.concat(t.oid, ':', t.changes, ':', t.reads), ',' ORDER BY t.oid)
      FROM (SELECT c.oid, pg_catalog.int8pl(pg_catalog.int8pl(pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid),
        pg_catalog.pg_stat_get_xact_tuples_updated(c.oid)), pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)) AS changes,
        CASE WHEN pg_catalog.oidge(c.oid, 16384) THEN pg_catalog.pg_stat_get_xact_blocks_fetched(c.oid) ELSE 0 END AS reads
        FROM pg_catalog.pg_class c WHERE pg_catalog.chareq(c.relkind, 'r')) t WHERE pg_catalog.int8gt(pg_catalog.int8pl(t.changes, t.reads), 0))), 'UTF8')), 'hex'), true)
