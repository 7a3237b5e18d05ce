-- After the second run of the deferred triggers, which may have run code of the database's: role and search path are set back once more,
-- so that the comparison sees no names but Postgres' own. Nothing runs between this and that.
SELECT pg_catalog.set_config('role', 'none', true), pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
  pg_catalog.set_config('jit', 'off', true)
