// `neon neon-auth`, `data-api`, `bucket`, `functions`, `triggers`, `credentials`, `logs`: services beside Postgres, of which the
// sandbox has the control plane.

import assert from 'node:assert/strict';
import { readFile, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

export async function services(table, { project }) {
  const { sandbox } = table;
  const { branches } = await sandbox.api('GET', `/projects/${project}/branches?limit=100`);
  const main = branches.find(({ name }) => name === 'main').id;
  const get = (path) => sandbox.api('GET', `/projects/${project}/branches/${main}${path}`);
  await sandbox.settled(project);

  await table.run('neon-auth enable --branch main', 'the API says so too', async () => assert.ok((await get('/auth')).base_url));
  await table.run('neon-auth status --branch main', 'where it answers', ({ json }) => assert.ok(json.base_url));
  await table.run('neon-auth oauth-provider add --provider-id github --oauth-client-id a --oauth-client-secret b --branch main', 'listed', async () =>
    assert.match(JSON.stringify(await get('/auth/oauth_providers')), /github/),
  );
  await table.run('neon-auth oauth-provider list --branch main', 'it', ({ out }) => assert.match(out, /github/));
  await table.run('neon-auth oauth-provider update --provider-id github --oauth-client-id c --oauth-client-secret d --branch main', 'the new id', async () =>
    assert.match(JSON.stringify(await get('/auth/oauth_providers')), /"client_id":"c"/),
  );
  await table.run('neon-auth oauth-provider delete --provider-id github --branch main', 'it is gone', async () =>
    assert.doesNotMatch(JSON.stringify(await get('/auth/oauth_providers')), /github/),
  );
  await table.run('neon-auth domain add https://app.example.com --branch main', 'the API has it', async () =>
    assert.match(JSON.stringify(await get('/auth/domains')), /app\.example\.com/),
  );
  await table.run('neon-auth domain list --branch main', 'it', ({ out }) => assert.match(out, /app\.example\.com/));
  await table.run('neon-auth domain delete https://app.example.com --branch main', 'it is gone', async () =>
    assert.doesNotMatch(JSON.stringify(await get('/auth/domains')), /app\.example\.com/),
  );
  await table.run('neon-auth domain allow-localhost disable --branch main', 'the API says so too', async () =>
    assert.equal((await get('/auth/allow_localhost')).allow_localhost, false),
  );
  await table.run('neon-auth config email-password update --disable-sign-up --branch main', 'the API says so too', async () =>
    assert.equal((await get('/auth/email_and_password')).disable_sign_up, true),
  );
  await table.run('neon-auth config email-password get --branch main', 'it', ({ json }) => assert.equal(json.disable_sign_up, true));

  await table.run('data-api create --branch main --database neondb', 'the API has its address', async () =>
    assert.match((await get('/data-api/neondb')).url, /^http/),
  );
  await table.run('data-api get --branch main --database neondb', 'its state', ({ out }) => assert.match(out, /url/));
  await table.run('data-api update --branch main --database neondb --db-max-rows 50', 'the API says so too', async () =>
    assert.equal((await get('/data-api/neondb')).settings.db_max_rows, 50),
  );
  await table.run('data-api refresh-schema --branch main --database neondb', 'done', () => {});
  await table.run('data-api delete --branch main --database neondb', 'it is gone', () =>
    assert.rejects(get('/data-api/neondb'), { status: 404 }),
  );
  await table.run('neon-auth disable --branch main --delete-data', 'it is off', () => assert.rejects(get('/auth'), { status: 404 }));

  await writeFile(join(table.folder, 'hello.txt'), 'hello');
  await table.run('bucket create pictures --branch main', 'the API has it', async () =>
    assert.deepEqual((await get('/buckets')).buckets.map(({ name }) => name), ['pictures']),
  );
  await table.run('bucket list --branch main', 'it', ({ json }) => assert.equal(json[0].name, 'pictures'));
  await table.run('bucket object put pictures/in/hello.txt --file hello.txt --branch main', 'the object is listed', async () =>
    assert.equal((await get('/buckets/pictures/objects?prefix=in/')).objects.length, 1),
  );
  await table.run('bucket object list pictures --recursive --branch main', 'it', ({ out }) => assert.match(out, /in\/hello\.txt/));
  await table.run('bucket object get pictures/in/hello.txt --file back.txt --branch main', 'the bytes that went in', async () =>
    assert.equal(await readFile(join(table.folder, 'back.txt'), 'utf8'), 'hello'),
  );
  await functions(table, get);
  await table.run('bucket object delete pictures/in/ --recursive --branch main', 'none is left', async () =>
    assert.deepEqual((await get('/buckets/pictures/objects')).objects, []),
  );
  await table.run('bucket delete pictures --branch main', 'it is gone', async () => assert.deepEqual((await get('/buckets')).buckets, []));

  const credential = await table.run('credentials create --name ci --scope storage:read --branch main', 'its secret, once', ({ json }) => {
    table.name(json.token_id, 'CREDENTIAL');
    assert.ok(json.api_token);
  });
  const id = credential?.token_id;
  await table.run('credentials list --branch main', 'it', ({ json }) => assert.ok(json.some(({ token_id }) => token_id === id)));
  await table.run(`credentials reveal ${id} --branch main`, 'the same secret', ({ json }) => assert.equal(json.api_token, credential.api_token));
  await table.run(`credentials rotate ${id} --branch main`, 'another secret', ({ json }) => assert.notEqual(json.api_token, credential.api_token));
  await table.run(`credentials revoke ${id} --branch main`, 'the list no longer has it', async () =>
    assert.ok(!JSON.stringify(await get('/credentials')).includes(id)),
  );
}

async function functions(table, get) {
  await mkdir(join(table.folder, 'greet'));
  await writeFile(join(table.folder, 'greet/index.ts'), 'export default { fetch: (): Response => new Response("hello") };\n');
  await table.run('functions deploy greet --src greet --env GREETING=hello --branch main', 'it is built', async () =>
    assert.equal((await get('/functions/greet')).function.current_deployment.status, 'completed'),
  );
  await table.run('functions list --branch main', 'it', ({ json }) => assert.equal(json[0].slug, 'greet'));
  await table.run('functions get greet -E --branch main', 'with the names of its variables', ({ out }) => assert.match(out, /GREETING/));
  await table.run('functions domains register docs.example.com --slug greet --branch main', 'the API has it', async () =>
    assert.match(JSON.stringify(await get('/custom-domains')), /docs\.example\.com/),
  );
  await table.run('functions domains list --branch main', 'it', ({ out }) => assert.match(out, /docs\.example\.com/));
  await table.run('functions domains delete docs.example.com --branch main', 'it is gone', async () =>
    assert.doesNotMatch(JSON.stringify(await get('/custom-domains')), /docs\.example\.com/),
  );
  const made = await table.run(
    ['triggers', 'create', '--function-slug', 'greet', '--name', 'daily', '--cron', '0 9 * * *', '--branch', 'main'],
    'when it runs next',
    ({ json }) => {
      table.name(json.trigger_id, 'TRIGGER');
      assert.ok(json.next_run_at ?? json.schedule);
    },
  );
  const id = made?.trigger_id;
  const trigger = async () => (await get(`/triggers/${id}`)).trigger;
  await table.run('triggers create --function-slug greet --name uploads --bucket pictures --prefix in/ --branch main', 'the API has it', async ({ json }) =>
    assert.equal((await get(`/triggers/${json.trigger_id}`)).trigger.type, 'storage_object_created'),
  );
  await table.run('triggers list --branch main', 'both', ({ json }) => assert.equal(json.length, 2));
  await table.run(`triggers get ${id} --branch main`, 'the one', ({ json }) => assert.equal(json.name, 'daily'));
  await table.run(`triggers disable ${id} --branch main`, 'it is off', async () => assert.equal((await trigger()).enabled, false));
  await table.run(`triggers enable ${id} --branch main`, 'it is on', async () => assert.equal((await trigger()).enabled, true));
  await table.run(`triggers update ${id} --name nightly --branch main`, 'the new name', async () => assert.equal((await trigger()).name, 'nightly'));
  await table.run(`triggers delete ${id} --branch main`, 'it is gone', () => assert.rejects(trigger(), { status: 404 }));
  await table.run('logs query --since 1h --branch main', 'a list', ({ json }) => assert.ok(Array.isArray(json.logs ?? json)));
  await table.run('logs fields --branch main', 'a list', ({ json }) => assert.ok(Array.isArray(json.fields ?? json)));
  await table.run('logs field-values severity_text --branch main', 'a list', ({ json }) => assert.ok(Array.isArray(json.values ?? json)));
  await table.run('functions delete greet --branch main', 'it is gone', () => assert.rejects(get('/functions/greet'), { status: 404 }));
}
