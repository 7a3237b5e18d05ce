// Neon's serverless driver over HTTP: what its users write, and what they must get.

import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { neon, neonConfig, NeonDbError } from "@neondatabase/serverless";

const { SQL_ENDPOINT, DATABASE_URL } = process.env;
neonConfig.fetchEndpoint = SQL_ENDPOINT;

const sql = neon(DATABASE_URL);
// A schema of our own, so that a database with something in it stays as it is.
const schema = `drivers_${process.pid}`;

before(async () => {
  await sql.transaction([
    sql`CREATE SCHEMA ${sql.unsafe(schema)}`,
    sql`CREATE TABLE ${sql.unsafe(schema)}.t (id int4 PRIMARY KEY, name text NOT NULL, tags text[], extra jsonb)`,
  ]);
});
after(() => sql`DROP SCHEMA ${sql.unsafe(schema)} CASCADE`);

const table = sql.unsafe(`${schema}.t`);

// expression, what JavaScript gets
const values = [
  ["1::int2", 1],
  ["2147483647::int4", 2147483647],
  ["9007199254740993::int8", "9007199254740993"],
  ["12345678901234567890.0123456789::numeric", "12345678901234567890.0123456789"],
  ["0.1::float8", 0.1],
  ["1.5::float4", 1.5],
  ["'Infinity'::float8", Infinity],
  ["'NaN'::float8", NaN],
  ["true", true],
  ["false", false],
  ["NULL::int4", null],
  ["''::text", ""],
  ["'ünïcode ''quoted'' \\ \"x\"'::text", "ünïcode 'quoted' \\ \"x\""],
  ["E'line\\nbreak'", "line\nbreak"],
  ["'{\"a\": [1, null, \"ü\"]}'::json", { a: [1, null, "ü"] }],
  ["'{\"a\": {\"b\": 1.5}}'::jsonb", { a: { b: 1.5 } }],
  ["'null'::jsonb", null],
  ["TIMESTAMPTZ '2026-02-28 12:00:00.123+02'", new Date("2026-02-28T10:00:00.123Z")],
  ["'0198c9f0-0000-7000-8000-000000000001'::uuid", "0198c9f0-0000-7000-8000-000000000001"],
  ["'\\x00ff'::bytea", Buffer.from([0, 255])],
  ["ARRAY[1, NULL, 3]", [1, null, 3]],
  ["ARRAY[[1, 2], [3, 4]]", [[1, 2], [3, 4]]],
  ["'{}'::int4[]", []],
  ["ARRAY['a b', NULL, 'NULL', 'x,\"y\\']", ["a b", null, "NULL", 'x,"y\\']],
  ["ARRAY[true, false]", [true, false]],
  ["ARRAY[9007199254740993]", ["9007199254740993"]],
  ["ARRAY['{\"a\":1}'::jsonb]", [{ a: 1 }]],
];
for (const [expression, expected] of values) {
  test(`value: ${expression}`, async () => {
    const [row] = await sql.query(`SELECT ${expression} AS v`);
    assert.deepEqual(row.v, expected);
  });
}

test("value: a date is one of the local time zone", async () => {
  const [{ v }] = await sql`SELECT DATE '2026-02-28' AS v`;
  assert.deepEqual([v.getFullYear(), v.getMonth(), v.getDate()], [2026, 1, 28]);
});

test("value: an interval", async () => {
  const [{ v }] = await sql`SELECT INTERVAL '1 day 2 hours' AS v`;
  assert.deepEqual({ ...v }, { days: 1, hours: 2 });
});

// type, parameter, what comes back as text
const params = [
  ["int4", 42, "42"],
  ["int8", 9007199254740993n, "9007199254740993"],
  ["float8", 1.5, "1.5"],
  ["bool", true, "true"],
  ["text", "it's; DROP TABLE t", "it's; DROP TABLE t"],
  ["text", "", ""],
  ["text", null, null],
  ["text", undefined, null],
  ["jsonb", { a: [1, "ü"] }, '{"a": [1, "ü"]}'],
  ["int4[]", [1, null, 3], "{1,NULL,3}"],
  ["text[]", ['a "b"', "c,d", "\\"], '{"a \\"b\\"","c,d","\\\\"}'],
  ["text[]", [["a"], ["b"]], "{{a},{b}}"],
  ["bytea", Buffer.from([0, 255]), "\\x00ff"],
  ["timestamptz", new Date("2026-01-01T00:00:00Z"), /^2025-12-31|^2026-01-01/],
];
for (const [type, param, expected] of params) {
  test(`parameter: ${type} from ${typeof param} ${String(param)}`, async () => {
    const [{ v }] = await sql`SELECT ${param}::${sql.unsafe(type)}::text AS v`;
    if (expected instanceof RegExp) assert.match(v, expected);
    else assert.equal(v, expected);
  });
}

test("fragments make one query", async () => {
  const where = sql`n > ${2} AND n < ${5}`;
  assert.deepEqual(await sql`SELECT n FROM generate_series(1, 9) n WHERE ${where} ORDER BY n`, [{ n: 3 }, { n: 4 }]);
});

