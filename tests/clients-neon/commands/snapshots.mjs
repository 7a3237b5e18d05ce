// `neon snapshots`: copies of a branch, and what comes back from them.

import assert from 'node:assert/strict';

export async function snapshots(table, { project }) {
  const { sandbox } = table;
  const list = async () => (await sandbox.api('GET', `/projects/${project}/snapshots`)).snapshots;
  const branch = async (name) => {
    const { branches } = await sandbox.api('GET', `/projects/${project}/branches?limit=100`);
    const found = branches.find((branch) => branch.name === name);
    assert.ok(found, `there is no branch ${name}`);
    return found;
  };
  const count = async (name) => sandbox.sql(project, (await branch(name)).id, 'select count(*) from prices');
  const main = await branch('main');
  await sandbox.settled(project);

  await table.run('snapshots create --branch main --name first --slug before-coffee', 'it is listed', async ({ json }) => {
    table.name(json.id, 'SNAPSHOT');
    const [snapshot] = await list();
    assert.deepEqual([snapshot.name, snapshot.source_branch_id], ['first', main.id]);
  });
  await table.run('snapshots create --branch dev --name second', 'refused: only root branches have snapshots', () => {}, { code: 1 });
  await sandbox.settled(project);
  const moment = new Date().toISOString();
  table.name(moment, 'MOMENT');
  await new Promise((resolve) => setTimeout(resolve, 1200));
  await sandbox.sql(project, main.id, "insert into prices values ('coffee', 300)");
  await table.run(`snapshots create --timestamp ${moment} --name past`, 'it is made of the state at that time', () => sandbox.settled(project));
  await table.run('snapshots list', 'both', ({ json }) => assert.deepEqual(json.map(({ name }) => name).sort(), ['first', 'past']));
  await table.run('snapshots get before-coffee', 'the one, by its slug', ({ json }) => assert.equal(json.name, 'first'));
  await table.run('snapshots update first --name early --expires-at 2030-01-01T00:00:00Z', 'name and end', async () => {
    const snapshot = (await list()).find(({ name }) => name === 'early');
    assert.equal(Date.parse(snapshot.expires_at), Date.parse('2030-01-01T00:00:00Z'));
  });
  await table.run('snapshots update early --clear-expiration', 'it no longer ends', async () =>
    assert.ok(!(await list()).find(({ name }) => name === 'early').expires_at),
  );
  for (const [snapshot, name] of [['early', 'again'], ['past', 'older']]) {
    await table.run(`snapshots restore ${snapshot} --name ${name}`, 'a new branch with the rows of then', async () => {
      await sandbox.settled(project);
      const { id } = await branch(name);
      await sandbox.api('POST', `/projects/${project}/endpoints`, { endpoint: { branch_id: id, type: 'read_write' } });
      await sandbox.settled(project);
      assert.equal(await count(name), '1');
    });
    await table.run(`branches delete ${name}`, 'room for the next', () => sandbox.settled(project));
  }
  const uri = await sandbox.uri(project, main.id);
  await table.run('snapshots restore early --name preview --target-branch main', 'main stays as it is until it is finalized', async () => {
    await sandbox.settled(project);
    await branch('preview');
    assert.equal(await count('main'), '2');
  });
  await table.run('snapshots finalize preview --name replaced', "main's address has the rows of then; what it was is kept", async () => {
    await sandbox.settled(project);
    assert.equal(await sandbox.psql(uri, 'select count(*) from prices'), '1');
    assert.equal((await branch('replaced')).id, main.id);
    assert.equal((await branch('main')).default, true);
  });
  await table.run('snapshots restore early --target-branch main --finalize', 'at once', async () => {
    await sandbox.settled(project);
    assert.equal(await sandbox.psql(uri, 'select count(*) from prices'), '1');
  });
  const daily = '--frequency daily --hour 3 --retention 604800';
  await table.run(`snapshots schedule set --branch main ${daily}`, 'the API has it', async () => {
    const { schedule } = await sandbox.api('GET', `/projects/${project}/branches/${(await branch('main')).id}/backup_schedule`);
    assert.deepEqual([schedule[0].frequency, schedule[0].hour, schedule[0].retention_seconds], ['daily', 3, 604800]);
  });
  await table.run('snapshots schedule get --branch main', 'it', ({ json }) => assert.equal(json[0].frequency, 'daily'));
  await table.run('snapshots delete past', 'one is left', async () => {
    await sandbox.settled(project);
    assert.deepEqual((await list()).map(({ name }) => name), ['early']);
  });
}
