-- What reaches a listed function under another name, and is mentioned by the statement: functions (by their bodies' text), operators,
-- aggregates, casts, views, policies, domains. Fails with those that are mentioned; else gives the catalogue's version and all of them,
-- so that the same catalogue isn't searched again. Runs behind the pins. $1: the mark. $2: the listed functions, [{schema, name, prefix,
-- grade}]. $3: the mentioned names and operators. $4: the least grade that counts (1 changes something, 2 destroys, 3 leaves the branch).
WITH RECURSIVE version AS MATERIALIZED (/*{version}*/),
listed AS MATERIALIZED (
  SELECT l.schema, l.name, l.prefix, l.grade FROM pg_catalog.jsonb_to_recordset($2::pg_catalog.jsonb)
    AS l(schema pg_catalog.text, name pg_catalog.text, prefix bool, grade int4)),
words AS MATERIALIZED (
  SELECT l.grade, '\m(' || pg_catalog.string_agg(pg_catalog.regexp_replace(l.name, '([^a-z0-9_])', '\\\1', 'g') || CASE WHEN l.prefix THEN '\w*' ELSE '' END, '|') || ')\M' AS pattern
  FROM listed l WHERE l.name <> '' AND l.schema IS NULL GROUP BY l.grade
  UNION ALL SELECT l.grade, '\m' || l.schema || '"?\s*\.\s*"?' || CASE WHEN l.name = '' THEN '' ELSE pg_catalog.regexp_replace(l.name, '([^a-z0-9_])', '\\\1', 'g') || CASE WHEN l.prefix THEN '' ELSE '\M' END END
  FROM listed l WHERE l.schema IS NOT NULL),
-- Every function that is one of the listed by its name, or by the name of the code behind it.
direct AS MATERIALIZED (
  SELECT p.oid, pg_catalog.max(p.grade) AS grade FROM (
    SELECT p.oid, l.grade FROM listed l JOIN pg_catalog.pg_proc p ON p.proname = l.name::pg_catalog.name WHERE l.schema IS NULL AND NOT l.prefix
    -- Names have no character behind `z` but those outside of ASCII: a range of the index.
    UNION ALL SELECT p.oid, l.grade FROM listed l JOIN pg_catalog.pg_proc p ON p.proname >= l.name::pg_catalog.name
      AND p.proname < (l.name || '{')::pg_catalog.name WHERE l.schema IS NULL AND l.prefix
    UNION ALL SELECT p.oid, l.grade FROM listed l JOIN pg_catalog.pg_namespace n ON n.nspname = l.schema JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid
      WHERE CASE WHEN l.prefix OR l.name = '' THEN pg_catalog.starts_with(p.proname::pg_catalog.text, l.name) ELSE p.proname = l.name END
    UNION ALL SELECT p.oid, l.grade FROM listed l JOIN pg_catalog.pg_proc p ON p.oid >= 16384 AND p.prolang IN (12, 13)
      AND CASE WHEN l.prefix THEN pg_catalog.starts_with(p.prosrc, l.name) ELSE p.prosrc = l.name END WHERE l.schema IS NULL) p
  GROUP BY p.oid),
body AS MATERIALIZED (
  SELECT p.oid, p.proname::pg_catalog.text AS name, g.lanname, pg_catalog.lower(CASE WHEN pg_catalog.to_jsonb(p) ->> 'prosqlbody' IS NOT NULL
    THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END) AS text
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language g ON g.oid = p.prolang
  WHERE p.oid >= 16384 AND p.prokind IN ('f', 'p', 'w') AND g.lanname NOT IN ('c', 'internal')
    AND p.prorettype NOT IN (2279, 3838)),
seed AS MATERIALIZED (
  SELECT b.oid, b.name, b.text, CASE WHEN b.lanname NOT IN ('sql', 'plpgsql') OR b.text ~ 'u&"' OR (b.lanname = 'plpgsql' AND b.text ~ '\mexecute\M') THEN 3
    -- A read-only transaction lets these pass.
    ELSE GREATEST((SELECT pg_catalog.max(w.grade) FROM words w WHERE b.text ~ w.pattern),
      CASE WHEN b.text ~ '\m(notify|reindex|cluster|vacuum|analyze|discard|lock|load|listen|unlisten|checkpoint)\M' THEN 1 END) END AS grade FROM body b),
reached(oid, name, grade) AS (
  SELECT s.oid, s.name, s.grade FROM seed s WHERE s.grade IS NOT NULL
  UNION SELECT b.oid, b.name, r.grade FROM reached r JOIN body b ON pg_catalog.strpos(b.text, pg_catalog.lower(r.name)) > 0),
functions AS MATERIALIZED (
  SELECT a.oid, pg_catalog.max(a.grade) AS grade FROM (SELECT r.oid, r.grade FROM reached r UNION ALL SELECT d.oid, d.grade FROM direct d) a GROUP BY a.oid),
nodes AS MATERIALIZED (
  SELECT f.grade, ':(funcid|opfuncid|aggfnoid|winfnoid|negfuncid|hashfuncid|inputcollid) (' || pg_catalog.string_agg(f.oid::pg_catalog.text, '|') || ')\M' AS pattern
  FROM functions f GROUP BY f.grade),
