// A person behind the official TypeScript SDKs approves and rejects what destroys something, over both transports and in both
// eras of the protocol. What arrived at the sandbox is counted there; what the server says about it isn't taken for it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { PROGRAM, Sandbox } from './sandbox.mjs';
import * as sdks from './sdks.mjs';

const [LEGACY, MODERN] = ['2025-11-25', '2026-07-28'];

// What each SDK negotiates is part of the test: one that changes its mind is noticed.
const WAYS = [
  ['@modelcontextprotocol/sdk', sdks.sdk, LEGACY],
  ['@modelcontextprotocol/client as it comes', sdks.client(), LEGACY],
  ['@modelcontextprotocol/client that negotiates', sdks.client('auto'), MODERN],
];

/** Answers every form in the same way, and remembers what it was shown. */
function human(action, content) {
  const forms = [];
  const answer = async (form) => {
    forms.push(form);
    return { action, ...(content && { content }) };
  };
  return Object.assign(answer, { forms });
}

for (const [name, sdk, version] of WAYS) {
  for (const transport of ['stdio', 'http']) {
    describe(`${name}, ${transport}, ${version}`, { timeout: 60_000 }, () => scenarios(sdk, transport, version));
  }
}

function scenarios(sdk, transport, version) {
  let sandbox, project, server;

  before(async () => {
    sandbox = await Sandbox.start();
    project = await sandbox.project('shop');
    server = transport === 'http' ? await sandbox.serveHttp() : { command: PROGRAM, args: ['stdio'], env: sandbox.environment() };
  });

  after(async () => {
    await sandbox?.stop();
  });

  /** Gives `use` a connection of its own. */
  async function connected(person, use) {
    const connection = await sdk.connect(server, person);
    try {
      assert.equal(connection.version, version);
      return await use(connection);
    } finally {
      await connection.close();
      assert.deepEqual(connection.complaints, [], 'the SDK stumbled over a message');
    }
  }

  /** Calls a tool through a client of its own: the structured result, and whether it is an error. */
  async function call(person, tool, args) {
    const result = await connected(person, ({ callTool }) => callTool({ name: tool, arguments: args }));
    assert.deepEqual(result.content.map(({ type }) => type), ['text']);
    assert.ok(result.content[0].text.includes(result.structuredContent.service));
    return [result.structuredContent, result.isError ?? false];
  }

  /** The human saw that many forms, one as a rule: each with the name of what is lost, and one field. */
  function assertShown(person, field, type, name, times = 1) {
    assert.equal(person.forms.length, times);
    for (const { message, requestedSchema } of person.forms) {
      assert.ok(message.includes(name), message);
      assert.deepEqual(Object.keys(requestedSchema.properties), [field]);
      assert.equal(requestedSchema.properties[field].type, type);
      assert.deepEqual(requestedSchema.required, [field]);
      sdk.validator().getValidator(requestedSchema);
    }
  }

  function assertNothing(value, isError, kind) {
    assert.equal(isError, true, JSON.stringify(value));
    assert.deepEqual([value.error.kind, value.error.changed], [kind, 'no'], JSON.stringify(value));
  }

  async function refused(name, person, kind) {
    const branch = await sandbox.branch(project, name);
    const [value, isError] = await call(person, 'delete_branch', { project_id: project, branch_id: branch });
    assertNothing(value, isError, kind);
    assertShown(person, 'approve', 'boolean', name);
    assert.deepEqual(await sandbox.changes(), []);
    assert.ok((await sandbox.branches(project)).includes(branch));
  }

  test('accepted', async () => {
    const branch = await sandbox.branch(project, 'goes');
    const person = human('accept', { approve: true });
    const [value, isError] = await call(person, 'delete_branch', { project_id: project, branch_id: branch });
    assert.equal(isError, false, JSON.stringify(value));
    assert.equal(value.approved_by, 'client');
    assertShown(person, 'approve', 'boolean', 'goes');
    assert.deepEqual(await sandbox.changes(), [`DELETE /projects/${project}/branches/${branch}`]);
    assert.ok(!(await sandbox.branches(project)).includes(branch));
  });

  test('declined', () => refused('declined', human('decline'), 'rejected'));
  test('cancelled', () => refused('cancelled', human('cancel'), 'cancelled_by_user'));
  test('accepted without the tick', () =>
    refused('unticked', human('accept', { approve: false }), 'approval_malformed'));
  test('accepted without content', () => refused('no content', human('accept'), 'approval_malformed'));

  test('a project goes by its typed name alone', async () => {
    const doomed = await sandbox.project('till');
    await sandbox.forget();
    const wrong = human('accept', { name: 'tills' });
    assertNothing(...(await call(wrong, 'delete_project', { project_id: doomed })), 'wrong_name');
    // A wrong name is asked again, once.
    assertShown(wrong, 'name', 'string', 'till', 2);
    assert.deepEqual(await sandbox.changes(), []);
    assert.ok((await sandbox.projects()).includes(doomed));

    const right = human('accept', { name: 'till' });
    const [value, isError] = await call(right, 'delete_project', { project_id: doomed });
    assert.equal(isError, false, JSON.stringify(value));
    assert.equal(value.approved_by, 'client');
    assertShown(right, 'name', 'string', 'till');
    assert.deepEqual(await sandbox.changes(), [`DELETE /projects/${doomed}`]);
    assert.ok(!(await sandbox.projects()).includes(doomed));
  });

  test('nobody to ask', async () => {
    const branch = await sandbox.branch(project, 'unasked');
    const [value, isError] = await call(undefined, 'delete_branch', { project_id: project, branch_id: branch });
    assertNothing(value, isError, 'requires_approval');
    assert.ok(JSON.stringify(value.error.plan).includes('unasked'));
    assert.deepEqual(await sandbox.changes(), []);
    assert.ok((await sandbox.branches(project)).includes(branch));
  });

  test('reading and writing ask nothing', async () => {
    const person = human('decline');
    await sandbox.forget();
    await connected(person, async ({ client, callTool }) => {
      assert.equal(client.getServerVersion().name, 'neon-mcp');
      assert.match(client.getInstructions(), /Neon is serverless Postgres/);
      const listed = await callTool({ name: 'list_projects', arguments: {} });
      assert.ok(!listed.isError, JSON.stringify(listed));
      assert.ok(JSON.stringify(listed.structuredContent).includes(project));
      assert.deepEqual(await sandbox.changes(), []);
      const heard = [];
      const options = { onprogress: (progress) => heard.push(progress) };
      const made = await callTool({ name: 'create_branch', arguments: { project_id: project, name: 'made' } }, options);
      assert.ok(!made.isError, JSON.stringify(made));
      assert.equal(made.structuredContent.approved_by, undefined);
      assert.ok(heard.length > 0, 'no progress arrived');
    });
    assert.equal(person.forms.length, 0);
    assert.deepEqual(await sandbox.changes(), [`POST /projects/${project}/branches`]);
  });

  test('every tool is listed with schemas that hold', async () => {
    const { tools } = await connected(undefined, ({ client }) => client.listTools());
    const validator = sdk.validator();
    const checks = new Map();
    for (const { name, inputSchema, outputSchema } of tools) {
      checks.set(name, validator.getValidator(inputSchema));
      if (outputSchema) validator.getValidator(outputSchema);
    }
    assert.equal(checks.size, tools.length);
    assert.ok(checks.size > 20);
    assert.ok(['list_projects', 'create_branch', 'delete_branch', 'delete_project'].every((name) => checks.has(name)));
    assert.equal(checks.get('delete_branch')({ project_id: 'p', branch_id: 'b' }).valid, true);
    assert.equal(checks.get('delete_branch')({ project_id: 'p', branch: 1 }).valid, false);
    const hints = Object.fromEntries(tools.map(({ name, annotations }) => [name, annotations.destructiveHint]));
    assert.deepEqual([hints.delete_branch, hints.list_projects], [true, false]);
  });
}
