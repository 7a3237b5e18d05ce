-- Between two statements: what pin.sql set is set again, so that no statement undoes it for the next. The statement timeout is what is
-- left of the time that all have together. A shorter time than ours that a statement asked for stays. Every name in it is qualified,
-- operators are functions. $1: the time that all statements have, in milliseconds. $2: the lock timeout, 0 where the server sets none.
SELECT pg_catalog.set_config('standard_conforming_strings', 'on', true), pg_catalog.set_config('backslash_quote', 'safe_encoding', true),
  pg_catalog.set_config('client_encoding', 'UTF8', true), pg_catalog.set_config('transform_null_equals', 'off', true),
  pg_catalog.set_config('array_nulls', 'on', true),
  pg_catalog.set_config('statement_timeout', CASE WHEN pg_catalog.interval_eq(pg_catalog.current_setting('statement_timeout')::pg_catalog.interval, '0')
      OR pg_catalog.interval_gt(pg_catalog.current_setting('statement_timeout')::pg_catalog.interval, pg_catalog.concat(t.left_ms, 'ms')::pg_catalog.interval)
    THEN t.left_ms ELSE pg_catalog.current_setting('statement_timeout') END, true),
  pg_catalog.set_config('lock_timeout', CASE WHEN pg_catalog.textne($2, '0') AND (
      pg_catalog.interval_eq(pg_catalog.current_setting('lock_timeout')::pg_catalog.interval, '0')
      OR pg_catalog.interval_gt(pg_catalog.current_setting('lock_timeout')::pg_catalog.interval, pg_catalog.concat($2::pg_catalog.text, 'ms')::pg_catalog.interval))
    THEN $2 ELSE pg_catalog.current_setting('lock_timeout') END, true)
FROM (SELECT pg_catalog.int8(GREATEST(1::pg_catalog.float8, pg_catalog.floor(pg_catalog.float8mi($1::pg_catalog.float8, pg_catalog.float8mul(1000,
  pg_catalog.date_part('epoch', pg_catalog.timestamptz_mi(pg_catalog.clock_timestamp(), pg_catalog.transaction_timestamp())))))))::pg_catalog.text) AS t(left_ms)
