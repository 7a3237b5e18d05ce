-- A schema in one value: the digest of one line for each object. No object ids are in it, for two branches may differ in those;
-- nor what is data (rows, statistics, positions), what Neon itself changes on a branch (subscriptions), or versions of libraries.
-- Rights count as they are in force: none that were given and what is given by default are the same.
SELECT encode(sha256(convert_to(coalesce(string_agg(d.digest, ' ' ORDER BY d.digest COLLATE "C"), ''), 'UTF8')), 'hex') AS fingerprint
FROM (SELECT encode(sha256(convert_to(o.line, 'UTF8')), 'hex') AS digest FROM (
WITH n AS MATERIALIZED (SELECT oid, quote_ident(nspname) AS name, nspacl, nspowner FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
r AS MATERIALIZED (SELECT c.*, n.name || '.' || quote_ident(c.relname) AS name FROM pg_class c JOIN n ON n.oid = c.relnamespace)
SELECT concat_ws(' ', 'schema', name, pg_get_userbyid(nspowner),
  (SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C") FROM unnest(coalesce(nspacl, acldefault('n', nspowner))) a)) AS line FROM n
UNION ALL SELECT concat_ws(' ', 'relation', name, relkind, relpersistence, pg_get_userbyid(relowner),
  (SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C")
    FROM unnest(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner))) a),
  'options', reloptions, (SELECT t.reloptions FROM pg_class t WHERE t.oid = r.reltoastrelid), (SELECT amname FROM pg_am WHERE pg_am.oid = relam),
  relrowsecurity, relforcerowsecurity, relreplident, format_type(nullif(reloftype, 0), NULL), pg_get_expr(relpartbound, oid),
  CASE relkind WHEN 'p' THEN pg_get_partkeydef(oid) WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'm' THEN pg_get_viewdef(oid) END)
  FROM r WHERE relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c')
UNION ALL SELECT concat_ws(' ', 'inherits', a.name, b.name, i.inhseqno) FROM pg_inherits i
  JOIN r a ON a.oid = i.inhrelid JOIN r b ON b.oid = i.inhparent
UNION ALL SELECT concat_ws(' ', 'column', r.name, row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum), quote_ident(a.attname),
  format_type(a.atttypid, a.atttypmod), a.attnotnull, 'identity', a.attidentity, 'generated', a.attgenerated, a.attstorage,
  'compression', a.attcompression, 'target', nullif(a.attstattarget, -1), 'rights',
  (SELECT string_agg(g::text, ',' ORDER BY g::text COLLATE "C") FROM unnest(a.attacl) g), 'options', a.attoptions, a.attfdwoptions, 'collation',
  (SELECT k.collnamespace::regnamespace || '.' || quote_ident(k.collname) FROM pg_collation k WHERE k.oid = a.attcollation),
  'default', pg_get_expr(d.adbin, d.adrelid))
  FROM r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE r.relkind IN ('r', 'v', 'm', 'f', 'p', 'c')
UNION ALL SELECT concat_ws(' ', 'constraint', coalesce(r.name, format_type(k.contypid, NULL)), quote_ident(k.conname),
  pg_get_constraintdef(k.oid), k.convalidated, k.connoinherit) FROM pg_constraint k JOIN n ON n.oid = k.connamespace LEFT JOIN r ON r.oid = k.conrelid
UNION ALL SELECT concat_ws(' ', 'index', r.name, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident,
  (SELECT string_agg(nullif(a.attstattarget, -1)::text, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid))
  FROM pg_index i JOIN r ON r.oid = i.indexrelid
UNION ALL SELECT concat_ws(' ', 'trigger', r.name, pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger t JOIN r ON r.oid = t.tgrelid
  WHERE NOT t.tgisinternal
UNION ALL SELECT concat_ws(' ', 'function', n.name, quote_ident(p.proname), pg_get_function_identity_arguments(p.oid), p.prokind,
  pg_get_userbyid(p.proowner),
  (SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C") FROM unnest(coalesce(p.proacl, acldefault('f', p.proowner))) a),
  CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE (SELECT concat_ws(' ', p.proparallel, g.aggtranstype::regtype,
    nullif(g.aggmtranstype, 0)::regtype, nullif(g.aggsortop, 0)::regoperator, to_jsonb(g) - 'aggtranstype' - 'aggmtranstype' - 'aggsortop')
    FROM pg_aggregate g WHERE g.aggfnoid = p.oid) END)
  FROM pg_proc p JOIN n ON n.oid = p.pronamespace
UNION ALL SELECT concat_ws(' ', 'type', n.name, quote_ident(t.typname), t.typtype, pg_get_userbyid(t.typowner),
  (SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C") FROM unnest(coalesce(t.typacl, acldefault('T', t.typowner))) a), t.typnotnull,
  'default', t.typdefault, 'of', format_type(nullif(t.typbasetype, 0), t.typtypmod), 'collation',
  (SELECT k.collnamespace::regnamespace || '.' || quote_ident(k.collname) FROM pg_collation k WHERE k.oid = t.typcollation),
  (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
  (SELECT concat_ws(' ', g.rngsubtype::regtype, g.rngcanonical, g.rngsubdiff) FROM pg_range g WHERE g.rngtypid = t.oid))
  FROM pg_type t JOIN n ON n.oid = t.typnamespace WHERE t.typtype <> 'b' OR t.typelem = 0
UNION ALL SELECT concat_ws(' ', 'sequence', r.name, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle,
  (SELECT string_agg(pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid), ',') FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
    AND d.objid = r.oid AND d.objsubid = 0 AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))
  FROM pg_sequence s JOIN r ON r.oid = s.seqrelid
UNION ALL SELECT concat_ws(' ', 'policy', r.name, quote_ident(p.polname), p.polcmd, p.polpermissive,
  (SELECT string_agg(CASE m WHEN 0 THEN 'public' ELSE pg_get_userbyid(m) END, ',' ORDER BY 1) FROM unnest(p.polroles) m),
  pg_get_expr(p.polqual, p.polrelid), '/', pg_get_expr(p.polwithcheck, p.polrelid)) FROM pg_policy p JOIN r ON r.oid = p.polrelid
UNION ALL SELECT concat_ws(' ', 'rule', r.name, pg_get_ruledef(u.oid), u.ev_enabled) FROM pg_rewrite u JOIN r ON r.oid = u.ev_class
  WHERE u.rulename <> '_RETURN'
UNION ALL SELECT concat_ws(' ', 'statistics', n.name, pg_get_statisticsobjdef(s.oid), pg_get_userbyid(s.stxowner), nullif(to_jsonb(s) ->> 'stxstattarget', '-1'))
  FROM pg_statistic_ext s JOIN n ON n.oid = s.stxnamespace
UNION ALL SELECT concat_ws(' ', 'operator', n.name, o.oprname, o.oprleft::regtype, o.oprright::regtype, o.oprcode, o.oprcom::regoperator,
  o.oprnegate::regoperator, o.oprrest, o.oprjoin, o.oprcanmerge, o.oprcanhash, pg_get_userbyid(o.oprowner))
  FROM pg_operator o JOIN n ON n.oid = o.oprnamespace
UNION ALL SELECT concat_ws(' ', 'operator class', n.name, quote_ident(c.opcname), m.amname, c.opcintype::regtype, c.opcdefault, c.opckeytype::regtype,
  f.opfname, pg_get_userbyid(c.opcowner)) FROM pg_opclass c JOIN n ON n.oid = c.opcnamespace JOIN pg_am m ON m.oid = c.opcmethod
  JOIN pg_opfamily f ON f.oid = c.opcfamily
UNION ALL SELECT concat_ws(' ', 'operator family', n.name, quote_ident(f.opfname), m.amname,
  (SELECT string_agg(concat_ws(' ', o.amopstrategy, o.amopopr::regoperator, o.amoppurpose), ',' ORDER BY o.amopstrategy, o.amopopr::regoperator::text COLLATE "C")
    FROM pg_amop o WHERE o.amopfamily = f.oid),
  (SELECT string_agg(concat_ws(' ', o.amprocnum, o.amproc::oid::regprocedure), ',' ORDER BY o.amprocnum, o.amproc::oid::regprocedure::text COLLATE "C")
    FROM pg_amproc o WHERE o.amprocfamily = f.oid))
  FROM pg_opfamily f JOIN n ON n.oid = f.opfnamespace JOIN pg_am m ON m.oid = f.opfmethod
UNION ALL SELECT concat_ws(' ', 'collation', n.name, quote_ident(k.collname), pg_get_userbyid(k.collowner),
  to_jsonb(k) - 'oid' - 'collnamespace' - 'collowner' - 'collversion') FROM pg_collation k JOIN n ON n.oid = k.collnamespace
UNION ALL SELECT concat_ws(' ', 'conversion', n.name, quote_ident(k.conname), k.conforencoding, k.contoencoding, k.conproc, k.condefault)
  FROM pg_conversion k JOIN n ON n.oid = k.connamespace
UNION ALL SELECT concat_ws(' ', 'text search dictionary', n.name, quote_ident(k.dictname), pg_get_userbyid(k.dictowner), t.tmplname, k.dictinitoption)
  FROM pg_ts_dict k JOIN n ON n.oid = k.dictnamespace JOIN pg_ts_template t ON t.oid = k.dicttemplate
UNION ALL SELECT concat_ws(' ', 'text search', n.name, quote_ident(k.cfgname), pg_get_userbyid(k.cfgowner), p.prsname,
  (SELECT string_agg(concat_ws(' ', m.maptokentype, m.mapseqno, m.mapdict::regdictionary), ',' ORDER BY m.maptokentype, m.mapseqno)
    FROM pg_ts_config_map m WHERE m.mapcfg = k.oid))
  FROM pg_ts_config k JOIN n ON n.oid = k.cfgnamespace JOIN pg_ts_parser p ON p.oid = k.cfgparser
UNION ALL SELECT concat_ws(' ', 'cast', format_type(castsource, NULL), format_type(casttarget, NULL), castcontext, castmethod, nullif(castfunc, 0)::regprocedure)
  FROM pg_cast WHERE oid >= 16384
UNION ALL SELECT concat_ws(' ', 'language', quote_ident(lanname), lanpltrusted, lanacl, pg_get_userbyid(lanowner)) FROM pg_language WHERE oid >= 16384
UNION ALL SELECT concat_ws(' ', 'extension', quote_ident(extname), extversion, n.name) FROM pg_extension e LEFT JOIN n ON n.oid = e.extnamespace
UNION ALL SELECT concat_ws(' ', 'event trigger', quote_ident(evtname), evtevent, evtenabled, evtfoid::regproc, evttags) FROM pg_event_trigger
UNION ALL SELECT concat_ws(' ', 'publication', to_jsonb(b) - 'oid' - 'pubowner', pg_get_userbyid(b.pubowner)) FROM pg_publication b
UNION ALL SELECT concat_ws(' ', 'published', to_jsonb(b)) FROM pg_publication_tables b
UNION ALL SELECT concat_ws(' ', 'wrapper', quote_ident(w.fdwname), w.fdwoptions, nullif(w.fdwhandler, 0)::regproc, pg_get_userbyid(w.fdwowner),
  (SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C") FROM unnest(coalesce(w.fdwacl, acldefault('F', w.fdwowner))) a))
  FROM pg_foreign_data_wrapper w
UNION ALL SELECT concat_ws(' ', 'server', quote_ident(s.srvname), w.fdwname, s.srvtype, s.srvversion, s.srvoptions, pg_get_userbyid(s.srvowner),
  (SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C") FROM unnest(coalesce(s.srvacl, acldefault('S', s.srvowner))) a))
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
UNION ALL SELECT concat_ws(' ', 'user mapping', quote_ident(srvname), quote_ident(usename), umoptions) FROM pg_user_mappings
UNION ALL SELECT concat_ws(' ', 'foreign table', r.name, quote_ident(s.srvname), f.ftoptions) FROM pg_foreign_table f
  JOIN r ON r.oid = f.ftrelid JOIN pg_foreign_server s ON s.oid = f.ftserver
UNION ALL SELECT concat_ws(' ', 'default privileges', pg_get_userbyid(d.defaclrole), n.name, d.defaclobjtype,
  (SELECT string_agg(a::text, ',' ORDER BY a::text COLLATE "C") FROM unnest(d.defaclacl) a))
  FROM pg_default_acl d LEFT JOIN n ON n.oid = d.defaclnamespace
UNION ALL SELECT concat_ws(' ', 'label', provider, pg_describe_object(classoid, objoid, objsubid), quote_literal(label)) FROM pg_seclabel
UNION ALL SELECT concat_ws(' ', 'comment', pg_describe_object(classoid, objoid, objsubid), quote_literal(description)) FROM pg_description
  WHERE (objoid >= 16384 AND classoid <> 'pg_subscription'::regclass)
  OR (classoid = 'pg_namespace'::regclass AND objoid = (SELECT oid FROM pg_namespace WHERE nspname = 'public'))
) o) d
