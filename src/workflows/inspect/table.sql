-- One relation whole. $1: the ways to read its name, as a JSON list; the first that leads to something counts.
WITH RECURSIVE target AS MATERIALIZED (
  SELECT c.*, n.nspname FROM (
    SELECT pg_catalog.to_regclass(x.name)::pg_catalog.oid AS found FROM pg_catalog.json_array_elements_text($1::pg_catalog.json)
      WITH ORDINALITY AS x(name, place)
    WHERE pg_catalog.to_regclass(x.name) IS NOT NULL ORDER BY x.place LIMIT 1) f
  JOIN pg_catalog.pg_class c ON c.oid = f.found JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace),
tree(oid) AS (
  SELECT t.oid FROM target t UNION SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid),
whole AS MATERIALIZED (
  SELECT pg_catalog.count(*) - 1 AS below,
    pg_catalog.sum(c.reltuples) FILTER (WHERE c.relkind <> 'p' AND c.reltuples >= 0)::pg_catalog.int8 AS estimated_rows,
    nullif(pg_catalog.count(*) FILTER (WHERE c.relkind <> 'p' AND c.reltuples < 0), 0) AS uncounted,
    pg_catalog.sum(pg_catalog.pg_total_relation_size(c.oid))::pg_catalog.int8 AS total_bytes,
    pg_catalog.sum(pg_catalog.pg_table_size(c.oid) - x.toast)::pg_catalog.int8 AS table_bytes,
    pg_catalog.sum(x.toast)::pg_catalog.int8 AS toast_bytes,
    pg_catalog.sum(pg_catalog.pg_indexes_size(c.oid))::pg_catalog.int8 AS index_bytes
  FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid
    CROSS JOIN LATERAL (SELECT CASE c.reltoastrelid WHEN 0 THEN 0 ELSE pg_catalog.pg_total_relation_size(c.reltoastrelid) END AS toast) x),
children AS MATERIALIZED (
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound,
    CASE c.relkind WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table' END AS kind
  FROM target t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.relkind <> 'I'),
