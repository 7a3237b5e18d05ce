-- Where the operator bounds roles, around each of the caller's statements: fails where the session acts for another role than the
-- connection's. Every name in it is qualified, operators are functions, since it runs under whatever search path there is. $1: the mark.
-- $2: the role.
SELECT CASE WHEN NOT (pg_catalog.texteq(current_user::pg_catalog.text, $2::pg_catalog.text)
    AND pg_catalog.texteq(session_user::pg_catalog.text, $2::pg_catalog.text))
  THEN (pg_catalog.concat('neon-mcp ', $1::pg_catalog.text, ' role ', current_user::pg_catalog.text))::pg_catalog.int4 END AS role
