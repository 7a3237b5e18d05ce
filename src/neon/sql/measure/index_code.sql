-- Whether building an index would run code of the database's own: functions in another language than C or Postgres' own (12 and 13).
-- $1: what the statement mentions. $2: whether it brings an expression or a predicate, in which a cast can stand unnamed (that of
-- an index that is there depends on its cast's function). $3: the mark with which it fails where it would; empty where it is only told.
WITH own AS MATERIALIZED (SELECT p.oid, p.proname FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND p.prolang NOT IN (12, 13))
SELECT CASE WHEN f.calls AND pg_catalog.textne($3, '') THEN (pg_catalog.concat('neon-mcp ', $3, ' calls ', f.calls))::pg_catalog.int4::pg_catalog.bool ELSE f.calls END AS calls
FROM (SELECT EXISTS (SELECT FROM own o WHERE ($1::pg_catalog.jsonb -> 'identifiers') ? o.proname::pg_catalog.text)
  OR EXISTS (SELECT FROM own o JOIN pg_catalog.pg_operator p ON p.oprcode = o.oid WHERE ($1::pg_catalog.jsonb -> 'operators') ? p.oprname::pg_catalog.text)
  OR EXISTS (SELECT FROM own o JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = o.oid
    WHERE d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
      OR d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = d.objid))
  OR EXISTS (SELECT FROM own o JOIN pg_catalog.pg_operator p ON p.oprcode = o.oid JOIN pg_catalog.pg_depend d
      ON d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND d.refobjid = p.oid
    WHERE d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
      OR d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = d.objid))
  OR EXISTS (SELECT FROM own o JOIN pg_catalog.pg_amproc a ON a.amproc = o.oid)
  OR EXISTS (SELECT FROM own o JOIN pg_catalog.pg_amop a ON true JOIN pg_catalog.pg_operator p ON p.oid = a.amopopr AND p.oprcode = o.oid)
  OR EXISTS (SELECT FROM own o JOIN pg_catalog.pg_range r ON r.rngcanonical = o.oid OR r.rngsubdiff = o.oid)
  OR EXISTS (SELECT FROM own o JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = o.oid
    JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid WHERE k.contypid <> 0)
  OR EXISTS (SELECT FROM own o JOIN pg_catalog.pg_operator p ON p.oprcode = o.oid JOIN pg_catalog.pg_depend d
      ON d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND d.refobjid = p.oid
    JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid WHERE k.contypid <> 0)
  OR $2::pg_catalog.bool AND EXISTS (SELECT FROM own o JOIN pg_catalog.pg_cast c ON c.castfunc = o.oid) AS calls) f
