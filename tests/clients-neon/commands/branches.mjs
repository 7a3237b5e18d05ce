// `neon branches`: what becomes of a branch, looked at through the API and in its data.

import assert from 'node:assert/strict';

/** Branches of a project, whose main branch has a table of prices. */
export async function branches(table, { project }) {
  const { sandbox } = table;
  const list = async () => (await sandbox.api('GET', `/projects/${project}/branches?limit=100`)).branches;
  const find = async (name) => {
    const found = (await list()).find((branch) => branch.name === name);
    assert.ok(found, `there is no branch ${name}`);
    return found;
  };
  const sql = async (name, text) => sandbox.sql(project, (await find(name)).id, text);
  const count = (name) => sql(name, 'select count(*) from prices');
  const computes = async (name) =>
    (await sandbox.api('GET', `/projects/${project}/branches/${(await find(name)).id}/endpoints`)).endpoints;

  await sql('main', 'create table prices (item text primary key, cents int); insert into prices values ($$tea$$, 250)');
  await sandbox.settled(project);
  const [main] = await list();
  table.name(main.id, 'MAIN');

  await table.run('branches list', 'main alone', ({ json }) => assert.deepEqual(json.map(({ name }) => name), ['main']));
  await table.run('branches create --name dev', "the parent's rows, by the URI that is printed", async ({ json }) => {
    assert.equal(json.branch.parent_id, main.id);
    assert.equal(await sandbox.psql(json.connection_uris[0].connection_uri, 'select * from prices'), 'tea|250');
  });
  await table.run(
    'branches create --name dev',
    'refused: the name is taken',
    ({ err }) => assert.match(err, /already exists/),
    { code: 1 },
  );
  await table.run('branches create --name bare --no-compute', 'it has no compute', async () =>
    assert.deepEqual(await computes('bare'), []),
  );
  await table.run('branches create --name small --cu 0.5-1 --suspend-timeout 600', 'size and timeout as asked', async () => {
    const [compute] = await computes('small');
    const { autoscaling_limit_min_cu, autoscaling_limit_max_cu, suspend_timeout_seconds } = compute;
    assert.deepEqual([autoscaling_limit_min_cu, autoscaling_limit_max_cu, suspend_timeout_seconds], [0.5, 1, 600]);
  });
  await table.run('branches create --name shape --schema-only', 'the table, without rows', async () =>
    assert.equal(await count('shape'), '0'),
  );
  await table.run('branches create --name kept --protected --parent dev', 'it is protected, its parent is dev', async () => {
    const { protected: kept, parent_id } = await find('kept');
    assert.deepEqual([kept, parent_id], [true, (await find('dev')).id]);
  });
  await table.run('branches create --name brief --expires-at 2030-01-01T00:00:00Z', 'refused: it lies too far ahead', () => {}, {
    code: 1,
  });
  const soon = new Date(Date.now() + 86_400_000).toISOString().replace(/\.\d+/, '');
  table.name(soon, 'TOMORROW');
  await table.run(['branches', 'create', '--name', 'brief', '--expires-at', soon], 'the API says when it ends', async () =>
    assert.equal(Date.parse((await find('brief')).expires_at), Date.parse(soon)),
  );
  await table.run('branches create --name reader --type read_only', 'a compute that only reads', async () => {
    const [compute] = await computes('reader');
    assert.equal(compute.type, 'read_only');
    assert.equal(await count('reader'), '1');
    await assert.rejects(sql('reader', 'delete from prices'), /read-only/);
  });
  await table.run(
    ['branches', 'create', '--name', 'typed', '--psql', '--', '-Atc', 'select item from prices'],
    'psql runs on it',
    ({ out }) => assert.match(out, /^tea$/m),
    { text: true },
  );
  await table.run('branches list', 'all, with what they are', ({ out }) => assert.match(out, /\[protected\] kept[^]*\[default\] main/), {
    text: true,
  });
  await table.run('branches get dev', 'the one', async ({ json }) => assert.equal(json.id, (await find('dev')).id));
  await table.run('branches get nothing', 'refused: the names that there are', ({ err }) => assert.match(err, /Available branches: .*main/), {
    code: 1,
  });
  await table.run('branches rename small tiny', 'it has the new name', () => find('tiny'));
  await table.run('branches set-expiration tiny --expires-at ' + soon, 'the API says when it ends', async () =>
    assert.equal(Date.parse((await find('tiny')).expires_at), Date.parse(soon)),
  );
  await table.run('branches set-expiration tiny', 'it no longer ends', async () =>
    assert.equal((await find('tiny')).expires_at, undefined),
  );
  await table.run('branches add-compute bare --type read_write --cu 0.25', 'its rows can be read', async () => {
    assert.equal((await computes('bare'))[0].autoscaling_limit_max_cu, 0.25);
    assert.equal(await count('bare'), '1');
  });
  await table.run('branches add-compute dev', 'a read replica that follows the branch', async () => {
    const replica = (await computes('dev')).find(({ type }) => type === 'read_only');
    const owner = new URL(await sandbox.uri(project, (await find('dev')).id));
    owner.host = replica.host;
    await sql('dev', 'create table later as select 1');
    await until(async () => assert.equal(await sandbox.psql(owner.href, 'select count(*) from later'), '1'));
    await sql('dev', 'drop table later');
  });

  await history(table, { project, main, find, sql, count });

  await table.run('branches set-default dev', 'the API says so too', async () => {
    assert.equal((await find('dev')).default, true);
    assert.equal((await find('main')).default, false);
  });
  await table.run('branches delete dev', 'refused: it is the default branch', ({ err }) => assert.match(err, /default/), { code: 1 });
  await table.run('branches set-default main', 'the API says so too', async () => assert.equal((await find('main')).default, true));
  await table.run('branches delete kept', 'refused: it is protected', ({ err }) => assert.match(err, /protected/), { code: 1 });
  // A project has room for five branches without a parent.
  for (const gone of ['typed', 'shape', 'deleted']) {
    await table.run(`branches delete ${gone}`, 'the API no longer has it', async () =>
      assert.ok((await list()).every(({ name }) => name !== gone)),
    );
  }
}

