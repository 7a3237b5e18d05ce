-- What changes with the functions, operators, casts, types, tables, views, policies, defaults, constraints, triggers, indexes,
-- statistics, foreign tables and partitions that a database has of its own.
SELECT pg_catalog.concat_ws('.',
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_proc p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_operator p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_cast p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_amop p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_amproc p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_rewrite p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_policy p),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_type p WHERE p.oid >= 16384
      -- The type of a row goes with its table's or view's name; not what is temporary, which comes and goes.
      AND (p.typtype <> 'c' OR p.typnamespace NOT IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_t')))),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_attrdef p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_constraint p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_trigger p WHERE NOT p.tgisinternal),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_event_trigger p),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.indexrelid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_index p WHERE p.indexrelid >= 16384 AND (p.indexprs IS NOT NULL OR p.indpred IS NOT NULL)),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.inhrelid::bigint, p.inhparent::bigint))) FROM pg_catalog.pg_inherits p),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_conversion p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_statistic_ext p),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.ftrelid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_foreign_table p),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.partrelid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_partitioned_table p WHERE p.partexprs IS NOT NULL),
    -- What uses own functions, operators and types: a column of a domain that was added.
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.objid::bigint * 1600 + p.objsubid, p.refobjid::bigint))) FROM pg_catalog.pg_depend p
      WHERE p.refobjid >= 16384 AND p.deptype = 'n' AND p.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass))) AS now
