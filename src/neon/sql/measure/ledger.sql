-- Every object whose loss or weakening counts: a key that lives as long as the object, its name, and its facets. A facet is
-- `name: [state, label, …]`: the state must be the same afterwards, the label is for people. What protects only while it is on has a
-- facet only then, so that turning it on adds one and turning it off loses one. A facet whose name begins with `+` counts when it
-- is added, too: it gives rights, or changes what other statements do; it is keyed by names, since an object id is another one
-- in every attempt. Members of extensions stand for themselves as a number, with their extension.
--
-- Temporary relations, TOAST tables and what initdb made (object ids below 16384) are left out, but for schemas and roles.
SELECT o.key, o.name, o.facets FROM (
WITH RECURSIVE member AS MATERIALIZED (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
  WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'),
space AS MATERIALIZED (
  SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_(toast|temp_|toast_temp_)'),
relation AS MATERIALIZED (
  SELECT c.*, s.nspname FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace
  WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind <> 't'),
-- What a row of a table is seen in once the table has a place under another one: that, what that is under, and the views of all of it.
above AS (
  SELECT DISTINCT i.inhparent AS of, i.inhparent AS seen FROM pg_catalog.pg_inherits i
  UNION SELECT a.of, u.seen FROM above a, LATERAL (
    SELECT i.inhparent AS seen FROM pg_catalog.pg_inherits i WHERE i.inhrelid = a.seen
    UNION ALL SELECT w.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refobjid = a.seen AND w.ev_class <> a.seen) u),
-- Who may do what with it there: by rights on the whole, on a column, or as its owner.
readers AS MATERIALIZED (
  SELECT DISTINCT a.of, g.grantee, g.privilege_type FROM above a JOIN pg_catalog.pg_class c ON c.oid = a.seen, LATERAL (
    SELECT x.grantee, x.privilege_type FROM pg_catalog.aclexplode(c.relacl) x
    UNION ALL SELECT x.grantee, x.privilege_type FROM pg_catalog.pg_attribute t, pg_catalog.aclexplode(t.attacl) x WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL
    UNION ALL SELECT c.relowner, 'SELECT') g),
published AS MATERIALIZED (
  SELECT DISTINCT a.of FROM above a JOIN pg_catalog.pg_publication_rel t ON t.prrelid = a.seen),
part AS (
  SELECT a.attrelid AS of, 'column ' || a.attnum AS facet,
    pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', a.atttypid, a.atttypmod, a.attcollation), a.attname, a.xmin::pg_catalog.text) AS state
  FROM pg_catalog.pg_attribute a JOIN relation r ON r.oid = a.attrelid
  WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
  UNION ALL SELECT a.attrelid, '+rights on column ' || a.attname, pg_catalog.jsonb_build_array(a.attacl::text, a.attname)
  FROM pg_catalog.pg_attribute a JOIN relation r ON r.oid = a.attrelid WHERE a.attacl IS NOT NULL
  UNION ALL SELECT k.conrelid, 'constraint ' || k.oid, pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', k.contype, k.condeferrable,
    k.condeferred, k.convalidated, pg_catalog.to_jsonb(k) ->> 'conenforced', k.conkey, k.confrelid, k.confkey, k.confupdtype, k.confdeltype,
    k.confmatchtype, k.connoinherit, pg_catalog.md5(pg_catalog.pg_get_expr(k.conbin, k.conrelid)), k.conexclop, pg_catalog.to_jsonb(k) ->> 'confdelsetcols',
    -- Of a foreign key its index is the other table's.
    (SELECT pg_catalog.concat_ws(' ', pg_catalog.to_jsonb(x) ->> 'indnullsnotdistinct', x.indcollation, (SELECT pg_catalog.string_agg(o.opcfamily::text, ' ' ORDER BY k.n) FROM pg_catalog.unnest(x.indclass::oid[]) WITH ORDINALITY k(id, n) JOIN pg_catalog.pg_opclass o ON o.oid = k.id), x.indisreplident)
      FROM pg_catalog.pg_index x WHERE x.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x'))), k.conname)
  FROM pg_catalog.pg_constraint k WHERE k.conrelid >= 16384 AND k.contype IN ('c', 'f', 'p', 'u', 'x')
  -- A constraint has triggers of its own, which check it: those are told by its name, and hold its table and itself, whose loss is theirs.
  UNION ALL SELECT t.tgrelid, CASE WHEN t.tgisinternal THEN pg_catalog.concat('trigger of constraint ', k.conrelid, '/', t.tgconstraint, ' ', t.oid) ELSE 'trigger ' || t.oid END,
    pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', t.tgfoid, t.tgtype, t.tgdeferrable,
    t.tginitdeferred, t.tgattr, pg_catalog.md5(t.tgqual::text), pg_catalog.md5(pg_catalog.encode(t.tgargs, 'hex'))),
    CASE WHEN t.tgisinternal THEN coalesce(k.conname, t.tgname)::text ELSE t.tgname::text END)
  FROM pg_catalog.pg_trigger t LEFT JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint WHERE t.tgenabled IN ('O', 'A') AND t.tgrelid >= 16384
  UNION ALL SELECT t.tgrelid, 'trigger that always fires ' || t.oid, pg_catalog.jsonb_build_array(true, t.tgname)
  FROM pg_catalog.pg_trigger t WHERE t.tgenabled = 'A' AND t.tgrelid >= 16384
  UNION ALL SELECT p.polrelid, CASE WHEN p.polpermissive THEN '+policy ' ELSE 'policy ' END || p.polname,
    pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', p.polcmd, p.polpermissive, p.polroles, coalesce(pg_catalog.md5(p.polqual::text), '-'),
    coalesce(pg_catalog.md5(p.polwithcheck::text), '-')), p.polname) FROM pg_catalog.pg_policy p
  UNION ALL SELECT w.ev_class, '+rule ' || w.rulename, pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', w.ev_type, w.is_instead,
    w.ev_enabled, pg_catalog.md5(w.ev_qual::text), pg_catalog.md5(w.ev_action::text)),
    CASE w.rulename WHEN '_RETURN' THEN 'definition' ELSE w.rulename::text END)
  FROM pg_catalog.pg_rewrite w WHERE w.ev_class >= 16384
  -- Who may read the table above reads it through that, whatever protects it; and what is half of it is less of both. A partition counts
  -- with its table, so there it is the readers alone that matter. The third entry says whether a new place opens it to anyone.
  UNION ALL SELECT i.inhrelid, 'place under ' || i.inhparent, pg_catalog.jsonb_build_array(
    coalesce(pg_catalog.md5(pg_catalog.pg_get_expr(c.relpartbound, c.oid)), '-'), p.relname,
    c.relkind IN ('r', 'f', 'p') AND (p.relkind <> 'p' OR c.relrowsecurity OR i.inhparent IN (SELECT b.of FROM published b) OR EXISTS (
      SELECT FROM readers a WHERE a.of = i.inhparent AND a.grantee <> c.relowner AND NOT EXISTS (
        SELECT FROM pg_catalog.aclexplode(c.relacl) o WHERE o.grantee = a.grantee AND o.privilege_type = a.privilege_type))))
  FROM pg_catalog.pg_inherits i JOIN relation p ON p.oid = i.inhparent JOIN relation c ON c.oid = i.inhrelid
  UNION ALL SELECT x.indexrelid, 'uniqueness', pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', x.indkey, x.indimmediate,
    pg_catalog.md5(x.indexprs::text), pg_catalog.md5(x.indpred::text), pg_catalog.to_jsonb(x) ->> 'indnullsnotdistinct', x.indcollation, (SELECT pg_catalog.string_agg(o.opcfamily::text, ' ' ORDER BY k.n) FROM pg_catalog.unnest(x.indclass::oid[]) WITH ORDINALITY k(id, n) JOIN pg_catalog.pg_opclass o ON o.oid = k.id)), 'uniqueness')
  FROM pg_catalog.pg_index x WHERE x.indisunique AND x.indisvalid AND x.indexrelid >= 16384
  -- What tells an index that was built anew from another one of its name.
  UNION ALL SELECT x.indexrelid, 'definition', pg_catalog.jsonb_build_array(true, 'definition', pg_catalog.concat_ws(' ', x.indrelid, c.relam, x.indkey,
    x.indnkeyatts, x.indoption, x.indisvalid, pg_catalog.md5(pg_catalog.pg_get_expr(x.indexprs, x.indrelid)),
    pg_catalog.md5(pg_catalog.pg_get_expr(x.indpred, x.indrelid)), c.reloptions::text,
    pg_catalog.to_jsonb(x) ->> 'indnullsnotdistinct', x.indcollation, (SELECT pg_catalog.string_agg(o.opcfamily::text, ' ' ORDER BY k.n) FROM pg_catalog.unnest(x.indclass::oid[]) WITH ORDINALITY k(id, n) JOIN pg_catalog.pg_opclass o ON o.oid = k.id), x.indisreplident))
  FROM pg_catalog.pg_index x JOIN relation c ON c.oid = x.indexrelid
  UNION ALL SELECT r.oid, 'option ' || o, pg_catalog.jsonb_build_array(true, o)
  FROM relation r, pg_catalog.unnest(r.reloptions) o WHERE o ~ '^(security_|check_option)'),
