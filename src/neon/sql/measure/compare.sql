-- Compares what is there now with the baseline, and says or refuses what was lost: one row, `measured`, or an error of ours.
-- $1: the secret. $2: the mark that our errors carry. $3: `enforce`, `measure` (never commits) or `report`. $4: what may be lost:
-- {"unasked_rows": n or null for any number, "rows": {oid of the table: n, approved}, "left": {oid: what is left of unasked_rows},
-- "former": {oid: [rows that it held before the first part of a migration, how many of them are lost]}, "deletes": null where any table's
-- rows may be deleted, else the oids of those whose may, "lines": [...]}. What a large share of a table is, measured.rs says.
WITH RECURSIVE kept AS MATERIALIZED (
  SELECT pg_catalog.current_setting('neon_mcp.before', true) AS text, pg_catalog.current_setting('neon_mcp.seal', true) AS seal,
    pg_catalog.current_setting('neon_mcp.settled', true) AS settled),
verified AS MATERIALIZED (
  SELECT k.text::pg_catalog.jsonb AS was, $4::pg_catalog.jsonb AS allowed FROM kept k WHERE k.seal = pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
    $1 || pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to($1 || k.text, 'UTF8')), 'hex'), 'UTF8')), 'hex')),
settled AS MATERIALIZED (
  SELECT k.settled = pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat($1, (SELECT pg_catalog.string_agg(
    pg_catalog.concat(t.oid, ':', t.changes, ':', t.reads), ',' ORDER BY t.oid) FROM (SELECT c.oid, pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid)
      + pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) + pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS changes,
      CASE WHEN c.oid >= 16384 THEN pg_catalog.pg_stat_get_xact_blocks_fetched(c.oid) ELSE 0 END AS reads
      FROM pg_catalog.pg_class c WHERE c.relkind = 'r') t WHERE t.changes + t.reads > 0)), 'UTF8')), 'hex') AS ok
  FROM kept k),
here AS MATERIALIZED (/*{counters}*/),
-- The transactions of this batch, whose rows nobody else sees: its own, and its subtransactions'. What the others committed meanwhile is
-- visible, too, but isn't in progress.
own AS MATERIALIZED (
  SELECT x.xmin AS xid FROM (SELECT DISTINCT a.xmin FROM (SELECT c.xmin FROM pg_catalog.pg_class c WHERE c.oid >= 16384
      UNION SELECT t.xmin FROM pg_catalog.pg_attribute t WHERE t.attnum = -1 AND t.attrelid >= 16384) a
    WHERE pg_catalog.age(a.xmin) <= pg_catalog.age(pg_catalog.pg_current_xact_id()::pg_catalog.xid)) x
  WHERE pg_catalog.pg_xact_status(((pg_catalog.pg_current_xact_id()::pg_catalog.text::bigint
    + pg_catalog.age(pg_catalog.pg_current_xact_id()::pg_catalog.xid) - pg_catalog.age(x.xmin))::pg_catalog.text)::pg_catalog.xid8) = 'in progress'),
-- The relations that this transaction made: whatever alters one later, the row of a column of the system's stays that of its making.
made AS MATERIALIZED (
  SELECT a.attrelid AS oid FROM pg_catalog.pg_attribute a JOIN own o ON o.xid = a.xmin WHERE a.attnum = -1 AND a.attrelid >= 16384),
