-- What a database is besides its rows, one fact a line: its kind, which thing it is about (by oid, so that a new name is no
-- new thing), and the fact. What a fact's being gone or another means stands in oracle.rs.
WITH spaces AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relations AS (
    SELECT c.*, s.nspname FROM pg_class c JOIN spaces s ON s.oid = c.relnamespace WHERE c.relkind <> 'c'
), routines AS (
    SELECT p.*, s.nspname FROM pg_proc p JOIN spaces s ON s.oid = p.pronamespace
), types AS (
    SELECT t.*, s.nspname FROM pg_type t JOIN spaces s ON s.oid = t.typnamespace
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typelem = 0 AND t.typtype IN ('b', 'd', 'e', 'r', 'c') AND coalesce(c.relkind, 'c') = 'c'
), roles AS (
    SELECT * FROM pg_authid WHERE oid >= 16384
), owned (thing, owner, letter, acl) AS (
    SELECT 'relation ' || oid, relowner, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END, relacl FROM relations WHERE relkind NOT IN ('i', 'I')
    UNION ALL SELECT 'routine ' || oid, proowner, 'f', proacl FROM routines
    UNION ALL SELECT 'type ' || oid, typowner, 'T', typacl FROM types
    UNION ALL SELECT 'schema ' || n.oid, nspowner, 'n', nspacl FROM pg_namespace n JOIN spaces USING (oid)
    UNION ALL SELECT 'database', datdba, 'd', datacl FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT 'large object ' || oid, lomowner, 'L', lomacl FROM pg_largeobject_metadata
)
SELECT 'relation' AS kind, 'relation ' || oid AS key, relkind::text AS value FROM relations
UNION ALL SELECT 'name', 'relation ' || quote_ident(nspname) || '.' || quote_ident(relname), oid::text FROM relations
UNION ALL SELECT 'name', 'routine ' || quote_ident(nspname) || '.' || quote_ident(proname) || '(' || oidvectortypes(proargtypes) || ')',
    oid::text FROM routines
UNION ALL SELECT 'name', 'type ' || quote_ident(nspname) || '.' || quote_ident(typname), oid::text FROM types
UNION ALL SELECT 'name', 'schema ' || quote_ident(nspname), oid::text FROM spaces
UNION ALL SELECT 'name', 'column ' || attrelid || '.' || attname, attnum::text
    FROM pg_attribute a JOIN relations c ON c.oid = a.attrelid WHERE attnum > 0 AND NOT attisdropped AND relkind NOT IN ('i', 'I')
UNION ALL SELECT 'logged', 'relation ' || oid, '' FROM relations WHERE relpersistence = 'p'
UNION ALL SELECT 'populated', 'relation ' || oid, '' FROM relations WHERE relkind = 'm' AND relispopulated
UNION ALL SELECT 'row security', 'relation ' || oid, '' FROM relations WHERE relrowsecurity
UNION ALL SELECT 'row security', 'relation ' || oid || ' forced', '' FROM relations WHERE relforcerowsecurity
UNION ALL SELECT 'view options', 'relation ' || oid, o FROM relations, unnest(reloptions) o WHERE relkind = 'v'
UNION ALL SELECT 'owner', thing, owner::text FROM owned
UNION ALL SELECT 'column', 'relation ' || attrelid || '.' || attnum, concat_ws(' ', atttypid, atttypmod)
    FROM pg_attribute a JOIN relations c ON c.oid = a.attrelid WHERE attnum > 0 AND NOT attisdropped AND relkind NOT IN ('i', 'I')
UNION ALL SELECT 'constraint', 'constraint ' || c.oid, concat_ws(' ', contype, conkey, confrelid, confkey,
    confdeltype, confupdtype, md5(conbin::text))
    FROM pg_constraint c JOIN spaces s ON s.oid = c.connamespace WHERE contype <> 'n'
UNION ALL SELECT 'validated', 'constraint ' || c.oid, '' FROM pg_constraint c JOIN spaces s ON s.oid = c.connamespace
    WHERE convalidated AND contype <> 'n'
UNION ALL SELECT 'index', 'relation ' || indexrelid, concat_ws(' ', indisunique, indisvalid, indkey, md5(indexprs::text), md5(indpred::text))
    FROM pg_index i JOIN relations c ON c.oid = i.indexrelid
UNION ALL SELECT 'policy', 'policy ' || p.oid, concat_ws(' ', CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END, polcmd,
    polroles::text, md5(polqual::text), md5(polwithcheck::text)) FROM pg_policy p
UNION ALL SELECT 'policy on', 'policy ' || p.oid, 'relation ' || polrelid FROM pg_policy p
UNION ALL SELECT 'trigger', 'trigger ' || t.oid, concat_ws(' ', tgrelid, tgfoid, tgtype, tgdeferrable, tginitdeferred, tgattr, md5(tgqual::text))
    FROM pg_trigger t JOIN relations c ON c.oid = t.tgrelid WHERE NOT tgisinternal
