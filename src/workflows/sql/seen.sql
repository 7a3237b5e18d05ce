-- What tables hold that statements name: with all that is below them, except where only the table itself is meant.
WITH RECURSIVE asked AS MATERIALIZED (
  SELECT a.place, a.schema, a.name, a.only, c.oid FROM (
    SELECT place, item ->> 'schema' AS schema, item ->> 'name' AS name, (item ->> 'only')::pg_catalog.bool AS only
    FROM pg_catalog.json_array_elements($1::pg_catalog.json) WITH ORDINALITY AS x(item, place)) a
  LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(CASE WHEN a.schema IS NULL THEN pg_catalog.quote_ident(a.name)
    ELSE pg_catalog.concat(pg_catalog.quote_ident(a.schema), '.', pg_catalog.quote_ident(a.name)) END)::pg_catalog.oid),
tree(place, oid) AS (
  SELECT place, oid FROM asked WHERE oid IS NOT NULL
  UNION SELECT t.place, i.inhrelid FROM tree t JOIN asked a ON a.place = t.place JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
  WHERE NOT a.only),
-- What Postgres hasn't counted yet is counted, up to a bound for each of so many.
uncounted AS MATERIALIZED (
  SELECT c.oid, pg_catalog.substring(pg_catalog.query_to_xml(pg_catalog.format('SELECT pg_catalog.count(*) AS n FROM (SELECT 1 FROM ONLY %s LIMIT 10001) AS x',
    c.oid::pg_catalog.regclass), false, true, '')::pg_catalog.text, '<n>([0-9]+)</n>')::pg_catalog.int8 AS rows
  FROM (SELECT c.oid FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid WHERE c.relkind IN ('r', 'm') AND c.reltuples < 0 AND c.relispopulated
      AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT pg_catalog.row_security_active(c.oid) GROUP BY c.oid LIMIT 64) c),
whole AS (
  SELECT t.place, pg_catalog.count(*) - 1 AS below, pg_catalog.sum(pg_catalog.pg_total_relation_size(c.oid))::pg_catalog.int8 AS bytes,
    pg_catalog.sum(coalesce(u.rows, c.reltuples)) FILTER (WHERE c.relkind <> 'p' AND (u.rows IS NOT NULL OR c.reltuples >= 0))::pg_catalog.int8 AS rows,
    pg_catalog.count(*) FILTER (WHERE c.relkind <> 'p' AND c.reltuples < 0 AND u.rows IS NULL) AS uncounted,
    coalesce(pg_catalog.bool_and(u.rows IS NOT NULL) FILTER (WHERE c.relkind <> 'p'), false) AS exact, coalesce(pg_catalog.bool_or(u.rows > 10000), false) AS over
  FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid LEFT JOIN uncounted u ON u.oid = t.oid GROUP BY t.place)
SELECT coalesce(n.nspname, a.schema, '') AS schema, a.name,
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
    WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' WHEN 'I' THEN 'partitioned index'
    WHEN 'c' THEN 'composite type' WHEN 't' THEN 'TOAST table' END AS kind,
  w.rows, w.bytes, w.uncounted, w.exact, w.over,
  CASE WHEN c.relkind = 'p' THEN w.below END AS partitions, CASE WHEN c.relkind <> 'p' THEN w.below END AS inheriting,
  p.schema AS parent_schema, p.name AS parent, p.rows AS parent_rows
FROM asked a LEFT JOIN pg_catalog.pg_class c ON c.oid = a.oid LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN whole w ON w.place = a.place
  -- Of a partition: the table that it is one of, and how many rows all of that table's partitions have.
  LEFT JOIN LATERAL (SELECT s.nspname AS schema, t.relname AS name, (SELECT pg_catalog.sum(l.reltuples) FILTER (WHERE l.reltuples >= 0)::pg_catalog.int8
      FROM pg_catalog.pg_partition_tree(t.oid) x JOIN pg_catalog.pg_class l ON l.oid = x.relid WHERE x.isleaf) AS rows
    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class t ON t.oid = i.inhparent JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
    WHERE i.inhrelid = a.oid AND c.relispartition) p ON true
ORDER BY a.place
