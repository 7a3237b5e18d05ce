// `neon databases`, `roles`, `connection-string`, `psql`, `inspect`: what is in a branch, and the ways in.

import assert from 'node:assert/strict';

import { until } from './branches.mjs';

export async function contents(table, { project }) {
  const { sandbox } = table;
  const { branches } = await sandbox.api('GET', `/projects/${project}/branches?search=main`);
  const main = branches.find(({ name }) => name === 'main').id;
  const sql = (text) => sandbox.sql(project, main, text);
  await sandbox.settled(project);

  await table.run('databases create --name ledger', 'it is there, and belongs to the only role', async ({ json }) => {
    assert.equal(json.owner_name, 'neondb_owner');
    await sandbox.settled(project);
    assert.equal(await sandbox.psql(await sandbox.uri(project, main, 'ledger'), 'select current_database()'), 'ledger');
  });
  await table.run('databases create --name ledger', 'refused: the name is taken', () => {}, { code: 1 });
  await table.run('databases list', 'both', ({ json }) =>
    assert.deepEqual(json.map(({ name }) => name).sort(), ['ledger', 'neondb']),
  );
  await table.run('connection-string main', 'refused: which of the two databases?', ({ err }) =>
    assert.match(err, /Multiple databases/), { code: 1, text: true });
  await table.run('databases delete ledger', 'PostgreSQL no longer has it', async () => {
    await sandbox.settled(project);
    assert.equal(await sql("select count(*) from pg_database where datname = 'ledger'"), '0');
  });
  await table.run('connection-string main', 'psql connects with it as it is, over TLS with channel binding', async ({ out }) => {
    assert.match(out, /\?sslmode=require&channel_binding=require$/m);
    const tls = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()';
    assert.equal(await sandbox.psql(out.trim(), tls), 't');
  }, { text: true });
  await table.run('connection-string main --pooled --ssl omit', 'psql connects with it', async ({ out }) =>
    assert.equal(await sandbox.psql(out.trim(), 'select 1'), '1'), { text: true });
  await table.run('connection-string --prisma --pooled', 'it has what Prisma wants', ({ out }) =>
    assert.match(out, /connect_timeout=30&pool_timeout=30&pgbouncer=true/), { text: true });
  await table.run('connection-string main --extended', 'its parts', async ({ json }) => {
    assert.deepEqual([json.role, json.database], ['neondb_owner', 'neondb']);
    assert.equal(await sandbox.psql(json.connection_string, 'select current_user'), json.role);
  });
  await table.run('connection-string dev --endpoint-type read_only', "the read replica's", async ({ out }) =>
    assert.equal(await sandbox.psql(out.trim(), 'select pg_is_in_recovery()'), 't'), { text: true });

  await table.run('roles create --name clerk', 'it can log in with the password that the API reveals', async () => {
    await sandbox.settled(project);
    assert.equal(await sandbox.psql(await sandbox.uri(project, main, 'neondb', 'clerk'), 'select current_user'), 'clerk');
  });
  await table.run('roles create --name readers --no-login=true', 'PostgreSQL has it, and it can\'t log in', async () => {
    await sandbox.settled(project);
    assert.equal(await sql("select rolcanlogin from pg_roles where rolname = 'readers'"), 'f');
  });
  await table.run('roles list', 'all three', ({ json }) =>
    assert.deepEqual(json.map(({ name }) => name).sort(), ['clerk', 'neondb_owner', 'readers']),
  );
  await table.run('connection-string main --role-name clerk --database-name neondb', 'psql connects with it', async ({ out }) =>
    assert.equal(await sandbox.psql(out.trim(), 'select current_user'), 'clerk'), { text: true });
  for (const name of ['clerk', 'readers']) {
    await table.run(`roles delete ${name}`, 'PostgreSQL no longer has it', async () => {
      await sandbox.settled(project);
      assert.equal(await sql(`select count(*) from pg_roles where rolname = '${name}'`), '0');
    });
  }

  const query = ['--', '-Atc', 'select item, cents from prices order by 1'];
  const rows = ({ out }) => assert.match(out, /^tea\|250$/m);
  const text = { text: true };
  await table.run(['psql', 'main', ...query], "PostgreSQL's own psql, through TLS", rows, text);
  await table.run(['psql', 'main', '--fallback', ...query], "the CLI's embedded psql", rows, text);
  await table.run(['psql', 'main', '--fallback', '--pooled', ...query], 'the same, by the pooled host', rows, text);
  await table.run(['psql', 'main'], 'statements from the standard input', ({ out }) => assert.match(out, /\b55\b/), {
    text: true,
    input: 'select sum(n) from generate_series(1, 10) n;\n',
  });
  await table.run(['psql', 'main', '--fallback', '--', '-c', '\\dt'], 'a command of psql, by the embedded one', ({ out }) =>
    assert.match(out, /prices/), text);
  await table.run(['psql', 'main', '--', '-c', 'select * from nowhere'], "refused: PostgreSQL's own error", ({ err }) =>
    assert.match(err, /relation "nowhere" does not exist/), { text: true, code: 1 });
  await table.run(['connection-string', 'main', '--psql', ...query], 'the same rows', rows, text);
  await suspended(table, { project, main });
  await table.run(['psql', 'main', '--ssl', 'verify-full', ...query], '', () => {}, {
    text: true,
    code: 2,
    lacks: 'the certificate is self-signed: nobody vouches for it',
  });
  await table.run(['psql', 'main@2026-01-01T00:00:00Z', ...query], '', () => {}, {
    text: true,
    code: 2,
    lacks: 'a connection to a moment of the past is made by Neon\'s proxy; create a branch at that time instead',
  });
  await inspection(table);
}

/** A compute that sleeps is woken by a connection. */
async function suspended(table, { project, main }) {
  const { sandbox } = table;
  const [compute] = (await sandbox.api('GET', `/projects/${project}/branches/${main}/endpoints`)).endpoints;
  await sandbox.api('POST', `/projects/${project}/endpoints/${compute.id}/suspend`);
  const state = async () => (await sandbox.api('GET', `/projects/${project}/endpoints/${compute.id}`)).endpoint.current_state;
  await until(async () => assert.equal(await state(), 'idle'));
  await table.run(['psql', 'main', '--', '-Atc', 'select 1'], 'it wakes the compute, which was suspended', async ({ out }) => {
    assert.match(out, /^1$/m);
    assert.equal(await state(), 'active');
  }, { text: true });
}

/** Diagnostics by SQL. */
async function inspection(table) {
  const inspect = (name, does, check) => table.run(`inspect db ${name} --branch main`, does, check);
  await inspect('table-sizes', 'the table of prices', ({ out }) => assert.match(out, /prices/));
  await inspect('index-sizes', 'its index', ({ out }) => assert.match(out, /prices_pkey/));
  await inspect('vacuum-stats', 'the table of prices', ({ out }) => assert.match(out, /prices/));
  for (const name of ['unused-indexes', 'seq-scans', 'long-running-queries', 'stalled-queries', 'locks', 'bloat']
    .concat(['replication-slots', 'subscriptions'])) {
    await inspect(name, 'a list', ({ json }) => assert.ok(Array.isArray(json)));
  }
  for (const name of ['outliers', 'calls']) {
    await table.run(`inspect db ${name} --branch main`, '', () => {}, { lacks: 'pg_stat_statements is not loaded' });
  }
  for (const name of ['lfc-hit-rate', 'working-set']) {
    await table.run(`inspect db ${name} --branch main`, '', () => {}, { lacks: "it asks for Neon's own extension" });
  }
}
