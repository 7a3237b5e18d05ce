-- What is gone, changed, added or emptied, from the ledger of before to that of now.
ledger AS MATERIALIZED (SELECT l.key, l.name, l.facets FROM verified v, LATERAL (/*{ledger}*/) l WHERE v.was -> 'ledger' IS NOT NULL),
former AS MATERIALIZED (SELECT e.key, e.value ->> 0 AS name, e.value -> 1 AS facets FROM verified v, pg_catalog.jsonb_each(v.was -> 'ledger') e),
rewritten AS MATERIALIZED (
  SELECT c.oid, s.nspname || '.' || c.relname AS name, coalesce(t.inserted, 0) AS inserted, c.relispopulated AS populated
  FROM verified v, pg_catalog.jsonb_each_text(v.was -> 'files') o JOIN pg_catalog.pg_class c ON c.oid = o.key::pg_catalog.oid
    JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace LEFT JOIN touched t ON t.oid = c.oid
  WHERE c.relfilenode <> o.value::pg_catalog.oid AND NOT (v.was -> 'empty') ? o.key
  -- What others made meanwhile, and this transaction wrote anew.
  UNION ALL SELECT c.oid, s.nspname || '.' || c.relname, coalesce(t.inserted, 0), c.relispopulated
  FROM verified v, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace LEFT JOIN touched t ON t.oid = c.oid
  WHERE v.was -> 'ledger' IS NOT NULL AND c.oid >= 16384 AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relfilenode <> c.oid
    AND NOT (v.was -> 'files') ? c.oid::pg_catalog.text AND c.oid NOT IN (SELECT m.oid FROM made m)
    AND EXISTS (SELECT FROM own o WHERE o.xid = c.xmin)),
