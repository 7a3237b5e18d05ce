// `@neon/sdk` on the sandbox, unmodified but for its base address: projects and branches with their data, waits, pages,
// errors by kind, the raw layer, and the connection strings that it returns.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { NeonOperationError, NeonRateLimitError, createNeonClient, isNeonError, raw } from '@neon/sdk';
import pg from 'pg';

import { Sandbox } from './sandbox.mjs';

let sandbox;
let orgId;
/** One whose methods return `{ data, error }`, as by default. */
let neon;
/** One whose methods throw. */
let sure;
/** A project that the tests share. */
let shared;

const client = (more = {}) =>
  createNeonClient({ apiKey: sandbox.key, baseUrl: sandbox.url, orgId, wait: { pollIntervalMs: 150 }, ...more });

/** The rows of a query by node-postgres. */
async function query(connectionString, text, values) {
  const connection = new pg.Client({ connectionString });
  await connection.connect();
  try {
    return (await connection.query(text, values)).rows;
  } finally {
    await connection.end();
  }
}

const fault = (method, path, kind, times = 1) => sandbox.admin('POST', '/faults', { method, path, times, kind });
const status = (status, retry_after) => ({ type: 'status', status, retry_after, message: 'on purpose' });
/** How often a path was called since the last `forget`. */
const calls = async (method, path) =>
  (await sandbox.admin('GET', '/requests')).requests.filter((request) => request.method === method && request.path === path).length;
const forget = () => sandbox.admin('DELETE', '/requests');

before(async () => {
  sandbox = await Sandbox.start('--operation-time', '40');
  orgId = (await sandbox.api('GET', '/users/me/organizations')).organizations[0].id;
  neon = client();
  sure = client({ throwOnError: true });
  shared = await sure.projects.createAndConnect({ name: 'shared', pooled: false });
  await query(shared.connectionString, 'create table prices as select n as cents from generate_series(1, 10) n');
  shared.main = (await sure.branches.getDefault({ projectId: shared.project.id })).id;
});

afterEach(() => sandbox.admin('DELETE', '/faults'));

after(async () => assert.equal(await sandbox.stop(), 0));

describe('projects', () => {
  test('create waits until the project is ready', async () => {
    const { data, error } = await neon.projects.create({ name: 'waited', region_id: 'aws-eu-central-1' });
    assert.equal(error, undefined);
    assert.equal(data.region_id, 'aws-eu-central-1');
    const operations = await sure.operations.list({ projectId: data.id }).all();
    assert.ok(operations.length > 0);
    assert.deepEqual(new Set(operations.map((operation) => operation.status)), new Set(['finished']));
  });

  for (const pooled of [true, false]) {
    test(`createAndConnect gives a string that pg and psql take as it is (pooled: ${pooled})`, async () => {
      const { connectionString } = await sure.projects.createAndConnect({ name: 'connected', pooled });
      await query(connectionString, 'create table notes (id int, body text)');
      await query(connectionString, 'insert into notes values ($1, $2)', [1, 'written by pg']);
      assert.equal(await sandbox.psql(connectionString, 'select * from notes'), '1|written by pg');
    });
  }

  test('update, delete and recover', async () => {
    const { project, connectionString } = await sure.projects.createAndConnect({ name: 'brief' });
    const projectId = project.id;
    await query(connectionString, 'create table kept as select 7 as seven');
    assert.equal((await sure.projects.update({ projectId, name: 'short' })).name, 'short');
    await sure.projects.delete({ projectId });
    assert.equal((await neon.projects.get({ projectId })).error.kind, 'not_found');
    await sure.projects.recover({ projectId });
    const uri = await sure.postgres.connectionString({ projectId });
    assert.deepEqual(await query(uri, 'select seven from kept'), [{ seven: 7 }]);
  });
});

