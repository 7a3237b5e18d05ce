-- What changes with the functions, operators, casts, views, policies and types that a database has of its own.
SELECT pg_catalog.concat_ws('.',
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_proc p WHERE p.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(o.oid::bigint, o.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_operator o WHERE o.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(c.oid::bigint, c.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_cast c WHERE c.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(w.oid::bigint, w.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_rewrite w WHERE w.oid >= 16384),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(p.oid::bigint, p.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_policy p),
    (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashint8extended(t.oid::bigint, t.xmin::pg_catalog.text::bigint))) FROM pg_catalog.pg_type t WHERE t.oid >= 16384 AND t.typtype IN ('d', 'b', 'r') AND t.typcategory <> 'A')) AS now
