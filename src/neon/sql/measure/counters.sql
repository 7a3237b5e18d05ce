-- What this transaction did to tables, by Postgres' own count (with what the session hasn't reported yet of earlier ones): of the
-- database's tables each that it touched (inserted, updated, deleted), of the catalogue the sum, and each of those whose rows nobody
-- but a superuser may read. Postgres counts whoever did it (a trigger, a rule, a cascade, a function), and what a subtransaction
-- rolled back, too. Statistics aren't counted: ANALYZE writes them.
SELECT pg_catalog.jsonb_build_object(
  'tables', coalesce(pg_catalog.jsonb_object_agg(t.oid, pg_catalog.jsonb_build_array(t.inserted, t.updated, t.deleted))
    FILTER (WHERE t.oid >= 16384 AND t.relpersistence <> 't' AND t.inserted + t.updated + t.deleted > 0), '{}'),
  'catalogue', coalesce(pg_catalog.sum(t.inserted + t.updated + t.deleted) FILTER (WHERE t.oid < 16384
    AND t.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data')), 0),
  'unreadable', coalesce(pg_catalog.jsonb_object_agg(t.relname, CASE WHEN pg_catalog.starts_with(t.relname::pg_catalog.text, 'pg_largeobject')
      THEN 0 ELSE t.inserted END + t.updated + t.deleted) FILTER (WHERE t.oid < 16384
    AND t.relname IN ('pg_authid', 'pg_largeobject', 'pg_largeobject_metadata', 'pg_user_mapping', 'pg_subscription', 'pg_replication_origin', 'pg_shseclabel',
      'pg_parameter_acl', 'pg_tablespace', 'pg_foreign_server', 'pg_foreign_data_wrapper', 'pg_foreign_table', 'pg_transform',
      'pg_language', 'pg_am') AND t.inserted + t.updated + t.deleted > 0), '{}')) AS counters
FROM (SELECT c.oid, c.relname, c.relpersistence, pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
    pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updated, pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
  FROM pg_catalog.pg_class c WHERE c.relkind = 'r') t