parts AS MATERIALIZED (SELECT p.of, pg_catalog.jsonb_object_agg(p.facet, p.state) AS facets FROM part p GROUP BY p.of),
whole AS (
  SELECT pg_catalog.jsonb_object_agg(w.facet, w.state) AS facets FROM (
  SELECT '+role ' || r.rolname AS facet, pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', r.oid, r.rolsuper, r.rolinherit, r.rolcreaterole,
    r.rolcreatedb, r.rolcanlogin, r.rolreplication, r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil), r.rolname) AS state FROM pg_catalog.pg_roles r
  UNION ALL SELECT '+member ' || pg_catalog.pg_get_userbyid(m.member) || ' of ' || pg_catalog.pg_get_userbyid(m.roleid) || ' by '
    || pg_catalog.pg_get_userbyid(m.grantor), pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', m.admin_option,
    pg_catalog.to_jsonb(m) ->> 'inherit_option', pg_catalog.to_jsonb(m) ->> 'set_option'), pg_catalog.pg_get_userbyid(m.member))
  FROM pg_catalog.pg_auth_members m
  UNION ALL SELECT '+setting of ' || coalesce(d.datname, 'every database') || ' for '
    || CASE s.setrole WHEN 0 THEN 'every role' ELSE pg_catalog.pg_get_userbyid(s.setrole) END || ': ' || pg_catalog.split_part(v, '=', 1),
    pg_catalog.jsonb_build_array(v, pg_catalog.split_part(v, '=', 1))
  FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, pg_catalog.unnest(s.setconfig) v
  UNION ALL SELECT '+default rights ' || pg_catalog.concat_ws(' ', pg_catalog.pg_get_userbyid(a.defaclrole), n.nspname, a.defaclobjtype),
    pg_catalog.jsonb_build_array(a.defaclacl::text, a.defaclobjtype)
  FROM pg_catalog.pg_default_acl a LEFT JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace
  UNION ALL SELECT '+publication of everything: ' || p.pubname,
    pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate), p.pubname)
  FROM pg_catalog.pg_publication p WHERE p.puballtables
    -- 6237 is pg_publication_namespace, which Postgres has since 15.
    OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 6237
      AND d.refclassid = 'pg_catalog.pg_publication'::pg_catalog.regclass AND d.refobjid = p.oid)
  UNION ALL SELECT '+event trigger ' || e.evtname, pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', e.evtevent, e.evtfoid, e.evtenabled, e.evttags, e.evtowner), e.evtname)
  FROM pg_catalog.pg_event_trigger e
  -- What is made of functions of the database's own runs later, whenever somebody analyzes or writes the table: autovacuum, too, which no
  -- transaction of ours holds. 12 and 13 are Postgres' own code and C.
  UNION ALL SELECT '+code in ' || pg_catalog.pg_describe_object(u.classid, u.objid, 0) || ', which autovacuum runs: ' || u.proname, pg_catalog.jsonb_build_array(u.oid::bigint, u.proname)
  FROM (
    SELECT d.classid, d.objid, f.oid, f.proname FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = f.oid
    WHERE f.oid >= 16384 AND f.prolang NOT IN (12, 13)
    UNION SELECT d.classid, d.objid, f.oid, f.proname FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_operator p ON p.oprcode = f.oid
      JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND d.refobjid = p.oid
    WHERE f.oid >= 16384 AND f.prolang NOT IN (12, 13)) u
  WHERE u.classid IN ('pg_catalog.pg_statistic_ext'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass)
    OR u.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = u.objid)
  UNION ALL SELECT '+security label ' || pg_catalog.concat_ws(' ', l.classoid, l.objoid, l.objsubid, l.provider), pg_catalog.jsonb_build_array(l.label, l.provider)
  FROM pg_catalog.pg_seclabel l) w)
