// `neon me`, `orgs`, `projects`, `api`, `api-keys`, `ip-allow`, `vpc`, `operations`: the account and what it has.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes the project that the other commands work on. Returns its id. */
export async function projects(table) {
  const { sandbox } = table;
  const get = (path) => sandbox.api('GET', path);

  await table.run('me', "the account's address", ({ json }) => assert.equal(json.email, 'owner@sandbox.example'));
  const orgs = await table.run('orgs list', 'one organization', ({ json }) => assert.match(json[0].id, /^org-/));
  const org = table.name(orgs[0].id, 'ORG');
  await table.run(
    'projects list',
    'refused: a personal key has to name the organization',
    ({ err }) => assert.match(err, /org_id is required/),
    { code: 1 },
  );
  await table.run(['projects', 'list', '--org-id', org], 'there is none', ({ json }) => assert.deepEqual(json, []));
  await table.run(
    'projects create --name nobody',
    'refused: a personal key has to name the organization',
    ({ err }) => assert.match(err, /org_id is required/),
    { code: 1 },
  );
  const made = await table.run(
    ['projects', 'create', '--name', 'shop', '--org-id', org],
    'psql connects with the URI as it is',
    async ({ json }) => {
      table.name(json.project.id, 'PROJECT');
      assert.equal(await sandbox.psql(json.connection_uris[0].connection_uri, 'select current_user'), 'neondb_owner');
    },
  );
  const project = made.project.id;
  await table.run(
    ['projects', 'create', '--name', 'side', '--org-id', org, '--region-id', 'aws-eu-central-1', '--database', 'app']
      .concat(['--role', 'app_owner', '--pg-version', '16', '--cu', '0.5-2', '--no-secrets']),
    'region, version, size, database and role as asked; no secret printed',
    async ({ json, out }) => {
      assert.doesNotMatch(out, /postgresql:/);
      const { id, region_id, pg_version, default_endpoint_settings } = json.project;
      table.name(id, 'SIDE');
      assert.deepEqual([region_id, pg_version], ['aws-eu-central-1', 16]);
      assert.equal(default_endpoint_settings.autoscaling_limit_max_cu, 2);
      const { branches } = await get(`/projects/${id}/branches`);
      const uri = await sandbox.uri(id, branches[0].id, 'app', 'app_owner');
      assert.equal(await sandbox.psql(uri, 'select current_user, current_database()'), 'app_owner|app');
    },
  ).then((json) => (table.side = json.project.id));
  const { side } = table;
  await table.run(
    ['projects', 'create', '--name', 'brief', '--org-id', org, '--set-context', '--context-file', 'brief.neon', '--psql']
      .concat(['--', '-Atc', 'select 6 * 7']),
    'psql runs on it, the context file names it',
    async ({ out }) => {
      assert.match(out, /^42$/m);
      const { projects } = await get(`/projects?org_id=${org}&search=brief`);
      table.brief = table.name(projects[0].id, 'BRIEF');
      const context = JSON.parse(await readFile(join(table.folder, 'brief.neon'), 'utf8'));
      assert.equal(context.projectId, table.brief);
    },
    { text: true },
  );
  await table.run(['projects', 'list', '--org-id', org], 'all three', ({ json }) =>
    assert.deepEqual(new Set(json.map(({ name }) => name)), new Set(['shop', 'side', 'brief'])),
  );
  await table.run(['projects', 'get', side], 'the one', ({ json }) => assert.equal(json.name, 'side'));
  await table.run(
    ['projects', 'get', 'sandbox-nothing-00000000'],
    'refused: not found',
    ({ err }) => assert.match(err, /not found/),
    { code: 1 },
  );
  await table.run(['projects', 'update', side, '--name', 'aside', '--cu', '1'], 'the API says so too', async () => {
    const { project } = await get(`/projects/${side}`);
    assert.deepEqual([project.name, project.default_endpoint_settings.autoscaling_limit_max_cu], ['aside', 1]);
  });
  await table.run(
    ['projects', 'update', side, '--enable-logical-replication', '--yes'],
    "the setting is on, and PostgreSQL's wal_level is logical",
    async () => {
      await sandbox.settled(side);
      const { project } = await get(`/projects/${side}`);
      assert.equal(project.settings.enable_logical_replication, true);
      const { branches } = await get(`/projects/${side}/branches`);
      assert.equal(await sandbox.psql(await sandbox.uri(side, branches[0].id, 'app', 'app_owner'), 'show wal_level'), 'logical');
    },
  );
  await table.run(['projects', 'update', side, '--block-public-connections'], 'the setting is on', async () => {
    const { project } = await get(`/projects/${side}`);
    assert.equal(project.settings.block_public_connections, true);
  });
  return { org, project, side, brief: table.brief };
}

