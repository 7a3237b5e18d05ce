-- What the database says of itself that isn't what was expected: null where all is well. A setting counts only where the server was
-- started with it: not where a role, a database or a session sets it. $3: the expected values by the settings' names. $4: whether the
-- address was read from Neon just now, so that a server that doesn't know a setting will do. $5, $6: the database and the role.
SELECT pg_catalog.jsonb_object_agg(e.name, coalesce(e.found, '')) AS problems FROM (
  SELECT x.key AS name, x.value AS expected, CASE WHEN s.name IS NOT NULL THEN
      CASE WHEN s.source IN ('configuration file', 'command line', 'environment variable') THEN nullif(s.setting, '') END
    WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting d, pg_catalog.unnest(d.setconfig) v
      WHERE pg_catalog.lower(pg_catalog.split_part(v, '=', 1)) = x.key)
    THEN nullif(pg_catalog.current_setting(x.key, true), '') END AS found, true AS may_lack
  FROM pg_catalog.jsonb_each_text($3::pg_catalog.jsonb) x
    LEFT JOIN pg_catalog.pg_settings s ON s.name = x.key WHERE x.value IS NOT NULL
  UNION ALL SELECT 'database', $5, pg_catalog.current_database()::pg_catalog.text, false
  UNION ALL SELECT 'role', $6, session_user::pg_catalog.text, false) e
WHERE CASE WHEN e.found IS NULL THEN NOT (e.may_lack AND $4 = 'fresh') ELSE e.found <> e.expected END