/** Reset, restore and schema comparison. */
async function history(table, { project, main, find, sql, count }) {
  const { sandbox } = table;
  await sandbox.settled(project);
  await sql('dev', 'insert into prices values ($$cake$$, 400); alter table prices add note text');
  await table.run('branches schema-diff main dev', 'the column that was added', ({ out }) => assert.match(out, /^\+ +note text/m), {
    text: true,
  });
  await table.run('branches schema-diff dev ^parent', 'the same, read from the parent', ({ out }) => assert.match(out, /^\+ +note text/m), {
    text: true,
  });
  await table.run('branches schema-diff main shape --database neondb', 'nothing: a schema-only branch is the same', ({ out }) =>
    assert.doesNotMatch(out, /^[+-](?![+-])/m),
    { text: true },
  );
  await table.run('diff main --branch dev', 'the column that was added', ({ json }) => {
    assert.equal(json[0].has_changes, true);
    assert.match(json[0].diff, /^\+ +note text/m);
  });
  const moment = new Date().toISOString();
  table.name(moment, 'MOMENT');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await sql('dev', 'truncate prices; alter table prices drop note');

  await table.run(`branches schema-diff dev ^self@${moment}`, 'the column that was dropped', ({ out }) =>
    assert.match(out, /^\+ +note text/m), { text: true });
  await table.run(`branches create --name at-time --parent ${moment}`, "the default branch's rows at that time", async () =>
    assert.equal(await count('at-time'), '1'),
  );
  await table.run(`branches restore dev ^self@${moment} --preserve-under-name emptied`, 'refused: dev is no root branch', ({ err }) =>
    assert.match(err, /only root branches/), { code: 1 });
  await sql('dev', "insert into prices select 'cup ' || n, n from generate_series(1, 3) n");
  await table.run('branches restore at-time dev', "the other branch's rows", async () => {
    await sandbox.settled(project);
    assert.equal(await count('at-time'), '3');
  });
  await table.run('branches restore tiny ^parent', "the parent's rows", async () => {
    await sandbox.settled(project);
    assert.equal(await count('tiny'), '1');
  });
  await sql('tiny', 'truncate prices');
  await table.run('branches reset tiny --parent', "the parent's rows", async ({ json }) => {
    assert.ok(json.last_reset_at);
    await sandbox.settled(project);
    assert.equal(await count('tiny'), '1');
  });
  await table.run('branches reset tiny --parent --preserve-under-name before', 'the state before is a branch', async () => {
    await sandbox.settled(project);
    await find('before');
  });
  await rewind(table, { project, main, find, sql, count });
}

/** The main branch, back to a moment and to an LSN of its own. */
async function rewind(table, { project, main, find, sql, count }) {
  const { sandbox } = table;
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1500));
  await table.run('branches restore main ^self', 'refused: to its own head', () => {}, { code: 1 });
  await pause();
  const moment = new Date().toISOString();
  table.name(moment, 'MOMENT');
  await pause();
  await sql('main', 'truncate prices');
  await table.run(`branches restore main ^self@${moment} --preserve-under-name emptied`, 'the row is back; what was before is kept', async ({ json }) => {
    assert.equal(json.id ?? json.restored_branch.id, main.id);
    await sandbox.settled(project);
    assert.equal(await count('main'), '1');
    const kept = (await find('emptied')).id;
    // The children stay with what they came off.
    assert.equal((await find('tiny')).parent_id, kept);
    assert.deepEqual((await sandbox.api('GET', `/projects/${project}/branches/${kept}/endpoints`)).endpoints, []);
  });
  const lsn = await sql('main', 'select pg_current_wal_insert_lsn()');
  table.name(lsn, 'LSN');
  await sql('main', 'delete from prices');
  await table.run(`branches restore main ^self@${lsn} --preserve-under-name deleted`, 'the row as of the LSN', async () => {
    await sandbox.settled(project);
    assert.equal(await count('main'), '1');
  });
  await sql('main', 'create table since (n int)');
  const at = await sql('main', 'select pg_current_wal_insert_lsn()');
  table.name(at, 'LSN');
  await sql('main', 'drop table since');
  await table.run(`branches schema-diff main ^self@${at} --database neondb`, 'the table that was dropped', ({ out }) =>
    assert.match(out, /^\+CREATE TABLE public\.since/m), { text: true });
}

/** Tries until it succeeds, for ten seconds. */
export async function until(action) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await action();
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
