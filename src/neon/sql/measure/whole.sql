pg_catalog.jsonb_build_object('ledger', (SELECT pg_catalog.jsonb_object_agg(l.key, pg_catalog.jsonb_build_array(l.name, l.facets)) FROM (/*{ledger}*/) l),
  'files', coalesce((SELECT pg_catalog.jsonb_object_agg(c.oid, c.relfilenode) FROM pg_catalog.pg_class c
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'), '{}'),
  'parents', coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(i.inhrelid, i.inhparent)) FROM pg_catalog.pg_inherits i), '[]'),
  -- Of the tables that the statements name: those without a row. To look at every table's size would take long. One that has room for
  -- rows and shows none counts where no other transaction is under way that may have written some, and where a later look sees what
  -- others commit.
  'empty', coalesce((SELECT pg_catalog.jsonb_agg(c.oid::pg_catalog.text) FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm')
    AND c.relpersistence <> 't' AND c.relname IN (SELECT pg_catalog.jsonb_array_elements_text($7::pg_catalog.jsonb)) AND CASE WHEN pg_catalog.pg_relation_size(c.oid) = 0 THEN true
      WHEN pg_catalog.pg_relation_size(c.oid) > 67108864 OR pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN false
      WHEN EXISTS (SELECT FROM pg_catalog.pg_snapshot_xip(pg_catalog.pg_current_snapshot()) x
        WHERE x::pg_catalog.text <> coalesce(pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, '')) THEN false
      WHEN NOT pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.row_security_active(c.oid) THEN false
      ELSE pg_catalog.strpos(pg_catalog.query_to_xml(pg_catalog.format('SELECT 1 AS n FROM ONLY %s LIMIT 1', c.oid::pg_catalog.regclass), false, true, '')::pg_catalog.text, '<n>') = 0
    END), '[]'))