UNION ALL SELECT 'trigger on', 'trigger ' || t.oid, tgenabled::text
    FROM pg_trigger t JOIN relations c ON c.oid = t.tgrelid WHERE NOT tgisinternal OR tgenabled <> 'O'
UNION ALL SELECT 'rule', 'rule ' || r.oid, concat_ws(' ', ev_class, ev_type, is_instead, md5(ev_action::text), md5(ev_qual::text))
    FROM pg_rewrite r JOIN relations c ON c.oid = r.ev_class
UNION ALL SELECT 'rule on', 'rule ' || r.oid, ev_enabled::text FROM pg_rewrite r JOIN relations c ON c.oid = r.ev_class
UNION ALL SELECT 'routine', 'routine ' || oid, concat_ws(' ', prokind, prolang, prosecdef, prorettype, proconfig, md5(prosrc), md5(prosqlbody::text),
    (SELECT concat_ws(' ', aggtransfn::oid, aggfinalfn::oid, aggtranstype) FROM pg_aggregate WHERE aggfnoid = routines.oid)) FROM routines
UNION ALL SELECT 'access', concat_ws(' to ', thing, grantee || ' ' || privilege_type || CASE WHEN is_grantable THEN ' with grant option' ELSE '' END), letter
    FROM owned, aclexplode(coalesce(acl, acldefault(letter::"char", owner))) GROUP BY thing, grantee, privilege_type, is_grantable, letter
UNION ALL SELECT 'access', concat_ws(' to ', 'relation ' || attrelid || '.' || attnum, grantee || ' ' || privilege_type || is_grantable), 'c'
    FROM pg_attribute a JOIN relations c ON c.oid = a.attrelid, aclexplode(attacl) GROUP BY attrelid, attnum, grantee, privilege_type, is_grantable
UNION ALL SELECT 'default access', concat_ws(' ', defaclrole, 'in ' || defaclnamespace, 'to ' || grantee, privilege_type || is_grantable), defaclobjtype::text
    FROM pg_default_acl, aclexplode(defaclacl)
UNION ALL SELECT 'role', 'role ' || oid, '' FROM roles
UNION ALL SELECT 'name', 'role ' || rolname, oid::text FROM roles
UNION ALL SELECT 'role may', 'role ' || oid || ' ' || a, '' FROM roles, LATERAL (VALUES ('be superuser', rolsuper), ('log in', rolcanlogin),
    ('make roles', rolcreaterole), ('make databases', rolcreatedb), ('replicate', rolreplication), ('pass row security', rolbypassrls)) v (a, may)
    WHERE may
UNION ALL SELECT 'role has', 'role ' || oid, concat_ws(' ', rolconnlimit, rolvaliduntil, md5(rolpassword)) FROM roles
UNION ALL SELECT 'member', concat_ws(' has ', member, roleid), bool_or(admin_option)::text FROM pg_auth_members
    WHERE member >= 16384 GROUP BY roleid, member
UNION ALL SELECT 'setting', concat_ws(' ', CASE WHEN setdatabase = 0 THEN 'all' ELSE 'this' END, setrole, split_part(s, '=', 1)), s
    FROM pg_db_role_setting, unnest(setconfig) s
    WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
UNION ALL SELECT 'parent', inhrelid || ' of ' || inhparent, '' FROM pg_inherits i JOIN relations c ON c.oid = i.inhrelid WHERE relkind NOT IN ('i', 'I')
UNION ALL SELECT 'schema', 'schema ' || oid, '' FROM spaces
UNION ALL SELECT 'type', 'type ' || oid, typtype::text FROM types
UNION ALL SELECT 'label', 'label ' || oid, enumlabel FROM pg_enum
UNION ALL SELECT 'operator', 'operator ' || oid, oprcode::oid::text FROM pg_operator WHERE oid >= 16384
UNION ALL SELECT 'cast', 'cast ' || oid, concat_ws(' ', castfunc, castcontext) FROM pg_cast WHERE oid >= 16384
UNION ALL SELECT 'publication', 'publication ' || p.oid, concat_ws(' ', puballtables, pubinsert, pubupdate, pubdelete,
    (SELECT string_agg(prrelid::text, ' ' ORDER BY prrelid) FROM pg_publication_rel WHERE prpubid = p.oid)) FROM pg_publication p
UNION ALL SELECT 'extension', 'extension ' || oid, extversion FROM pg_extension
UNION ALL SELECT 'large object', 'large object ' || m.oid,
    (SELECT md5(string_agg(data, ''::bytea ORDER BY pageno)) FROM pg_largeobject WHERE loid = m.oid) FROM pg_largeobject_metadata m
