-- What the facet /*{facet}*/ of the object l is now, as an approval is bound to it: by names, since the object id of what the statements
-- made is another one in every attempt.
CASE
  WHEN n.value IS NULL THEN NULL
  WHEN /*{facet}*/ IN ('owner', 'schema') THEN n.value ->> 1
  WHEN pg_catalog.starts_with(/*{facet}*/, '+role ') THEN pg_catalog.substring(n.value ->> 0, '^[0-9]+ (.*)$')
  WHEN pg_catalog.starts_with(/*{facet}*/, 'column ') THEN (
    SELECT pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod), a.attcollation::pg_catalog.regcollation) FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = pg_catalog.substring(l.key, '[0-9]+$')::pg_catalog.oid AND a.attnum = pg_catalog.substring(/*{facet}*/, '[0-9]+$')::pg_catalog.int2)
  WHEN /*{facet}*/ = 'base' THEN (
    SELECT pg_catalog.format_type(t.typbasetype, t.typtypmod) FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.substring(l.key, '[0-9]+$')::pg_catalog.oid)
  WHEN /*{facet}*/ ~ '^[+]?policy ' THEN (
    SELECT pg_catalog.concat_ws(' ', p.polcmd, p.polpermissive, (SELECT pg_catalog.string_agg(CASE r WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(r)::pg_catalog.text END, ',' ORDER BY 1)
      FROM pg_catalog.unnest(p.polroles) r), pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_catalog.pg_policy p WHERE p.polrelid = pg_catalog.substring(l.key, '[0-9]+$')::pg_catalog.oid AND p.polname = n.value ->> 1)
  WHEN pg_catalog.starts_with(/*{facet}*/, '+rule ') THEN (
    SELECT pg_catalog.concat_ws(' ', w.ev_enabled, pg_catalog.md5(pg_catalog.pg_get_ruledef(w.oid))) FROM pg_catalog.pg_rewrite w
    WHERE w.ev_class = pg_catalog.substring(l.key, '[0-9]+$')::pg_catalog.oid AND '+rule ' || w.rulename = /*{facet}*/)
  WHEN /*{facet}*/ = 'body' THEN (
    SELECT CASE f.prokind WHEN 'a' THEN n.value ->> 0 ELSE pg_catalog.md5(pg_catalog.pg_get_functiondef(f.oid)) END FROM pg_catalog.pg_proc f
    WHERE f.oid = pg_catalog.substring(l.key, '[0-9]+$')::pg_catalog.oid)
  ELSE n.value ->> 0 END
