//! A database's schema in one value, computed by Postgres: the same for two branches with the same schema, another one as soon
//! as anything of it differs. Rows, sizes, statistics and a sequence's position don't count.

use std::time::Duration;

use serde_json::Value;

use crate::call::{Failure, Flow};
use crate::neon::Changed;
use crate::neon::sql::{Connection, Query, Reads};

/// How long it may take: it reads the catalogue whole.
const PATIENCE: Duration = Duration::from_secs(60);

/// A query of one row and one column, `fingerprint`. No object ids are in it, for two branches may differ in those.
macro_rules! fingerprint {
    () => {
        "SELECT encode(sha256(convert_to(coalesce(string_agg(o.line, E'\\n' ORDER BY o.line COLLATE \"C\"), ''), 'UTF8')), 'hex') \
AS fingerprint FROM (\
WITH n AS MATERIALIZED (SELECT oid, quote_ident(nspname) AS name, nspacl, nspowner FROM pg_namespace \
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'), \
r AS MATERIALIZED (SELECT c.*, n.name || '.' || quote_ident(c.relname) AS name FROM pg_class c JOIN n ON n.oid = c.relnamespace) \
SELECT concat_ws(' ', 'schema', name, nspacl, pg_get_userbyid(nspowner)) AS line FROM n \
UNION ALL SELECT concat_ws(' ', 'relation', name, relkind, relpersistence, pg_get_userbyid(relowner), relacl, reloptions, \
  relrowsecurity, relforcerowsecurity, relreplident, pg_get_expr(relpartbound, oid), \
  CASE relkind WHEN 'p' THEN pg_get_partkeydef(oid) WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'm' THEN pg_get_viewdef(oid) END) \
  FROM r WHERE relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') \
UNION ALL SELECT concat_ws(' ', 'inherits', a.name, b.name, i.inhseqno) FROM pg_inherits i \
  JOIN r a ON a.oid = i.inhrelid JOIN r b ON b.oid = i.inhparent \
UNION ALL SELECT concat_ws(' ', 'column', r.name, row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum), quote_ident(a.attname), \
  format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage, a.attacl, a.attoptions, \
  (SELECT quote_ident(k.collname) FROM pg_collation k WHERE k.oid = a.attcollation), pg_get_expr(d.adbin, d.adrelid)) \
  FROM r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped \
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE r.relkind IN ('r', 'v', 'm', 'f', 'p', 'c') \
UNION ALL SELECT concat_ws(' ', 'constraint', coalesce(r.name, format_type(k.contypid, NULL)), quote_ident(k.conname), \
  pg_get_constraintdef(k.oid), k.convalidated) FROM pg_constraint k JOIN n ON n.oid = k.connamespace LEFT JOIN r ON r.oid = k.conrelid \
UNION ALL SELECT concat_ws(' ', 'index', r.name, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident) \
  FROM pg_index i JOIN r ON r.oid = i.indexrelid \
UNION ALL SELECT concat_ws(' ', 'trigger', r.name, pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger t JOIN r ON r.oid = t.tgrelid \
  WHERE NOT t.tgisinternal \
UNION ALL SELECT concat_ws(' ', 'function', n.name, p.proname, pg_get_function_identity_arguments(p.oid), p.prokind, \
  pg_get_userbyid(p.proowner), p.proacl, CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE \
  (SELECT concat_ws(' ', g.aggkind, g.aggtransfn, g.aggfinalfn, g.agginitval, g.aggtranstype::regtype) FROM pg_aggregate g WHERE g.aggfnoid = p.oid) END) \
  FROM pg_proc p JOIN n ON n.oid = p.pronamespace \
UNION ALL SELECT concat_ws(' ', 'type', n.name, quote_ident(t.typname), t.typtype, pg_get_userbyid(t.typowner), t.typacl, t.typnotnull, \
  t.typdefault, format_type(nullif(t.typbasetype, 0), t.typtypmod), \
  (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid), \
  (SELECT concat_ws(' ', g.rngsubtype::regtype, g.rngcanonical, g.rngsubdiff) FROM pg_range g WHERE g.rngtypid = t.oid)) \
  FROM pg_type t JOIN n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r', 'm', 'b') AND t.typelem = 0 \
UNION ALL SELECT concat_ws(' ', 'sequence', r.name, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle) \
  FROM pg_sequence s JOIN r ON r.oid = s.seqrelid \
UNION ALL SELECT concat_ws(' ', 'policy', r.name, quote_ident(p.polname), p.polcmd, p.polpermissive, \
  (SELECT string_agg(CASE m WHEN 0 THEN 'public' ELSE pg_get_userbyid(m) END, ',' ORDER BY 1) FROM unnest(p.polroles) m), \
  pg_get_expr(p.polqual, p.polrelid), '/', pg_get_expr(p.polwithcheck, p.polrelid)) FROM pg_policy p JOIN r ON r.oid = p.polrelid \
UNION ALL SELECT concat_ws(' ', 'rule', r.name, pg_get_ruledef(u.oid), u.ev_enabled) FROM pg_rewrite u JOIN r ON r.oid = u.ev_class \
  WHERE u.rulename <> '_RETURN' \
UNION ALL SELECT concat_ws(' ', 'statistics', n.name, pg_get_statisticsobjdef(s.oid)) FROM pg_statistic_ext s JOIN n ON n.oid = s.stxnamespace \
UNION ALL SELECT concat_ws(' ', 'operator', n.name, o.oprname, format_type(nullif(o.oprleft, 0), NULL), format_type(o.oprright, NULL), o.oprcode) \
  FROM pg_operator o JOIN n ON n.oid = o.oprnamespace \
UNION ALL SELECT concat_ws(' ', 'collation', n.name, quote_ident(k.collname), k.collprovider, k.collcollate, k.collctype) \
  FROM pg_collation k JOIN n ON n.oid = k.collnamespace \
UNION ALL SELECT concat_ws(' ', 'cast', format_type(castsource, NULL), format_type(casttarget, NULL), castcontext, castmethod, nullif(castfunc, 0)::regprocedure) \
  FROM pg_cast WHERE oid >= 16384 \
UNION ALL SELECT concat_ws(' ', 'extension', quote_ident(extname), extversion, n.name) FROM pg_extension e LEFT JOIN n ON n.oid = e.extnamespace \
UNION ALL SELECT concat_ws(' ', 'event trigger', quote_ident(evtname), evtevent, evtenabled, evtfoid::regproc, evttags) FROM pg_event_trigger \
UNION ALL SELECT concat_ws(' ', 'publication', quote_ident(pubname), puballtables, pubinsert, pubupdate, pubdelete, pubtruncate) FROM pg_publication \
UNION ALL SELECT concat_ws(' ', 'published', quote_ident(b.pubname), r.name) FROM pg_publication_rel l \
  JOIN pg_publication b ON b.oid = l.prpubid JOIN r ON r.oid = l.prrelid \
UNION ALL SELECT concat_ws(' ', 'server', quote_ident(s.srvname), w.fdwname, s.srvoptions, pg_get_userbyid(s.srvowner)) FROM pg_foreign_server s \
  JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw \
UNION ALL SELECT concat_ws(' ', 'default privileges', pg_get_userbyid(d.defaclrole), n.name, d.defaclobjtype, d.defaclacl) \
  FROM pg_default_acl d LEFT JOIN n ON n.oid = d.defaclnamespace \
UNION ALL SELECT concat_ws(' ', 'comment', pg_describe_object(classoid, objoid, objsubid), quote_literal(description)) FROM pg_description \
  WHERE objoid >= 16384) o"
    };
}

const FINGERPRINT: &str = fingerprint!();

/// A statement that fails with our own words where the schema isn't that of the first parameter any more; the second makes
/// the words such that no other statement could say them.
const UNMOVED: &str = concat!(
    "SELECT CASE WHEN f.fingerprint = $1 THEN 0 ELSE ('moved ' || $2 || f.fingerprint)::int4 END AS unmoved FROM (",
    fingerprint!(),
    ") f"
);

/// A schema's fingerprint now.
pub(super) async fn of(flow: &Flow<'_, '_>, connection: &Connection) -> Result<String, Failure> {
    let results = flow
        .query(connection, Reads::own(FINGERPRINT, Vec::new()), PATIENCE)
        .await?;
    results
        .first()
        .and_then(|result| result.first("fingerprint"))
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Failure::Answer {
            message: "Postgres' answer has no fingerprint of the schema.".to_owned(),
            changed: Changed::No,
        })
}

/// The first statement of a transaction that must find the schema as it was. Where it doesn't, Postgres ends the transaction
/// with an error that holds `mark`, and nothing after it runs.
pub(super) fn unmoved(fingerprint: &str, mark: &str) -> Query {
    Query::new(UNMOVED, vec![fingerprint.into(), mark.into()])
}
