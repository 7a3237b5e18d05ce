pg_catalog.jsonb_build_object('ledger', (SELECT pg_catalog.jsonb_object_agg(l.key, pg_catalog.jsonb_build_array(l.name, l.facets)) FROM (/*{ledger}*/) l),
  'files', coalesce((SELECT pg_catalog.jsonb_object_agg(c.oid, c.relfilenode) FROM pg_catalog.pg_class c
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'), '{}'),
  'parents', coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(i.inhrelid, i.inhparent)) FROM pg_catalog.pg_inherits i), '[]'),
  -- Of the tables that the statements name: those without a row. To look at every table's size would take long.
  'empty', coalesce((SELECT pg_catalog.jsonb_agg(c.oid::pg_catalog.text) FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm')
    AND c.relpersistence <> 't' AND c.relname IN (SELECT pg_catalog.jsonb_array_elements_text($7::pg_catalog.jsonb)) AND pg_catalog.pg_relation_size(c.oid) = 0), '[]'))