/** Deletes and recovers, with the data. */
export async function deletion(table, { org, brief }) {
  const { sandbox } = table;
  const { branches } = await sandbox.api('GET', `/projects/${brief}/branches`);
  const uri = await sandbox.uri(brief, branches[0].id);
  await sandbox.psql(uri, 'create table kept as select 7 as seven');
  await table.run(['projects', 'delete', brief], 'the API no longer has it, its port is closed', async () => {
    await assert.rejects(sandbox.api('GET', `/projects/${brief}`), { status: 404 });
    await assert.rejects(sandbox.psql(uri, 'select 1'));
  });
  await table.run(['projects', 'list', '--recoverable-only', '--org-id', org], 'it can be had back', ({ json }) =>
    assert.deepEqual(json.map(({ id }) => id), [brief]),
  );
  await table.run(['projects', 'recover', brief], 'its data is back', async () =>
    assert.equal(await sandbox.sql(brief, branches[0].id, 'select seven from kept'), '7'),
  );
}

/** Keys, the allowlist, VPC endpoints, raw calls. */
export async function account(table, { org, project, side }) {
  const { sandbox } = table;
  const settings = async () => (await sandbox.api('GET', `/projects/${project}`)).project.settings;

  await table.run('operations list', "the project's operations, all finished", async ({ json }) => {
    assert.ok(json.some(({ action }) => action === 'create_branch'));
    assert.ok(json.every(({ status }) => status !== 'failed'));
  });
  await table.run(['api', `/projects/${project}`], 'the raw answer', ({ json }) =>
    assert.equal(json.project.id, project),
  );
  await table.run(['api', `/projects/${side}`, '-X', 'PATCH', '-F', 'project.name=other'], 'the name is changed', async () =>
    assert.equal((await sandbox.api('GET', `/projects/${side}`)).project.name, 'other'),
  );
  const key = await table.run('api-keys create --name ci', 'the API takes the key', async ({ json }) => {
    table.name(String(json.id), 'KEY');
    const answer = await fetch(`${sandbox.url}/users/me`, { headers: { authorization: `Bearer ${json.key}` } });
    assert.equal(answer.status, 200);
  });
  await table.run('api-keys list', 'it is listed, without its secret', ({ json, out }) => {
    assert.ok(json.some(({ id, name }) => id === key.id && name === 'ci'));
    assert.ok(!out.includes(key.key));
  });
  await table.run(['api-keys', 'revoke', String(key.id)], 'the API no longer takes it', async () => {
    const answer = await fetch(`${sandbox.url}/users/me`, { headers: { authorization: `Bearer ${key.key}` } });
    assert.equal(answer.status, 401);
  });
  await table.run(['api-keys', 'create', '--name', 'one', '--project-id', side], 'it sees that project alone', async ({ json }) => {
    const status = async (id) =>
      (await fetch(`${sandbox.url}/projects/${id}`, { headers: { authorization: `Bearer ${json.key}` } })).status;
    assert.equal(await status(side), 200);
    assert.notEqual(await status(project), 200);
  });
  await table.run(['api-keys', 'list', '--org-id', org], 'it is the organization\'s', ({ json }) =>
    assert.ok(json.some(({ name }) => name === 'one')),
  );

  await table.run('ip-allow add 203.0.113.7 198.51.100.0/24 --protected-only', 'the settings have both', async () =>
    assert.deepEqual((await settings()).allowed_ips, { ips: ['203.0.113.7', '198.51.100.0/24'], protected_branches_only: true }),
  );
  await table.run('ip-allow list', 'both', ({ json }) => assert.equal(json.IP_addresses.length, 2));
  await table.run('ip-allow remove 203.0.113.7', 'one is left', async () =>
    assert.deepEqual((await settings()).allowed_ips.ips, ['198.51.100.0/24']),
  );
  await table.run('ip-allow reset', 'none is left', async () => assert.deepEqual((await settings()).allowed_ips.ips, []));

  const vpce = 'vpce-1234567890abcdef0';
  const region = ['--org-id', org, '--region-id', 'aws-us-east-1'];
  await table.run(['vpc', 'endpoint', 'assign', vpce, '--label', 'office', ...region], 'the API has it', async () => {
    const { label } = await sandbox.api('GET', `/organizations/${org}/vpc/region/aws-us-east-1/vpc_endpoints/${vpce}`);
    assert.equal(label, 'office');
  });
  await table.run(['vpc', 'endpoint', 'list', ...region], 'it', ({ json }) => assert.equal(json[0].vpc_endpoint_id, vpce));
  await table.run(['vpc', 'endpoint', 'status', vpce, ...region], 'its state', ({ json }) =>
    assert.equal(json.vpc_endpoint_id, vpce),
  );
  await table.run(['vpc', 'project', 'restrict', vpce, '--label', 'shop'], 'the API has it', async () => {
    const { endpoints } = await sandbox.api('GET', `/projects/${project}/vpc_endpoints`);
    assert.deepEqual(endpoints.map(({ label }) => label), ['shop']);
  });
  await table.run('vpc project list', 'it', ({ json }) => assert.equal(json[0].vpc_endpoint_id, vpce));
  await table.run(['vpc', 'project', 'remove', vpce], 'it is gone', async () => {
    const { endpoints } = await sandbox.api('GET', `/projects/${project}/vpc_endpoints`);
    assert.deepEqual(endpoints, []);
  });
  await table.run(['vpc', 'endpoint', 'remove', vpce, ...region], 'it is gone', async () => {
    const { endpoints } = await sandbox.api('GET', `/organizations/${org}/vpc/region/aws-us-east-1/vpc_endpoints`);
    assert.deepEqual(endpoints, []);
  });
}
