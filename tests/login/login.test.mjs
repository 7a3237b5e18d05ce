// `neon-mcp login` at a real OpenID provider, and servers that have the login.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { browse, start } from './provider.mjs';

const BIN = process.env.NEON_MCP_BIN;
const NEON = fileURLToPath(new URL('node_modules/neon/dist/cli.js', import.meta.url));
const run = promisify(execFile);

/** A person with a home of their own, at that provider. */
async function person(t) {
  const world = await start(t);
  const home = await mkdtemp(join(tmpdir(), 'neon-mcp-login-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH, HOME: home, XDG_STATE_HOME: join(home, 'state'), XDG_CONFIG_HOME: join(home, 'config'), NEON_API_HOST: `${world.origin}/api/v2`,
    NEON_MCP_LOGIN_ISSUER: world.origin, NEON_MCP_CONTEXT_FILE: 'off', NEON_MCP_LOG: 'warn',
  };
  const file = join(home, 'config', 'neon-mcp', 'logins', 'DEFAULT.json');
  return { world, env, file };
}

/** Begins a login: its page, and how it ends. */
async function begin({ env }) {
  const child = spawn(BIN, ['login', '--no-browser', '--timeout', '60'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = [];
  child.stderr.on('data', (data) => log.push(data));
  const ended = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.trim().startsWith('http')) {
      child.stdout.resume();
      return { page: line.trim(), end: async () => ({ code: (await ended)[0], log: Buffer.concat(log).toString() }) };
    }
  }
  return { end: async () => ({ code: (await ended)[0], log: Buffer.concat(log).toString() }) };
}

async function signIn(who) {
  const login = await begin(who);
  const answer = await fetch(await browse(login.page));
  assert.equal(answer.status, 200, await answer.text());
  const { code, log } = await login.end();
  assert.equal(code, 0, log);
}

/** Runs a command that prints JSON: it, whatever the exit code is. */
async function json(who, ...words) {
  const { stdout } = await run(BIN, words, { env: who.env }).catch((error) => error);
  return JSON.parse(stdout);
}

const projects = (who) => json(who, 'call', 'list_projects', '--json');

const kept = async (who) => JSON.parse(await readFile(who.file, 'utf8'));

test('person signs in at the provider and whoami says who', async (t) => {
  const who = await person(t);
  await signIn(who);
  assert.equal((await stat(who.file)).mode & 0o777, 0o600);
  const { accounts: [account] } = await json(who, 'whoami', '--json');
  assert.equal(account.credential, 'login');
  assert.equal(account.user.email, 'ada@example.com');
  assert.equal(account.organizations[0].id, 'org-quiet-sun-12345678');
  assert.equal((await projects(who)).result.projects.length, 1);
});

test('two processes at once renew once', async (t) => {
  const who = await person(t);
  who.world.lifetime = 2;
  await signIn(who);
  who.world.lifetime = 3600;
  const { renewals } = who.world;
  const both = await Promise.all([projects(who), projects(who), projects(who)]);
  for (const value of both) assert.equal(value.result?.projects.length, 1, JSON.stringify(value));
  // The provider ends the whole sign-in where a refresh token is shown twice.
  assert.equal(who.world.renewals - renewals, 1);
  assert.equal(who.world.refusals, 0);
  assert.equal((await projects(who)).result.projects.length, 1);
});

test('sign-in that the provider ended says to sign in again', async (t) => {
  const who = await person(t);
  who.world.lifetime = 2;
  await signIn(who);
  const { refresh_token } = await kept(who);
  const { provider } = who.world;
  await (await provider.RefreshToken.find(refresh_token)).destroy();
  const value = await projects(who);
  assert.equal(value.error.kind, 'not_signed_in');
  assert.match(value.error.next, /neon-mcp login/);
  who.world.lifetime = 3600;
  await signIn(who);
  assert.equal((await projects(who)).result.projects.length, 1);
});

test('logout ends the tokens at the provider', async (t) => {
  const who = await person(t);
  await signIn(who);
  const { access_token, refresh_token } = await kept(who);
  const { provider } = who.world;
  assert.ok(await provider.RefreshToken.find(refresh_token));
  await run(BIN, ['logout'], { env: who.env });
  assert.equal(await provider.RefreshToken.find(refresh_token), undefined);
  assert.equal(await provider.AccessToken.find(access_token), undefined);
  await assert.rejects(stat(who.file));
  assert.equal((await projects(who)).error.kind, 'not_signed_in');
});

for (const [what, change] of [
  ['wrong state', (address) => address.searchParams.set('state', 'another')],
  ['wrong issuer', (address) => address.searchParams.set('iss', 'https://evil.example')],
  // The provider says with its metadata that it always tells it.
  ['missing issuer', (address) => address.searchParams.delete('iss')],
  ['wrong code', (address) => address.searchParams.set('code', 'another')],
]) {
  test(`answer with a ${what} is not taken`, async (t) => {
    const who = await person(t);
    const login = await begin(who);
    const address = await browse(login.page);
    change(address);
    const answer = await fetch(address);
    assert.equal(answer.status, 400);
    const { code } = await login.end();
    assert.equal(code, 1);
    await assert.rejects(stat(who.file));
  });
}

test('provider that is away leaves the sign-in as it is', async (t) => {
  const who = await person(t);
  who.world.lifetime = 2;
  await signIn(who);
  const before = await kept(who);
  who.world.isAway = true;
  assert.equal((await projects(who)).error.kind, 'network');
  assert.deepEqual(await kept(who), before);
  const { code } = await (await begin(who)).end();
  assert.equal(code, 1);
  who.world.isAway = false;
  assert.equal((await projects(who)).result.projects.length, 1);
});

/** Runs Neon's own command line. */
const neon = async (who, ...words) => {
  const { stdout } = await run(process.execPath, [NEON, ...words, '--no-analytics', '-o', 'json'], { env: cli(who) });
  return JSON.parse(stdout);
};

/** It has other variables for the same. */
const cli = (who) => ({ ...who.env, NEON_OAUTH_HOST: who.world.origin });

/** Signs in with that program. */
async function signInThere(who) {
  const child = spawn(process.execPath, [NEON, 'auth', '--force-auth', '--no-analytics'], { env: cli(who), stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  child.stdout.resume();
  let log = '';
  for await (const line of createInterface({ input: child.stderr })) {
    log += `${line}\n`;
    const page = line.match(/Auth Url: (http\S+)/)?.[1];
    if (page) fetch(await browse(page)).catch(() => {});
  }
  const [code] = await ended;
  assert.equal(code, 0, log);
  return join(who.env.XDG_CONFIG_HOME, 'neon', 'credentials.json');
}

test("Neon's own command line and this program renew one login together", async (t) => {
  const who = await person(t);
  // Its logins go to Neon alone: a debug build takes this machine for Neon where a test says so.
  who.env.NEON_TEST_STANDS_FOR_NEON = 'loopback';
  who.world.lifetime = 2;
  const file = await signInThere(who);
  const before = JSON.parse(await readFile(file, 'utf8'));
  assert.equal(before.user_id, 'ada');
  await delay(2_500);
  who.world.lifetime = 3600;
  const both = await Promise.all([projects(who), neon(who, 'me'), projects(who), neon(who, 'me')]);
  assert.equal(both[0].result?.projects.length, 1, JSON.stringify(both[0]));
  assert.equal(both[1].email, 'ada@example.com');
  assert.equal(both[2].result?.projects.length, 1, JSON.stringify(both[2]));
  assert.equal(who.world.renewals, 1);
  assert.equal(who.world.refusals, 0);
  // Renewed by this program alone, it is still that program's.
  const kept = JSON.parse(await readFile(file, 'utf8'));
  await (await who.world.provider.AccessToken.find(kept.access_token)).destroy();
  assert.equal((await projects(who)).result.projects.length, 1);
  const after = JSON.parse(await readFile(file, 'utf8'));
  assert.notEqual(after.refresh_token, kept.refresh_token);
  assert.equal(after.user_id, 'ada');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await neon(who, 'me')).email, 'ada@example.com');
  assert.deepEqual([who.world.renewals, who.world.refusals], [2, 0]);
  await assert.rejects(stat(who.file), 'there is no login of our own');
});

for (const mode of [undefined, 'auto']) {
  const era = mode ? 'a client of 2026-07-28' : 'a client of 2025-11-25';

  const connect = async (t, who, capabilities = {}) => {
    const client = new Client({ name: 'login-test', version: '1' }, { capabilities, ...(mode && { versionNegotiation: { mode } }) });
    await client.connect(new StdioClientTransport({ command: BIN, args: [], env: who.env, stderr: 'ignore' }));
    t.after(() => client.close());
    return client;
  };

  test(`server that nobody is signed in to goes on after a login, with ${era}`, async (t) => {
    const who = await person(t);
    const client = await connect(t, who);
    assert.ok((await client.listTools()).tools.length > 30);
    const refused = await client.callTool({ name: 'list_projects', arguments: {} });
    assert.equal(refused.structuredContent.error.kind, 'not_signed_in');
    await signIn(who);
    const done = await client.callTool({ name: 'list_projects', arguments: {} });
    assert.equal(done.structuredContent.result.projects.length, 1);
  });

  test(`page is opened by a client that takes addresses: ${era}`, async (t) => {
    const who = await person(t);
    const pages = [];
    const client = await connect(t, who, { elicitation: { url: {} } });
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      assert.equal(params.mode, 'url');
      pages.push(params.url);
      await fetch(await browse(params.url));
      return { action: 'accept' };
    });
    const done = await client.callTool({ name: 'list_projects', arguments: {} });
    assert.equal(done.structuredContent.result?.projects.length, 1, JSON.stringify(done.structuredContent));
    assert.equal(pages.length, 1);
    assert.ok(pages[0].startsWith(who.world.origin));
  });
}
