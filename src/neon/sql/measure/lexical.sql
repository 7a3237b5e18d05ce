-- Fails where a setting that a text's meaning depends on isn't as the parser has it by default in this session. $1: the mark.
SELECT CASE WHEN s.name IS NOT NULL THEN (pg_catalog.concat('neon-mcp ', $1::pg_catalog.text, ' lexical ', s.name))::pg_catalog.int4 END
FROM pg_catalog.pg_settings s
WHERE pg_catalog.texteq(s.name, 'standard_conforming_strings') AND pg_catalog.textne(s.reset_val, 'on')
  OR pg_catalog.texteq(s.name, 'backslash_quote') AND pg_catalog.textne(s.reset_val, 'safe_encoding')
  OR pg_catalog.texteq(s.name, 'client_encoding') AND pg_catalog.textne(s.reset_val, 'UTF8')
