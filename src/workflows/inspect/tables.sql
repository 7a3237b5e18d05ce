-- The relations of a database: those that are no partitions, or the children of one table. Each counts with all that is below it.
-- $1 schema, $2 limit, $3 offset, $4 and $5 schema and name of the table whose children are meant.
WITH RECURSIVE shown AS MATERIALIZED (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.reltuples
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND ($1::text IS NULL OR n.nspname = $1)
    AND CASE WHEN $5::text IS NULL THEN NOT c.relispartition ELSE EXISTS (
      SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace s ON s.oid = p.relnamespace
      WHERE i.inhrelid = c.oid AND p.relname = $5 AND ($4::text IS NULL OR s.nspname = $4)) END
  ORDER BY n.nspname, c.relname LIMIT $2::int8 OFFSET $3::int8),
tree(root, oid) AS (
  SELECT oid, oid FROM shown UNION SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid),
whole AS (
  SELECT t.root, count(*) - 1 AS below, sum(pg_total_relation_size(c.oid))::int8 AS bytes,
    sum(c.reltuples) FILTER (WHERE c.relkind <> 'p' AND c.reltuples >= 0)::int8 AS estimated_rows,
    nullif(count(*) FILTER (WHERE c.relkind <> 'p' AND c.reltuples < 0), 0) AS uncounted
  FROM tree t JOIN pg_class c ON c.oid = t.oid GROUP BY t.root)
SELECT json_strip_nulls(json_build_object(
  'schema', s.nspname, 'name', s.relname,
  'kind', CASE s.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
    WHEN 'f' THEN 'foreign table' END,
  'persistence', CASE s.relpersistence WHEN 'u' THEN 'unlogged' END,
  'estimated_rows', CASE WHEN s.relkind <> 'v' THEN w.estimated_rows END,
  'bytes', CASE WHEN s.relkind IN ('r', 'p', 'm') OR w.below > 0 THEN w.bytes END,
  'partitions', CASE WHEN s.relkind = 'p' THEN w.below END,
  'partitions_right_below', (SELECT nullif(count(*), w.below) FROM pg_inherits i WHERE s.relkind = 'p' AND i.inhparent = s.oid HAVING count(*) > 0),
  'inheriting_tables', CASE WHEN s.relkind <> 'p' THEN nullif(w.below, 0) END,
  'first_children', (SELECT json_agg(x.name ORDER BY x.name) FROM (
    SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = s.oid ORDER BY 1 LIMIT 3) x),
  'own_estimated_rows', CASE WHEN s.relkind = 'r' AND w.below > 0 AND s.reltuples >= 0 THEN s.reltuples::int8 END,
  'own_bytes', CASE WHEN s.relkind = 'r' AND w.below > 0 THEN pg_total_relation_size(s.oid) END,
  'rows_not_counted_in', CASE WHEN w.below > 0 THEN w.uncounted END,
  'inherits', (SELECT json_agg(format('%I.%I', n.nspname, p.relname) ORDER BY i.inhseqno) FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace
    WHERE i.inhrelid = s.oid AND $5::text IS NULL),
  'bound', (SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class c WHERE c.oid = s.oid),
  'comment', obj_description(s.oid, 'pg_class'))) AS about
FROM shown s JOIN whole w ON w.root = s.oid ORDER BY s.nspname, s.relname
