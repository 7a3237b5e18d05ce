-- What reaches a listed function under another name, and is mentioned by the statement. One closure over what the catalogue says depends
-- on what (pg_depend doesn't note built-in functions, so expressions are searched for those), and over the names in bodies of functions:
-- functions, operators, aggregates, casts, operator classes, types and domains, views, policies, and, for what writes, defaults, checks,
-- generated columns, triggers, rules, foreign keys' actions and event triggers. The planner evaluates a part of what only a write needs:
-- it folds calls of immutable functions in indexes, statistics, checks and keys of partitions, so those count for reads. Fails with those that are mentioned; else gives
-- the catalogue's version and all of them, so that the same catalogue isn't searched again. Runs behind the pins. $1: the mark. $2: the
-- listed functions, [{schema, name, prefix, grade}]. $3: the mentioned names and operators. $4: the least grade that counts (1 changes
-- something, 2 destroys, 3 leaves the branch); 1 is for reads, which run none of what only a write runs.
WITH RECURSIVE version AS MATERIALIZED (/*{version}*/),
listed AS MATERIALIZED (
  SELECT l.schema, l.name, l.prefix, l.grade FROM pg_catalog.jsonb_to_recordset($2::pg_catalog.jsonb)
    AS l(schema pg_catalog.text, name pg_catalog.text, prefix bool, grade int4)),
-- Every function that is one of the listed by its name, or by the name of the code behind it.
direct AS MATERIALIZED (
  SELECT p.oid, pg_catalog.max(p.grade) AS grade, (SELECT f.provolatile = 'i' OR f.prolang = 14 FROM pg_catalog.pg_proc f WHERE f.oid = p.oid) AS folds FROM (
    SELECT p.oid, l.grade FROM listed l JOIN pg_catalog.pg_proc p ON p.proname = l.name::pg_catalog.name WHERE l.schema IS NULL AND NOT l.prefix
    -- Names have no character behind `z` but those outside of ASCII: a range of the index.
    UNION ALL SELECT p.oid, l.grade FROM listed l JOIN pg_catalog.pg_proc p ON p.proname >= l.name::pg_catalog.name
      AND p.proname < (l.name || '{')::pg_catalog.name WHERE l.schema IS NULL AND l.prefix
    UNION ALL SELECT p.oid, l.grade FROM listed l JOIN pg_catalog.pg_namespace n ON n.nspname = l.schema JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid
      WHERE CASE WHEN l.prefix OR l.name = '' THEN pg_catalog.starts_with(p.proname::pg_catalog.text, l.name) ELSE p.proname = l.name END
    UNION ALL SELECT p.oid, l.grade FROM listed l JOIN pg_catalog.pg_proc p ON p.oid >= 16384 AND p.prolang IN (12, 13)
      AND CASE WHEN l.prefix THEN pg_catalog.starts_with(p.prosrc, l.name) ELSE p.prosrc = l.name END WHERE l.schema IS NULL) p
  GROUP BY p.oid),
leaving AS MATERIALIZED (SELECT EXISTS (SELECT FROM direct d WHERE d.grade >= 3 AND d.oid >= 16384) AS any),
-- What the planner may evaluate beforehand: what is immutable, and functions in SQL, whatever they say they are, since it puts their
-- bodies in their place first.
folded(class, id) AS MATERIALIZED (
  SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, p.oid FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND (p.provolatile = 'i' OR p.prolang = 14)
  UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid, o.oid FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
    WHERE o.oid >= 16384 AND (p.provolatile = 'i' OR p.prolang = 14)),
-- In small letters as names are: those of ASCII alone.
body AS MATERIALIZED (
  SELECT p.oid, p.prorettype IN (2279, 3838) AS fires, g.lanname, g.lanpltrusted, pg_catalog.lower(CASE WHEN pg_catalog.to_jsonb(p) ->> 'prosqlbody' IS NOT NULL
    THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END COLLATE pg_catalog."C") AS text
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language g ON g.oid = p.prolang
  WHERE p.oid >= 16384 AND p.prokind IN ('f', 'p', 'w') AND g.lanname NOT IN ('c', 'internal')),
words AS MATERIALIZED (
  SELECT DISTINCT b.oid, w.word FROM body b CROSS JOIN LATERAL pg_catalog.regexp_split_to_table(b.text, '[^a-z0-9_]+') w(word)),
mentioned AS MATERIALIZED (
  SELECT m.oid, pg_catalog.max(m.grade) AS grade FROM (
    SELECT w.oid, l.grade, l.schema FROM words w JOIN listed l ON l.name = w.word WHERE NOT l.prefix
    UNION ALL SELECT w.oid, l.grade, l.schema FROM words w JOIN listed l ON l.prefix AND l.name <> '' AND pg_catalog.starts_with(w.word, l.name)
    UNION ALL SELECT w.oid, l.grade, NULL FROM words w JOIN listed l ON l.name = '' AND l.schema = w.word) m
  WHERE m.schema IS NULL OR EXISTS (SELECT FROM words w WHERE w.oid = m.oid AND w.word = m.schema) GROUP BY m.oid),
bodies AS MATERIALIZED (
  SELECT b.oid, b.fires, GREATEST((SELECT m.grade FROM mentioned m WHERE m.oid = b.oid),
    -- A read-only transaction lets these pass.
    CASE WHEN b.text ~ '\m(notify|reindex|cluster|vacuum|analyze|discard|lock|load|listen|unlisten|checkpoint|copy)\M' THEN 1 END,
    -- COPY with a file or a program, which leaves the branch: none of a body is with the client.
    CASE WHEN b.text ~ '\mcopy\M' AND b.text ~ '\m(to|from)(\s|/\*|--|[$''])' AND b.text ~ '\m(to|from)(\s|/\*.*\*/|--[^\n]*\n)*(program\M|e?''|u&''|\$)' THEN 3 END,
    -- What isn't seen. What a trigger runs so can leave the branch only where there is something to leave by.
    CASE WHEN NOT (b.lanname NOT IN ('sql', 'plpgsql') OR b.text ~ 'u&"' OR (b.lanname = 'plpgsql' AND b.text ~ '\mexecute\M')
        -- A block in a string; ON CONFLICT DO and rules aren't one.
        OR b.text ~ '\mdo\M(?!\s+(nothing|update|select|also|instead|insert|delete|notify)\M)') THEN NULL
      WHEN b.fires AND b.lanpltrusted AND NOT l.any THEN 1 ELSE 3 END) AS grade
  FROM body b, leaving l),
-- Expressions; whether only a write evaluates them; whether the planner of a read does, as far as they can be folded.
code(class, id, writes, folds, text) AS MATERIALIZED (
  SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid, w.oid, w.rulename <> '_RETURN', false, pg_catalog.concat(w.ev_qual::pg_catalog.text, w.ev_action::pg_catalog.text)
    FROM pg_catalog.pg_rewrite w WHERE w.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid, p.oid, false, false, pg_catalog.concat(p.polqual::pg_catalog.text, p.polwithcheck::pg_catalog.text)
    FROM pg_catalog.pg_policy p
  -- Generated columns that aren't stored are evaluated by reads.
  UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid, d.oid, a.attgenerated <> 'v', false, d.adbin::pg_catalog.text
    FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, k.oid, k.contypid = 0, true, k.conbin::pg_catalog.text
    FROM pg_catalog.pg_constraint k WHERE k.oid >= 16384 AND k.conbin IS NOT NULL
  UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, t.oid, true, false, t.tgqual::pg_catalog.text
    FROM pg_catalog.pg_trigger t WHERE t.tgqual IS NOT NULL
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indexrelid, true, true, pg_catalog.concat(i.indexprs::pg_catalog.text, i.indpred::pg_catalog.text)
    FROM pg_catalog.pg_index i WHERE i.indexrelid >= 16384 AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
  UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid, s.oid, true, true, pg_catalog.to_jsonb(s) ->> 'stxexprs'
    FROM pg_catalog.pg_statistic_ext s
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, t.partrelid, true, true, t.partexprs::pg_catalog.text
    FROM pg_catalog.pg_partitioned_table t WHERE t.partexprs IS NOT NULL
  UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, p.oid, false, false, p.proargdefaults::pg_catalog.text
    FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND p.proargdefaults IS NOT NULL),
seed(class, id, grade, writes) AS MATERIALIZED (
  SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, b.oid, b.grade, b.fires FROM bodies b WHERE b.grade IS NOT NULL
  UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, d.oid, d.grade, false FROM direct d WHERE d.oid >= 16384
  -- What another server does with a read isn't seen.
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, t.ftrelid, 3, false FROM pg_catalog.pg_foreign_table t
  UNION ALL SELECT DISTINCT c.class, c.id, d.grade, c.writes AND NOT (c.folds AND d.folds) FROM code c CROSS JOIN LATERAL pg_catalog.regexp_matches(c.text,
      ':(?:funcid|opfuncid|aggfnoid|winfnoid|negfuncid|hashfuncid) (\d+)', 'g') m(called) JOIN direct d ON d.oid = m.called[1]::pg_catalog.oid
  UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, a.aggfnoid::pg_catalog.oid, d.grade, false FROM pg_catalog.pg_aggregate a
    JOIN direct d ON d.oid = ANY (ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::pg_catalog.oid[])
    WHERE a.aggfnoid::pg_catalog.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid, o.oid, d.grade, false FROM pg_catalog.pg_operator o
    JOIN direct d ON d.oid = ANY (ARRAY[o.oprcode, o.oprrest, o.oprjoin]::pg_catalog.oid[]) WHERE o.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_cast'::pg_catalog.regclass::pg_catalog.oid, c.oid, d.grade, false FROM pg_catalog.pg_cast c JOIN direct d ON d.oid = c.castfunc WHERE c.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, t.oid, d.grade, false FROM pg_catalog.pg_type t
    JOIN direct d ON d.oid = ANY (ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout]::pg_catalog.oid[]) WHERE t.oid >= 16384 AND t.typtype = 'b'
      -- array_in: an array is what its elements are.
      AND d.oid <> 750
  UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, g.rngtypid, d.grade, false FROM pg_catalog.pg_range g
    JOIN direct d ON d.oid = ANY (ARRAY[g.rngcanonical, g.rngsubdiff]::pg_catalog.oid[]) WHERE g.rngtypid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_amproc'::pg_catalog.regclass::pg_catalog.oid, a.oid, d.grade, false FROM pg_catalog.pg_amproc a JOIN direct d ON d.oid = a.amproc::pg_catalog.oid WHERE a.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_conversion'::pg_catalog.regclass::pg_catalog.oid, c.oid, d.grade, false FROM pg_catalog.pg_conversion c JOIN direct d ON d.oid = c.conproc::pg_catalog.oid WHERE c.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, t.oid, d.grade, true FROM pg_catalog.pg_trigger t JOIN direct d ON d.oid = t.tgfoid),