SELECT 'roles and settings' AS key, 'the database' AS name, w.facets FROM whole w
UNION ALL SELECT 'relation ' || r.oid, r.nspname || '.' || r.relname,
  pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('kind', pg_catalog.jsonb_build_array(r.relkind, r.relkind),
    'owner', pg_catalog.jsonb_build_array(r.relowner, pg_catalog.pg_get_userbyid(r.relowner)),
    'rights', CASE WHEN r.relkind = 'c' THEN (SELECT pg_catalog.jsonb_build_array(coalesce(t.typacl::text, ''), coalesce(t.typacl::text, '')) FROM pg_catalog.pg_type t WHERE t.oid = r.reltype)
      WHEN r.relkind NOT IN ('i', 'I') THEN pg_catalog.jsonb_build_array(coalesce(r.relacl::text, ''), coalesce(r.relacl::text, '')) END,
    'schema', CASE WHEN r.relkind NOT IN ('i', 'I') THEN pg_catalog.jsonb_build_array(r.relnamespace, r.nspname, r.relname) END,
    'logging', CASE WHEN r.relpersistence = 'p' AND r.relkind IN ('r', 'S') THEN '[true, "logging"]'::jsonb END,
    'row level security', CASE WHEN r.relrowsecurity THEN '[true, "row level security"]'::jsonb END,
    'replica identity', CASE WHEN r.relkind IN ('r', 'p') AND (r.relreplident IN ('d', 'f') OR r.relreplident = 'i'
      AND EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = r.oid AND x.indisreplident)) THEN '[true, "replica identity"]'::jsonb END,
    'full replica identity', CASE WHEN r.relreplident = 'f' AND r.relkind IN ('r', 'p') THEN '[true, "full replica identity"]'::jsonb END,
    'forced row level security', CASE WHEN r.relforcerowsecurity THEN '[true, "forced row level security"]'::jsonb END))
  || coalesce(p.facets, '{}') FROM relation r LEFT JOIN parts p ON p.of = r.oid