describe('branches', () => {
  test('createAndConnect: the rows of the parent, and its own from then on', async () => {
    const projectId = shared.project.id;
    const { branch, endpoint, connectionString } = await sure.branches.createAndConnect({
      projectId,
      name: 'preview',
      compute: { minCu: 0.25, maxCu: 1 },
    });
    assert.equal(endpoint.autoscaling_limit_max_cu, 1);
    assert.equal(branch.parent_id, shared.main);
    await query(connectionString, 'delete from prices where cents > 5');
    assert.deepEqual(await query(connectionString, 'select count(*)::int from prices'), [{ count: 5 }]);
    assert.deepEqual(await query(shared.connectionString, 'select count(*)::int from prices'), [{ count: 10 }]);

    await query(connectionString, 'alter table prices add note text');
    const { diff } = await sure.branches.compareSchema({ projectId, branchId: branch.id, databaseName: 'neondb' });
    assert.match(diff, /^\+ +note text/m);
    await sure.branches.resetFromParent({ projectId, branchId: branch.id }, { waitForReadiness: true });
    assert.deepEqual(await query(connectionString, 'select * from prices where cents = 10'), [{ cents: 10 }]);
    const same = await sure.branches.compareSchema({ projectId, branchId: branch.id, databaseName: 'neondb' });
    assert.ok(!same.diff, same.diff);
    await sure.branches.delete({ projectId, branchId: branch.id }, { waitForReadiness: true });
    assert.equal((await neon.branches.get({ projectId, branchId: branch.id })).error.kind, 'not_found');
  });

  test('one without a compute gets one later', async () => {
    const projectId = shared.project.id;
    const branch = await sure.branches.create({ projectId, name: 'bare', noCompute: true });
    assert.deepEqual(await sure.postgres.endpoints.listByBranch({ projectId, branchId: branch.id }), []);
    await sure.postgres.endpoints.create({ projectId, branch_id: branch.id, type: 'read_write' }, { waitForReadiness: true });
    const uri = await sure.postgres.connectionString({ projectId, branchId: branch.id });
    assert.deepEqual(await query(uri, 'select count(*)::int from prices'), [{ count: 10 }]);
  });

  test('roles and databases of a branch', async () => {
    const projectId = shared.project.id;
    const { branch } = await sure.branches.createAndConnect({ projectId, name: 'contents' });
    const branchId = branch.id;
    const waiting = { waitForReadiness: true };
    await sure.postgres.roles.create({ projectId, branchId, name: 'clerk' }, waiting);
    await sure.postgres.databases.create({ projectId, branchId, name: 'ledger', owner_name: 'clerk' }, waiting);
    const ask = { projectId, branchId, databaseName: 'ledger', roleName: 'clerk' };
    const before = await sure.postgres.connectionString(ask);
    assert.deepEqual(await query(before, 'select current_user, current_database()'), [
      { current_user: 'clerk', current_database: 'ledger' },
    ]);
    const { password } = await sure.postgres.roles.resetPassword({ projectId, branchId, roleName: 'clerk' }, waiting);
    await assert.rejects(query(before, 'select 1'), /password authentication failed/);
    const uri = await sure.postgres.connectionString(ask);
    assert.equal(new URL(uri).password, password);
    assert.deepEqual(await query(uri, 'select 1 as one'), [{ one: 1 }]);
    const { error } = await neon.postgres.connectionString({ projectId, branchId });
    assert.equal(error.kind, 'client', 'which of two roles and databases?');
  });

  test('a compute that is suspended wakes when somebody connects', async () => {
    const projectId = shared.project.id;
    const { branch, endpoint, connectionString } = await sure.branches.createAndConnect({ projectId, name: 'sleepy' });
    const endpointId = endpoint.id;
    await sure.postgres.endpoints.suspend({ projectId, endpointId }, { waitForReadiness: true });
    assert.equal((await sure.postgres.endpoints.get({ projectId, endpointId })).current_state, 'idle');
    assert.deepEqual(await query(connectionString, 'select count(*)::int from prices'), [{ count: 10 }]);
    assert.equal((await sure.postgres.endpoints.get({ projectId, endpointId })).current_state, 'active');
    await sure.branches.delete({ projectId, branchId: branch.id }, { waitForReadiness: true });
  });

  test('a restore that is looked at before it is made final', async () => {
    const { project, connectionString } = await sure.projects.createAndConnect({ name: 'restored' });
    const projectId = project.id;
    const { id: branchId } = await sure.branches.getDefault({ projectId });
    const waiting = { waitForReadiness: true };
    await query(connectionString, 'create table t as select 1 as n');
    const { id: snapshotId } = await sure.snapshots.create({ projectId, branchId, name: 'one' }, waiting);
    await query(connectionString, 'update t set n = 2');
    const rows = () => query(connectionString, 'select n from t');
    const look = (verdict) => async (preview) => {
      assert.notEqual(preview.id, branchId);
      return verdict;
    };
    await sure.snapshots.restore({ projectId, snapshotId, targetBranchId: branchId, preview: look(false) }, waiting);
    assert.deepEqual(await rows(), [{ n: 2 }]);
    await sure.snapshots.restore({ projectId, snapshotId, targetBranchId: branchId, preview: look(true) }, waiting);
    assert.deepEqual(await rows(), [{ n: 1 }]);
  });
});

