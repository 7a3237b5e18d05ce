WITH RECURSIVE named AS (
 SELECT p.place, p.type AS declared, p.type AS base
 FROM pg_catalog.pg_prepared_statements s, pg_catalog.unnest(s.parameter_types::pg_catalog.oid[]) WITH ORDINALITY AS p(type, place)
 WHERE s.name OPERATOR(pg_catalog.=) $1::pg_catalog.text
 UNION ALL
 SELECT n.place, n.declared, t.typbasetype
 FROM named n JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) n.base WHERE t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char"
), based AS (
 SELECT n.place, n.declared, t.typelem, t.typoutput OPERATOR(pg_catalog.=) 'pg_catalog.array_out'::pg_catalog.regproc AS is_array
 FROM named n JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) n.base WHERE t.typtype OPERATOR(pg_catalog.<>) 'd'::pg_catalog."char"
)
SELECT pg_catalog.format_type(b.declared, NULL) AS type,
 CASE WHEN b.is_array THEN e.typdelim::pg_catalog.text END AS delimiter,
 b.is_array AND CASE e.typtype WHEN 'd'::pg_catalog."char" THEN e.typbasetype ELSE e.oid END OPERATOR(pg_catalog.=) ANY (ARRAY[114, 3802]::pg_catalog.oid[]) AS of_documents
FROM based b LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) b.typelem
ORDER BY b.place