-- What a statement can name, or uses without a name.
names(class, id, kind, name) AS MATERIALIZED (
  SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, p.oid, 'name', p.proname::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid, o.oid, 'operator', o.oprname::pg_catalog.text FROM pg_catalog.pg_operator o WHERE o.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, c.oid, 'name', c.relname::pg_catalog.text FROM pg_catalog.pg_class c
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
  UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, t.oid, CASE WHEN t.typtype IN ('b', 'r', 'm') AND t.typcategory <> 'A' THEN 'any' ELSE 'name' END,
    t.typname::pg_catalog.text FROM pg_catalog.pg_type t WHERE t.oid >= 16384 AND t.typtype <> 'c'
  UNION ALL SELECT 'pg_catalog.pg_cast'::pg_catalog.regclass::pg_catalog.oid, c.oid, 'any', 'a cast' FROM pg_catalog.pg_cast c WHERE c.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_amproc'::pg_catalog.regclass::pg_catalog.oid, a.oid, 'any', 'an operator class' FROM pg_catalog.pg_amproc a WHERE a.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_amop'::pg_catalog.regclass::pg_catalog.oid, a.oid, 'any', 'an operator class' FROM pg_catalog.pg_amop a WHERE a.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_conversion'::pg_catalog.regclass::pg_catalog.oid, c.oid, 'any', c.conname::pg_catalog.text FROM pg_catalog.pg_conversion c WHERE c.oid >= 16384
  UNION ALL SELECT 'pg_catalog.pg_event_trigger'::pg_catalog.regclass::pg_catalog.oid, e.oid, 'any', e.evtname::pg_catalog.text FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled <> 'D'),