describe('pages', () => {
  test('all() walks them, page() takes one, and a loop streams', async () => {
    const projectId = (await sure.projects.create({ name: 'pages' })).id;
    for (let n = 0; n < 6; n += 1) await sure.branches.create({ projectId, name: `b${n}`, noCompute: true });
    const list = () => sure.branches.list({ projectId, limit: 3 });
    await forget();
    const all = await list().all();
    assert.deepEqual(new Set(all.map(({ name }) => name)), new Set(['main', 'b0', 'b1', 'b2', 'b3', 'b4', 'b5']));
    assert.equal(await calls('GET', `/projects/${projectId}/branches`), 3);
    assert.equal((await list().page()).items.length, 3);
    const names = [];
    for await (const { name } of list()) names.push(name);
    assert.deepEqual(names, all.map(({ name }) => name));
    const { data } = await neon.projects.list({ limit: 1 }).all();
    assert.ok(data.length >= 2);
    assert.equal(new Set(data.map(({ id }) => id)).size, data.length);
  });
});

describe('errors by kind', () => {
  test('not_found, with the id of the request', async () => {
    const { error } = await neon.projects.get({ projectId: 'sandbox-nothing-00000000' });
    assert.equal(error.kind, 'not_found');
    assert.equal(error.status, 404);
    assert.ok(error.requestId);
    await assert.rejects(sure.projects.get({ projectId: 'sandbox-nothing-00000000' }), (thrown) => isNeonError(thrown) && thrown.kind === 'not_found');
  });

  test('auth', async () => {
    const { error } = await client({ apiKey: 'wrong' }).projects.list().all();
    assert.equal(error.kind, 'auth');
    assert.equal(error.status, 401);
  });

  test('api, with the code', async () => {
    const { error } = await neon.branches.delete({ projectId: shared.project.id, branchId: shared.main });
    assert.equal(error.kind, 'api');
    assert.equal(error.status, 422);
    assert.ok(error.code !== undefined);
  });

  test('rate_limit, when the retries are used up', async () => {
    const path = `/projects/${shared.project.id}`;
    await fault('GET', path, status(429, '0'), 0);
    await forget();
    const { error } = await neon.projects.get({ projectId: shared.project.id });
    assert.ok(error instanceof NeonRateLimitError);
    assert.equal(await calls('GET', path), 3);
  });

  for (const code of [423, 429, 503]) {
    test(`a ${code} is tried again`, async () => {
      const path = `/projects/${shared.project.id}`;
      await fault('GET', path, status(code, '0'), 2);
      await forget();
      const { data, error } = await neon.projects.get({ projectId: shared.project.id });
      assert.equal(error, undefined);
      assert.equal(data.id, shared.project.id);
      assert.equal(await calls('GET', path), 3);
    });
  }

  test('a project that is really busy answers 423, and a later try gets through', async () => {
    const { id: projectId } = await sure.projects.create({ name: 'busy' });
    const { id: branchId } = await sure.branches.getDefault({ projectId });
    const impatient = client({ retries: 0, waitForReadiness: false });
    const create = (name) => impatient.postgres.databases.create({ projectId, branchId, name, owner_name: 'neondb_owner' });
    assert.equal((await create('first')).error, undefined);
    const { error } = await create('second');
    assert.equal(error?.status, 423);
    const patient = client({ retries: 8 });
    const { error: none } = await patient.postgres.databases.create({ projectId, branchId, name: 'third', owner_name: 'neondb_owner' });
    assert.equal(none, undefined);
  });

  test('operation: what was accepted failed', async () => {
    await fault('POST', `/projects/${shared.project.id}/branches`, { type: 'failed_operation' });
    const { error } = await neon.branches.create({ projectId: shared.project.id, name: 'failing' });
    assert.ok(error instanceof NeonOperationError);
    assert.equal(error.status, 'failed');
    const operation = await sure.operations.get({ projectId: shared.project.id, operationId: error.operationId });
    assert.equal(operation.status, 'failed');
  });

  test('timeout of a wait hands over the operations that are open', async () => {
    const { id: projectId } = await sure.projects.create({ name: 'stuck' });
    await fault('POST', `/projects/${projectId}/branches`, { type: 'stuck_operation' });
    const { error } = await neon.branches.create({ projectId, name: 'never' }, { wait: { timeoutMs: 400, pollIntervalMs: 50 } });
    assert.equal(error.kind, 'timeout');
    assert.equal(error.source, 'wait');
    assert.ok(error.operations.length > 0);
  });

  test('timeout of a request', async () => {
    await fault('GET', `/projects/${shared.project.id}`, { type: 'delay', millis: 2000 });
    const { error } = await neon.projects.get({ projectId: shared.project.id }, { requestTimeoutMs: 150 });
    assert.equal(error.kind, 'timeout');
    assert.equal(error.source, 'request');
  });

  test('aborted', async () => {
    await fault('GET', `/projects/${shared.project.id}`, { type: 'delay', millis: 2000 });
    const controller = new AbortController();
    const asked = neon.projects.get({ projectId: shared.project.id }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    assert.equal((await asked).error.kind, 'aborted');
  });

  test('network: the answer is lost, the work is done', async () => {
    const { id: projectId } = await sure.projects.create({ name: 'lost' });
    await fault('POST', `/projects/${projectId}/branches`, { type: 'lost_answer' });
    const { error } = await neon.branches.create({ projectId, name: 'made' });
    assert.equal(error.kind, 'network');
    const branches = await sure.branches.list({ projectId }).all();
    assert.ok(branches.some(({ name }) => name === 'made'));
  });
});

describe('the raw layer', () => {
  test('one function for each operation, with the same errors', async () => {
    const path = { project_id: shared.project.id, branch_id: shared.main };
    const { data } = await raw.getProjectBranchSchema({ client: neon.client, path, query: { db_name: 'neondb' } });
    assert.match(data.sql, /CREATE TABLE public\.prices/);
    const { error } = await raw.getProject({ client: neon.client, path: { project_id: 'sandbox-nothing-00000000' } });
    assert.equal(error.kind, 'not_found');
  });

  test('operations of a raw call can be waited for', async () => {
    const { data } = await raw.createProjectBranch({
      client: neon.client,
      path: { project_id: shared.project.id },
      body: { branch: { name: 'raw' }, endpoints: [{ type: 'read_write' }] },
    });
    assert.ok(data.operations.some(({ status }) => status !== 'finished'));
    await sure.operations.waitFor({ operations: data.operations });
    const uri = data.connection_uris[0].connection_uri;
    assert.deepEqual(await query(uri, 'select count(*)::int from prices'), [{ count: 10 }]);
  });
});