UNION ALL SELECT 'function ' || f.oid, s.nspname || '.' || f.proname || '(' || pg_catalog.pg_get_function_identity_arguments(f.oid) || ')',
  pg_catalog.jsonb_build_object('owner', pg_catalog.jsonb_build_array(f.proowner, pg_catalog.pg_get_userbyid(f.proowner)),
    'rights', pg_catalog.jsonb_build_array(coalesce(f.proacl::text, ''), coalesce(f.proacl::text, '')),
    'schema', pg_catalog.jsonb_build_array(f.pronamespace, s.nspname, f.proname),
    'body', pg_catalog.jsonb_build_array(pg_catalog.md5(pg_catalog.concat_ws(' ', f.prolang, f.prokind, f.prosrc, f.probin, f.proargdefaults::pg_catalog.text, f.prorettype, f.proretset, f.proisstrict,
      pg_catalog.to_jsonb(f) ->> 'prosqlbody', (SELECT pg_catalog.to_jsonb(a) FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = f.oid))), 'body'),
    'security', pg_catalog.jsonb_build_array(f.prosecdef, 'security'), 'settings', pg_catalog.jsonb_build_array(f.proconfig::text, 'settings'),
    'leakproof', pg_catalog.jsonb_build_array(f.proleakproof, 'leakproof'))
  FROM pg_catalog.pg_proc f JOIN space s ON s.oid = f.pronamespace
  WHERE f.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND m.objid = f.oid)