reached(class, id, grade, writes) AS (
  SELECT s.class, s.id, s.grade, s.writes FROM seed s
  UNION SELECT e.class, e.id, r.grade, r.writes OR e.writes FROM reached r CROSS JOIN LATERAL (
    -- What is made of it. A table isn't made of what its key refers to, nor is a row's type of its table's triggers.
    SELECT d.classid, d.objid, CASE d.classid WHEN 'pg_catalog.pg_event_trigger'::pg_catalog.regclass THEN true
        WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = d.objid AND k.contypid = 0
          AND (k.contype <> 'c' OR r.class IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
            AND (r.class, r.id) NOT IN (SELECT f.class, f.id FROM folded f)))
        WHEN 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass THEN r.class IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
          AND (r.class, r.id) NOT IN (SELECT f.class, f.id FROM folded f)
        ELSE false END FROM pg_catalog.pg_depend d
      WHERE d.refclassid = r.class AND d.refobjid = r.id AND d.deptype IN ('n', 'a', 'i') AND d.objid >= 16384
        AND NOT (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid AND k.contype = 'f')
    -- A row's type is made of its columns' types: reading a row from a text reads them.
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, c.reltype, false FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid
      WHERE r.class = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refclassid = r.class AND d.refobjid = r.id
        AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid >= 16384 AND c.reltype <> 0
    -- What it is a part of.
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, w.ev_class, w.rulename <> '_RETURN' FROM pg_catalog.pg_rewrite w
      WHERE r.class = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = r.id
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, p.polrelid, false FROM pg_catalog.pg_policy p
      WHERE r.class = 'pg_catalog.pg_policy'::pg_catalog.regclass AND p.oid = r.id
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, d.adrelid, a.attgenerated <> 'v' FROM pg_catalog.pg_attrdef d
      JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
      WHERE r.class = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.oid = r.id
    UNION ALL SELECT CASE WHEN k.contypid <> 0 THEN 'pg_catalog.pg_type' ELSE 'pg_catalog.pg_class' END::pg_catalog.regclass::pg_catalog.oid,
      CASE WHEN k.contypid <> 0 THEN k.contypid ELSE k.conrelid END, false FROM pg_catalog.pg_constraint k
      WHERE r.class = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = r.id
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, t.tgrelid, true FROM pg_catalog.pg_trigger t
      WHERE r.class = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = r.id AND t.tgenabled <> 'D'
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indrelid, false FROM pg_catalog.pg_index i
      WHERE r.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = r.id
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, s.stxrelid, false FROM pg_catalog.pg_statistic_ext s
      WHERE r.class = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass AND s.oid = r.id
    -- The planner puts an operator's negator or commutator in its place.
    UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid, o.oid, false FROM pg_catalog.pg_operator o
      WHERE r.class = 'pg_catalog.pg_operator'::pg_catalog.regclass AND o.oid >= 16384 AND r.id IN (o.oprnegate, o.oprcom)
    UNION ALL SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid, o.other, false FROM (SELECT pg_catalog.unnest(ARRAY[n.oprnegate, n.oprcom])
      AS other FROM pg_catalog.pg_operator n WHERE r.class = 'pg_catalog.pg_operator'::pg_catalog.regclass AND n.oid = r.id) o WHERE o.other >= 16384
    -- Ranges over it.
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, x.id, false FROM (SELECT pg_catalog.unnest(ARRAY[g.rngtypid, (pg_catalog.to_jsonb(g)
        ->> 'rngmultitypid')::pg_catalog.oid]) AS id FROM pg_catalog.pg_range g WHERE r.class = 'pg_catalog.pg_type'::pg_catalog.regclass
        AND (g.rngsubtype = r.id OR g.rngtypid = r.id)) x WHERE x.id IS NOT NULL
    -- What passes a read or a write on to it: the table that it is a partition of or inherits from. A partition is planned with the
    -- expressions of that table's key.
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, h.inhparent, false FROM pg_catalog.pg_inherits h
      WHERE r.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND h.inhrelid = r.id
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, h.inhrelid, false FROM pg_catalog.pg_inherits h
      WHERE r.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND h.inhparent = r.id
        AND EXISTS (SELECT FROM pg_catalog.pg_partitioned_table t WHERE t.partrelid = h.inhparent AND t.partexprs IS NOT NULL)
    -- What passes a write on to it: the table that its key refers to.
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, k.confrelid, true FROM pg_catalog.pg_constraint k
      WHERE r.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND k.conrelid = r.id AND k.contype = 'f'
        AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
    -- A body that names it, with its quotes doubled; a name of full length also where more stands behind it, which Postgres cuts off.
    UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, b.oid, false FROM (SELECT pg_catalog.replace(pg_catalog.lower(CASE r.class
        WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN (SELECT p.proname::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.oid = r.id)
        WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN (SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.oid = r.id)
        WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN (SELECT t.typname::pg_catalog.text FROM pg_catalog.pg_type t WHERE t.oid = r.id)
        WHEN 'pg_catalog.pg_operator'::pg_catalog.regclass THEN (SELECT o.oprname::pg_catalog.text FROM pg_catalog.pg_operator o WHERE o.oid = r.id) END COLLATE pg_catalog."C"), '"', '""') AS name) n
      JOIN body b ON (pg_catalog.strpos(b.text, n.name) > 0 AND (n.name !~ '^[a-z0-9_]+$' OR pg_catalog.octet_length(n.name) >= 60 OR b.text ~ ('\m' || n.name || '\M')))
        -- Operators that keywords stand for.
        OR r.class = 'pg_catalog.pg_operator'::pg_catalog.regclass AND b.text ~ CASE WHEN n.name IN ('~~', '!~~') THEN '\mlike\M' WHEN n.name IN ('~~*', '!~~*') THEN '\milike\M'
          WHEN n.name IN ('~', '!~') THEN '\msimilar\M' WHEN n.name IN ('<', '<=', '>', '>=') THEN '\mbetween\M'
          WHEN n.name = '=' THEN '\m(in|any|some|all|distinct|case|nullif|using|natural)\M' WHEN n.name = '<>' THEN '\min\M|!=' END) e(class, id, writes)),