-- Tables that were touched, with what they are parts of.
touched AS MATERIALIZED (
  SELECT t.key::pg_catalog.oid AS oid, (t.value ->> 0)::bigint - coalesce((v.was #>> ARRAY['tables', t.key, '0'])::bigint, 0) AS inserted,
    (t.value ->> 1)::bigint - coalesce((v.was #>> ARRAY['tables', t.key, '1'])::bigint, 0) AS updated,
    (t.value ->> 2)::bigint - coalesce((v.was #>> ARRAY['tables', t.key, '2'])::bigint, 0) AS deleted
  FROM verified v, here h, pg_catalog.jsonb_each(h.counters -> 'tables') t
  -- What this transaction made can lose nothing that was there.
  WHERE v.was -> 'ledger' IS NULL OR (v.was -> 'ledger') ? ('relation ' || t.key) OR t.key::pg_catalog.oid NOT IN (SELECT m.oid FROM made m)),
-- What was part of what before the statements: they may have changed it, but then a baseline of that was taken.
hierarchy AS MATERIALIZED (
  SELECT (p.value ->> 0)::pg_catalog.oid AS child, (p.value ->> 1)::pg_catalog.oid AS parent FROM verified v, pg_catalog.jsonb_array_elements(v.was -> 'parents') p
  UNION ALL SELECT i.inhrelid, i.inhparent FROM verified v, pg_catalog.pg_inherits i WHERE v.was -> 'parents' IS NULL),
up AS (
  SELECT t.oid, t.oid AS top, 0 AS depth FROM touched t
  UNION ALL SELECT u.oid, h.parent, u.depth + 1 FROM up u JOIN hierarchy h ON h.child = u.top WHERE u.depth < 64),
roots AS MATERIALIZED (
  SELECT r.top, pg_catalog.sum(t.inserted) AS inserted, pg_catalog.sum(t.updated) AS updated, pg_catalog.sum(t.deleted) AS deleted
  FROM (SELECT DISTINCT ON (u.oid) u.oid, u.top FROM up u ORDER BY u.oid, u.depth DESC, u.top) r JOIN touched t ON t.oid = r.oid GROUP BY r.top),
-- What is lost of every table and of all that it is part of, whatever that is part of by now: earlier parts may have counted it there.
nodes AS MATERIALIZED (
  SELECT n.top AS oid, pg_catalog.sum(t.updated + t.deleted) AS lost FROM (SELECT DISTINCT u.oid, u.top FROM up u) n JOIN touched t ON t.oid = n.oid
  GROUP BY n.top HAVING pg_catalog.sum(t.updated + t.deleted) > 0),
outspent AS MATERIALIZED (
  SELECT n.oid FROM nodes n, verified v WHERE v.allowed ->> 'unasked_rows' IS NOT NULL AND CASE
      WHEN (v.allowed #>> ARRAY['rows', n.oid::pg_catalog.text]) IS NOT NULL THEN n.lost > (v.allowed #>> ARRAY['rows', n.oid::pg_catalog.text])::bigint
      ELSE coalesce(n.lost > (v.allowed #>> ARRAY['left', n.oid::pg_catalog.text])::bigint, false)
        OR coalesce(/*{large share of the parts}*/, false) END),
down AS (
  SELECT r.top, r.top AS oid, 0 AS depth FROM roots r
  UNION ALL SELECT d.top, h.child, d.depth + 1 FROM down d JOIN hierarchy h ON h.parent = d.oid WHERE d.depth < 64),
members AS MATERIALIZED (
  SELECT DISTINCT d.top, d.oid, c.relkind FROM down d JOIN pg_catalog.pg_class c ON c.oid = d.oid),
-- How many of the former rows are left as they were: those that no transaction since this one's beginning wrote, counted no further than it
-- matters. Counters of insertions don't tell: Postgres counts what a subtransaction rolled back, too.
counted AS MATERIALIZED (
  SELECT r.*, n.name, l.most, CASE WHEN r.updated + r.deleted > 0 THEN (
      SELECT CASE WHEN pg_catalog.bool_and(pg_catalog.has_table_privilege(m.oid, 'SELECT') AND NOT pg_catalog.row_security_active(m.oid)) THEN pg_catalog.sum(
        CASE WHEN m.relkind = 'r' AND pg_catalog.has_table_privilege(m.oid, 'SELECT') AND NOT pg_catalog.row_security_active(m.oid)
        THEN pg_catalog.substring(pg_catalog.query_to_xml(pg_catalog.format('SELECT pg_catalog.count(*) AS n FROM (SELECT 1 FROM ONLY %s AS t WHERE pg_catalog.age(t.xmin) > pg_catalog.age(%L::pg_catalog.xid) LIMIT %s) AS x',
          m.oid::pg_catalog.regclass, pg_catalog.pg_current_xact_id()::pg_catalog.xid, l.most), false, true, '')::pg_catalog.text, '<n>([0-9]+)</n>')::bigint ELSE 0 END) END
      FROM members m WHERE m.top = r.top) END AS kept
  FROM roots r, LATERAL (SELECT s.nspname || '.' || c.relname AS name FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = r.top) n,
  -- Enough to tell a large share of what may be lost unasked, also in several parts; and to say of how many where that is asked.
  LATERAL (SELECT 10 * LEAST(GREATEST(r.updated + r.deleted, coalesce((SELECT (v.allowed ->> 'unasked_rows')::bigint FROM verified v), 1000)), 100000) + 12 AS most) l),
-- `lost` is what of the former rows can be gone or changed, at most; `held` is null where it isn't known how many there were.
sized AS MATERIALIZED (
  SELECT c.*, c.kept + c.updated + c.deleted AS held, c.kept >= c.most AS more, c.updated + c.deleted AS lost FROM counted c),
tables AS MATERIALIZED (
  SELECT s.*, CASE
      WHEN s.lost = 0 OR v.allowed ->> 'unasked_rows' IS NULL THEN false
      WHEN s.deleted > 0 AND pg_catalog.jsonb_typeof(v.allowed -> 'deletes') = 'array'
        AND NOT (v.allowed -> 'deletes') @> pg_catalog.to_jsonb(s.top::bigint) THEN true
      WHEN (v.allowed #>> ARRAY['rows', s.top::pg_catalog.text]) IS NOT NULL THEN s.lost > (v.allowed #>> ARRAY['rows', s.top::pg_catalog.text])::bigint
      WHEN s.lost > coalesce((v.allowed #>> ARRAY['left', s.top::pg_catalog.text])::bigint, (v.allowed ->> 'unasked_rows')::bigint) THEN true
      ELSE /*{large share}*/ END AS over
  FROM sized s, verified v),
/*{losses}*/superuser AS (
  SELECT 'role' AS key, session_user::pg_catalog.text AS name, NULL::pg_catalog.text AS facet, NULL::pg_catalog.text AS label, 'superuser' AS what,
    NULL::pg_catalog.text AS now, NULL::pg_catalog.text AS kind
  WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolsuper AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER'))
    OR pg_catalog.current_setting('track_counts') <> 'on'
  -- Rows of another server's table: nobody counts them here, but to change them takes a lock.
  UNION ALL SELECT 'foreign table ' || c.oid, s.nspname || '.' || c.relname, 'rows', 'rows', 'changed', NULL, 'f'
  FROM pg_catalog.pg_locks k JOIN pg_catalog.pg_class c ON c.oid = k.relation JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
  WHERE k.pid = pg_catalog.pg_backend_pid() AND c.relkind = 'f' AND k.locktype = 'relation' AND k.granted
    AND k.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
    AND k.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  GROUP BY c.oid, s.nspname, c.relname),
named AS MATERIALIZED (
  SELECT l.*, pg_catalog.jsonb_build_array(l.what, l.key, l.name, l.facet, l.now)::text AS line FROM (/*{lines}*/SELECT * FROM superuser) l),
over AS MATERIALIZED (
  SELECT n.* FROM named n, verified v WHERE v.allowed ->> 'unasked_rows' IS NOT NULL AND NOT coalesce(v.allowed -> 'lines' ? n.line, false)),
report AS MATERIALIZED (
  SELECT pg_catalog.jsonb_build_object(
    'tables', coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('oid', t.top::bigint, 'name', t.name, 'inserted', t.inserted,
      'updated', t.updated, 'deleted', t.deleted, 'lost', t.lost, 'held', t.held, 'more', t.more,
      'under', (SELECT pg_catalog.jsonb_object_agg(n.oid, n.lost) FROM nodes n WHERE n.oid <> t.top AND n.oid IN (SELECT m.oid FROM members m WHERE m.top = t.top))) ORDER BY t.lost DESC, t.name) FROM tables t
      WHERE t.inserted + t.updated + t.deleted > 0), '[]'),
    'lines', coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('line', n.line, 'key', n.key, 'name', n.name, 'facet', n.facet,
      'label', n.label, 'what', n.what, 'now', n.now, 'kind', n.kind) ORDER BY n.facet IS NOT NULL, n.key, n.facet)
      FROM (SELECT * FROM named ORDER BY facet IS NOT NULL, key, facet LIMIT 400) n), '[]'),
    'catalogue', (SELECT (h.counters ->> 'catalogue')::numeric - (v.was ->> 'catalogue')::numeric FROM verified v, here h),
    'count', (SELECT pg_catalog.count(*) FROM named)) AS measured)
SELECT CASE
  WHEN NOT EXISTS (SELECT FROM verified) THEN ('neon-mcp ' || $2 || ' tampered ' || (SELECT coalesce(pg_catalog.length(k.text), 0) FROM kept k))::int4::text
  WHEN (SELECT s.ok FROM settled s) IS NOT TRUE THEN ('neon-mcp ' || $2 || ' unsettled ' || (SELECT coalesce(pg_catalog.length(k.settled), 0) FROM kept k))::int4::text
  WHEN EXISTS (SELECT FROM pg_catalog.pg_cursors c WHERE c.is_holdable) THEN ('neon-mcp ' || $2 || ' cursor ' || (SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors))::int4::text
  WHEN (SELECT v.was -> 'ledger' IS NULL AND (h.counters ->> 'catalogue')::numeric > (v.was ->> 'catalogue')::numeric FROM verified v, here h)
    THEN ('neon-mcp ' || $2 || ' catalogue ' || (SELECT h.counters ->> 'catalogue' FROM here h))::int4::text
  WHEN $3 = 'measure' THEN ('neon-mcp ' || $2 || ' measured ' || (SELECT r.measured::text FROM report r))::int4::text
  WHEN $3 <> 'report' AND ((SELECT pg_catalog.bool_or(t.over) FROM tables t) OR EXISTS (SELECT FROM outspent) OR EXISTS (SELECT FROM over))
    THEN ('neon-mcp ' || $2 || ' stopped ' || (SELECT r.measured::text FROM report r))::int4::text
  ELSE (SELECT r.measured::text FROM report r) END AS measured