-- What statements call an object by: its kind of name, its schema, and its name without a function's or an operator's arguments.
bare AS MATERIALIZED (SELECT f.key, f.name, f.facets, /*{called of f}*/ AS called FROM former f),
now_bare AS MATERIALIZED (SELECT f.key, /*{called of f}*/ AS called FROM ledger f),
-- The names that something has now which hadn't.
taken AS MATERIALIZED (SELECT n.key, n.called FROM now_bare n WHERE NOT EXISTS (SELECT FROM bare b WHERE b.key = n.key AND b.called = n.called)),
lines AS MATERIALIZED (
  SELECT f.key, f.name, NULL AS facet, NULL AS label, 'gone' AS what, NULL AS now, f.facets #>> '{kind,0}' AS kind FROM former f LEFT JOIN ledger l ON l.key = f.key WHERE l.key IS NULL
    -- An index that was built anew, as a column's change of type has it, is the same under another object id.
    AND NOT (f.facets ? 'definition' AND EXISTS (SELECT FROM ledger n WHERE n.name = f.name AND n.facets -> 'kind' = f.facets -> 'kind' AND n.facets -> 'owner' = f.facets -> 'owner'
      AND n.facets -> 'definition' = f.facets -> 'definition' AND n.facets -> 'uniqueness' IS NOT DISTINCT FROM f.facets -> 'uniqueness'
      AND NOT EXISTS (SELECT FROM former o WHERE o.key = n.key)))
  UNION ALL SELECT f.key, f.name, o.key, o.value ->> 1, CASE WHEN n.value IS NULL
      -- A constraint that is there again under its name and says something else, as after a column's change of type, is a changed one.
      AND NOT (pg_catalog.starts_with(o.key, 'constraint ') AND EXISTS (SELECT FROM pg_catalog.jsonb_each(l.facets) a
        WHERE pg_catalog.starts_with(a.key, 'constraint ') AND a.value ->> 1 = o.value ->> 1 AND NOT f.facets ? a.key)) THEN 'gone' ELSE 'changed' END, /*{now of o.key}*/, f.facets #>> '{kind,0}'
  FROM former f JOIN ledger l ON l.key = f.key, pg_catalog.jsonb_each(f.facets) o LEFT JOIN LATERAL (SELECT l.facets -> o.key AS value) n ON true
  WHERE l.facets <> f.facets AND o.value -> 0 IS DISTINCT FROM n.value -> 0
    -- So is a constraint that stands there again, word for word, which was checked once more. A trigger may have been left out meanwhile.
    AND NOT (n.value IS NULL AND (pg_catalog.starts_with(o.key, 'constraint ') OR pg_catalog.starts_with(o.key, 'trigger of constraint ')) AND EXISTS (SELECT FROM pg_catalog.jsonb_each(l.facets) a
      WHERE a.value = o.value AND NOT f.facets ? a.key AND pg_catalog.regexp_replace(a.key, '[0-9]+', '', 'g') = pg_catalog.regexp_replace(o.key, '[0-9]+', '', 'g')))
  UNION ALL SELECT f.key, f.name, CASE
      WHEN n.key ~ '^[+](place under|table) [0-9]+$' THEN pg_catalog.concat(pg_catalog.substring(n.key, '^(.*) [0-9]+$'), ' ', pg_catalog.substring(n.key, '[0-9]+$')::pg_catalog.oid::pg_catalog.regclass)
      ELSE n.key END, n.value ->> 1, 'added', /*{now of n.key}*/, f.facets #>> '{kind,0}'
  FROM former f JOIN ledger l ON l.key = f.key, pg_catalog.jsonb_each(l.facets) n
  WHERE l.facets <> f.facets AND pg_catalog.starts_with(n.key, '+') AND NOT f.facets ? n.key
  -- A place under what others read.
  UNION ALL SELECT f.key, f.name, pg_catalog.concat('+place under ', pg_catalog.substring(n.key, '[0-9]+$')::pg_catalog.oid::pg_catalog.regclass), n.value ->> 1, 'added', NULL, f.facets #>> '{kind,0}'
  FROM former f JOIN ledger l ON l.key = f.key, pg_catalog.jsonb_each(l.facets) n
  WHERE l.facets <> f.facets AND pg_catalog.starts_with(n.key, 'place under ') AND NOT f.facets ? n.key AND n.value ->> 2 = 'true'
  -- Another object under the name of one that was renamed or moved: whoever uses that name uses the new one.
  UNION ALL SELECT b.key, b.name, 'name', 'name', 'replaced', l.name, b.facets #>> '{kind,0}'
  FROM bare b JOIN ledger l ON l.key = b.key
  WHERE EXISTS (SELECT FROM taken n WHERE n.called = b.called AND n.key <> b.key) AND NOT EXISTS (SELECT FROM now_bare s WHERE s.key = b.key AND s.called = b.called)
  UNION ALL SELECT f.key, f.name, o.key, o.value ->> 1, 'replaced', n.value ->> 1, f.facets #>> '{kind,0}'
  FROM former f JOIN ledger l ON l.key = f.key, pg_catalog.jsonb_each(f.facets) o JOIN LATERAL (SELECT l.facets -> o.key AS value) n ON true
  WHERE l.facets <> f.facets AND pg_catalog.starts_with(o.key, 'column ') AND n.value ->> 1 <> o.value ->> 1
    AND EXISTS (SELECT FROM pg_catalog.jsonb_each(l.facets) c WHERE pg_catalog.starts_with(c.key, 'column ') AND c.value ->> 1 = o.value ->> 1)
  -- Rights on what is new: only those that its owner's defaults give.
  UNION ALL SELECT pg_catalog.split_part(l.key, ' ', 1), l.name, 'rights', 'rights', 'added', l.facets #>> '{rights,0}', l.facets #>> '{kind,0}'
  FROM ledger l WHERE l.facets #>> '{rights,0}' <> '' AND NOT EXISTS (SELECT FROM former f WHERE f.key = l.key)
    AND EXISTS (SELECT FROM pg_catalog.aclexplode((l.facets #>> '{rights,0}')::pg_catalog.aclitem[]) a
      WHERE a.grantee <> (l.facets #>> '{owner,0}')::pg_catalog.oid
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) g
          WHERE d.defaclrole = (l.facets #>> '{owner,0}')::pg_catalog.oid
            AND (d.defaclnamespace = 0 OR pg_catalog.starts_with(l.name, (SELECT n.nspname || '.' FROM pg_catalog.pg_namespace n WHERE n.oid = d.defaclnamespace)))
            AND d.defaclobjtype = CASE pg_catalog.split_part(l.key, ' ', 1) WHEN 'function' THEN 'f' WHEN 'type' THEN 'T' WHEN 'schema' THEN 'n'
              ELSE CASE l.facets #>> '{kind,0}' WHEN 'S' THEN 'S' ELSE 'r' END END::"char"
            AND g.grantee = a.grantee AND g.privilege_type = a.privilege_type)
        AND NOT (a.grantee = 0 AND a.privilege_type IN ('EXECUTE', 'USAGE') AND pg_catalog.split_part(l.key, ' ', 1) IN ('function', 'type')))
  UNION ALL SELECT pg_catalog.split_part(l.key, ' ', 1), l.name, c.key, c.value ->> 1, 'added', c.value ->> 0, l.facets #>> '{kind,0}'
  FROM ledger l, pg_catalog.jsonb_each(l.facets) c WHERE pg_catalog.starts_with(c.key, '+rights on column ') AND NOT EXISTS (SELECT FROM former f WHERE f.key = l.key)
    AND EXISTS (SELECT FROM pg_catalog.aclexplode((c.value ->> 0)::pg_catalog.aclitem[]) a WHERE a.grantee <> (l.facets #>> '{owner,0}')::pg_catalog.oid)
  -- Another file for a table, and no row in it that this transaction didn't insert.
  UNION ALL SELECT 'relation ' || r.oid, r.name, 'rows', 'rows', 'emptied', NULL, 'r' FROM rewritten r WHERE CASE WHEN NOT r.populated THEN true
    WHEN NOT pg_catalog.has_table_privilege(r.oid, 'SELECT') OR pg_catalog.row_security_active(r.oid) THEN true
    ELSE pg_catalog.substring(pg_catalog.query_to_xml(pg_catalog.format('SELECT pg_catalog.count(*) AS n FROM (SELECT 1 FROM ONLY %s LIMIT %s) AS x',
      r.oid::pg_catalog.regclass, r.inserted + 1), false, true, '')::pg_catalog.text, '<n>([0-9]+)</n>')::bigint <= r.inserted END
  -- A table that was written anew, and a column of it that was defined anew: what it holds may be something else now (ALTER … TYPE … USING).
  UNION ALL SELECT f.key, f.name, o.key, o.value ->> 1, 'rewritten', NULL, f.facets #>> '{kind,0}'
  FROM rewritten r JOIN former f ON f.key = 'relation ' || r.oid JOIN ledger l ON l.key = f.key, pg_catalog.jsonb_each(f.facets) o
  WHERE pg_catalog.starts_with(o.key, 'column ') AND o.value ->> 2 <> l.facets -> o.key ->> 2
  UNION ALL SELECT 'catalogue', u.key, NULL, NULL, 'changed', NULL, NULL FROM verified v, here h, pg_catalog.jsonb_each_text(h.counters -> 'unreadable') u
  WHERE u.value::bigint > coalesce((v.was #>> ARRAY['unreadable', u.key])::bigint, 0)),
