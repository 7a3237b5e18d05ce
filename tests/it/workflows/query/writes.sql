-- Writes in every disguise: a case begins with its number. None is run by query_database.

-- case: 1
INSERT INTO t VALUES (99)

-- case: 2
UPDATE t SET x = 0

-- case: 3
DELETE FROM t

-- case: 4
TRUNCATE t

-- case: 5
DROP TABLE t

-- case: 6
CREATE TABLE made (x int)

-- case: 7
ALTER TABLE t ADD COLUMN y int

-- case: 8
MERGE INTO t USING (VALUES (1)) v(x) ON t.x = v.x WHEN MATCHED THEN DELETE

-- case: 9
WITH d AS (DELETE FROM t RETURNING x) SELECT * FROM d

-- case: 10
WITH i AS (INSERT INTO t VALUES (98) RETURNING *) TABLE i

-- case: 11
WITH u AS (UPDATE t SET x = x + 100 RETURNING *) SELECT count(*) FROM u

-- case: 12
WITH a AS (SELECT 1), b AS MATERIALIZED (DELETE FROM t) SELECT * FROM a

-- case: 13
SELECT * INTO copied FROM t

-- case: 14
SELECT * INTO TEMP copied FROM t

-- case: 15
CREATE TABLE copied AS SELECT * FROM t

-- case: 16
SELECT * FROM t FOR UPDATE

-- case: 17
SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED

-- case: 18
SELECT * FROM t FOR SHARE NOWAIT

-- case: 19
SELECT * FROM (SELECT * FROM t FOR KEY SHARE) s

-- case: 20
SELECT nextval('s')

-- case: 21
SELECT pg_catalog.nextval('s'::regclass) + 1

-- case: 22
SELECT setval('s', 500)

-- case: 23
SELECT "setval"('s', 501)

-- case: 24
SELECT U&"\0073etval"('s', 502)

-- case: 25
SELECT lo_create(4711)

-- case: 26
SELECT lo_from_bytea(0, 'a')

-- case: 27
SELECT lo_unlink(1)

-- case: 28
SELECT lo_import('/etc/passwd')

-- case: 29
SELECT pg_terminate_backend(pg_backend_pid())

-- case: 30
SELECT pg_cancel_backend(pid) FROM pg_stat_activity

-- case: 31
SELECT set_config('search_path', 'x', false)

-- case: 32
SELECT pg_notify('a', 'b')

-- case: 33
SELECT pg_advisory_lock(1)

-- case: 34
SELECT pg_create_logical_replication_slot('slot', 'pgoutput')

-- case: 35
SELECT pg_switch_wal()

-- case: 36
SELECT pg_reload_conf()

-- case: 37
SELECT pg_read_file('/etc/passwd')

-- case: 38
SELECT pg_stat_reset()

-- case: 39
SELECT query_to_xml('DELETE FROM t', true, true, '')

-- case: 40
SELECT dblink_exec('host=localhost', 'DELETE FROM t')

-- case: 41
SELECT * FROM dblink('host=localhost', 'DELETE FROM t RETURNING x') AS d(x int)

-- case: 42
COPY t TO '/tmp/out'

-- case: 43
COPY t FROM PROGRAM 'echo 7'

-- case: 44
COPY (DELETE FROM t RETURNING x) TO STDOUT

-- case: 45
EXPLAIN ANALYZE DELETE FROM t

-- case: 46
EXPLAIN (ANALYZE true, COSTS off) INSERT INTO t VALUES (97)

-- case: 47
EXPLAIN (ANALYZE 1) WITH d AS (DELETE FROM t RETURNING x) SELECT * FROM d

-- case: 48
EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1

-- case: 49
EXPLAIN (ANALYZE) SELECT nextval('s')

-- case: 50
SELECT sneaky()

-- case: 51
SELECT (SELECT sneaky() LIMIT 1) FROM t

-- case: 52
SELECT * FROM sneaky()

-- case: 53
SELECT x FROM t WHERE sneaky() > 0

-- case: 54
SELECT 1 ?! 2

-- case: 55
SELECT hidden.nextval('s')

-- case: 56
SELECT 1; DELETE FROM t

-- case: 57
SELECT 1; COMMIT; DELETE FROM t; SELECT 2

-- case: 58
; DELETE FROM t

-- case: 59
SELECT 1 /* ; */; DROP TABLE t --

-- case: 60
COMMIT

-- case: 61
ROLLBACK; DELETE FROM t

-- case: 62
SET TRANSACTION READ WRITE

-- case: 63
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE

-- case: 64
BEGIN READ WRITE

-- case: 65
DO $$ BEGIN DELETE FROM t; END $$

-- case: 66
CALL emptying()

-- case: 67
PREPARE p AS DELETE FROM t

-- case: 68
EXECUTE p

-- case: 69
DECLARE c CURSOR WITH HOLD FOR SELECT sneaky()

-- case: 70
REFRESH MATERIALIZED VIEW m

-- case: 71
GRANT ALL ON t TO PUBLIC

-- case: 72
COMMENT ON TABLE t IS 'x'

-- case: 73
LOCK TABLE t

-- case: 74
NOTIFY a

-- case: 75
LISTEN a

-- case: 76
VACUUM t

-- case: 77
ANALYZE t

-- case: 78
SET search_path = x

-- case: 79
RESET ALL

-- case: 80
DISCARD ALL

-- case: 81
DELETE/**/FROM t

-- case: 82
/*+ hint */ DELETE FROM t

-- case: 83
delete from only t where true

-- case: 84
((WITH d AS (DELETE FROM t RETURNING x) SELECT * FROM d))

-- case: 85
VALUES ((SELECT nextval('s')))

-- case: 86
TABLE t FOR UPDATE

-- case: 87
SHOW search_path; DELETE FROM t

-- case: 88
\copy t from '/etc/passwd'

-- case: 89
SELECT 1;

-- then
DELETE FROM t;

-- case: 90
WITH d AS (
    DELETE FROM t
    RETURNING x
)
SELECT count(*) FROM d