UNION ALL SELECT 'type ' || t.oid, s.nspname || '.' || t.typname,
  pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('owner', pg_catalog.jsonb_build_array(t.typowner, pg_catalog.pg_get_userbyid(t.typowner)),
    'rights', pg_catalog.jsonb_build_array(coalesce(t.typacl::text, ''), coalesce(t.typacl::text, '')),
    'schema', pg_catalog.jsonb_build_array(t.typnamespace, s.nspname, t.typname),
    'base', CASE WHEN t.typtype = 'd' THEN pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', t.typbasetype, t.typtypmod), 'base') END))
  || coalesce((SELECT pg_catalog.jsonb_object_agg('label ' || e.oid, pg_catalog.jsonb_build_array(e.enumlabel, e.enumlabel))
    FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), '{}')
  || coalesce((SELECT pg_catalog.jsonb_object_agg('constraint ' || k.oid, pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', k.convalidated,
    pg_catalog.md5(pg_catalog.pg_get_expr(k.conbin, 0))), k.conname)) FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '{}')
  FROM pg_catalog.pg_type t JOIN space s ON s.oid = t.typnamespace
  WHERE t.oid >= 16384 AND t.typrelid = 0 AND (t.typtype = 'd' OR t.typcategory <> 'A')
    AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND m.objid = t.oid)
UNION ALL SELECT 'schema ' || n.oid, n.nspname::text, pg_catalog.jsonb_build_object('owner', pg_catalog.jsonb_build_array(n.nspowner, pg_catalog.pg_get_userbyid(n.nspowner)),
    'rights', pg_catalog.jsonb_build_array(coalesce(n.nspacl::text, ''), coalesce(n.nspacl::text, '')))
  FROM pg_catalog.pg_namespace n JOIN space s ON s.oid = n.oid