known AS MATERIALIZED (
  SELECT n.kind, n.name, r.writes, pg_catalog.max(r.grade) AS grade FROM reached r JOIN names n ON n.class = r.class AND n.id = r.id
  -- Those that are listed by their names are known by them.
  WHERE n.class <> 'pg_catalog.pg_proc'::pg_catalog.regclass OR NOT EXISTS (SELECT FROM direct d JOIN pg_catalog.pg_proc p ON p.oid = d.oid JOIN listed l
    ON l.name = p.proname OR (l.prefix AND l.name <> '' AND pg_catalog.starts_with(p.proname::pg_catalog.text, l.name)) WHERE d.oid = n.id)
  GROUP BY n.kind, n.name, r.writes),
reaching AS MATERIALIZED (
  SELECT k.name, k.grade FROM known k WHERE k.grade >= $4::int4 AND ($4::int4 > 1 OR NOT k.writes) AND CASE k.kind WHEN 'any' THEN true WHEN 'operator'
    THEN ($3::pg_catalog.jsonb -> 'operators') ? k.name ELSE ($3::pg_catalog.jsonb -> 'identifiers') ? k.name END)
SELECT CASE WHEN EXISTS (SELECT FROM reaching) THEN ('neon-mcp ' || $1 || ' reaches ' || (SELECT pg_catalog.jsonb_build_object(
    'names', pg_catalog.jsonb_agg(DISTINCT r.name), 'grade', pg_catalog.max(r.grade)) FROM reaching r)::pg_catalog.text)::int4::pg_catalog.text
  ELSE v.now END AS version,
  (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('kind', k.kind, 'name', k.name, 'grade', k.grade, 'writes', k.writes)), '[]') FROM known k)::pg_catalog.text AS known
FROM version v