parents AS MATERIALIZED (
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, i.inhseqno
  FROM target t JOIN pg_catalog.pg_inherits i ON i.inhrelid = t.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
SELECT pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'schema', t.nspname, 'name', t.relname,
  'kind', CASE t.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
    WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' WHEN 'I' THEN 'partitioned index'
    WHEN 'c' THEN 'composite type' WHEN 't' THEN 'TOAST table' ELSE 'relation' END,
  'persistence', CASE t.relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' END,
  'owner', pg_catalog.pg_get_userbyid(t.relowner),
  'comment', pg_catalog.obj_description(t.oid, 'pg_class'),
  'estimated_rows', CASE WHEN t.relkind IN ('r', 'p', 'm', 'f') THEN w.estimated_rows END,
  'total_bytes', CASE WHEN t.relkind IN ('r', 'p', 'm', 'i') THEN w.total_bytes END,
  'table_bytes', CASE WHEN t.relkind IN ('r', 'p', 'm') THEN w.table_bytes END,
  'toast_bytes', CASE WHEN t.relkind IN ('r', 'p', 'm') THEN w.toast_bytes END,
  'index_bytes', CASE WHEN t.relkind IN ('r', 'p', 'm') THEN w.index_bytes END,
  'own_estimated_rows', CASE WHEN t.relkind = 'r' AND w.below > 0 AND t.reltuples >= 0 THEN t.reltuples::pg_catalog.int8 END,
  'own_total_bytes', CASE WHEN t.relkind = 'r' AND w.below > 0 THEN pg_catalog.pg_total_relation_size(t.oid) END,
  'rows_not_counted_in', CASE WHEN w.below > 0 THEN w.uncounted END,
  'last_analyzed', pg_catalog.date_trunc('second',
    greatest(pg_catalog.pg_stat_get_last_analyze_time(t.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(t.oid))),
  'options', pg_catalog.to_json(t.reloptions),
  'replica_identity', CASE t.relreplident WHEN 'f' THEN 'full' WHEN 'i' THEN 'index' WHEN 'n' THEN CASE WHEN t.relkind IN ('r', 'p') THEN 'nothing' END END,
  'row_security', CASE WHEN t.relkind IN ('r', 'p') THEN t.relrowsecurity END,
  'row_security_forced', CASE WHEN t.relforcerowsecurity THEN true END,
  'partition_key', CASE WHEN t.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(t.oid) END,
  'partition_of', CASE WHEN t.relispartition THEN (SELECT p.name FROM parents p LIMIT 1) END,
  'partition_bound', CASE WHEN t.relispartition THEN pg_catalog.pg_get_expr(t.relpartbound, t.oid) END,
  'inherits', CASE WHEN NOT t.relispartition THEN (SELECT pg_catalog.json_agg(p.name ORDER BY p.inhseqno) FROM parents p) END,
  'partitions', CASE WHEN t.relkind = 'p' THEN w.below END,
  'inheriting_tables', CASE WHEN t.relkind IN ('r', 'f') THEN nullif(w.below, 0) END,
  'children', (SELECT pg_catalog.json_agg(c ORDER BY c.name) FROM (SELECT * FROM children ORDER BY name LIMIT 50) c),
  'definition', CASE WHEN t.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(t.oid) WHEN t.relkind IN ('i', 'I') THEN pg_catalog.pg_get_indexdef(t.oid) END,
  'populated', CASE WHEN t.relkind = 'm' THEN t.relispopulated END,
  'takes_changes', CASE WHEN t.relkind = 'v' THEN pg_catalog.pg_relation_is_updatable(t.oid, true) & 28 = 28 END,
  'index_of', (SELECT x.indrelid::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_index x WHERE x.indexrelid = t.oid),
  'valid', (SELECT x.indisvalid FROM pg_catalog.pg_index x WHERE x.indexrelid = t.oid),
  'server', (SELECT s.srvname FROM pg_catalog.pg_foreign_table f JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = t.oid),
  'foreign_options', (SELECT pg_catalog.to_json(f.ftoptions) FROM pg_catalog.pg_foreign_table f WHERE f.ftrelid = t.oid),
  'sequence', (SELECT pg_catalog.json_build_object('type', pg_catalog.format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement,
      'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycles', s.seqcycle,
      'last_value', CASE WHEN pg_catalog.has_sequence_privilege(t.oid, 'USAGE, SELECT') THEN pg_catalog.pg_sequence_last_value(t.oid) END,
      'owned_by', (SELECT pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname) FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_class c ON c.oid = d.refobjid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.objid = t.oid AND d.deptype IN ('a', 'i') LIMIT 1))
    FROM pg_catalog.pg_sequence s WHERE s.seqrelid = t.oid),
  'columns', CASE WHEN t.relkind NOT IN ('i', 'I', 'S') THEN (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'not_null', CASE WHEN a.attnotnull THEN true END,
      'default', CASE a.attgenerated WHEN '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
      'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
      'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END,
      'expression', CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
      'collation', (SELECT pg_catalog.format('%I.%I', n.nspname, l.collname) FROM pg_catalog.pg_collation l
        JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation AND a.attcollation <> y.typcollation),
      'enum', k.labels, 'domain', k.domain,
      'inherited', CASE WHEN a.attinhcount > 0 AND NOT t.relispartition THEN true END,
      'comment', pg_catalog.col_description(a.attrelid, a.attnum),
      'null_fraction', nullif(st.null_frac, 0),
      'estimated_distinct_values', CASE WHEN st.n_distinct >= 0 THEN pg_catalog.round(st.n_distinct::pg_catalog.numeric)
        ELSE pg_catalog.round((-st.n_distinct)::pg_catalog.numeric * w.estimated_rows) END) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      LEFT JOIN LATERAL (SELECT x.null_frac, x.n_distinct FROM pg_catalog.pg_stats x
        WHERE x.schemaname = t.nspname AND x.tablename = t.relname AND x.attname = a.attname ORDER BY x.inherited DESC LIMIT 1) st ON true
      CROSS JOIN LATERAL (
        -- From an array to its elements, from a domain to what it is made of.
        WITH RECURSIVE chain(oid, step) AS (
          SELECT a.atttypid, 0
          UNION ALL SELECT CASE WHEN u.typtype = 'd' THEN u.typbasetype ELSE u.typelem END, c.step + 1
          FROM chain c JOIN pg_catalog.pg_type u ON u.oid = c.oid
          WHERE c.step < 20 AND (u.typtype = 'd' OR u.typcategory = 'A' AND u.typelem <> 0))
        SELECT (SELECT pg_catalog.json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM chain c JOIN pg_catalog.pg_enum e ON e.enumtypid = c.oid) AS labels,
          (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', pg_catalog.format_type(u.oid, NULL),
              'type', pg_catalog.format_type(u.typbasetype, u.typtypmod), 'not_null', CASE WHEN u.typnotnull THEN true END, 'default', u.typdefault,
              'constraints', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', o.conname,
                'definition', pg_catalog.pg_get_constraintdef(o.oid)) ORDER BY o.conname) FROM pg_catalog.pg_constraint o WHERE o.contypid = u.oid))
              ORDER BY c.step)
            FROM chain c JOIN pg_catalog.pg_type u ON u.oid = c.oid WHERE u.typtype = 'd') AS domain) k
    WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped) END,
  'constraints', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', o.conname,
      'type', CASE o.contype WHEN 'p' THEN 'primary key' WHEN 'f' THEN 'foreign key' WHEN 'u' THEN 'unique' WHEN 'c' THEN 'check'
        WHEN 'x' THEN 'exclusion' WHEN 'n' THEN 'not null' WHEN 't' THEN 'constraint trigger' ELSE 'other' END,
      'definition', pg_catalog.pg_get_constraintdef(o.oid), 'validated', CASE WHEN NOT o.convalidated THEN false END,
      'comment', pg_catalog.obj_description(o.oid, 'pg_constraint')) ORDER BY o.contype DESC, o.conname)
    FROM pg_catalog.pg_constraint o WHERE o.conrelid = t.oid),
  'indexes', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', i.relname, 'definition', pg_catalog.pg_get_indexdef(x.indexrelid),
      'valid', CASE WHEN NOT x.indisvalid THEN false END, 'bytes', z.bytes, 'scans', z.scans,
      'comment', pg_catalog.obj_description(i.oid, 'pg_class')) ORDER BY i.relname)
    FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
      CROSS JOIN LATERAL (
        WITH RECURSIVE all_of(oid) AS (SELECT x.indexrelid
          UNION SELECT h.inhrelid FROM all_of o JOIN pg_catalog.pg_inherits h ON h.inhparent = o.oid)
        SELECT pg_catalog.sum(pg_catalog.pg_relation_size(o.oid))::pg_catalog.int8 AS bytes,
          coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_numscans(o.oid)), 0)::pg_catalog.int8 AS scans FROM all_of o) z
    WHERE x.indrelid = t.oid),
  'referenced_by', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('table', o.conrelid::pg_catalog.regclass::pg_catalog.text,
      'constraint', o.conname, 'definition', pg_catalog.pg_get_constraintdef(o.oid)) ORDER BY o.conrelid::pg_catalog.regclass::pg_catalog.text, o.conname)
    FROM pg_catalog.pg_constraint o WHERE o.confrelid = t.oid AND o.contype = 'f' AND o.conparentid = 0),
  'triggers', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', g.tgname, 'definition', pg_catalog.pg_get_triggerdef(g.oid),
      'enabled', g.tgenabled IN ('O', 'A'), 'comment', pg_catalog.obj_description(g.oid, 'pg_trigger')) ORDER BY g.tgname)
    FROM pg_catalog.pg_trigger g WHERE g.tgrelid = t.oid AND NOT g.tgisinternal),
  'rules', (SELECT pg_catalog.json_agg(pg_catalog.pg_get_ruledef(r.oid) ORDER BY r.rulename) FROM pg_catalog.pg_rewrite r
    WHERE r.ev_class = t.oid AND r.rulename <> '_RETURN'),
  'row_security_policies', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', p.polname,
      'command', CASE p.polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' END,
      'permissive', p.polpermissive,
      'roles', (SELECT pg_catalog.json_agg(CASE r.role WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(r.role)::pg_catalog.text END)
        FROM pg_catalog.unnest(p.polroles) AS r(role)),
      'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'with_check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
      'comment', pg_catalog.obj_description(p.oid, 'pg_policy')) ORDER BY p.polname)
    FROM pg_catalog.pg_policy p WHERE p.polrelid = t.oid),
  'extended_statistics', (SELECT pg_catalog.json_agg(pg_catalog.pg_get_statisticsobjdef(e.oid) ORDER BY e.stxname)
    FROM pg_catalog.pg_statistic_ext e WHERE e.stxrelid = t.oid))) AS about
FROM target t CROSS JOIN whole w