test("arrayMode", async () => {
  assert.deepEqual(await sql.query("SELECT 1 AS a, 2 AS a", [], { arrayMode: true }), [[1, 2]]);
  assert.deepEqual(await neon(DATABASE_URL, { arrayMode: true })`SELECT 1, 'x'`, [[1, "x"]]);
  assert.deepEqual(await sql`SELECT 1 AS a, 2 AS a`, [{ a: 2 }]);
});

test("fullResults", async () => {
  const full = neon(DATABASE_URL, { fullResults: true });
  const result = await full`INSERT INTO ${table} VALUES (100, ${"x"}), (101, ${"y"}) RETURNING id, name`;
  assert.equal(result.command, "INSERT");
  assert.equal(result.rowCount, 2);
  assert.equal(result.rowAsArray, false);
  assert.equal(result.viaNeonFetch, true);
  assert.deepEqual(result.rows, [{ id: 100, name: "x" }, { id: 101, name: "y" }]);
  assert.deepEqual(result.fields.map(({ name, dataTypeID, columnID, format }) => [name, dataTypeID, columnID, format]), [
    ["id", 23, 1, "text"],
    ["name", 25, 2, "text"],
  ]);
  assert.ok(result.fields.every((field) => field.tableID > 0));
  const created = await full`CREATE TEMP TABLE nothing (x int4)`;
  assert.deepEqual([created.command, created.rowCount, created.rows], ["CREATE", null, []]);
});

test("parsers of one's own", async () => {
  const types = { getTypeParser: () => (text) => `<${text}>` };
  assert.deepEqual(await sql.query("SELECT 1 AS a, NULL AS b", [], { types }), [{ a: "<1>", b: null }]);
});

const settings = "SELECT current_setting('transaction_isolation') AS level, \
  current_setting('transaction_read_only') AS ro, current_setting('transaction_deferrable') AS later";
for (const [options, level, ro, later] of [
  [{}, "read committed", "off", "off"],
  [{ isolationLevel: "ReadUncommitted" }, "read uncommitted", "off", "off"],
  [{ isolationLevel: "RepeatableRead" }, "repeatable read", "off", "off"],
  [{ isolationLevel: "Serializable", readOnly: true, deferrable: true }, "serializable", "on", "on"],
  [{ readOnly: true }, "read committed", "on", "off"],
  [{ readOnly: false }, "read committed", "off", "off"],
]) {
  test(`transaction with ${JSON.stringify(options)}`, async () => {
    const [rows, other] = await sql.transaction((tx) => [tx.query(settings), tx`SELECT ${1}::int4 AS n`], options);
    assert.deepEqual(rows, [{ level, ro, later }]);
    assert.deepEqual(other, [{ n: 1 }]);
  });
}

test("a transaction does everything or nothing", async () => {
  const failed = sql.transaction([
    sql`INSERT INTO ${table} VALUES (1, 'one')`,
    sql`INSERT INTO ${table} VALUES (1, 'again')`,
  ]);
  await assert.rejects(failed, { code: "23505", table: "t", constraint: "t_pkey", detail: "Key (id)=(1) already exists." });
  assert.deepEqual(await sql`SELECT * FROM ${table} WHERE id = 1`, []);
  await assert.rejects(sql.transaction([sql`DELETE FROM ${table}`], { readOnly: true }), { code: "25006" });
  const results = await sql.transaction([sql`SELECT 1 AS a`, sql`SELECT 2 AS b`], { arrayMode: true, fullResults: true });
  assert.deepEqual(results.map((result) => [result.rows, result.rowCount]), [[[[1]], 1], [[[2]], 1]]);
});

for (const [query, expected] of [
  ["SELECT nope", { code: "42703", severity: "ERROR", position: "8", message: 'column "nope" does not exist' }],
  ["SELEC 1", { code: "42601", position: "1" }],
  ["SELECT 1 / 0", { code: "22012", routine: "int4div" }],
  ["SELECT 'x'::int4", { code: "22P02", position: "8" }],
  [`INSERT INTO ${schema}.t VALUES (7, NULL)`, { code: "23502", column: "name", schema, table: "t" }],
  ["SELECT 1; SELECT 2", { code: "42601" }],
]) {
  test(`error: ${query}`, async () => {
    await assert.rejects(sql.query(query), (error) => {
      assert.ok(error instanceof NeonDbError);
      for (const [key, value] of Object.entries(expected)) assert.equal(error[key], value, key);
      return true;
    });
  });
}

test("error: the password is wrong", async () => {
  const url = new URL(DATABASE_URL);
  url.password = "wrong";
  await assert.rejects(neon(url.href)`SELECT 1`, (error) => {
    assert.ok(error instanceof NeonDbError);
    assert.match(error.message, /password authentication failed for user/);
    return true;
  });
});

test("many queries at the same time", async () => {
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => sql`SELECT ${n}::int4 AS n`));
  assert.deepEqual(answers.map(([{ n }]) => n), Array.from({ length: 40 }, (_, n) => n));
});

test("a query that is aborted", async () => {
  const abort = new AbortController();
  const query = sql.query("SELECT pg_sleep(600)", [], { fetchOptions: { signal: abort.signal } });
  setTimeout(() => abort.abort(), 200);
  await assert.rejects(query, /abort/i);
});
