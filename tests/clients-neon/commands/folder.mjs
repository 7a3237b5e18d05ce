// `neon link`, `checkout`, `status`, `config`, `env`: a folder that is about a project, and a branch as code.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export async function folder(table, { org, project }) {
  const { sandbox } = table;
  const read = (name) => readFile(join(table.folder, name), 'utf8');
  const context = async () => JSON.parse(await read('.neon'));

  await table.run(['link', '--org-id', org, '--project-id', project, '--branch', 'main', '--no-env-pull'], 'the file .neon says so', async () => {
    const { projectId, branch } = await context();
    assert.deepEqual([projectId, branch], [project, 'main']);
  }, { text: true });
  await table.run('checkout dev --no-env-pull', 'the file .neon says so', async () => assert.equal((await context()).branch, 'dev'), {
    text: true,
  });
  await table.run('status --current-branch', 'the name', ({ out }) => assert.equal(out.trim(), 'dev'), { text: true });
  await table.run('connection-string', "the pinned branch's", async ({ out }) => {
    const { branches } = await sandbox.api('GET', `/projects/${project}/branches?search=dev`);
    const { port } = new URL(await sandbox.uri(project, branches.find(({ name }) => name === 'dev').id));
    assert.equal(new URL(out.trim()).port, port);
  }, { text: true });
  await table.run('env pull --file env.local', 'psql connects with the DATABASE_URL that it wrote', async () => {
    const [, url] = /^DATABASE_URL="?([^"\n]+)"?$/m.exec(await read('env.local'));
    assert.equal(await sandbox.psql(url, 'select 1'), '1');
  }, { text: true });
  await table.run('status', 'the state of the branch', ({ out }) => assert.match(out, /dev/), { text: true });
  await table.run('checkout fresh --create --no-env-pull', 'a new branch, from the default one', async () => {
    const { branches } = await sandbox.api('GET', `/projects/${project}/branches?search=fresh`);
    assert.equal(branches.length, 1);
  }, { text: true });
  await table.run('link --clear', 'the file .neon is empty', async () => assert.deepEqual(await context(), {}), { text: true });
}