code AS MATERIALIZED (
  SELECT c.relname::pg_catalog.text AS name, w.ev_class AS class, w.ev_action::pg_catalog.text AS text FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_class c ON c.oid = w.ev_class WHERE w.oid >= 16384 AND w.rulename = '_RETURN'
  UNION ALL SELECT c.relname::pg_catalog.text, p.polrelid, pg_catalog.concat(p.polqual::pg_catalog.text, p.polwithcheck::pg_catalog.text) FROM pg_catalog.pg_policy p
    JOIN pg_catalog.pg_class c ON c.oid = p.polrelid),
relations(class, name, grade) AS (
  SELECT c.class, c.name, n.grade FROM code c JOIN nodes n ON c.text ~ n.pattern
  UNION SELECT c.class, c.name, r.grade FROM relations r JOIN code c ON c.text ~ (':relid ' || r.class::pg_catalog.text || '\M')),
found AS MATERIALIZED (
  SELECT 'name' AS kind, b.name, f.grade FROM functions f JOIN body b ON b.oid = f.oid
  UNION ALL SELECT 'name', p.proname::pg_catalog.text, f.grade FROM functions f JOIN pg_catalog.pg_proc p ON p.oid = f.oid WHERE p.oid >= 16384 AND p.prolang IN (12, 13)
    AND NOT EXISTS (SELECT FROM listed l WHERE l.name = p.proname OR (l.prefix AND pg_catalog.starts_with(p.proname::pg_catalog.text, l.name)))
  UNION ALL SELECT 'name', p.proname::pg_catalog.text, f.grade FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc p ON p.oid = a.aggfnoid AND p.oid >= 16384
    JOIN functions f ON f.oid = ANY (ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::pg_catalog.oid[])
  UNION ALL SELECT 'operator', o.oprname::pg_catalog.text, f.grade FROM pg_catalog.pg_operator o JOIN functions f ON f.oid = ANY (ARRAY[o.oprcode, o.oprrest, o.oprjoin]::pg_catalog.oid[]) WHERE o.oid >= 16384
  UNION ALL SELECT 'any', 'a cast', f.grade FROM pg_catalog.pg_cast c JOIN functions f ON f.oid = c.castfunc WHERE c.oid >= 16384
  UNION ALL SELECT 'any', t.typname::pg_catalog.text, f.grade FROM pg_catalog.pg_type t JOIN functions f
    ON f.oid = ANY (ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout]::pg_catalog.oid[]) WHERE t.oid >= 16384 AND t.typtype = 'b'
  UNION ALL SELECT 'any', 'a range type', f.grade FROM pg_catalog.pg_range g JOIN functions f ON f.oid = ANY (ARRAY[g.rngcanonical, g.rngsubdiff]::pg_catalog.oid[]) WHERE g.rngtypid >= 16384
  UNION ALL SELECT 'any', 'an operator class', f.grade FROM pg_catalog.pg_amproc a JOIN functions f ON f.oid = a.amproc::pg_catalog.oid WHERE a.oid >= 16384
  UNION ALL SELECT 'any', c.conname::pg_catalog.text, f.grade FROM pg_catalog.pg_conversion c JOIN functions f ON f.oid = c.conproc::pg_catalog.oid WHERE c.oid >= 16384
  UNION ALL SELECT 'name', t.typname::pg_catalog.text, n.grade FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_type t ON t.oid = k.contypid JOIN nodes n ON k.conbin::pg_catalog.text ~ n.pattern
  -- What holds a value of such a domain.
  UNION ALL SELECT 'name', c.relname::pg_catalog.text, n.grade FROM pg_catalog.pg_constraint k JOIN nodes n ON k.contypid <> 0 AND k.conbin::pg_catalog.text ~ n.pattern
    JOIN pg_catalog.pg_type t ON t.oid = k.contypid OR t.typelem = k.contypid OR t.typbasetype = k.contypid
    JOIN pg_catalog.pg_attribute a ON a.atttypid = t.oid JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  -- Default arguments.
  UNION ALL SELECT 'name', p.proname::pg_catalog.text, n.grade FROM pg_catalog.pg_proc p JOIN nodes n ON p.proargdefaults::pg_catalog.text ~ n.pattern WHERE p.oid >= 16384
  UNION ALL SELECT 'name', r.name, r.grade FROM relations r),
known AS MATERIALIZED (
  SELECT f.kind, f.name, pg_catalog.max(f.grade) AS grade FROM (SELECT * FROM found
    -- A body that uses one of those without calling a function by its name.
    UNION ALL SELECT 'name', b.name, n.grade FROM found n JOIN body b ON n.kind <> 'any' AND pg_catalog.strpos(b.text, pg_catalog.lower(n.name)) > 0) f
  GROUP BY f.kind, f.name),
reaching AS MATERIALIZED (
  SELECT k.name, k.grade FROM known k WHERE k.grade >= $4::int4 AND CASE k.kind WHEN 'any' THEN true WHEN 'operator'
    THEN ($3::pg_catalog.jsonb -> 'operators') ? k.name ELSE ($3::pg_catalog.jsonb -> 'identifiers') ? k.name END)
SELECT CASE WHEN EXISTS (SELECT FROM reaching) THEN ('neon-mcp ' || $1 || ' reaches ' || (SELECT pg_catalog.jsonb_build_object(
    'names', pg_catalog.jsonb_agg(DISTINCT r.name), 'grade', pg_catalog.max(r.grade)) FROM reaching r)::pg_catalog.text)::int4::pg_catalog.text
  ELSE v.now END AS version,
  (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('kind', k.kind, 'name', k.name, 'grade', k.grade)), '[]') FROM known k)::pg_catalog.text AS known
FROM version v