UNION ALL SELECT 'database ' || d.oid, d.datname::text, pg_catalog.jsonb_build_object('owner', pg_catalog.jsonb_build_array(d.datdba, pg_catalog.pg_get_userbyid(d.datdba)),
    'rights', pg_catalog.jsonb_build_array(coalesce(d.datacl::text, ''), coalesce(d.datacl::text, '')),
    'connections', pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', d.datallowconn, d.datconnlimit), 'connections'))
    -- Whoever may make databases may copy a template.
    || CASE WHEN d.datistemplate THEN '{"+template": [true, "template"]}'::jsonb ELSE '{}' END
  FROM pg_catalog.pg_database d
UNION ALL SELECT 'publication ' || p.oid, p.pubname::text, coalesce((SELECT pg_catalog.jsonb_object_agg('+table ' || t.prrelid,
    pg_catalog.jsonb_build_array(pg_catalog.md5((pg_catalog.to_jsonb(t) - 'oid')::pg_catalog.text), c.relname)) FROM pg_catalog.pg_publication_rel t JOIN pg_catalog.pg_class c ON c.oid = t.prrelid WHERE t.prpubid = p.oid), '{}')
  || pg_catalog.jsonb_build_object('owner', pg_catalog.jsonb_build_array(p.pubowner, pg_catalog.pg_get_userbyid(p.pubowner)),
    'actions', pg_catalog.jsonb_build_array(pg_catalog.concat_ws(' ', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot), 'actions'))
  FROM pg_catalog.pg_publication p
UNION ALL SELECT 'extension ' || e.oid, e.extname::text, pg_catalog.jsonb_build_object('members', pg_catalog.jsonb_build_array((SELECT pg_catalog.count(*)
    FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid AND d.deptype = 'e'), 'members'))
  FROM pg_catalog.pg_extension e
UNION ALL SELECT x.kind || ' ' || x.oid, pg_catalog.concat_ws('.', s.nspname, x.name), pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
    'owner', CASE WHEN x.owner <> 0 THEN pg_catalog.jsonb_build_array(x.owner, pg_catalog.pg_get_userbyid(x.owner)) END,
    'schema', CASE WHEN x.space <> 0 THEN pg_catalog.jsonb_build_array(x.space, s.nspname, x.name) END,
    'options', CASE WHEN x.definition <> '' THEN pg_catalog.jsonb_build_array(pg_catalog.md5(x.definition), 'options') END,
    'rights', CASE WHEN x.rights IS NOT NULL THEN pg_catalog.jsonb_build_array(x.rights::text, x.rights::text) END))
  || coalesce((SELECT pg_catalog.jsonb_object_agg('mapping ' || m.maptokentype, m.state) FROM (SELECT m.maptokentype, pg_catalog.jsonb_build_array(
      pg_catalog.string_agg(m.mapdict::text, ' ' ORDER BY m.mapseqno), 'mapping') AS state
    FROM pg_catalog.pg_ts_config_map m WHERE x.kind = 'text search configuration' AND m.mapcfg = x.oid GROUP BY m.maptokentype) m), '{}') FROM (
  SELECT 'operator' AS kind, o.oid, 'pg_catalog.pg_operator'::pg_catalog.regclass AS class, o.oprname AS name, o.oprnamespace AS space, o.oprowner AS owner,
    pg_catalog.concat_ws(' ', o.oprcode::oid, o.oprrest::oid, o.oprjoin::oid) AS definition, NULL::pg_catalog.aclitem[] AS rights FROM pg_catalog.pg_operator o
  UNION ALL SELECT 'operator class', o.oid, 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.opcname, o.opcnamespace, o.opcowner, '', NULL FROM pg_catalog.pg_opclass o
  UNION ALL SELECT 'operator family', o.oid, 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.opfname, o.opfnamespace, o.opfowner, '', NULL FROM pg_catalog.pg_opfamily o
  UNION ALL SELECT 'cast', o.oid, 'pg_catalog.pg_cast'::pg_catalog.regclass, pg_catalog.concat_ws(' to ', o.castsource::pg_catalog.regtype, o.casttarget::pg_catalog.regtype)::pg_catalog.name, 0::oid, 0::oid, '', NULL FROM pg_catalog.pg_cast o
  UNION ALL SELECT 'collation', o.oid, 'pg_catalog.pg_collation'::pg_catalog.regclass, o.collname, o.collnamespace, o.collowner, '', NULL FROM pg_catalog.pg_collation o
  UNION ALL SELECT 'conversion', o.oid, 'pg_catalog.pg_conversion'::pg_catalog.regclass, o.conname, o.connamespace, o.conowner, '', NULL FROM pg_catalog.pg_conversion o
  UNION ALL SELECT 'language', o.oid, 'pg_catalog.pg_language'::pg_catalog.regclass, o.lanname, 0::oid, o.lanowner, '', coalesce(o.lanacl, '{}') FROM pg_catalog.pg_language o
  UNION ALL SELECT 'text search configuration', o.oid, 'pg_catalog.pg_ts_config'::pg_catalog.regclass, o.cfgname, o.cfgnamespace, o.cfgowner, '', NULL FROM pg_catalog.pg_ts_config o
  UNION ALL SELECT 'text search dictionary', o.oid, 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, o.dictname, o.dictnamespace, o.dictowner,
    pg_catalog.concat_ws(' ', o.dicttemplate, o.dictinitoption), NULL FROM pg_catalog.pg_ts_dict o
  UNION ALL SELECT 'statistics object', o.oid, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, o.stxname, o.stxnamespace, o.stxowner, '', NULL FROM pg_catalog.pg_statistic_ext o
  UNION ALL SELECT 'foreign-data wrapper', o.oid, 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, o.fdwname, 0::oid, o.fdwowner, '', coalesce(o.fdwacl, '{}') FROM pg_catalog.pg_foreign_data_wrapper o
  UNION ALL SELECT 'foreign server', o.oid, 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, o.srvname, 0::oid, o.srvowner, '', coalesce(o.srvacl, '{}') FROM pg_catalog.pg_foreign_server o
  UNION ALL SELECT 'subscription', o.oid, 'pg_catalog.pg_subscription'::pg_catalog.regclass, o.subname, 0::oid, o.subowner, '', NULL FROM pg_catalog.pg_subscription o) x
  LEFT JOIN pg_catalog.pg_namespace s ON s.oid = x.space
  WHERE x.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE m.classid = x.class AND m.objid = x.oid)
) o
